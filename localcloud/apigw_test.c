/* SPDX-License-Identifier: Apache-2.0 */
/* TestInvokeMethod: the call of a method as it is now, deployed or not, without key and limits; TestInvokeAuthorizer. */
#include "apigw.h"
#include "apigw_gateway.h"
#include "apigw_models.h"
#include "store.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

/* Headers of the input: multiValueHeaders first, then headers. */
static void take_headers(const cJSON *in, struct pairs *to)
{
	const cJSON *multi = rn_json_get(in, "multiValueHeaders"),
		    *single = rn_json_get(in, "headers");
	for (const cJSON *h = multi ? multi->child : NULL; h; h = h->next)
		for (const cJSON *v = h->child; v; v = v->next)
			if (cJSON_IsString(v))
				pairs_add(to, h->string, v->valuestring);
	for (const cJSON *h = single ? single->child : NULL; h; h = h->next)
		if (cJSON_IsString(h) && !pairs_get(to, h->string, true))
			pairs_add(to, h->string, h->valuestring);
}

/* The request as a client would have sent it. */
static void make_request(const struct request *outer, const cJSON *in, struct request *inner)
{
	const char *target = rn_json_str(in, "pathWithQueryString"),
		   *body = rn_json_str(in, "body");
	size_t n = target ? strcspn(target, "?") : 0;
	inner->cloud = outer->cloud;
	inner->protocol = PROTOCOL_GATEWAY;
	inner->method = rn_strdup(request_param(outer, "verb") ? request_param(outer, "verb") : "GET");
	inner->query = rn_strdup(target && target[n] ? target + n + 1 : "");
	inner->source_ip = rn_strdup("test-invoke-source-ip");
	cloud_uuid(inner->id);
	pairs_parse(&inner->args, inner->query);
	take_headers(in, &inner->headers);
	if (body)
		rn_buf_adds(&inner->body, body);
}

/* The call that the input `in` describes, of the API in the path; `inner` (zeroed) and `answer` must outlive it. `path`: unless the input has one. */
static struct gateway_call make_call(const struct request *outer, const cJSON *in, struct request *inner, struct response *answer, const char *path)
{
	const char *target = rn_json_str(in, "pathWithQueryString");
	const cJSON *variables = rn_json_get(in, "stageVariables");
	make_request(outer, in, inner);
	struct gateway_call call = {
		.req = inner,
		.res = answer,
		.gateway = outer->cloud->service_data[CLOUD_SLOT_APIGW],
		.region = rn_strdup(outer->region),
		.api_id = rn_strdup(request_param(outer, "api")),
		.stage_name = rn_strdup("test-invoke-stage"),
		.path = target && *target == '/' ? rn_strndup(target, strcspn(target, "?")) : rn_strdup(path),
		.stage = cJSON_CreateObject(),
		.verb = inner->method,
	};
	if (cJSON_IsObject(variables))
		cJSON_AddItemToObject(call.stage, "variables", cJSON_Duplicate(variables, true));
	return call;
}

static void request_clear(struct request *req)
{
	free(req->method);
	free(req->query);
	free(req->source_ip);
	pairs_clear(&req->args);
	pairs_clear(&req->headers);
	rn_buf_clear(&req->body);
}

static void answer_result(struct request *req, struct response *res, const struct response *inner,
			  int64_t latency_ms)
{
	RN_AUTO(rn_json_freep) cJSON *out = cJSON_CreateObject();
	cJSON_AddNumberToObject(out, "status", inner->status);
	struct rn_buf quoted = RN_BUF_INIT;
	rn_json_quote(&quoted, rn_buf_str(&inner->body), inner->body.len);
	cJSON_AddRawToObject(out, "body", rn_buf_str(&quoted));
	cJSON *headers = cJSON_AddObjectToObject(out, "headers"),
	      *multi = cJSON_AddObjectToObject(out, "multiValueHeaders");
	for (size_t i = 0; i < inner->headers.n; i++) {
		const struct pair *h = &inner->headers.v[i];
		apigw_set(headers, h->name, cJSON_CreateString(h->value));
		cJSON *list = rn_json_get(multi, h->name);
		cJSON_AddItemToArray(list ? list : cJSON_AddArrayToObject(multi, h->name),
				     cJSON_CreateString(h->value));
	}
	cJSON_AddNumberToObject(out, "latency", (double)latency_ms);
	rn_buf_reset(&quoted);
	rn_buf_addf(&quoted, "Execution log for request %s\nMethod completed with status: %d\n",
		    req->id, inner->status);
	cJSON_AddStringToObject(out, "log", rn_buf_str(&quoted));
	rn_buf_clear(&quoted);
	apigw_answer(req, res, 200, out);
}

void apigw_test_invoke(struct request *req, struct response *res)
{
	cJSON *in = request_json(req, res);
	RN_AUTO(rn_json_freep) cJSON *api = in ? apigw_api(req, res) : NULL;
	RN_AUTO(rn_json_freep) cJSON *resource = api ? apigw_resource(req, res) : NULL;
	if (!resource)
		return;
	const cJSON *method = rn_json_get(rn_json_get(resource, "resourceMethods"),
					  request_param(req, "verb"));
	if (!method) {
		apigw_not_found(req, res, "Method identifier");
		return;
	}
	int64_t started = rn_now_ms();
	RN_AUTO(request_clear) struct request inner = { 0 };
	RN_AUTO(response_clear) struct response answer;
	response_init(&answer);
	RN_AUTO(gateway_call_clear) struct gateway_call call = make_call(req, in, &inner, &answer, rn_json_str(resource, "path"));
	call.resource = resource;
	call.method = method;
	call.integration = rn_json_get(method, "methodIntegration");
	call.deployment = cJSON_CreateObject();
	cJSON_AddItemToObject(call.deployment, "_snapshot", apigw_snapshot(req, api));
	call.snapshot = rn_json_get(call.deployment, "_snapshot");
	route_match(rn_json_str(resource, "path"), call.path, &call.path_params);
	if (gateway_validate(&call) == 0)
		gateway_integrate(&call);
	answer_result(req, res, &answer, rn_now_ms() - started);
}

/* ---- authorizers ---- */

/* clientStatus is 0 when the authorizer gave a policy that can be used. */
static void answer_verdict(struct request *req, struct response *res, int status, const cJSON *verdict, int64_t latency_ms)
{
	RN_AUTO(rn_json_freep) cJSON *out = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *policy = verdict ? rn_json_print(rn_json_get(verdict, "policyDocument")) : NULL;
	RN_AUTO(rn_freep) char *log = rn_asprintf("Execution log for request %s\n%s\n", req->id,
						  verdict ? "The authorizer gave a policy" : "The authorizer gave no policy: see the cloud's log");
	cJSON_AddNumberToObject(out, "clientStatus", status);
	cJSON_AddStringToObject(out, "log", log);
	cJSON_AddNumberToObject(out, "latency", (double)latency_ms);
	if (verdict) {
		cJSON_AddStringToObject(out, "principalId", rn_json_str(verdict, "principalId"));
		cJSON_AddStringToObject(out, "policy", policy);
	}
	apigw_answer(req, res, 200, out);
}

void apigw_test_authorizer(struct request *req, struct response *res)
{
	cJSON *in = request_json(req, res);
	RN_AUTO(rn_json_freep) cJSON *authorizer = in ? apigw_authorizer(req, res) : NULL;
	if (!authorizer)
		return;
	int64_t started = rn_now_ms();
	RN_AUTO(request_clear) struct request inner = { 0 };
	RN_AUTO(response_clear) struct response refusal;
	response_init(&refusal);
	RN_AUTO(gateway_call_clear) struct gateway_call call = make_call(req, in, &inner, &refusal, "/");
	RN_AUTO(rn_json_freep) cJSON *verdict = gateway_verdict(&call, authorizer, false);
	answer_verdict(req, res, verdict ? 0 : refusal.status, verdict, rn_now_ms() - started);
}
