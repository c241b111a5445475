/* SPDX-License-Identifier: Apache-2.0 */
#include "json_path.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* One step: a name (quoted ones are never an index) or, in brackets, an index. */
struct step {
	char *name;
	bool quoted;
};

static int refuse(const char *path, const char *at, struct rn_error *err)
{
	rn_fail(err, RN_EINVAL, "the path \"%s\" is not understood from \"%s\" on", path, at);
	return rn_hint(err, "a path is like $.items[0].name, items.0.name or $[\"a.b\"]");
}

/* [12] or ["name"] or ['name']; *p stands behind it afterwards. */
static int bracket(const char *path, const char **p, struct step *ret, struct rn_error *err)
{
	const char *begin = *p + 1;
	char quote = *begin == '"' || *begin == '\'' ? *begin : 0;
	size_t n = quote ? strcspn(begin + 1, quote == '"' ? "\"" : "'") : strspn(begin, "0123456789");
	const char *end = begin + n + (quote ? 2 : 0);
	if (n == 0 || (quote && !begin[n + 1]) || *end != ']')
		return refuse(path, *p, err);
	ret->name = rn_strndup(begin + (quote ? 1 : 0), n);
	ret->quoted = quote != 0;
	*p = end + 1;
	return 0;
}

/* 1: a step, 0: the end, -1: not understood. The first name needs no dot before it. */
static int next(const char *path, const char **p, struct step *ret, struct rn_error *err)
{
	*ret = (struct step){ 0 };
	if (!**p)
		return 0;
	if (**p == '[')
		return bracket(path, p, ret, err) < 0 ? -1 : 1;
	const char *begin = *p + (**p == '.');
	size_t n = strcspn(begin, ".[");
	if (n == 0 || strcspn(begin, "*]\"'") < n || (begin == *p && *p != path))
		return refuse(path, *p, err);
	ret->name = rn_strndup(begin, n);
	*p = begin + n;
	return 1;
}

/* "$" and "$.a" begin at the root as "" and "a" do. */
static const char *start(const char *path)
{
	return path[0] == '$' && (!path[1] || path[1] == '.' || path[1] == '[') ? path + 1 : path;
}

int json_path_check(const char *path, struct rn_error *err)
{
	const char *p = start(path);
	struct step s;
	int rc;
	while ((rc = next(path, &p, &s, err)) > 0)
		rn_freep(&s.name);
	return rc;
}

static const cJSON *take(const cJSON *j, const struct step *s)
{
	int64_t i = 0;
	if (!cJSON_IsArray(j))
		return rn_json_get(j, s->name);
	return !s->quoted && rn_parse_int(s->name, 0, 1 << 30, &i, NULL) == 0 ? cJSON_GetArrayItem(j, (int)i) : NULL;
}

const cJSON *json_path_find(const cJSON *root, const char *path)
{
	const char *p = start(path);
	struct step s;
	while (root && next(path, &p, &s, NULL) > 0) {
		root = take(root, &s);
		rn_freep(&s.name);
	}
	return root;
}
