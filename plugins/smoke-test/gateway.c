/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway.h"

#include "base/mem.h"
#include "base/str.h"
#include "http/url.h"

#include <string.h>

#define LISTED_MAX 12
#define LOCAL_MARK "/_user_request_"

/* ---- addresses ------------------------------------------------------------------------- */

/* Up to the next '/' of *p, which is moved behind it; new string. */
static char *part(const char **p)
{
	size_t n = strcspn(*p, "/");
	char *text = rn_strndup(*p, n);
	*p += n + ((*p)[n] == '/');
	return text;
}

static bool parse_aws(const struct url *u, struct gateway_address *ret)
{
	const char *mark = strstr(u->host, ".execute-api.");
	if (!mark || mark == u->host)
		return false;
	const char *region = mark + strlen(".execute-api."), *p = u->path + 1;
	ret->api = rn_strndup(u->host, (size_t)(mark - u->host));
	ret->region = rn_strndup(region, strcspn(region, "."));
	ret->stage = part(&p);
	ret->path = rn_asprintf("/%s", p);
	return *ret->stage != '\0';
}

static bool parse_local(const struct url *u, struct gateway_address *ret)
{
	const char *mark = strstr(u->path, LOCAL_MARK);
	if (!rn_starts(u->path, "/restapis/") || !mark)
		return false;
	const char *p = u->path + strlen("/restapis/"), *rest = mark + strlen(LOCAL_MARK);
	RN_AUTO(rn_freep) char *authority = url_authority(u);
	ret->api = part(&p);
	ret->stage = part(&p);
	ret->path = rn_strdup(*rest == '/' ? rest : "/");
	ret->endpoint = rn_asprintf("%s://%s", u->scheme, authority);
	return p == mark + 1;
}

bool gateway_address_parse(const char *text, struct gateway_address *ret)
{
	RN_AUTO(url_clear) struct url u = { 0 };
	*ret = (struct gateway_address){ 0 };
	if (url_parse(text, &u, NULL) == 0 && (parse_aws(&u, ret) || parse_local(&u, ret)))
		return true;
	gateway_address_clear(ret);
	return false;
}

void gateway_address_clear(struct gateway_address *a)
{
	rn_freep(&a->api);
	rn_freep(&a->stage);
	rn_freep(&a->path);
	rn_freep(&a->region);
	rn_freep(&a->endpoint);
}

/* ---- routes ------------------------------------------------------------------------------ */

/* How special `pattern` is for `path`: 0 when it does not fit. Each part counts, a literal one most. */
static int fits(const char *pattern, const char *path)
{
	int score = 1;
	for (;;) {
		size_t a = strcspn(pattern, "/"), b = strcspn(path, "/");
		bool variable = a > 2 && pattern[0] == '{' && pattern[a - 1] == '}';
		if (variable && pattern[a - 2] == '+' && *path)
			return score * 4 + 1;
		if (variable ? b == 0 : a != b || strncmp(pattern, path, a) != 0)
			return 0;
		score = score * 4 + (variable ? 2 : 3);
		if (!pattern[a] || !path[b])
			return pattern[a] || path[b] ? 0 : score;
		pattern += a + 1;
		path += b + 1;
	}
}

const cJSON *gateway_route(const cJSON *paths, const char *path)
{
	const cJSON *item, *best = NULL;
	int top = 0;
	size_t n = strlen(path);
	RN_AUTO(rn_freep) char *own = rn_strndup(path, n > 1 && path[n - 1] == '/' ? n - 1 : n);
	cJSON_ArrayForEach(item, paths)
	{
		int score = item->string[0] == '/' ? fits(item->string + 1, own + 1) : 0;
		if (score > top) {
			top = score;
			best = item;
		}
	}
	return best;
}

const cJSON *gateway_method(const cJSON *methods, const char *method)
{
	const cJSON *m = rn_json_get(methods, method);
	return m ? m : rn_json_get(methods, "ANY");
}

char *gateway_list(const cJSON *paths)
{
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	const cJSON *path, *method;
	size_t more = 0;
	cJSON_ArrayForEach(path, paths)
	{
		cJSON_ArrayForEach(method, path)
		{
			if (all.n < LISTED_MAX)
				rn_strv_addf(&all, "%s %s", method->string, path->string);
			else
				more++;
		}
	}
	if (more)
		rn_strv_addf(&all, "and %zu more", more);
	return all.n ? rn_strv_join(&all, ", ") : rn_strdup("none");
}

bool gateway_covers(const char *pattern, const char *text)
{
	if (*pattern == '*')
		return gateway_covers(pattern + 1, text) || (*text && gateway_covers(pattern, text + 1));
	if (!*pattern || !*text)
		return *pattern == *text;
	return *pattern == *text && gateway_covers(pattern + 1, text + 1);
}
