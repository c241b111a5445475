/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. */
#include "provider.h"

#include "base/str.h"
#include "base/time.h"

/* Keys that somebody left on a runner of their own go before the role that the job was meant to have.
 */
static bool hides_id_token(const struct aws_session *s)
{
	return aws_session_env(s, "AWS_ROLE_ARN") &&
	       (aws_session_env(s, "ACTIONS_ID_TOKEN_REQUEST_URL") ||
		aws_session_env(s, "GITLAB_OIDC_TOKEN"));
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	const struct aws_session *s = q->session;
	const char *key = aws_session_env(s, "AWS_ACCESS_KEY_ID");
	const char *secret = aws_session_env(s, "AWS_SECRET_ACCESS_KEY");
	if (!key)
		return aws_not_configured(err, "AWS_ACCESS_KEY_ID is not set");
	if (!secret)
		return rn_fail(err, RN_EAUTH,
			       "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
	const char *expiration = aws_session_env(s, "AWS_CREDENTIAL_EXPIRATION");
	int64_t expires = 0;
	if (expiration && rn_parse_iso8601(expiration, &expires, err) < 0)
		return rn_wrap(err, "AWS_CREDENTIAL_EXPIRATION");
	if (expires && expires < rn_wall_ms()) {
		rn_fail(err, RN_EAUTH, "the keys expired at %s (AWS_CREDENTIAL_EXPIRATION)",
			expiration);
		return rn_hint(err, "get new keys, or unset the AWS_… variables");
	}
	const char *token = aws_session_env(s, "AWS_SESSION_TOKEN");
	if (!token)
		token = aws_session_env(s, "AWS_SECURITY_TOKEN");
	*ret = (struct aws_credentials){
		.access_key = rn_strdup(key),
		.secret_key = rn_strdup(secret),
		.token = rn_strdup(token),
		.account = rn_strdup(aws_session_env(s, "AWS_ACCOUNT_ID")),
		.expires_ms = expires,
		.source = rn_strdup(hides_id_token(s) ? "environment, not the job's ID token for "
							"AWS_ROLE_ARN"
						      : "environment"),
	};
	return 1;
}

const struct aws_provider aws_provider_environment = { "environment", load, .env_only = true };
