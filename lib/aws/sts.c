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

/* The claims of a token, unverified; new, NULL when it is not a JWT. */
static cJSON *jwt_payload(const char *jwt)
{
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf payload = RN_BUF_INIT;
	rn_strv_split(&parts, jwt, '.');
	if (parts.n != 3 || rn_base64_decode(parts.v[1], &payload, NULL) < 0)
		return NULL;
	return rn_json_parse(rn_buf_str(&payload), payload.len, NULL);
}

char *aws_jwt_claims(const char *jwt)
{
	struct rn_buf shown = RN_BUF_INIT;
	RN_AUTO(rn_json_freep) cJSON *claims = jwt_payload(jwt);
	if (!claims)
		return rn_strdup("nothing that can be read: it is not a JWT");
	add_claim(&shown, claims, "iss");
	add_claim(&shown, claims, "aud");
	add_claim(&shown, claims, "sub");
	return rn_buf_take(&shown);
}

static const char *claim(const cJSON *claims, const char *name)
{
	const cJSON *v = rn_json_get(claims, name);
	const cJSON *text = cJSON_IsArray(v) ? v->child : v;
	return cJSON_IsString(text) ? text->valuestring : NULL;
}

/* The account in arn:aws:iam::ACCOUNT:role/NAME; new string. */
static char *account_of(const char *arn)
{
	for (int i = 0; i < 4 && arn; i++) {
		arn = strchr(arn, ':');
		arn = arn ? arn + 1 : NULL;
	}
	return arn ? rn_strndup(arn, strcspn(arn, ":")) : rn_strdup("ACCOUNT");
}

/* The statement that would let the token in; new string, NULL when its claims say too little. */
static char *wanted_trust(const cJSON *claims, const char *arn)
{
	const char *iss = claim(claims, "iss"), *aud = claim(claims, "aud"), *sub = claim(claims, "sub");
	if (!iss || !aud || !sub)
		return NULL;
	const char *host = strstr(iss, "://");
	host = host ? host + 3 : iss;
	RN_AUTO(rn_freep) char *account = account_of(arn);
	const char *partition = rn_starts(arn, "arn:aws-cn:")       ? "aws-cn"
				: rn_starts(arn, "arn:aws-us-gov:") ? "aws-us-gov"
								    : "aws";
	return rn_asprintf("{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRoleWithWebIdentity\","
			   "\"Principal\":{\"Federated\":\"arn:%s:iam::%s:oidc-provider/%.200s\"},"
			   "\"Condition\":{\"StringEquals\":{\"%.200s:aud\":\"%.200s\",\"%.200s:sub\":"
			   "\"%.300s\"}}}",
			   partition, account, host, host, aud, host, sub);
}

/* Of a token that STS refused only the claims are told, which are no secret; they are enough to find
 * why. */
static int explain_refusal(const char *jwt, const char *arn, const struct aws_error *aerr,
			   struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *claims = jwt_payload(jwt);
	RN_AUTO(rn_freep) char *shown = aws_jwt_claims(jwt);
	RN_AUTO(rn_freep) char *trust = wanted_trust(claims, arn);
	if (aws_error_is(aerr, "ExpiredToken"))
		return rn_hint(err, "the token has expired; it was issued with %s", shown);
	rn_wrap(err, "the token says %s", shown);
	if (!trust)
		return rn_hint(err,
			       "compare it with the trust policy of %s: `aud` must be listed and the "
			       "condition on `sub` must match (case counts)",
			       arn);
	return rn_hint(err,
		       "that identity provider must exist in the account, and %s must trust it: %s (a "
		       "condition that is there must match letter by letter, case counts; branches, "
		       "pull requests and environments differ in `sub`)",
		       arn, trust);
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
