/* SPDX-License-Identifier: Apache-2.0 */
#include "add_git_auth.h"

#include "run_secret.h"
#include "secret_guard.h"

#include "base/encode.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "GIT_AUTH_HEADER"
#define TOKEN "GIT_AUTH_TOKEN"
#define TOKEN_USER "x-access-token" /* what the large hosts take beside a token */

struct headers {
	struct build *b;
	struct rn_map hosts; /* "https://HOST" that have theirs */
	struct rn_strv *env;
	size_t n;
	struct rn_error *err;
};

/* The header's value; new string. NULL: no such secret, or *ret_rc -1. */
static char *header_value(struct headers *h, const char *id, int *ret_rc)
{
	RN_AUTO(rn_buf_clear) struct rn_buf secret = RN_BUF_INIT;
	const struct build *b = h->b;
	*ret_rc = run_secret_find(b->host, b->stage, b->params->secrets.text, id, &secret, h->err);
	if (*ret_rc <= 0)
		return NULL;
	secret_guard_add(h->b, rn_buf_str(&secret));
	char *text = secret.p ? rn_trim(secret.p) : NULL, *value = NULL;
	if (!text || !*text || strpbrk(text, "\r\n")) {
		*ret_rc = rn_fail(h->err, RN_EINVAL, "the secret \"%s\" is %s", id, text && *text ? "of several lines" : "empty");
	} else if (rn_starts(id, HEADER)) {
		value = rn_strdup(text);
	} else {
		RN_AUTO(rn_freep) char *pair = rn_asprintf("%s:%s", TOKEN_USER, text);
		RN_AUTO(rn_freep) char *coded = rn_base64(pair, strlen(pair));
		b->host->mask(b->stage, coded);
		secret_guard_add(h->b, coded);
		value = rn_asprintf("basic %s", coded);
		rn_wipe(pair, strlen(pair));
		rn_wipe(coded, strlen(coded));
	}
	rn_wipe(secret.p, secret.len);
	return value;
}

static void set_for(struct headers *h, const char *site, const char *name, const char *value)
{
	rn_strv_addf(h->env, "GIT_CONFIG_KEY_%zu=http.%s/.%s", h->n, site, name);
	rn_strv_addf(h->env, "GIT_CONFIG_VALUE_%zu=%s", h->n, value);
	h->n++;
}

/* By the environment (git 2.31 and later): neither a command line nor a file has it, and git hands it on to what fetches submodules. */
static int give(struct headers *h, const char *site, const char *id)
{
	if (rn_map_has(&h->hosts, site))
		return 0;
	int rc;
	RN_AUTO(rn_freep) char *value = header_value(h, id, &rc);
	if (!value)
		return rc;
	RN_AUTO(rn_freep) char *header = rn_asprintf("Authorization: %s", value);
	rn_map_set(&h->hosts, site, h);
	set_for(h, site, "extraHeader", header);
	set_for(h, site, "followRedirects", "false"); /* git would take the header along, to whichever host */
	rn_wipe(header, strlen(header));
	rn_wipe(value, strlen(value));
	return 0;
}

static bool is_loopback(const char *host)
{
	RN_AUTO(rn_freep) char *name = rn_strndup(host, strcspn(host, "/?#"));
	name[strcspn(name, *name == '[' ? "]" : ":")] = '\0';
	bool number = name[strspn(name, "0123456789.")] == '\0';
	return strcasecmp(name, "localhost") == 0 || rn_streq(name, "[::1") || (number && rn_starts(name, "127."));
}

/* Secrets that name their host. */
static int give_named(struct headers *h, const cJSON *all, const char *kind)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, all) {
		if (!rn_starts(one->string, kind) || one->string[strlen(kind)] != '.')
			continue;
		const char *host = one->string + strlen(kind) + 1;
		RN_AUTO(rn_freep) char *secure = rn_asprintf("https://%s", host), *plain = rn_asprintf("http://%s", host);
		if (give(h, secure, one->string) < 0 || (is_loopback(host) && give(h, plain, one->string) < 0))
			return -1;
	}
	return 0;
}

/* Secrets for the host of this repository, whichever it is. */
static int give_general(struct headers *h, const cJSON *all, const char *remote)
{
	static const char *const kinds[] = { HEADER, TOKEN };
	bool secure = rn_starts(remote, "https://");
	if (!secure && !rn_starts(remote, "http://"))
		return 0;
	const char *host = strchr(remote, ':') + strlen("://");
	RN_AUTO(rn_freep) char *site = rn_strndup(remote, (size_t)(host - remote) + strcspn(host, "/?#"));
	for (size_t i = 0; i < RN_LEN(kinds); i++) {
		if (!rn_json_get(all, kinds[i]) || rn_map_has(&h->hosts, site))
			continue;
		if (!secure && !is_loopback(host)) {
			build_log(h->b, RUNNER_WARN, "%s is asked for without the secret %s: over plain http anybody on the way could read it", remote,
				  kinds[i]);
			continue;
		}
		if (give(h, site, kinds[i]) < 0)
			return -1;
	}
	return 0;
}

int git_auth_env(struct build *b, const char *remote, struct rn_strv *env, struct rn_error *err)
{
	const char *text = b->params->secrets.text;
	RN_AUTO(rn_json_freep) cJSON *all = text ? rn_json_parse_str(text, err) : NULL;
	struct headers h = { .b = b, .env = env, .err = err };
	int rc = text && !all ? -1 : 0;
	if (rc == 0)
		rc = give_named(&h, all, HEADER) < 0 || give_named(&h, all, TOKEN) < 0 ? -1 : give_general(&h, all, remote);
	if (rc == 0 && h.n)
		rn_strv_addf(env, "GIT_CONFIG_COUNT=%zu", h.n);
	rn_map_clear(&h.hosts);
	return rc;
}
