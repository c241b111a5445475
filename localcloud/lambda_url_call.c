/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of functions by their URL: found, admitted, CORS. Event and answer are in lambda_url_event.c. */
#include "lambda_url.h"

#include "faults_apply.h"
#include "sigv4_verify.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TROUBLE "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"

bool url_is_call(const struct request *req)
{
	return rn_starts(req->path, FUNCTION_URL_PREFIX);
}

static void call_clear(struct url_call *call)
{
	free(call->region);
	free(call->id);
	free(call->path);
	cJSON_Delete(call->config);
}

static int refuse(struct url_call *call, int status, const char *code, const char *message)
{
	RN_AUTO(rn_json_freep) cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "Message", message);
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	response_body(call->res, status, "application/json", text, strlen(text));
	response_header(call->res, "x-amzn-ErrorType", "%s", code);
	return -1;
}

/* "/lambda-url/REGION/ID/PATH"; -1: answered. */
static int find(struct url_call *call, struct function_ref *ret)
{
	const char *region = call->req->path + strlen(FUNCTION_URL_PREFIX);
	const char *id = region + strcspn(region, "/"), *path = NULL;
	call->region = rn_strndup(region, (size_t)(id - region));
	id += *id == '/';
	path = id + strcspn(id, "/");
	call->id = rn_strndup(id, (size_t)(path - id));
	call->path = rn_strdup(*path ? path : "/");
	RN_AUTO(rn_freep) char *parent = NULL;
	call->config = store_find(call->req->cloud->store, FUNCTION_URL, call->id, &parent);
	const char *slash = parent ? strchr(parent, '/') : NULL;
	if (!call->config || !slash || strlen(call->region) != (size_t)(slash - parent) || !rn_starts(parent, call->region))
		return refuse(call, 403, "AccessDeniedException", "Forbidden");
	const char *qualifier = rn_json_str(call->config, "_qualifier");
	*ret = (struct function_ref){ rn_strdup(call->region), rn_strdup(slash + 1), *qualifier ? rn_strdup(qualifier) : NULL };
	return 0;
}

/* ---- who may call ---- */

static int admit(struct url_call *call, const struct function_ref *r)
{
	struct request *req = call->req;
	const char *header = request_header(req, "Authorization");
	bool is_signed = (header && rn_starts(header, "AWS4-")) || request_arg(req, "X-Amz-Credential");
	if (rn_streq(rn_json_str(call->config, "AuthType"), "NONE"))
		return lambda_is_public(req->cloud, r) ? 0 : refuse(call, 403, "AccessDeniedException", TROUBLE);
	if (!is_signed)
		return refuse(call, 403, "AccessDeniedException", "Forbidden");
	if (sigv4_verify(req, call->res) < 0)
		return -1;
	return rn_streq(req->region, call->region) && rn_streq(req->service, "lambda") ?
		       0 :
		       refuse(call, 403, "InvalidSignatureException", "Credential should be scoped to a valid region and to the service lambda.");
}

/* ---- CORS ---- */

static bool lists(const cJSON *list, const char *value)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
		if (cJSON_IsString(item) && (!strcmp(item->valuestring, "*") || !strcasecmp(item->valuestring, value)))
			return true;
	return false;
}

static char *joined(const cJSON *list)
{
	RN_AUTO(rn_strv_clear) struct rn_strv v = { 0 };
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
		rn_strv_add(&v, cJSON_IsString(item) ? item->valuestring : "");
	return v.n ? rn_strv_join(&v, ",") : NULL;
}

static void add_list(struct response *res, const char *header, const cJSON *list)
{
	RN_AUTO(rn_freep) char *text = joined(list);
	if (text)
		response_header(res, header, "%s", text);
}

static void drop_header(struct response *res, const char *prefix)
{
	size_t kept = 0;
	for (size_t i = 0; i < res->headers.n; i++) {
		struct pair p = res->headers.v[i];
		if (strncasecmp(p.name, prefix, strlen(prefix)) != 0) {
			res->headers.v[kept++] = p;
			continue;
		}
		free(p.name);
		free(p.value);
	}
	res->headers.n = kept;
}

/* What the configuration says beats what the function says. */
static void add_cors(struct url_call *call, bool preflight)
{
	const cJSON *cors = rn_json_get(call->config, "Cors");
	const char *origin = request_header(call->req, "Origin");
	if (!cors)
		return;
	drop_header(call->res, "Access-Control-");
	if (!origin || !lists(rn_json_get(cors, "AllowOrigins"), origin))
		return;
	response_header(call->res, "Access-Control-Allow-Origin", "%s", origin);
	response_header(call->res, "Vary", "Origin");
	if (rn_json_bool(cors, "AllowCredentials", false))
		response_header(call->res, "Access-Control-Allow-Credentials", "true");
	if (!preflight) {
		add_list(call->res, "Access-Control-Expose-Headers", rn_json_get(cors, "ExposeHeaders"));
		return;
	}
	add_list(call->res, "Access-Control-Allow-Methods", rn_json_get(cors, "AllowMethods"));
	add_list(call->res, "Access-Control-Allow-Headers", rn_json_get(cors, "AllowHeaders"));
	if (rn_json_get(cors, "MaxAge"))
		response_header(call->res, "Access-Control-Max-Age", "%lld", (long long)rn_json_int(cors, "MaxAge", 0));
}

static bool is_preflight(const struct url_call *call)
{
	return !strcmp(call->req->method, "OPTIONS") && rn_json_get(call->config, "Cors") && request_header(call->req, "Origin") &&
	       request_header(call->req, "Access-Control-Request-Method");
}

/* ---- the call ---- */

static void invoke(struct url_call *call, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *event = url_event(call);
	const struct lambda_call what = { .region = r->region, .function = r->name, .qualifier = r->qualifier, .payload = event,
					  .n = strlen(event) };
	struct lambda_result result;
	struct rn_error err = { 0 };
	lambda_invoke(call->req->cloud, &what, &result);
	if (result.status == 429)
		refuse(call, 429, "TooManyRequestsException", "Rate Exceeded.");
	else if (result.status == 413)
		refuse(call, 413, "RequestEntityTooLargeException", result.error_message);
	else if (result.status != 200)
		refuse(call, 502, "InternalServerErrorException", "Internal Server Error");
	else if (result.function_error || url_answer(call, &result, &err) < 0)
		response_body(call->res, 502, "application/json", "Internal Server Error", strlen("Internal Server Error"));
	if (err.code)
		cloud_log(call->req->cloud, "lambda-url: %s: %s", r->name, err.msg);
	lambda_result_clear(&result);
}

void url_handle(struct request *req, struct response *res)
{
	RN_AUTO(call_clear) struct url_call call = { .req = req, .res = res };
	struct function_ref r = { 0 };
	req->operation = "lambda-url";
	if (find(&call, &r) == 0) {
		if (is_preflight(&call)) {
			response_body(res, 200, NULL, NULL, 0);
			add_cors(&call, true);
		} else if (admit(&call, &r) == 0 && !faults_before(req, res, "lambda-url", "Invoke")) {
			invoke(&call, &r);
			add_cors(&call, false);
		}
	}
	function_ref_clear(&r);
}
