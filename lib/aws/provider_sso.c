/* SPDX-License-Identifier: Apache-2.0 */
/* IAM Identity Center: the token that `aws sso login` left in ~/.aws/sso/cache, exchanged for a
 * role's keys. */
#include "sso_token.h"

#include "base/mem.h"
#include "base/str.h"

static const char *setting(const struct aws_provider_request *q, const char *session,
			   const char *key)
{
	const char *v =
		session ? aws_section_get(&q->session->profiles, "sso-session", session, key)
			: NULL;
	return v ? v : aws_request_profile(q, key);
}

static int read_settings(const struct aws_provider_request *q, struct sso *s, struct rn_error *err)
{
	s->session = aws_request_profile(q, "sso_session");
	if (s->session &&
	    !aws_section_find(&q->session->profiles, AWS_FILE_CONFIG, "sso-session", s->session))
		return rn_fail(err, RN_EAUTH,
			       "profile \"%s\" names sso-session \"%s\", which the config file "
			       "does not have",
			       q->profile, s->session);
	s->account = aws_request_profile(q, "sso_account_id");
	s->role = aws_request_profile(q, "sso_role_name");
	s->start_url = setting(q, s->session, "sso_start_url");
	s->region = setting(q, s->session, "sso_region");
	if (s->account && s->role && s->start_url && s->region)
		return 0;
	return rn_fail(err, RN_EAUTH, "profile \"%s\" uses SSO but lacks%s%s%s%s", q->profile,
		       s->account ? "" : " sso_account_id", s->role ? "" : " sso_role_name",
		       s->start_url ? "" : " sso_start_url", s->region ? "" : " sso_region");
}

/* GET /federation/credentials of portal.sso.REGION, with the token in a header instead of a
 * signature. */
static int role_credentials(const struct aws_provider_request *q, const struct sso *s,
			    const char *token, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(aws_client_freep)
	struct aws_client *c = aws_client_new_with(q->session, "sso", s->region, NULL, err);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	RN_AUTO(http_headers_clear) struct http_headers headers = { 0 };
	RN_AUTO(aws_reply_clear) struct aws_reply reply = { 0 };
	if (!c)
		return -1;
	cJSON_AddStringToObject(query, "role_name", s->role);
	cJSON_AddStringToObject(query, "account_id", s->account);
	http_headers_add(&headers, "x-amz-sso_bearer_token", token);
	struct aws_call call = { .operation = "GetRoleCredentials",
				 .method = "GET",
				 .path = "/federation/credentials",
				 .query = query,
				 .headers = &headers,
				 .anonymous = true };
	struct aws_error aerr = { 0 };
	if (aws_send(c, &call, &reply, &aerr, err) < 0) {
		if (aws_error_is(&aerr, "UnauthorizedException"))
			rn_hint(err, "run `aws sso login --profile %s` and try again", q->profile);
		return -1;
	}
	*ret = cJSON_DetachItemFromObjectCaseSensitive(reply.json, "roleCredentials");
	return *ret ? 0 : rn_fail(err, RN_EAUTH, "SSO answered without roleCredentials");
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	static const struct aws_key_names names = { "accessKeyId", "secretAccessKey",
						    "sessionToken", "expiration", NULL };
	if (!aws_request_profile(q, "sso_account_id") && !aws_request_profile(q, "sso_role_name"))
		return aws_not_configured(err, "profile \"%s\" has no sso_account_id", q->profile);
	struct sso s = { 0 };
	RN_AUTO(rn_freep) char *token = NULL;
	RN_AUTO(rn_json_freep) cJSON *keys = NULL;
	if (read_settings(q, &s, err) < 0 || sso_token(q, &s, &token, err) < 0 ||
	    role_credentials(q, &s, token, &keys, err) < 0 ||
	    aws_keys_from_json(keys, &names, ret, err) < 0)
		return -1;
	ret->account = rn_strdup(s.account);
	ret->source =
		rn_asprintf("profile \"%s\" (SSO role %s in %s)", q->profile, s.role, s.account);
	return 1;
}

const struct aws_provider aws_provider_sso = { "SSO", load };
