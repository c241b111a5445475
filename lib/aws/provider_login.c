/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that `aws login` left in ~/.aws/login/cache for the profile's login_session. They last minutes,
 * and only `aws` renews them. */
#include "provider.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "sigv4.h"

#include <string.h>

#define MAX_CACHE ((size_t)1024 * 1024)

static int login_first(const struct aws_provider_request *q, const char *why, struct rn_error *err)
{
	rn_fail(err, RN_EAUTH, "%s", why);
	return rn_hint(err, "run `aws login --profile %s` and try again", q->profile);
}

static char *cache_path(const struct aws_provider_request *q, const char *session)
{
	char name[SIGV4_HASH_LEN + 1];
	const char *folder = aws_session_env(q->session, "AWS_LOGIN_CACHE_DIRECTORY");
	sigv4_hash(session, strlen(session), name);
	RN_AUTO(rn_freep)
	char *path = rn_asprintf("%s/%s.json", folder ? folder : "~/.aws/login/cache", name);
	return aws_session_expand(q->session, path);
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	static const struct aws_key_names names = { "accessKeyId", "secretAccessKey",
						    "sessionToken", "expiresAt", "accountId" };
	const char *session = aws_request_profile(q, "login_session");
	if (!session)
		return aws_not_configured(err, "profile \"%s\" has no login_session", q->profile);
	RN_AUTO(rn_freep) char *path = cache_path(q, session);
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, MAX_CACHE, err);
	const cJSON *keys = rn_json_get(j, "accessToken");
	if (!j)
		return login_first(q, "there is no cached login", err);
	if (!cJSON_IsObject(keys) || aws_keys_from_json(keys, &names, ret, err) < 0)
		return login_first(q, "the cached login is not readable", err);
	if (ret->expires_ms && ret->expires_ms <= rn_wall_ms()) {
		aws_credentials_clear(ret);
		return login_first(q, "the cached login has expired", err);
	}
	ret->source = rn_asprintf("profile \"%s\" (login session %s)", q->profile, session);
	return 1;
}

const struct aws_provider aws_provider_login = { "login session", load };
