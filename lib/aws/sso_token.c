/* SPDX-License-Identifier: Apache-2.0 */
#include "sso_token.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define MAX_CACHE ((size_t)1024 * 1024)
#define RENEW_MS ((int64_t)15 * 60 * 1000)

/* The cache file's name is the SHA-1 of the session's name, or of the start URL in the older form. */
static char *cache_path(const struct aws_provider_request *q, const struct sso *s)
{
	const char *text = s->session ? s->session : s->start_url;
	unsigned char digest[20];
	char hex[41], name[128];
	EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
	snprintf(name, sizeof(name), "~/.aws/sso/cache/%s.json",
		 rn_hex(digest, sizeof(digest), hex));
	return aws_session_expand(q->session, name);
}

static int login_first(const struct aws_provider_request *q, const char *why, struct rn_error *err)
{
	rn_fail(err, RN_EAUTH, "%s", why);
	return rn_hint(err, "run `aws sso login --profile %s` and try again", q->profile);
}

static int64_t time_of(const cJSON *j, const char *name)
{
	const char *text = rn_json_str(j, name);
	int64_t ms = 0;
	return text && rn_parse_iso8601(text, &ms, NULL) == 0 ? ms : 0;
}

static bool can_renew(const struct sso *s, const cJSON *j)
{
	return s->session && rn_json_str(j, "refreshToken") && rn_json_str(j, "clientId") &&
	       rn_json_str(j, "clientSecret") && time_of(j, "registrationExpiresAt") > rn_wall_ms();
}

/* CreateToken of oidc.REGION; not signed. */
static int ask(const struct aws_provider_request *q, const struct sso *s, const cJSON *j, cJSON **ret,
	       struct rn_error *err)
{
	RN_AUTO(aws_client_freep)
	struct aws_client *c = aws_client_new_with(q->session, "sso-oidc", s->region, NULL, err);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	RN_AUTO(aws_reply_clear) struct aws_reply reply = { 0 };
	static const char *const same[] = { "clientId", "clientSecret", "refreshToken" };
	if (!c)
		return -1;
	cJSON_AddStringToObject(body, "grantType", "refresh_token");
	for (size_t i = 0; i < RN_LEN(same); i++) {
		cJSON_AddStringToObject(body, same[i], rn_json_str(j, same[i]));
		aws_session_mask(q->session, rn_json_str(j, same[i]));
	}
	struct aws_call call = {
		.operation = "CreateToken", .path = "/token", .body = body, .anonymous = true
	};
	if (aws_send(c, &call, &reply, NULL, err) < 0)
		return -1;
	*ret = rn_take(&reply.json);
	return rn_json_str(*ret, "accessToken")
		       ? 0
		       : rn_fail(err, RN_EAUTH, "SSO answered without an access token");
}

static void set(cJSON *j, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(j, name);
	cJSON_AddStringToObject(j, name, value);
}

/* Gets a new token into `j` and the cache file. A cache that cannot be written costs the next run a
 * renewal, or a login where the service takes each refresh token once. */
static int renew(const struct aws_provider_request *q, const struct sso *s, const char *path, cJSON *j,
		 struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	struct rn_error e = { 0 };
	char stamp[32];
	if (ask(q, s, j, &answer, err) < 0)
		return -1;
	int64_t until = rn_wall_ms() + rn_json_int(answer, "expiresIn", 0) * 1000;
	set(j, "accessToken", rn_json_str(answer, "accessToken"));
	set(j, "expiresAt", rn_iso8601(until, false, stamp));
	if (rn_json_str(answer, "refreshToken"))
		set(j, "refreshToken", rn_json_str(answer, "refreshToken"));
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	if (rn_write_file(path, text, strlen(text), 0600, &e) < 0)
		aws_session_log(q->session, "the renewed SSO token could not be kept: %s", e.msg);
	rn_wipe(text, strlen(text));
	return 0;
}

int sso_token(const struct aws_provider_request *q, const struct sso *s, char **ret,
	      struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = cache_path(q, s);
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, MAX_CACHE, err);
	if (!j)
		return login_first(q, "there is no cached SSO token", err);
	if (!rn_json_str(j, "accessToken") || !time_of(j, "expiresAt"))
		return login_first(q, "the cached SSO token is not readable", err);
	int64_t left = time_of(j, "expiresAt") - rn_wall_ms();
	struct rn_error e = { 0 };
	if (left < RENEW_MS && can_renew(s, j)) {
		if (renew(q, s, path, j, &e) == 0)
			left = RENEW_MS;
		else
			aws_session_log(q->session, "the SSO token could not be renewed: %s", e.msg);
	}
	if (left <= 0)
		return login_first(q, "the cached SSO token has expired", err);
	*ret = rn_strdup(rn_json_str(j, "accessToken"));
	aws_session_mask(q->session, *ret);
	return 0;
}
