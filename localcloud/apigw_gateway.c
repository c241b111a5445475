/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a call: stage, resource, method, key, limits, integration; and how it is refused. */
#include "apigw_gateway.h"

#include "apigw.h"
#include "faults_apply.h"
#include "sigv4_verify.h"
#include "store.h"

#include "base/encode.h"
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_PATTERN "/restapis/{api}/{stage}/_user_request_/{rest+}"
#define BODY_MAX (10u << 20)

struct gateway *gateway_new(void)
{
	struct http_options options = HTTP_OPTIONS_INIT;
	options.proxy = "";
	struct gateway *g = rn_alloc(sizeof(*g));
	g->http = http_client_new(&options);
	g->limits = limits_new();
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->idle, NULL);
	rn_map_init(&g->verdicts, verdict_free);
	return g;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	while (g->running > 0)
		pthread_cond_wait(&g->idle, &g->lock);
	pthread_mutex_unlock(&g->lock);
	limits_free(g->limits);
	rn_map_clear(&g->verdicts);
	http_client_free(g->http);
	pthread_cond_destroy(&g->idle);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

void gateway_call_clear(struct gateway_call *call)
{
	free(call->region);
	free(call->api_id);
	free(call->stage_name);
	free(call->path);
	free(call->key_id);
	free(call->key_value);
	cJSON_Delete(call->stage);
	cJSON_Delete(call->deployment);
	cJSON_Delete(call->authorizer);
	free(call->usage_key);
	free(call->validation_error);
	pairs_clear(&call->path_params);
}

/* ---- resource and method ---- */

/* How well a resource's path fits: 0 not at all; greater is better at the first segment that
 * differs (static, variable, greedy). */
static uint64_t rank(const char *pattern, const char *path, struct pairs *ret)
{
	RN_AUTO(rn_freep) char *as_route = rn_strdup(pattern);
	if (!route_match(as_route, path, ret))
		return 0;
	uint64_t score = 1;
	unsigned depth = 0;
	for (const char *p = pattern; *p && depth < 30; depth++) {
		p += *p == '/';
		size_t n = strcspn(p, "/");
		score = score * 4 + (*p != '{' ? 3 : p[n - 2] == '+' ? 1 : 2);
		p += n;
	}
	for (; depth < 30; depth++)
		score *= 4;
	return score;
}

int gateway_match(struct gateway_call *call)
{
	uint64_t best = 0;
	for (const cJSON *r = rn_json_get(call->snapshot, "resources")->child; r; r = r->next) {
		struct pairs params = { 0 };
		const cJSON *methods = rn_json_get(r, "resourceMethods");
		uint64_t score = methods && methods->child
					 ? rank(rn_json_str(r, "path"), call->path, &params)
					 : 0;
		if (score <= best) {
			pairs_clear(&params);
			continue;
		}
		best = score;
		call->resource = r;
		pairs_clear(&call->path_params);
		call->path_params = params;
	}
	const cJSON *methods = rn_json_get(call->resource, "resourceMethods");
	call->method = rn_json_get(methods, call->verb);
	if (!call->method)
		call->method = rn_json_get(methods, "ANY");
	call->integration = rn_json_get(call->method, "methodIntegration");
	if (!call->resource)
		return gateway_refuse(call, GATEWAY_NO_METHOD,
				      "no resource of the deployment has this path");
	if (!call->method)
		return gateway_refuse(call, GATEWAY_NO_METHOD,
				      "the resource has no method %s in the deployment",
				      call->verb);
	return 0;
}

/* ---- keys and limits ---- */

static cJSON *key_by_value(struct gateway_call *call, const char *value)
{
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(call->req->cloud->store, KEY, call->region, NULL, 0);
	for (cJSON *key = all->child; key; key = key->next)
		if (rn_streq(rn_json_str(key, "value"), value))
			return cJSON_DetachItemViaPointer(all, key);
	return NULL;
}

/* The plan that has both the key and the stage; new, or NULL. */
static cJSON *plan_of(struct gateway_call *call, const char *key_id)
{
	struct store *store = call->req->cloud->store;
	RN_AUTO(rn_json_freep) cJSON *plans = store_list(store, PLAN, call->region, NULL, 0);
	for (cJSON *plan = plans->child; plan; plan = plan->next) {
		const cJSON *stages = rn_json_get(plan, "apiStages");
		for (const cJSON *s = stages ? stages->child : NULL; s; s = s->next)
			if (rn_streq(rn_json_str(s, "apiId"), call->api_id) &&
			    rn_streq(rn_json_str(s, "stage"), call->stage_name) &&
			    store_has(store, PLAN_KEY, rn_json_str(plan, "id"), key_id))
				return cJSON_DetachItemViaPointer(plans, plan);
	}
	return NULL;
}

/* Takes a token of {rateLimit, burstLimit}; no limits let everything through. */
static bool take(struct gateway_call *call, const char *bucket, const cJSON *limits,
		 const char *rate_name, const char *burst_name)
{
	double rate = rn_json_num(limits, rate_name, -1),
	       burst = rn_json_num(limits, burst_name, -1);
	if (rate < 0 && burst < 0)
		return true;
	if (rate < 0)
		rate = 10000;
	return limits_take(call->gateway->limits, bucket, rate,
			   burst >= 0 ? burst
			   : rate > 1 ? rate
				      : 1);
}

static int check_plan(struct gateway_call *call, const cJSON *plan)
{
	const char *plan_id = rn_json_str(plan, "id");
	RN_AUTO(rn_freep) char *bucket = rn_asprintf("plan:%s:%s", plan_id, call->key_id);
	if (!take(call, bucket, rn_json_get(plan, "throttle"), "rateLimit", "burstLimit"))
		return gateway_refuse(call, GATEWAY_THROTTLED,
				      "the usage plan %s allows no more at once", plan_id);
	const cJSON *stages = rn_json_get(plan, "apiStages");
	RN_AUTO(rn_freep) char *method = rn_asprintf("%s/%s", rn_json_str(call->resource, "path"),
				   rn_json_str(call->method, "httpMethod"));
	for (const cJSON *s = stages->child; s; s = s->next) {
		if (!rn_streq(rn_json_str(s, "apiId"), call->api_id) ||
		    !rn_streq(rn_json_str(s, "stage"), call->stage_name))
			continue;
		RN_AUTO(rn_freep) char *one = rn_asprintf("%s:%s:%s", bucket, call->api_id, method);
		if (!take(call, one, rn_json_get(rn_json_get(s, "throttle"), method), "rateLimit",
			  "burstLimit"))
			return gateway_refuse(call, GATEWAY_THROTTLED,
					      "the usage plan %s allows no more of %s at once",
					      plan_id, method);
	}
	if (!quota_take(call->req->cloud, plan, call->key_id))
		return gateway_refuse(call, GATEWAY_QUOTA, "the quota of usage plan %s is used up",
				      plan_id);
	return 0;
}

static int check_key(struct gateway_call *call)
{
	if (!rn_json_bool(call->method, "apiKeyRequired", false))
		return 0;
	bool by_authorizer = rn_streq(rn_json_str(rn_json_get(call->snapshot, "api"), "apiKeySource"), "AUTHORIZER");
	const char *value = by_authorizer ? call->usage_key : request_header(call->req, "x-api-key");
	if (!value)
		return gateway_refuse(call, GATEWAY_BAD_KEY,
				      by_authorizer ? "the method needs an API key, and the authorizer gave no usageIdentifierKey" :
						      "the method needs an API key in the header x-api-key");
	RN_AUTO(rn_json_freep) cJSON *key = key_by_value(call, value);
	if (!key || !rn_json_bool(key, "enabled", false))
		return gateway_refuse(call, GATEWAY_BAD_KEY,
				      key ? "the API key is disabled"
					  : "no API key has this value");
	call->key_id = rn_strdup(rn_json_str(key, "id"));
	call->key_value = rn_strdup(value);
	RN_AUTO(rn_json_freep) cJSON *plan = plan_of(call, call->key_id);
	if (!plan)
		return gateway_refuse(call, GATEWAY_BAD_KEY,
				      "the API key %s is in no usage plan of stage %s:%s",
				      call->key_id, call->api_id, call->stage_name);
	return check_plan(call, plan);
}

static int check_stage(struct gateway_call *call)
{
	const cJSON *settings = rn_json_get(call->stage, "methodSettings");
	const char *path = rn_json_str(call->resource, "path");
	RN_AUTO(rn_freep) char *own = rn_asprintf("%s/%s", path + (path[0] == '/' && path[1]),
				rn_json_str(call->method, "httpMethod"));
	const cJSON *limits = rn_json_get(settings, own);
	if (!rn_json_get(limits, "throttlingRateLimit") &&
	    !rn_json_get(limits, "throttlingBurstLimit"))
		limits = rn_json_get(settings, "*/*");
	RN_AUTO(rn_freep) char *bucket =
		rn_asprintf("stage:%s:%s:%s", call->api_id, call->stage_name, own);
	if (!take(call, bucket, limits, "throttlingRateLimit", "throttlingBurstLimit"))
		return gateway_refuse(call, GATEWAY_THROTTLED,
				      "the stage allows no more of this method at once");
	return 0;
}

static int check_caller(struct gateway_call *call)
{
	const char *type = rn_json_str(call->method, "authorizationType");
	if (rn_streq(type, "CUSTOM"))
		return gateway_authorize(call);
	if (!rn_streq(type, "AWS_IAM") || sigv4_verify(call->req, call->res) == 0)
		return 0;
	return gateway_refuse_signature(call);
}

/* ---- the door ---- */

bool gateway_is_call(const struct request *req)
{
	RN_AUTO(pairs_clear) struct pairs names = { 0 };
	return strstr(req->path, "/_user_request_") &&
	       (route_match(CALL_PATTERN, req->path, &names) ||
		route_match("/restapis/{api}/{stage}/_user_request_", req->path, &names));
}

/* Splits the path; finds stage and deployment. -1: answered. */
static int open_call(struct gateway_call *call)
{
	struct request *req = call->req;
	struct store *store = req->cloud->store;
	RN_AUTO(pairs_clear) struct pairs names = { 0 };
	if (!route_match(CALL_PATTERN, req->path, &names))
		route_match("/restapis/{api}/{stage}/_user_request_", req->path, &names);
	const char *rest = strstr(req->path, "/_user_request_") + strlen("/_user_request_");
	call->path = rn_strdup(*rest ? rest : "/");
	call->api_id = rn_strdup(pairs_get(&names, "api", false));
	call->stage_name = rn_strdup(pairs_get(&names, "stage", false));
	RN_AUTO(rn_json_freep) cJSON *api = store_find(store, API, call->api_id, &call->region);
	if (!api)
		return gateway_refuse(call, GATEWAY_NO_METHOD, "there is no API %s", call->api_id);
	call->stage = store_get(store, STAGE, call->api_id, call->stage_name);
	if (!call->stage)
		return gateway_refuse(call, GATEWAY_NO_METHOD, "API %s has no stage %s",
				      call->api_id, call->stage_name);
	call->deployment = store_get(store, DEPLOYMENT, call->api_id,
				     rn_json_str(call->stage, "deploymentId"));
	call->snapshot = rn_json_get(call->deployment, "_snapshot");
	if (!call->snapshot)
		return gateway_refuse(call, GATEWAY_CONFIGURATION,
				      "the deployment of stage %s is gone", call->stage_name);
	return 0;
}

void gateway_handle(struct request *req, struct response *res)
{
	RN_AUTO(gateway_call_clear) struct gateway_call call = { .req = req,
				     .res = res,
				     .gateway = req->cloud->service_data[CLOUD_SLOT_APIGW],
				     .verb = req->method };
	req->protocol = PROTOCOL_GATEWAY;
	req->operation = "execute-api";
	bool open = open_call(&call) == 0;
	if (open && (req->body.len > BODY_MAX || req->body_error.code))
		gateway_refuse(&call, GATEWAY_TOO_LARGE, "the body has more than %u bytes",
			       BODY_MAX);
	else if (open && gateway_match(&call) == 0 && check_caller(&call) == 0 && check_stage(&call) == 0 &&
		 check_key(&call) == 0 && gateway_validate(&call) == 0 && !faults_before(req, res, "execute-api", "Invoke"))
		gateway_integrate(&call);
	response_header(res, "x-amz-apigw-id", "%.12s=", req->id);
}

void gateway_integrate(struct gateway_call *call)
{
	const char *type = rn_json_str(call->integration, "type");
	if (rn_streq(type, "AWS_PROXY"))
		gateway_invoke_lambda(call);
	else if (rn_streq(type, "HTTP_PROXY"))
		gateway_call_http(call);
	else if (rn_streq(type, "MOCK"))
		gateway_mock(call);
	else
		gateway_refuse(call, GATEWAY_CONFIGURATION, "the method has no integration");
}

/* ---- what integrations share ---- */

static bool media_matches(const char *pattern, const char *type)
{
	size_t n = strcspn(type, "; ");
	if (!strcmp(pattern, "*/*"))
		return true;
	if (rn_ends(pattern, "/*"))
		return strncasecmp(pattern, type, strlen(pattern) - 1) == 0;
	return strlen(pattern) == n && strncasecmp(pattern, type, n) == 0;
}

bool gateway_is_binary(const struct gateway_call *call, const char *type)
{
	const cJSON *types = rn_json_path(call->snapshot, "api.binaryMediaTypes");
	for (const cJSON *one = types ? types->child : NULL; one; one = one->next)
		if (cJSON_IsString(one) && (!strcmp(one->valuestring, "*/*") ||
					    (type && media_matches(one->valuestring, type))))
			return true;
	return false;
}

void gateway_add_header(struct gateway_call *call, const char *name, const char *value)
{
	static const char *const DROPPED[] = { "Transfer-Encoding", "Connection", "Keep-Alive",
					       "Proxy-Connection", "Upgrade" };
	static const char *const RENAMED[] = {
		"Content-Length", "Date",        "Server", "Host",         "WWW-Authenticate",
		"Authorization",  "Content-MD5", "Expect", "Max-Forwards", "Via",
		"User-Agent",     "TE",          "Trailer"
	};
	for (size_t i = 0; i < RN_LEN(DROPPED); i++)
		if (!strcasecmp(name, DROPPED[i]))
			return;
	for (size_t i = 0; i < RN_LEN(RENAMED); i++)
		if (!strcasecmp(name, RENAMED[i])) {
			RN_AUTO(rn_freep) char *other = rn_asprintf("x-amzn-Remapped-%s", name);
			response_header(call->res, other, "%s", value);
			return;
		}
	response_header(call->res, name, "%s", value);
}

char *gateway_uri(const struct gateway_call *call)
{
	char *uri = rn_strdup(rn_json_str(call->integration, "uri"));
	const cJSON *variables = rn_json_get(call->stage, "variables");
	for (const cJSON *v = variables ? variables->child : NULL; v && uri; v = v->next) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("${stageVariables.%s}", v->string);
		RN_AUTO(rn_freep) char *old = uri;
		uri = rn_replace(old, name, cJSON_IsString(v) ? v->valuestring : "");
	}
	return uri;
}
