/* SPDX-License-Identifier: Apache-2.0 */
/* How a call is refused: AWS's answers, and the API's own gateway responses in their place. */
#include "apigw_gateway.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *type, *fallback; /* gateway response types */
	int status;
	const char *message, *error_type; /* message NULL: none */
} REFUSALS[] = {
	[GATEWAY_NO_METHOD] = { "MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX", 403, "Missing Authentication Token",
				"MissingAuthenticationTokenException" },
	[GATEWAY_BAD_KEY] = { "INVALID_API_KEY", "DEFAULT_4XX", 403, "Forbidden", "ForbiddenException" },
	[GATEWAY_THROTTLED] = { "THROTTLED", "DEFAULT_4XX", 429, "Too Many Requests", "TooManyRequestsException" },
	[GATEWAY_QUOTA] = { "QUOTA_EXCEEDED", "DEFAULT_4XX", 429, "Limit Exceeded", "LimitExceededException" },
	[GATEWAY_TOO_LARGE] = { "REQUEST_TOO_LARGE", "DEFAULT_4XX", 413, "Request Too Long", "RequestTooLargeException" },
	[GATEWAY_CONFIGURATION] = { "API_CONFIGURATION_ERROR", "DEFAULT_5XX", 500, "Internal server error", "InternalServerErrorException" },
	[GATEWAY_BAD_ANSWER] = { "DEFAULT_5XX", "DEFAULT_5XX", 502, "Internal server error", "InternalServerErrorException" },
	[GATEWAY_FAILURE] = { "INTEGRATION_FAILURE", "DEFAULT_5XX", 504, "Internal server error", "InternalServerErrorException" },
	[GATEWAY_TIMEOUT] = { "INTEGRATION_TIMEOUT", "DEFAULT_5XX", 504, "Endpoint request timed out", "InternalServerErrorException" },
	[GATEWAY_UNAUTHORIZED] = { "UNAUTHORIZED", "DEFAULT_4XX", 401, "Unauthorized", "UnauthorizedException" },
	[GATEWAY_DENIED] = { "ACCESS_DENIED", "DEFAULT_4XX", 403, "User is not authorized to access this resource", "AccessDeniedException" },
	[GATEWAY_DENIED_EXPLICITLY] = { "ACCESS_DENIED", "DEFAULT_4XX", 403,
					"User is not authorized to access this resource with an explicit deny", "AccessDeniedException" },
	[GATEWAY_AUTHORIZER_FAILURE] = { "AUTHORIZER_FAILURE", "DEFAULT_5XX", 500, NULL, "AuthorizerFailureException" },
	[GATEWAY_AUTHORIZER_CONFIGURATION] = { "AUTHORIZER_CONFIGURATION_ERROR", "DEFAULT_5XX", 500, NULL, "AuthorizerConfigurationException" },
	[GATEWAY_BAD_PARAMETERS] = { "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX", 400, "Missing required request parameters", "BadRequestException" },
	[GATEWAY_BAD_BODY] = { "BAD_REQUEST_BODY", "DEFAULT_4XX", 400, "Invalid request body", "BadRequestException" },
};

/* ---- values ---------------------------------------------------------------------------- */

char *gateway_context(const struct gateway_call *call, const char *name)
{
	const struct request *req = call->req;
	RN_AUTO(rn_freep) char *path = rn_asprintf("/%s%s", call->stage_name ? call->stage_name : "", call->path ? call->path : "");
	const struct {
		const char *name, *value;
	} values[] = {
		{ "requestId", req->id },
		{ "extendedRequestId", req->id },
		{ "apiId", call->api_id },
		{ "stage", call->stage_name },
		{ "httpMethod", call->verb },
		{ "path", path },
		{ "resourcePath", rn_json_str(call->resource, "path") },
		{ "resourceId", rn_json_str(call->resource, "id") },
		{ "accountId", CLOUD_ACCOUNT },
		{ "protocol", "HTTP/1.1" },
		{ "domainName", request_header(req, "Host") },
		{ "identity.sourceIp", req->source_ip },
		{ "identity.userAgent", request_header(req, "User-Agent") },
		{ "identity.apiKey", call->key_value },
		{ "identity.apiKeyId", call->key_id },
		{ "identity.userArn", req->caller_arn },
		{ "identity.caller", req->caller_id },
		{ "error.validationErrorString", call->validation_error },
	};
	for (size_t i = 0; i < RN_LEN(values); i++)
		if (strcmp(values[i].name, name) == 0)
			return rn_strdup(values[i].value);
	if (!rn_starts(name, "authorizer."))
		return NULL;
	return rn_strdup(rn_json_str(call->authorizer, name + strlen("authorizer.")));
}

char *gateway_mapped(const struct gateway_call *call, const char *mapping)
{
	size_t n = strlen(mapping);
	if (n >= 2 && mapping[0] == '\'' && mapping[n - 1] == '\'')
		return rn_strndup(mapping + 1, n - 2);
	if (rn_starts(mapping, "method.request.header."))
		return rn_strdup(request_header(call->req, mapping + strlen("method.request.header.")));
	if (rn_starts(mapping, "method.request.querystring."))
		return rn_strdup(request_arg(call->req, mapping + strlen("method.request.querystring.")));
	if (rn_starts(mapping, "method.request.path."))
		return rn_strdup(pairs_get(&call->path_params, mapping + strlen("method.request.path."), false));
	if (rn_starts(mapping, "stageVariables."))
		return rn_strdup(rn_json_str(rn_json_get(call->stage, "variables"), mapping + strlen("stageVariables.")));
	return rn_starts(mapping, "context.") ? gateway_context(call, mapping + strlen("context.")) : NULL;
}

/* ---- the API's own responses ------------------------------------------------------------- */

/* The API's own response of a type, or of the fallback; NULL: none was set. */
static const cJSON *custom_response(const struct gateway_call *call, const char *type, const char *fallback)
{
	const char *const types[] = { type, fallback };
	const cJSON *one;
	for (size_t i = 0; i < RN_LEN(types); i++)
		cJSON_ArrayForEach(one, rn_json_get(call->snapshot, "responses"))
		{
			if (rn_streq(rn_json_str(one, "responseType"), types[i]))
				return one;
		}
	return NULL;
}

static void add_quoted(struct rn_buf *to, const char *text)
{
	if (text)
		rn_json_quote(to, text, strlen(text));
	else
		rn_buf_adds(to, "null");
}

/* One "$context.NAME" or "$stageVariables.NAME" of a template. */
static void add_variable(const struct gateway_call *call, struct rn_buf *to, const char *name, const char *message, const char *type)
{
	RN_AUTO(rn_freep) char *value = NULL;
	if (strcmp(name, "context.error.messageString") == 0)
		add_quoted(to, message);
	else if (strcmp(name, "context.error.message") == 0)
		rn_buf_adds(to, message ? message : "");
	else if (strcmp(name, "context.error.responseType") == 0)
		rn_buf_adds(to, type);
	else if ((value = gateway_mapped(call, name)))
		rn_buf_adds(to, value);
}

static void fill_template(const struct gateway_call *call, const char *template, const char *message, const char *type, struct rn_buf *to)
{
	for (const char *p = template; *p;) {
		if (!rn_starts(p, "$context.") && !rn_starts(p, "$stageVariables.")) {
			rn_buf_addc(to, *p++);
			continue;
		}
		size_t n = 1;
		while (isalnum((unsigned char)p[n]) || p[n] == '_' || (p[n] == '.' && isalnum((unsigned char)p[n + 1])))
			n++;
		RN_AUTO(rn_freep) char *name = rn_strndup(p + 1, n - 1);
		add_variable(call, to, name, message, type);
		p += n;
	}
}

/* Sets a header in the place of one of that name. */
static void set_header(struct response *res, const char *name, const char *value)
{
	for (size_t i = 0; i < res->headers.n; i++) {
		if (strcasecmp(res->headers.v[i].name, name) != 0)
			continue;
		rn_freep(&res->headers.v[i].value);
		res->headers.v[i].value = rn_strdup(value);
		return;
	}
	response_header(res, name, "%s", value);
}

/* Headers "gatewayresponse.header.NAME": "'VALUE'" or what a mapping gives. */
static void custom_headers(struct gateway_call *call, const cJSON *parameters)
{
	static const char PREFIX[] = "gatewayresponse.header.";
	const cJSON *p;
	cJSON_ArrayForEach(p, parameters)
	{
		RN_AUTO(rn_freep) char *value = cJSON_IsString(p) ? gateway_mapped(call, p->valuestring) : NULL;
		if (value && rn_starts(p->string, PREFIX))
			set_header(call->res, p->string + strlen(PREFIX), value);
	}
}

/* The template for what the client accepts, else for JSON, else the first. */
static const cJSON *choose_template(const struct gateway_call *call, const cJSON *templates)
{
	const char *accept = request_header(call->req, "Accept");
	RN_AUTO(rn_freep) char *first = accept ? rn_strndup(accept, strcspn(accept, ",; ")) : NULL;
	const cJSON *fits = first ? rn_json_get(templates, first) : NULL;
	fits = fits ? fits : rn_json_get(templates, "application/json");
	return fits ? fits : templates ? templates->child : NULL;
}

static void apply_custom(struct gateway_call *call, const char *type, const char *fallback, const char *message)
{
	const cJSON *custom = custom_response(call, type, fallback);
	const cJSON *template = choose_template(call, rn_json_get(custom, "responseTemplates"));
	const char *status = rn_json_str(custom, "statusCode");
	if (!custom)
		return;
	if (cJSON_IsString(template)) {
		RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
		fill_template(call, template->valuestring, message, type, &body);
		response_body(call->res, call->res->status, NULL, rn_buf_str(&body), body.len);
		set_header(call->res, "Content-Type", template->string);
	}
	if (status)
		call->res->status = (int)strtol(status, NULL, 10);
	custom_headers(call, rn_json_get(custom, "responseParameters"));
}

/* ---- refusing ---------------------------------------------------------------------------------- */

/* {"message": null}, or with a capital letter, as AWS answers for authorizers. */
static void odd_body(struct gateway_call *call, enum gateway_error error, const char *message)
{
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	bool denied = error == GATEWAY_DENIED || error == GATEWAY_DENIED_EXPLICITLY;
	if (message && !denied)
		return;
	rn_buf_addf(&body, "{\"%s\":", denied ? "Message" : "message");
	add_quoted(&body, message);
	rn_buf_addc(&body, '}');
	response_body(call->res, call->res->status, NULL, rn_buf_str(&body), body.len);
}

int gateway_refuse_as(struct gateway_call *call, enum gateway_error error, const char *message, const char *why)
{
	cloud_log(call->req->cloud, "%s: %s: %s", call->path ? call->path : call->req->path, message ? message : REFUSALS[error].type, why);
	answer_error(call->req, call->res, REFUSALS[error].status, REFUSALS[error].error_type, "%s", message ? message : "");
	odd_body(call, error, message);
	apply_custom(call, REFUSALS[error].type, REFUSALS[error].fallback, message);
	return -1;
}

int gateway_refuse(struct gateway_call *call, enum gateway_error error, const char *why, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, why);
	vsnprintf(text, sizeof(text), why, ap);
	va_end(ap);
	return gateway_refuse_as(call, error, REFUSALS[error].message, text);
}

int gateway_refuse_signature(struct gateway_call *call)
{
	static const char *const TYPES[][2] = { { "MissingAuthenticationTokenException", "MISSING_AUTHENTICATION_TOKEN" },
						{ "InvalidSignatureException", "INVALID_SIGNATURE" },
						{ "ExpiredTokenException", "EXPIRED_TOKEN" } };
	const char *code = pairs_get(&call->res->headers, "x-amzn-ErrorType", true), *type = "ACCESS_DENIED";
	RN_AUTO(rn_json_freep) cJSON *body = rn_json_parse(rn_buf_str(&call->res->body), call->res->body.len, NULL);
	for (size_t i = 0; code && i < RN_LEN(TYPES); i++)
		if (strcmp(code, TYPES[i][0]) == 0)
			type = TYPES[i][1];
	apply_custom(call, type, "DEFAULT_4XX", rn_json_str(body, "message"));
	return -1;
}
