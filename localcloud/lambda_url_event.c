/* SPDX-License-Identifier: Apache-2.0 */
/* A call by a function URL as the function gets it (payload format 2.0), and what it gave as an HTTP answer. */
#include "lambda_url.h"

#include "base/encode.h"
#include "base/time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define STREAM_TYPE "application/vnd.awslambda.http-integration-response"
#define PRELUDE_END 8 /* NUL bytes between the prelude of a streamed answer and its body */

/* ---- the event ---- */

/* Adds a value; several of one name are joined by commas. */
static void add_joined(cJSON *to, const char *name, const char *value)
{
	const char *present = rn_json_str(to, name);
	RN_AUTO(rn_freep) char *text = present ? rn_asprintf("%s,%s", present, value) : rn_strdup(value);
	json_set_str(to, name, text);
}

static void add_cookies(cJSON *event, const char *header)
{
	cJSON *list = rn_json_get(event, "cookies");
	list = list ? list : cJSON_AddArrayToObject(event, "cookies");
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	rn_strv_split(&parts, header, ';');
	for (size_t i = 0; i < parts.n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(rn_trim(parts.v[i])));
}

static void add_headers(cJSON *event, const struct request *req)
{
	static const char *const OWN[] = { "connection", "transfer-encoding", "expect" };
	cJSON *headers = cJSON_CreateObject();
	for (size_t i = 0; i < req->headers.n; i++) {
		RN_AUTO(rn_freep) char *name = rn_lower(rn_strdup(req->headers.v[i].name));
		bool own = false;
		for (size_t k = 0; k < RN_LEN(OWN); k++)
			own = own || !strcmp(name, OWN[k]);
		if (!strcmp(name, "cookie"))
			add_cookies(event, req->headers.v[i].value);
		else if (!own)
			add_joined(headers, name, req->headers.v[i].value);
	}
	RN_AUTO(rn_freep) char *port = rn_asprintf("%d", req->cloud->port);
	RN_AUTO(rn_freep) char *trace = rn_asprintf("Root=1-%08llx-%.8s%.4s%.12s", (unsigned long long)(rn_wall_ms() / 1000), req->id,
						    req->id + 9, req->id + 24);
	if (!rn_json_get(headers, "x-amzn-trace-id"))
		json_set_str(headers, "x-amzn-trace-id", trace);
	json_set_str(headers, "x-forwarded-for", req->source_ip ? req->source_ip : "127.0.0.1");
	json_set_str(headers, "x-forwarded-port", port);
	json_set_str(headers, "x-forwarded-proto", "http");
	cJSON_AddItemToObject(event, "headers", headers);
}

static void add_query(cJSON *event, const struct request *req)
{
	if (!req->args.n)
		return;
	cJSON *query = cJSON_AddObjectToObject(event, "queryStringParameters");
	for (size_t i = 0; i < req->args.n; i++)
		add_joined(query, req->args.v[i].name, req->args.v[i].value);
}

static void add_iam(cJSON *context, const struct request *req)
{
	if (!req->caller_arn)
		return;
	cJSON *iam = cJSON_AddObjectToObject(cJSON_AddObjectToObject(context, "authorizer"), "iam");
	cJSON_AddStringToObject(iam, "accountId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(iam, "callerId", req->caller_id);
	cJSON_AddNullToObject(iam, "cognitoIdentity");
	cJSON_AddNullToObject(iam, "principalOrgId");
	cJSON_AddStringToObject(iam, "userArn", req->caller_arn);
	cJSON_AddStringToObject(iam, "userId", req->caller_id);
}

static void add_context(cJSON *event, const struct url_call *call)
{
	const struct request *req = call->req;
	const char *agent = request_header(req, "User-Agent"), *host = request_header(req, "Host");
	char when[64];
	int64_t now = rn_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S +0000", gmtime_r(&seconds, &tm));
	cJSON *context = cJSON_AddObjectToObject(event, "requestContext");
	cJSON_AddStringToObject(context, "accountId", req->caller_arn ? CLOUD_ACCOUNT : "anonymous");
	cJSON_AddStringToObject(context, "apiId", call->id);
	add_iam(context, req);
	cJSON_AddStringToObject(context, "domainName", host ? host : req->cloud->host);
	cJSON_AddStringToObject(context, "domainPrefix", call->id);
	cJSON *http = cJSON_AddObjectToObject(context, "http");
	cJSON_AddStringToObject(http, "method", req->method);
	cJSON_AddStringToObject(http, "path", rn_json_str(event, "rawPath"));
	cJSON_AddStringToObject(http, "protocol", "HTTP/1.1");
	cJSON_AddStringToObject(http, "sourceIp", req->source_ip ? req->source_ip : "127.0.0.1");
	cJSON_AddStringToObject(http, "userAgent", agent ? agent : "");
	cJSON_AddStringToObject(context, "requestId", req->id);
	cJSON_AddStringToObject(context, "routeKey", "$default");
	cJSON_AddStringToObject(context, "stage", "$default");
	cJSON_AddStringToObject(context, "time", when);
	cJSON_AddNumberToObject(context, "timeEpoch", (double)now);
}

/* Bodies of these types come as they are, all others in base64. */
static bool is_text(const char *type, const struct rn_buf *body)
{
	static const char *const TEXTS[] = { "text/", "application/json", "application/javascript", "application/xml" };
	bool text = !type;
	for (size_t i = 0; type && i < RN_LEN(TEXTS); i++)
		text = text || strncasecmp(type, TEXTS[i], strlen(TEXTS[i])) == 0;
	return text && rn_utf8_valid(body->p, body->len) && !memchr(body->p, 0, body->len);
}

static void add_body(cJSON *event, const struct request *req)
{
	bool text = !req->body.len || is_text(request_header(req, "Content-Type"), &req->body);
	RN_AUTO(rn_freep) char *encoded = text ? NULL : rn_base64(req->body.p, req->body.len);
	if (req->body.len)
		cJSON_AddStringToObject(event, "body", text ? rn_buf_str(&req->body) : encoded);
	cJSON_AddBoolToObject(event, "isBase64Encoded", !text);
}

char *url_event(const struct url_call *call)
{
	RN_AUTO(rn_json_freep) cJSON *event = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *path = rn_percent_decode(call->path, false);
	cJSON_AddStringToObject(event, "version", "2.0");
	cJSON_AddStringToObject(event, "routeKey", "$default");
	cJSON_AddStringToObject(event, "rawPath", path);
	cJSON_AddStringToObject(event, "rawQueryString", call->req->query);
	add_headers(event, call->req);
	add_query(event, call->req);
	add_context(event, call);
	add_body(event, call->req);
	return rn_json_print_utf8(event);
}

/* ---- the answer ---- */

static void add_answer_headers(struct url_call *call, const cJSON *doc)
{
	const cJSON *h;
	cJSON_ArrayForEach(h, rn_json_get(doc, "headers")) {
		RN_AUTO(rn_freep) char *text = cJSON_IsString(h) ? rn_strdup(h->valuestring) : rn_json_print(h);
		if (strcasecmp(h->string, "Content-Length") != 0 && strcasecmp(h->string, "Transfer-Encoding") != 0 &&
		    strcasecmp(h->string, "Connection") != 0)
			response_header(call->res, h->string, "%s", text);
	}
	cJSON_ArrayForEach(h, rn_json_get(doc, "cookies"))
		if (cJSON_IsString(h))
			response_header(call->res, "Set-Cookie", "%s", h->valuestring);
}

static int status_of(const cJSON *doc, int *ret, struct rn_error *err)
{
	const cJSON *status = rn_json_get(doc, "statusCode");
	int64_t n = 200;
	bool whole = cJSON_IsNumber(status) && floor(status->valuedouble) >= status->valuedouble;
	if (whole)
		n = (int64_t)status->valuedouble;
	else if (status && (!cJSON_IsString(status) || rn_parse_int(status->valuestring, 200, 599, &n, NULL) < 0))
		return rn_fail(err, RN_EINVAL, "statusCode is not a number");
	*ret = (int)n;
	return n >= 200 && n <= 599 ? 0 : rn_fail(err, RN_EINVAL, "statusCode %lld ends no exchange of HTTP", (long long)n);
}

/* The body with the type that the headers name, else `type`. */
static void send_body(struct url_call *call, int status, const char *type, const void *p, size_t n)
{
	bool named = pairs_get(&call->res->headers, "Content-Type", true) != NULL;
	response_body(call->res, status, named ? NULL : type, p, n);
}

/* {statusCode, headers, cookies, body, isBase64Encoded}; without statusCode the whole value is the body. */
static int answer_document(struct url_call *call, const struct rn_buf *payload, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse(payload->p, payload->len, NULL);
	if (!rn_json_get(doc, "statusCode")) {
		send_body(call, 200, "application/json", payload->p, payload->len);
		return 0;
	}
	int status = 200;
	const cJSON *body = rn_json_get(doc, "body");
	RN_AUTO(rn_freep) char *other = body && !cJSON_IsString(body) && !cJSON_IsNull(body) ? rn_json_print(body) : NULL;
	const char *text = cJSON_IsString(body) ? body->valuestring : other ? other : "";
	RN_AUTO(rn_buf_clear) struct rn_buf decoded = RN_BUF_INIT;
	if (status_of(doc, &status, err) < 0)
		return -1;
	bool encoded = rn_json_bool(doc, "isBase64Encoded", false);
	if (encoded && rn_base64_decode(text, &decoded, NULL) < 0)
		return rn_fail(err, RN_EINVAL, "the body is not base64");
	add_answer_headers(call, doc);
	send_body(call, status, "application/json", encoded ? decoded.p : text, encoded ? decoded.len : strlen(text));
	return 0;
}

/* JSON {statusCode, headers, cookies}, eight NUL bytes, the body. */
static int answer_streamed(struct url_call *call, const struct rn_buf *payload, struct rn_error *err)
{
	static const char END[PRELUDE_END] = { 0 };
	const char *end = payload->len ? memmem(payload->p, payload->len, END, sizeof(END)) : NULL;
	size_t n = end ? (size_t)(end - payload->p) : payload->len;
	int status = 200;
	RN_AUTO(rn_json_freep) cJSON *prelude = rn_json_parse(payload->p, n, NULL);
	if (!prelude)
		return rn_fail(err, RN_EINVAL, "the prelude of the answer is not JSON");
	if (status_of(prelude, &status, err) < 0)
		return -1;
	add_answer_headers(call, prelude);
	send_body(call, status, "application/octet-stream", end ? end + sizeof(END) : NULL, end ? payload->len - n - sizeof(END) : 0);
	return 0;
}

int url_answer(struct url_call *call, const struct lambda_result *result, struct rn_error *err)
{
	if (!rn_streq(rn_json_str(call->config, "InvokeMode"), "RESPONSE_STREAM"))
		return answer_document(call, &result->payload, err);
	if (strncasecmp(result->content_type, STREAM_TYPE, strlen(STREAM_TYPE)) == 0)
		return answer_streamed(call, &result->payload, err);
	send_body(call, 200, *result->content_type ? result->content_type : "application/octet-stream", result->payload.p, result->payload.len);
	return 0;
}
