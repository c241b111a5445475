/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lambda authorizers: who may call is what a function says, by a policy that is kept for the authorizer's TTL
 * under the values of its identity sources.
 */
#include "apigw_event.h"

#include "apigw_gateway.h"
#include "pattern.h"

#include "base/encode.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>

enum { VERDICTS_MAX = 1000, TIMEOUT_MS = 10000 };

/* What an authorizer said, until when it counts. */
struct verdict {
	int64_t until_ms; /* of rn_now_ms */
	cJSON *answer;
};

void verdict_free(void *verdict)
{
	struct verdict *v = verdict;
	cJSON_Delete(v->answer);
	free(v);
}

/* New; NULL: none that counts. */
static cJSON *recall(struct gateway *g, const char *key)
{
	pthread_mutex_lock(&g->lock);
	const struct verdict *v = rn_map_get(&g->verdicts, key);
	cJSON *answer = v && v->until_ms > rn_now_ms() ? cJSON_Duplicate(v->answer, true) : NULL;
	pthread_mutex_unlock(&g->lock);
	return answer;
}

static void keep(struct gateway *g, const char *key, const cJSON *answer, int64_t ttl_s)
{
	struct verdict *v = rn_alloc(sizeof(*v));
	*v = (struct verdict){ rn_now_ms() + ttl_s * 1000, cJSON_Duplicate(answer, true) };
	pthread_mutex_lock(&g->lock);
	if (g->verdicts.live >= VERDICTS_MAX) {
		rn_map_clear(&g->verdicts);
		rn_map_init(&g->verdicts, verdict_free);
	}
	rn_map_set(&g->verdicts, key, v);
	pthread_mutex_unlock(&g->lock);
}

/* ---- asking -------------------------------------------------------------------------- */

char *gateway_method_arn(const struct gateway_call *call)
{
	RN_AUTO(rn_freep) char *path = rn_percent_decode(call->path, false);
	return cloud_arn("execute-api", call->region, "%s/%s/%s%s", call->api_id, call->stage_name, call->verb, path);
}

/* Each value with its length before it, so that no two lists of values look alike. False: there is none, or it is empty. */
static bool add_values(struct rn_buf *to, const struct pairs *all, const char *name, bool nocase)
{
	bool found = false;
	for (size_t i = 0; i < all->n; i++) {
		const struct pair *p = &all->v[i];
		if ((nocase ? strcasecmp : strcmp)(p->name, name) != 0)
			continue;
		rn_buf_addf(to, "%zu:%s,", strlen(p->value), p->value);
		found |= *p->value != '\0';
	}
	rn_buf_addc(to, '\n');
	return found;
}

/* One source. All values of a header or an argument that comes several times count: the function sees them too. */
static bool add_source(const struct gateway_call *call, const char *source, struct rn_buf *to)
{
	static const char HEADER[] = "method.request.header.", QUERY[] = "method.request.querystring.";
	if (rn_starts(source, HEADER))
		return add_values(to, &call->req->headers, source + strlen(HEADER), true);
	if (rn_starts(source, QUERY))
		return add_values(to, &call->req->args, source + strlen(QUERY), false);
	RN_AUTO(rn_freep) char *value = gateway_mapped(call, source);
	rn_buf_addf(to, "%zu:%s\n", value ? strlen(value) : 0, value ? value : "");
	return value && *value;
}

/* What a verdict is kept for: the values of the identity sources; NULL: one is missing. New. */
static char *identity(const struct gateway_call *call, const cJSON *authorizer)
{
	const char *sources = rn_json_str(authorizer, "identitySource");
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	rn_strv_split(&all, sources ? sources : "", ',');
	for (size_t i = 0; i < all.n; i++) {
		const char *source = rn_trim(all.v[i]);
		if (*source && !add_source(call, source, &text))
			return NULL;
	}
	return rn_buf_take(&text);
}

/* Of an authorizer of type TOKEN; NULL: it does not match the pattern. New. */
static char *token_of(const struct gateway_call *call, const cJSON *authorizer)
{
	const char *source = rn_json_str(authorizer, "identitySource"), *pattern = rn_json_str(authorizer, "identityValidationExpression");
	RN_AUTO(rn_freep) char *token = source ? gateway_mapped(call, source) : NULL;
	RN_AUTO(rn_freep) char *whole = pattern && *pattern ? rn_asprintf("^(%s)$", pattern) : NULL;
	return token && whole && pattern_matches(whole, token) != 1 ? NULL : rn_take(&token);
}

static char *event_of(const struct gateway_call *call, const cJSON *authorizer, const char *token)
{
	RN_AUTO(rn_freep) char *arn = gateway_method_arn(call);
	if (!rn_streq(rn_json_str(authorizer, "type"), "TOKEN"))
		return event_build_authorizer(call, arn);
	RN_AUTO(rn_json_freep) cJSON *event = cJSON_CreateObject();
	cJSON_AddStringToObject(event, "type", "TOKEN");
	cJSON_AddStringToObject(event, "methodArn", arn);
	cJSON_AddStringToObject(event, "authorizationToken", token);
	return rn_json_print_utf8(event);
}

/* A function that failed: "Unauthorized" is a word that AWS knows. -1 always. */
static int refuse_failed(struct gateway_call *call, const char *function, const struct lambda_result *r)
{
	RN_AUTO(rn_json_freep) cJSON *error = rn_json_parse(rn_buf_str(&r->payload), r->payload.len, NULL);
	if (rn_streq(rn_json_str(error, "errorMessage"), "Unauthorized"))
		return gateway_refuse(call, GATEWAY_UNAUTHORIZED, "the authorizer %s says so", function);
	return gateway_refuse(call, GATEWAY_AUTHORIZER_FAILURE, "the authorizer %s ended with an error: %.300s", function, rn_buf_str(&r->payload));
}

/* The authorizer's answer; NULL: refused. New. */
static cJSON *ask(struct gateway_call *call, const cJSON *authorizer, const char *token)
{
	RN_AUTO(rn_freep) char *function = gateway_function(rn_json_str(authorizer, "authorizerUri"));
	RN_AUTO(rn_freep) char *source =
		cloud_arn("execute-api", call->region, "%s/authorizers/%s", call->api_id, rn_json_str(authorizer, "id"));
	RN_AUTO(lambda_result_clear) struct lambda_result r = { 0 };
	int rc = function ? gateway_run(call, function, source, event_of(call, authorizer, token), TIMEOUT_MS, &r) : -1;
	if (rc != 0) {
		gateway_refuse(call, GATEWAY_AUTHORIZER_FAILURE, "the authorizer %s %s", function ? function : "",
			       rc > 0 ? "did not answer in 10 s" : "cannot be asked");
		return NULL;
	}
	if (r.status != 200) {
		gateway_refuse(call, GATEWAY_AUTHORIZER_CONFIGURATION, "invoke the authorizer %s for %s: %s: %s", function, source,
			       r.error_code ? r.error_code : "refused", r.error_message ? r.error_message : "");
		return NULL;
	}
	if (r.function_error) {
		refuse_failed(call, function, &r);
		return NULL;
	}
	cJSON *answer = rn_json_parse(rn_buf_str(&r.payload), r.payload.len, NULL);
	if (!answer)
		gateway_refuse(call, GATEWAY_AUTHORIZER_CONFIGURATION, "the authorizer %s did not answer JSON", function);
	return answer;
}

/* ---- policies -------------------------------------------------------------------------------- */

/* A value, or one of a list of values. `any_case`: actions. */
static bool names(const cJSON *value, const char *text, bool any_case)
{
	const cJSON *one;
	if (cJSON_IsArray(value)) {
		cJSON_ArrayForEach(one, value)
		{
			if (names(one, text, any_case))
				return true;
		}
		return false;
	}
	RN_AUTO(rn_freep) char *pattern = rn_strdup(cJSON_GetStringValue(value));
	for (char *p = pattern; p && *p && any_case; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	return pattern && glob_matches(pattern, text);
}

/* Statements are a list, or one. */
static const cJSON *first_of(const cJSON *statements)
{
	return cJSON_IsArray(statements) ? statements->child : statements;
}

static const cJSON *next_of(const cJSON *statements, const cJSON *one)
{
	return cJSON_IsArray(statements) ? one->next : NULL;
}

static const char *fault_of_statement(const cJSON *s)
{
	const char *effect = rn_json_str(s, "Effect");
	if (rn_json_get(s, "Condition"))
		return "its policy has a Condition, which this local cloud does not evaluate";
	if (!rn_json_get(s, "Action") || !rn_json_get(s, "Resource"))
		return "a statement of its policy lacks Action or Resource";
	return rn_streq(effect, "Allow") || rn_streq(effect, "Deny") ? NULL : "the Effect of a statement is neither Allow nor Deny";
}

/* What is wrong with the answer; NULL: nothing. */
static const char *fault_of(const cJSON *answer)
{
	const cJSON *policy = rn_json_get(answer, "policyDocument"), *statements = rn_json_get(policy, "Statement"), *one;
	const char *fault = NULL;
	if (!rn_json_str(answer, "principalId"))
		return "it has no principalId";
	if (!cJSON_IsObject(policy) || !(cJSON_IsArray(statements) || cJSON_IsObject(statements)))
		return "it has no policyDocument with statements";
	for (one = first_of(statements); one && !fault; one = next_of(statements, one))
		fault = fault_of_statement(one);
	if (fault)
		return fault;
	cJSON_ArrayForEach(one, rn_json_get(answer, "context"))
	{
		if (cJSON_IsObject(one) || cJSON_IsArray(one))
			return "its context has a value that is no string, number or boolean";
	}
	return NULL;
}

static int judge(struct gateway_call *call, const cJSON *answer)
{
	const cJSON *statements = rn_json_path(answer, "policyDocument.Statement");
	RN_AUTO(rn_freep) char *arn = gateway_method_arn(call);
	bool allowed = false;
	for (const cJSON *s = first_of(statements); s; s = next_of(statements, s)) {
		if (!names(rn_json_get(s, "Action"), "execute-api:invoke", true) || !names(rn_json_get(s, "Resource"), arn, false))
			continue;
		if (rn_streq(rn_json_str(s, "Effect"), "Deny"))
			return gateway_refuse(call, GATEWAY_DENIED_EXPLICITLY, "the authorizer's policy denies %s", arn);
		allowed |= rn_streq(rn_json_str(s, "Effect"), "Allow");
	}
	return allowed ? 0 : gateway_refuse(call, GATEWAY_DENIED, "the authorizer's policy does not allow %s", arn);
}

/* What later steps see of it: texts, as API Gateway passes them on. */
static void take(struct gateway_call *call, const cJSON *answer)
{
	const cJSON *one;
	call->authorizer = cJSON_CreateObject();
	call->usage_key = rn_strdup(rn_json_str(answer, "usageIdentifierKey"));
	cJSON_ArrayForEach(one, rn_json_get(answer, "context"))
	{
		RN_AUTO(rn_freep) char *text = cJSON_IsString(one) ? rn_strdup(one->valuestring) : rn_json_print(one);
		cJSON_AddItemToObject(call->authorizer, one->string, cJSON_IsNull(one) ? cJSON_CreateNull() : cJSON_CreateString(text));
	}
	cJSON_AddStringToObject(call->authorizer, "principalId", rn_json_str(answer, "principalId"));
	cJSON_AddNumberToObject(call->authorizer, "integrationLatency", 0);
}

static const cJSON *authorizer_of(const struct gateway_call *call)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, rn_json_get(call->snapshot, "authorizers"))
	{
		if (rn_streq(rn_json_str(one, "id"), rn_json_str(call->method, "authorizerId")))
			return one;
	}
	return NULL;
}

cJSON *gateway_verdict(struct gateway_call *call, const cJSON *authorizer, bool remember)
{
	bool by_token = rn_streq(rn_json_str(authorizer, "type"), "TOKEN");
	const char *name = rn_json_str(authorizer, "name"), *fault = NULL;
	RN_AUTO(rn_freep) char *who = identity(call, authorizer);
	RN_AUTO(rn_freep) char *token = who && by_token ? token_of(call, authorizer) : NULL;
	if (!who || (by_token && !token)) {
		gateway_refuse(call, GATEWAY_UNAUTHORIZED, "%s is missing, or is not as the authorizer %s wants it",
			       rn_json_str(authorizer, "identitySource"), name);
		return NULL;
	}
	int64_t ttl = remember ? rn_json_int(authorizer, "authorizerResultTtlInSeconds", 300) : 0;
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s\n%s\n%s\n%s\n%s", call->api_id, call->stage_name, rn_json_str(call->deployment, "id"),
						  rn_json_str(authorizer, "id"), who);
	RN_AUTO(rn_json_freep) cJSON *answer = ttl > 0 ? recall(call->gateway, key) : NULL;
	if (answer)
		return rn_take(&answer);
	answer = ask(call, authorizer, token);
	fault = answer ? fault_of(answer) : NULL;
	if (fault) {
		gateway_refuse(call, GATEWAY_AUTHORIZER_CONFIGURATION, "the answer of the authorizer %s cannot be used: %s", name, fault);
		return NULL;
	}
	if (answer && ttl > 0)
		keep(call->gateway, key, answer, ttl);
	return rn_take(&answer);
}

int gateway_authorize(struct gateway_call *call)
{
	const cJSON *authorizer = authorizer_of(call);
	if (!authorizer)
		return gateway_refuse(call, GATEWAY_AUTHORIZER_CONFIGURATION, "the method's authorizer is gone");
	RN_AUTO(rn_json_freep) cJSON *answer = gateway_verdict(call, authorizer, true);
	if (!answer)
		return -1;
	take(call, answer);
	return judge(call, answer);
}
