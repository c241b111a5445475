/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials by STS: AssumeRole and AssumeRoleWithWebIdentity; what a refused token said. */
#include "sts.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "provider.h"

#include <stdio.h>
#include <string.h>

#define MAX_DURATION_S (12 * 3600)
#define MIN_DURATION_S 900

int aws_role_duration(const char *text, int64_t *ret, struct rn_error *err)
{
	if (text && rn_parse_int(text, MIN_DURATION_S, MAX_DURATION_S, ret, err) < 0)
		return rn_wrap(err, "duration_seconds");
	return 0;
}

static cJSON *role_params(const struct aws_role *role)
{
	cJSON *p = cJSON_CreateObject();
	char made_up[64];
	snprintf(made_up, sizeof(made_up), "runner-%lld", (long long)(rn_wall_ms() / 1000));
	cJSON_AddStringToObject(p, "RoleArn", role->arn);
	cJSON_AddStringToObject(p, "RoleSessionName",
				role->session_name ? role->session_name : made_up);
	if (role->external_id)
		cJSON_AddStringToObject(p, "ExternalId", role->external_id);
	if (role->duration_s)
		cJSON_AddNumberToObject(p, "DurationSeconds", (double)role->duration_s);
	return p;
}

static int read_credentials(const cJSON *answer, struct aws_credentials *ret, struct rn_error *err)
{
	static const struct aws_key_names names = { "AccessKeyId", "SecretAccessKey",
						    "SessionToken", "Expiration", NULL };
	return aws_keys_from_json(rn_json_get(answer, "Credentials"), &names, ret, err);
}

int aws_sts_assume_role(struct aws_session *s, const struct aws_credentials *source,
			const struct aws_role *role, struct aws_credentials *ret,
			struct rn_error *err)
{
	RN_AUTO(aws_client_freep)
	struct aws_client *c = aws_client_new_with(s, "sts", role->region, source, err);
	RN_AUTO(rn_json_freep) cJSON *params = role_params(role);
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	struct aws_error aerr = { 0 };
	if (!c)
		return -1;
	if (aws_query(c, "AssumeRole", params, &answer, &aerr, err) < 0) {
		if (aws_error_is_denied(&aerr))
			rn_hint(err,
				"the trust policy of %s must allow sts:AssumeRole to the identity "
				"behind %s",
				role->arn, source->source);
		return -1;
	}
	return read_credentials(answer, ret, err);
}

/* ---- tokens ------------------------------------------------------------------------ */

static void add_claim(struct rn_buf *b, const cJSON *claims, const char *name)
{
	const cJSON *v = rn_json_get(claims, name);
	if (!v)
		return;
	RN_AUTO(rn_freep)
	char *text = cJSON_IsString(v) ? rn_strdup(v->valuestring) : rn_json_print(v);
	rn_buf_addf(b, "%s%s=%.200s", b->len ? ", " : "", name, text);
}

char *aws_jwt_claims(const char *jwt)
{
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	rn_strv_split(&parts, jwt, '.');
	struct rn_buf shown = RN_BUF_INIT;
	RN_AUTO(rn_buf_clear) struct rn_buf payload = RN_BUF_INIT;
	if (parts.n != 3 || rn_base64_decode(parts.v[1], &payload, NULL) < 0)
		return rn_strdup("the token is not a JWT");
	RN_AUTO(rn_json_freep)
	cJSON *claims = rn_json_parse(rn_buf_str(&payload), payload.len, NULL);
	add_claim(&shown, claims, "iss");
	add_claim(&shown, claims, "aud");
	add_claim(&shown, claims, "sub");
	return rn_buf_take(&shown);
}

static int explain_refusal(const char *jwt, const char *arn, const struct aws_error *aerr,
			   struct rn_error *err)
{
	RN_AUTO(rn_freep) char *claims = aws_jwt_claims(jwt);
	if (aws_error_is(aerr, "ExpiredToken"))
		return rn_hint(err, "the token has expired; it was issued with %s", claims);
	return rn_hint(err,
		       "the token says %s; compare it with the trust policy of %s: the identity "
		       "provider must exist in "
		       "that account, `aud` must be listed and the condition on `sub` must match "
		       "(case counts; a pull "
		       "request or an environment has another `sub` than a branch)",
		       claims, arn);
}

int aws_sts_web_identity(struct aws_session *s, const char *jwt, const struct aws_role *role,
			 struct aws_credentials *ret, struct rn_error *err)
{
	RN_AUTO(aws_client_freep)
	struct aws_client *c = aws_client_new_with(s, "sts", role->region, NULL, err);
	RN_AUTO(rn_json_freep) cJSON *params = role_params(role);
	RN_AUTO(aws_reply_clear) struct aws_reply reply = { 0 };
	struct aws_error aerr = { 0 };
	if (!c)
		return -1;
	cJSON_AddStringToObject(params, "WebIdentityToken", jwt);
	struct aws_call call = { .operation = "AssumeRoleWithWebIdentity",
				 .body = params,
				 .anonymous = true };
	if (aws_send(c, &call, &reply, &aerr, err) < 0)
		return explain_refusal(jwt, role->arn, &aerr, err);
	return read_credentials(rn_json_get(reply.json, "AssumeRoleWithWebIdentityResult"), ret,
				err);
}
