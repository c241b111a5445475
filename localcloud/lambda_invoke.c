/* SPDX-License-Identifier: Apache-2.0 */
/* Invoke: the API, and what the other services call. */
#include "lambda_internal.h"

#include "base/encode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYNC_MAX ((size_t)6291456)
#define EVENT_MAX ((size_t)1 << 20)

void lambda_result_clear(struct lambda_result *r)
{
	free(r->error_code);
	free(r->error_message);
	rn_buf_clear(&r->payload);
	free(r->version);
	free(r->log);
	*r = (struct lambda_result){ 0 };
}

static void refuse(struct lambda_result *res, int status, const char *code, const char *fmt, ...) RN_PRINTF(4, 5);
static void refuse(struct lambda_result *res, int status, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	res->status = status;
	res->error_code = rn_strdup(code);
	if (vasprintf(&res->error_message, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
}

/* A call that may be made: the document of what runs. NULL when refused. */
static cJSON *admit(struct cloud *c, const struct lambda_call *call, struct function_ref *r, int64_t *ret_reserved,
		    struct lambda_result *res)
{
	if (function_ref_parse(call->region, call->function, call->qualifier, r, NULL) < 0) {
		refuse(res, 400, "ValidationException", "'%s' is not the name of a function", call->function);
		return NULL;
	}
	RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier);
	store_begin(c->store); /* one reading of all */
	cJSON *doc = function_qualified(c, r, r->qualifier);
	RN_AUTO(rn_json_freep) cJSON *latest = function_load(c, r);
	store_end(c->store, false, NULL);
	if (!doc) {
		refuse(res, 404, "ResourceNotFoundException", "Function not found: %s", arn);
		return NULL;
	}
	*ret_reserved = rn_json_int(latest, "_reserved", -1);
	const char *state = rn_json_str(doc, "State");
	if (call->principal && !lambda_permits(c, r->region, r->name, r->qualifier, call->principal, call->source_arn))
		refuse(res, 403, "AccessDeniedException",
		       "User: %s is not authorized to perform: lambda:InvokeFunction on resource: %s because no resource-based "
		       "policy allows the lambda:InvokeFunction action",
		       call->principal, arn);
	else if (!rn_streq(state, "Active"))
		refuse(res, 409, "ResourceConflictException",
		       "The operation cannot be performed at this time. The function is currently in the following state: %s",
		       state);
	else
		return doc;
	cJSON_Delete(doc);
	return NULL;
}

static int check_payload(const struct lambda_call *call, struct lambda_result *res)
{
	struct rn_error err = { 0 };
	size_t max = call->type == LAMBDA_EVENT ? EVENT_MAX : SYNC_MAX;
	if (call->n > max) {
		refuse(res, 413, "RequestEntityTooLargeException",
		       "Request must be smaller than %zu bytes for the InvokeFunction operation", max);
		return -1;
	}
	if (!call->n)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(call->payload, call->n, &err);
	if (!j)
		refuse(res, 400, "InvalidRequestContentException", "Could not parse request body into json: %s", err.msg);
	return j ? 0 : -1;
}

/* Runs it to its end. */
static void run(struct lambda *l, const struct lambda_call *call, const struct function_ref *r, const cJSON *doc,
		int64_t reserved, struct lambda_result *res)
{
	RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier);
	for (int tries = 0; tries < 3; tries++) {
		struct instance *in = instance_acquire(l, r, doc, reserved, res);
		if (!in)
			return;
		struct invocation inv = { .payload = call->n ? call->payload : "{}",
					  .n = call->n ? call->n : 2,
					  .client_context = call->client_context,
					  .arn = arn };
		memcpy(inv.id, res->request_id, sizeof(inv.id));
		bool taken = instance_run(in, &inv, doc, res);
		instance_release(in);
		rn_buf_clear(&inv.response);
		if (taken)
			return;
	}
	refuse(res, 500, "ServiceException", "the function's instances end before they take an event");
}

void lambda_run(struct cloud *c, const struct lambda_call *call, struct lambda_result *res)
{
	struct function_ref r = { 0 };
	int64_t reserved = -1;
	RN_AUTO(rn_json_freep) cJSON *doc = admit(c, call, &r, &reserved, res);
	if (doc)
		res->version = rn_strdup(rn_json_str(doc, "Version"));
	if (doc)
		run(lambda_of(c), call, &r, doc, reserved, res);
	function_ref_clear(&r);
}

static void queue(struct lambda *l, const struct lambda_call *call, struct lambda_result *res)
{
	struct rn_error err = { 0 };
	if (events_add(l, call, res->request_id, &err) == 0) {
		res->status = 202;
	} else if (err.code == RN_ELIMIT) {
		refuse(res, 429, "TooManyRequestsException", "%s", err.msg);
		res->reason = "ConcurrentInvocationLimitExceeded";
	} else {
		refuse(res, 500, "ServiceException", "%s", err.msg);
	}
}

void lambda_invoke(struct cloud *c, const struct lambda_call *call, struct lambda_result *ret)
{
	*ret = (struct lambda_result){ 0 };
	cloud_uuid(ret->request_id);
	struct function_ref r = { 0 };
	int64_t reserved = -1;
	RN_AUTO(rn_json_freep) cJSON *doc = admit(c, call, &r, &reserved, ret);
	if (doc && check_payload(call, ret) == 0) {
		ret->version = rn_strdup(rn_json_str(doc, "Version"));
		if (call->type == LAMBDA_DRY_RUN)
			ret->status = 204;
		else if (call->type == LAMBDA_EVENT)
			queue(lambda_of(c), call, ret);
		else
			run(lambda_of(c), call, &r, doc, reserved, ret);
	}
	function_ref_clear(&r);
}

/* ---- the API ---- */

static void answer(struct request *req, struct response *res, struct lambda_result *r, bool tail)
{
	if (r->status >= 400) {
		answer_error(req, res, r->status, r->error_code, "%s", r->error_message);
		if (!r->reason)
			return;
		cJSON *doc = cJSON_CreateObject();
		cJSON_AddStringToObject(doc, "Reason", r->reason);
		cJSON_AddStringToObject(doc, "Type", "User");
		cJSON_AddStringToObject(doc, "message", r->error_message);
		response_json(req, res, r->status, doc);
		return;
	}
	memcpy(req->id, r->request_id, sizeof(req->id));
	response_body(res, r->status, "application/json", r->payload.p, r->payload.len);
	if (r->version && r->status == 200)
		response_header(res, "X-Amz-Executed-Version", "%s", r->version);
	if (r->function_error)
		response_header(res, "X-Amz-Function-Error", "%s", r->function_error);
	if (tail && r->log) {
		RN_AUTO(rn_freep) char *log = rn_base64(r->log, strlen(r->log));
		response_header(res, "X-Amz-Log-Result", "%s", log);
	}
}

static int invocation_type(struct request *req, struct response *res, enum lambda_type *ret)
{
	static const char *const NAMES[] = { [LAMBDA_REQUEST_RESPONSE] = "RequestResponse",
					     [LAMBDA_EVENT] = "Event",
					     [LAMBDA_DRY_RUN] = "DryRun" };
	const char *type = request_header(req, "X-Amz-Invocation-Type");
	for (size_t i = 0; i < RN_LEN(NAMES); i++)
		if (!type || !strcmp(type, NAMES[i])) {
			*ret = (enum lambda_type)i;
			return 0;
		}
	return answer_error(req, res, 400, "InvalidParameterValueException",
			    "1 validation error detected: Value '%s' at 'invocationType' failed to satisfy constraint: Member must "
			    "satisfy enum value set: [Event, RequestResponse, DryRun]",
			    type);
}

/* The function that the request names, with the context that it sends. */
static void invoke(struct request *req, const struct function_ref *r, struct lambda_call *call, struct lambda_result *ret)
{
	RN_AUTO(rn_buf_clear) struct rn_buf context = RN_BUF_INIT;
	const char *encoded = request_header(req, "X-Amz-Client-Context");
	if (encoded && rn_base64_decode(encoded, &context, NULL) == 0)
		call->client_context = rn_buf_str(&context);
	call->function = r->name;
	call->qualifier = r->qualifier;
	lambda_invoke(req->cloud, call, ret);
}

void lambda_invoke_handler(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	struct lambda_call call = { .payload = req->body.p, .n = req->body.len, .region = req->region };
	if (invocation_type(req, res, &call.type) < 0 || function_ref_of(req, res, &r) < 0)
		return;
	struct lambda_result result;
	invoke(req, &r, &call, &result);
	answer(req, res, &result, rn_streq(request_header(req, "X-Amz-Log-Type"), "Tail"));
	lambda_result_clear(&result);
	function_ref_clear(&r);
}

/* InvokeWithResponseStream: the whole answer as one part of a stream, for the local runtime has it only then. */
static void answer_stream(struct request *req, struct response *res, const struct lambda_result *r, bool tail)
{
	RN_AUTO(rn_buf_clear) struct rn_buf stream = RN_BUF_INIT;
	RN_AUTO(rn_json_freep) cJSON *end = cJSON_CreateObject();
	if (r->payload.len && !r->function_error)
		event_stream_add(&stream, "PayloadChunk", "application/octet-stream", r->payload.p, r->payload.len);
	if (r->function_error) {
		cJSON_AddStringToObject(end, "ErrorCode", r->function_error);
		cJSON_AddStringToObject(end, "ErrorDetails", rn_buf_str(&r->payload));
	}
	if (tail && r->log) {
		RN_AUTO(rn_freep) char *log = rn_base64(r->log, strlen(r->log));
		cJSON_AddStringToObject(end, "LogResult", log);
	}
	RN_AUTO(rn_freep) char *text = rn_json_print(end);
	event_stream_add(&stream, "InvokeComplete", "application/json", text, strlen(text));
	memcpy(req->id, r->request_id, sizeof(req->id));
	response_body(res, 200, "application/vnd.amazon.eventstream", stream.p, stream.len);
	response_header(res, "X-Amz-Executed-Version", "%s", r->version ? r->version : LATEST);
	response_header(res, "X-Amzn-Remapped-Content-Type", "%s", *r->content_type ? r->content_type : "application/octet-stream");
}

void lambda_invoke_stream_handler(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	struct lambda_call call = { .payload = req->body.p, .n = req->body.len, .region = req->region };
	const char *type = request_header(req, "X-Amz-Invocation-Type");
	if (type && strcmp(type, "RequestResponse") != 0 && strcmp(type, "DryRun") != 0) {
		answer_error(req, res, 400, "InvalidParameterValueException",
			     "1 validation error detected: Value '%s' at 'invocationType' failed to satisfy constraint: Member must "
			     "satisfy enum value set: [RequestResponse, DryRun]",
			     type);
		return;
	}
	if (function_ref_of(req, res, &r) < 0)
		return;
	call.type = rn_streq(type, "DryRun") ? LAMBDA_DRY_RUN : LAMBDA_REQUEST_RESPONSE;
	struct lambda_result result;
	invoke(req, &r, &call, &result);
	bool tail = rn_streq(request_header(req, "X-Amz-Log-Type"), "Tail");
	if (result.status == 200)
		answer_stream(req, res, &result, tail);
	else
		answer(req, res, &result, false);
	lambda_result_clear(&result);
	function_ref_clear(&r);
}

/* The old InvokeAsync. */
void lambda_invoke_async_handler(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	struct lambda_call call = { .region = req->region, .function = r.name, .type = LAMBDA_EVENT,
				    .payload = req->body.p, .n = req->body.len };
	struct lambda_result result;
	lambda_invoke(req->cloud, &call, &result);
	if (result.status < 400) {
		cJSON *doc = cJSON_CreateObject();
		cJSON_AddNumberToObject(doc, "Status", result.status);
		response_json(req, res, result.status, doc);
	} else {
		answer(req, res, &result, false);
	}
	lambda_result_clear(&result);
	function_ref_clear(&r);
}
