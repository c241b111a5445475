/* SPDX-License-Identifier: Apache-2.0 */
#include "apigw_event.h"

#include "base/encode.h"
#include "base/time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void set_string(cJSON *object, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	cJSON_AddItemToObject(object, name, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

/* Adds {name: last value} and {name: [values]} of a list; both null when it is empty. */
static void add_pairs(cJSON *event, const char *single_name, const char *multi_name,
		      const struct pairs *list)
{
	cJSON *single = list->n ? cJSON_AddObjectToObject(event, single_name)
				: cJSON_AddNullToObject(event, single_name);
	cJSON *multi = list->n ? cJSON_AddObjectToObject(event, multi_name)
			       : cJSON_AddNullToObject(event, multi_name);
	for (size_t i = 0; i < list->n; i++) {
		set_string(single, list->v[i].name, list->v[i].value);
		cJSON *values = rn_json_get(multi, list->v[i].name);
		if (!values)
			values = cJSON_AddArrayToObject(multi, list->v[i].name);
		cJSON_AddItemToArray(values, cJSON_CreateString(list->v[i].value));
	}
}

/* The request's headers and those that API Gateway adds. */
static void add_headers(cJSON *event, const struct gateway_call *call)
{
	const struct request *req = call->req;
	struct pairs headers = { 0 };
	for (size_t i = 0; i < req->headers.n; i++)
		if (strcasecmp(req->headers.v[i].name, "Connection") != 0 &&
		    strcasecmp(req->headers.v[i].name, "Content-Length") != 0 &&
		    strcasecmp(req->headers.v[i].name, "Transfer-Encoding") != 0)
			pairs_add(&headers, req->headers.v[i].name, req->headers.v[i].value);
	RN_AUTO(rn_freep) char *trace = rn_asprintf("Root=1-%08llx-%.8s%.4s%.12s",
				  (unsigned long long)(rn_wall_ms() / 1000), req->id, req->id + 9,
				  req->id + 24);
	RN_AUTO(rn_freep) char *port = rn_asprintf("%d", req->cloud->port);
	if (!pairs_get(&headers, "X-Amzn-Trace-Id", true))
		pairs_add(&headers, "X-Amzn-Trace-Id", trace);
	pairs_add(&headers, "X-Forwarded-For", req->source_ip ? req->source_ip : "127.0.0.1");
	pairs_add(&headers, "X-Forwarded-Port", port);
	pairs_add(&headers, "X-Forwarded-Proto", "http");
	add_pairs(event, "headers", "multiValueHeaders", &headers);
	pairs_clear(&headers);
}

static void add_path_params(cJSON *event, const struct gateway_call *call)
{
	if (call->path_params.n == 0) {
		cJSON_AddNullToObject(event, "pathParameters");
		return;
	}
	cJSON *params = cJSON_AddObjectToObject(event, "pathParameters");
	for (size_t i = 0; i < call->path_params.n; i++)
		set_string(params, call->path_params.v[i].name, call->path_params.v[i].value);
}

static void add_identity(cJSON *context, const struct gateway_call *call)
{
	static const char *const EMPTY[] = {
		"cognitoIdentityPoolId",         "cognitoIdentityId", "cognitoAuthenticationType",
		"cognitoAuthenticationProvider", "principalOrgId",    "accessKey"
	};
	const struct request *req = call->req;
	cJSON *identity = cJSON_AddObjectToObject(context, "identity");
	for (size_t i = 0; i < RN_LEN(EMPTY); i++)
		cJSON_AddNullToObject(identity, EMPTY[i]);
	set_string(identity, "accountId", req->caller_arn ? CLOUD_ACCOUNT : NULL);
	set_string(identity, "caller", req->caller_id);
	set_string(identity, "user", req->caller_id);
	set_string(identity, "userArn", req->caller_arn);
	set_string(identity, "sourceIp", req->source_ip ? req->source_ip : "127.0.0.1");
	set_string(identity, "userAgent", request_header(req, "User-Agent"));
	if (call->key_id) {
		set_string(identity, "apiKey", call->key_value);
		set_string(identity, "apiKeyId", call->key_id);
	}
}

static void add_context(cJSON *event, const struct gateway_call *call, const char *path)
{
	const struct request *req = call->req;
	char when[64];
	int64_t now = rn_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S +0000", &tm);
	RN_AUTO(rn_freep) char *full = rn_asprintf("/%s%s", call->stage_name, path);
	RN_AUTO(rn_freep) char *extended = rn_asprintf("%.12s=", req->id);
	cJSON *context = cJSON_AddObjectToObject(event, "requestContext");
	set_string(context, "resourceId", rn_json_str(call->resource, "id"));
	set_string(context, "resourcePath", rn_json_str(call->resource, "path"));
	set_string(context, "httpMethod", call->verb);
	set_string(context, "extendedRequestId", extended);
	set_string(context, "requestTime", when);
	set_string(context, "path", full);
	set_string(context, "accountId", CLOUD_ACCOUNT);
	set_string(context, "protocol", "HTTP/1.1");
	set_string(context, "stage", call->stage_name);
	set_string(context, "domainPrefix", call->api_id);
	cJSON_AddNumberToObject(context, "requestTimeEpoch", (double)now);
	set_string(context, "requestId", req->id);
	add_identity(context, call);
	set_string(context, "domainName",
		   request_header(req, "Host") ? request_header(req, "Host") : req->cloud->host);
	if (call->deployment)
		set_string(context, "deploymentId", rn_json_str(call->deployment, "id"));
	set_string(context, "apiId", call->api_id);
	if (call->authorizer)
		cJSON_AddItemToObject(context, "authorizer", cJSON_Duplicate(call->authorizer, true));
}

static void add_body(cJSON *event, const struct gateway_call *call)
{
	const struct rn_buf *body = &call->req->body;
	bool binary = body->len > 0 &&
		      gateway_is_binary(call, request_header(call->req, "Content-Type"));
	if (body->len == 0) {
		cJSON_AddNullToObject(event, "body");
	} else if (binary) {
		RN_AUTO(rn_freep) char *text = rn_base64(body->p, body->len);
		cJSON_AddStringToObject(event, "body", text);
	} else {
		struct rn_buf quoted =
			RN_BUF_INIT; /* bytes that are not UTF-8 become U+FFFD, as on AWS */
		rn_json_quote(&quoted, body->p, body->len);
		cJSON_AddRawToObject(event, "body", rn_buf_str(&quoted));
		rn_buf_clear(&quoted);
	}
	cJSON_AddBoolToObject(event, "isBase64Encoded", binary);
}

/* All but the body. */
static void add_request(cJSON *event, const struct gateway_call *call)
{
	RN_AUTO(rn_freep) char *path = rn_percent_decode(call->path, false);
	const cJSON *variables = rn_json_get(call->stage, "variables");
	set_string(event, "resource", rn_json_str(call->resource, "path"));
	set_string(event, "path", path);
	set_string(event, "httpMethod", call->verb);
	add_headers(event, call);
	add_pairs(event, "queryStringParameters", "multiValueQueryStringParameters",
		  &call->req->args);
	add_path_params(event, call);
	cJSON_AddItemToObject(event, "stageVariables",
			      variables ? cJSON_Duplicate(variables, true) : cJSON_CreateNull());
	add_context(event, call, path);
}

char *event_build(const struct gateway_call *call)
{
	RN_AUTO(rn_json_freep) cJSON *event = cJSON_CreateObject();
	add_request(event, call);
	add_body(event, call);
	return rn_json_print_utf8(event);
}

char *event_build_authorizer(const struct gateway_call *call, const char *method_arn)
{
	RN_AUTO(rn_json_freep) cJSON *event = cJSON_CreateObject();
	set_string(event, "type", "REQUEST");
	set_string(event, "methodArn", method_arn);
	add_request(event, call);
	return rn_json_print_utf8(event);
}

/* ---- what came back ---- */

/* The text of a header's value: strings, numbers and booleans are accepted. New, or NULL. */
static char *header_text(const cJSON *value)
{
	if (cJSON_IsString(value))
		return rn_strdup(value->valuestring);
	if (cJSON_IsNumber(value) || cJSON_IsBool(value))
		return rn_json_print(value);
	return NULL;
}

static int add_header_values(struct gateway_call *call, const cJSON *headers, const cJSON *also,
			     struct rn_error *err)
{
	for (const cJSON *h = headers ? headers->child : NULL; h; h = h->next) {
		if (also && rn_json_get(also, h->string))
			continue; /* multiValueHeaders has it */
		const cJSON *one = cJSON_IsArray(h) ? h->child : h;
		for (; one; one = cJSON_IsArray(h) ? one->next : NULL) {
			RN_AUTO(rn_freep) char *text = header_text(one);
			if (!text)
				return rn_fail(err, RN_EINVAL, "the header %s has no text",
					       h->string);
			gateway_add_header(call, h->string, text);
		}
	}
	return 0;
}

static int parse_status(const cJSON *doc, int *ret, struct rn_error *err)
{
	const cJSON *status = rn_json_get(doc, "statusCode");
	int64_t n = 200;
	if (cJSON_IsNumber(status) && status->valuedouble == floor(status->valuedouble))
		n = (int64_t)status->valuedouble;
	else if (cJSON_IsString(status) ? rn_parse_int(status->valuestring, 200, 599, &n, NULL) < 0
					: status && !cJSON_IsNull(status))
		return rn_fail(err, RN_EINVAL, "statusCode is not a number");
	if (n < 200 || n > 599)
		return rn_fail(err, RN_EINVAL, "statusCode %lld ends no exchange of HTTP", (long long)n);
	*ret = (int)n;
	return 0;
}

/* Members other than these make API Gateway refuse the answer. */
static int check_members(const cJSON *doc, struct rn_error *err)
{
	static const char *const KNOWN[] = { "statusCode", "headers", "multiValueHeaders", "body",
					     "isBase64Encoded" };
	for (const cJSON *m = doc->child; m; m = m->next) {
		size_t i = 0;
		while (i < RN_LEN(KNOWN) && strcmp(KNOWN[i], m->string) != 0)
			i++;
		if (i == RN_LEN(KNOWN))
			return rn_fail(err, RN_EINVAL,
				       "Malformed Lambda proxy response: unknown member %s",
				       m->string);
	}
	const cJSON *body = rn_json_get(doc, "body");
	if (body && !cJSON_IsString(body) && !cJSON_IsNull(body))
		return rn_fail(err, RN_EINVAL,
			       "Malformed Lambda proxy response: the body is not a string");
	return 0;
}

/* Is the first media type that the caller accepts a binary one? */
static bool wants_binary(const struct gateway_call *call)
{
	const char *accept = request_header(call->req, "Accept");
	RN_AUTO(rn_freep) char *first = accept ? rn_strndup(accept, strcspn(accept, ",; ")) : NULL;
	return gateway_is_binary(call, first);
}

int event_answer(struct gateway_call *call, const char *payload, size_t n, struct rn_error *err)
{
	int status = 200;
	struct rn_error why = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse(payload, n, &why);
	if (!cJSON_IsObject(doc))
		return rn_fail(err, RN_EINVAL,
			       "Malformed Lambda proxy response: not a JSON object");
	const cJSON *headers = rn_json_get(doc, "headers"),
		    *multi = rn_json_get(doc, "multiValueHeaders");
	if (check_members(doc, err) < 0 || parse_status(doc, &status, err) < 0 ||
	    add_header_values(call, headers, cJSON_IsObject(multi) ? multi : NULL, err) < 0 ||
	    add_header_values(call, multi, NULL, err) < 0)
		return -1;
	const char *body = rn_json_str(doc, "body");
	RN_AUTO(rn_buf_clearp) struct rn_buf decoded = RN_BUF_INIT;
	bool decode = body && rn_json_bool(doc, "isBase64Encoded", false) && wants_binary(call);
	if (decode && rn_base64_decode(body, &decoded, NULL) < 0)
		return rn_fail(err, RN_EINVAL,
			       "Malformed Lambda proxy response: the body is not base64");
	const char *type = pairs_get(&call->res->headers, "Content-Type", true)
				   ? NULL
				   : "application/json";
	if (decode)
		response_body(call->res, status, type, rn_buf_str(&decoded), decoded.len);
	else
		response_body(call->res, status, type, body, body ? strlen(body) : 0);
	return 0;
}
