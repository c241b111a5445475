/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STS: who am I, and sessions of roles. A role's trust policy is enforced. The signature of
 * a web identity token cannot be checked offline: its claims and its time are.
 */
#include "iam.h"
#include "sigv4_verify.h"
#include "store.h"

#include "base/encode.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>

static handler_fn get_caller_identity, assume_role, assume_role_with_web_identity,
	get_session_token, get_access_key_info;

static const struct route ROUTES[] = {
	{ .operation = "GetCallerIdentity", .handle = get_caller_identity },
	{ .operation = "AssumeRole", .handle = assume_role },
	{ .operation = "AssumeRoleWithWebIdentity", .handle = assume_role_with_web_identity },
	{ .operation = "GetSessionToken", .handle = get_session_token },
	{ .operation = "GetAccessKeyInfo", .handle = get_access_key_info },
};

const struct service sts_service = {
	.name = "sts",
	.protocol = PROTOCOL_QUERY,
	.xmlns = "https://sts.amazonaws.com/doc/2011-06-15/",
	.transaction = true,
	.routes = ROUTES,
	.n_routes = RN_LEN(ROUTES),
};

static void get_caller_identity(struct request *req, struct response *res)
{
	cJSON *result = cJSON_CreateObject();
	cJSON_AddStringToObject(result, "Arn", req->caller_arn);
	cJSON_AddStringToObject(result, "UserId", req->caller_id);
	cJSON_AddStringToObject(result, "Account", CLOUD_ACCOUNT);
	answer_query(req, res, result);
}

static void get_access_key_info(struct request *req, struct response *res)
{
	if (!iam_form_name(req, res, "AccessKeyId", 128, false))
		return;
	cJSON *result = cJSON_CreateObject();
	cJSON_AddStringToObject(result, "Account", CLOUD_ACCOUNT);
	answer_query(req, res, result);
}

/* DurationSeconds of the form; -1 when the refusal is answered. */
static int64_t duration(struct request *req, struct response *res, int64_t otherwise, int64_t max)
{
	const char *text = request_form(req, "DurationSeconds");
	int64_t seconds = otherwise;
	if (text && rn_parse_int(text, 900, 129600, &seconds, NULL) < 0)
		return answer_error(
			req, res, 400, "ValidationError",
			"1 validation error detected: Value '%s' at 'durationSeconds' failed to "
			"satisfy "
			"constraint: Member must have value greater than or equal to 900",
			text);
	if (seconds > max)
		return answer_error(req, res, 400, "ValidationError",
				    "The requested DurationSeconds exceeds the MaxSessionDuration "
				    "set for this role.");
	return seconds;
}

/* Makes a session and its Credentials member. */
static cJSON *new_session(struct request *req, const char *arn, const char *id, int64_t seconds)
{
	char key_id[20], stamp[32];
	unsigned char secret_bytes[30], token_bytes[180];
	rn_random(secret_bytes, sizeof(secret_bytes));
	rn_random(token_bytes, sizeof(token_bytes));
	RN_AUTO(rn_freep) char *key = rn_asprintf("ASIA%s", cloud_id(key_id, 16, true));
	RN_AUTO(rn_freep) char *secret = rn_base64(secret_bytes, sizeof(secret_bytes));
	RN_AUTO(rn_freep) char *token = rn_base64(token_bytes, sizeof(token_bytes));
	int64_t expires = rn_wall_ms() + seconds * 1000;
	cJSON *session = cJSON_CreateObject();
	cJSON_AddStringToObject(session, "secret", secret);
	cJSON_AddStringToObject(session, "token", token);
	cJSON_AddStringToObject(session, "arn", arn);
	cJSON_AddStringToObject(session, "id", id);
	cJSON_AddNumberToObject(session, "expires", (double)expires / 1000.0);
	store_put(req->cloud->store, SESSION, "", key, session, NULL);
	cJSON_Delete(session);
	cJSON *credentials = cJSON_CreateObject();
	cJSON_AddStringToObject(credentials, "AccessKeyId", key);
	cJSON_AddStringToObject(credentials, "SecretAccessKey", secret);
	cJSON_AddStringToObject(credentials, "SessionToken", token);
	cJSON_AddStringToObject(credentials, "Expiration", rn_iso8601(expires, false, stamp));
	return credentials;
}

static void get_session_token(struct request *req, struct response *res)
{
	int64_t seconds = duration(req, res, 43200, 129600);
	if (seconds < 0)
		return;
	cJSON *result = cJSON_CreateObject();
	cJSON_AddItemToObject(result, "Credentials",
			      new_session(req, req->caller_arn, req->caller_id, seconds));
	answer_query(req, res, result);
}

/* Answers the session of a role. `extra` (may be NULL) joins the result. */
static void answer_assumed(struct request *req, struct response *res, const cJSON *role,
			   const char *session, int64_t seconds, cJSON *extra)
{
	cJSON *result = extra ? extra : cJSON_CreateObject();
	RN_AUTO(rn_freep) char *arn =
		rn_asprintf("arn:aws:sts::" CLOUD_ACCOUNT ":assumed-role/%s/%s",
				rn_json_str(role, "RoleName"), session);
	RN_AUTO(rn_freep) char *id = rn_asprintf("%s:%s", rn_json_str(role, "RoleId"), session);
	cJSON_AddItemToObject(result, "Credentials", new_session(req, arn, id, seconds));
	cJSON *user = cJSON_AddObjectToObject(result, "AssumedRoleUser");
	cJSON_AddStringToObject(user, "AssumedRoleId", id);
	cJSON_AddStringToObject(user, "Arn", arn);
	answer_query(req, res, result);
}

static void assume_role(struct request *req, struct response *res)
{
	const char *arn = iam_form_name(req, res, "RoleArn", 2048, true);
	const char *session = arn ? iam_form_name(req, res, "RoleSessionName", 64, false) : NULL;
	if (!session)
		return;
	RN_AUTO(rn_json_freep) cJSON *role = iam_role_by_arn(req->cloud, arn);
	struct pairs context = { 0 };
	if (request_form(req, "ExternalId"))
		pairs_add(&context, "sts:ExternalId", request_form(req, "ExternalId"));
	const char *principals[] = { req->caller_arn, CLOUD_ACCOUNT,
				     "arn:aws:iam::" CLOUD_ACCOUNT ":root" };
	const struct iam_question question = { .action = "sts:AssumeRole",
					       .kind = "AWS",
					       .principals = principals,
					       .n_principals = RN_LEN(principals),
					       .context = &context };
	bool allowed = role &&
		       iam_trust_allows(rn_json_str(role, "AssumeRolePolicyDocument"), &question);
	pairs_clear(&context);
	if (!allowed) {
		answer_error(
			req, res, 403, "AccessDenied",
			"User: %s is not authorized to perform: sts:AssumeRole on resource: %s",
			req->caller_arn, arn);
		return;
	}
	int64_t seconds = duration(req, res, 3600, rn_json_int(role, "MaxSessionDuration", 3600));
	if (seconds >= 0)
		answer_assumed(req, res, role, session, seconds, NULL);
}

/* Claims of a JWT, unverified; NULL when it is none. */
static cJSON *token_claims(const char *token)
{
	const char *body = strchr(token, '.');
	const char *end = body ? strchr(body + 1, '.') : NULL;
	if (!end)
		return NULL;
	RN_AUTO(rn_freep) char *part = rn_strndup(body + 1, (size_t)(end - body - 1));
	RN_AUTO(rn_buf_clearp) struct rn_buf text = RN_BUF_INIT;
	if (rn_base64_decode(part, &text, NULL) < 0)
		return NULL;
	return rn_json_parse(rn_buf_str(&text), text.len, NULL);
}

/* Condition keys of the claims, "ISSUER:aud" and "ISSUER:sub". */
static void add_claims(struct pairs *context, const cJSON *claims, const char *provider)
{
	for (const cJSON *claim = claims->child; claim; claim = claim->next) {
		const cJSON *value = cJSON_IsArray(claim) ? claim->child : claim;
		RN_AUTO(rn_freep) char *key = rn_asprintf("%s:%s", provider, claim->string);
		if (cJSON_IsString(value))
			pairs_add(context, key, value->valuestring);
	}
}

static bool web_identity_allowed(const cJSON *role, const cJSON *claims, const char *provider)
{
	struct pairs context = { 0 };
	RN_AUTO(rn_freep) char *arn = cloud_arn("iam", "", "oidc-provider/%s", provider);
	add_claims(&context, claims, provider);
	const char *principals[] = { arn, provider };
	const struct iam_question question = { .action = "sts:AssumeRoleWithWebIdentity",
					       .kind = "Federated",
					       .principals = principals,
					       .n_principals = RN_LEN(principals),
					       .context = &context };
	bool allowed = iam_trust_allows(rn_json_str(role, "AssumeRolePolicyDocument"), &question);
	pairs_clear(&context);
	return allowed;
}

static void assume_role_with_web_identity(struct request *req, struct response *res)
{
	const char *arn = iam_form_name(req, res, "RoleArn", 2048, true);
	const char *session = arn ? iam_form_name(req, res, "RoleSessionName", 64, false) : NULL;
	const char *token = session ? iam_form_name(req, res, "WebIdentityToken", 20000, true)
				    : NULL;
	if (!token)
		return;
	RN_AUTO(rn_json_freep) cJSON *claims = token_claims(token);
	const char *issuer = rn_json_str(claims, "iss");
	if (!issuer || !rn_json_str(claims, "sub")) {
		answer_error(req, res, 400, "InvalidIdentityToken",
			     "The ID Token provided is not a valid JWT.");
		return;
	}
	if (rn_json_num(claims, "exp", 0) < cloud_now()) {
		answer_error(req, res, 400, "ExpiredTokenException",
			     "Token expired: current date/time must be before the "
			     "expiration date/time of the token");
		return;
	}
	const char *provider = rn_starts(issuer, "https://") ? issuer + strlen("https://") : issuer;
	RN_AUTO(rn_json_freep) cJSON *role = iam_role_by_arn(req->cloud, arn);
	if (!role || !web_identity_allowed(role, claims, provider)) {
		answer_error(req, res, 403, "AccessDenied",
			     "Not authorized to perform sts:AssumeRoleWithWebIdentity");
		return;
	}
	int64_t seconds = duration(req, res, 3600, rn_json_int(role, "MaxSessionDuration", 3600));
	if (seconds < 0)
		return;
	cJSON *extra = cJSON_CreateObject();
	cJSON_AddStringToObject(extra, "SubjectFromWebIdentityToken", rn_json_str(claims, "sub"));
	const cJSON *audience = rn_json_get(claims, "aud");
	audience = cJSON_IsArray(audience) ? audience->child : audience;
	if (cJSON_IsString(audience))
		cJSON_AddStringToObject(extra, "Audience", audience->valuestring);
	RN_AUTO(rn_freep) char *provider_arn = cloud_arn("iam", "", "oidc-provider/%s", provider);
	cJSON_AddStringToObject(extra, "Provider", provider_arn);
	answer_assumed(req, res, role, session, seconds, extra);
}
