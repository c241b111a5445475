/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of parameters and decoding of answers: REST query strings, Query forms, JSON, XML. */
#include "codec.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"
#include "xml.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- encoding -------------------------------------------------------------------- */

/* Scalar as text: integers without a point, booleans in words. NULL for null. */
static char *scalar(const cJSON *v)
{
	if (cJSON_IsString(v))
		return rn_strdup(v->valuestring);
	if (cJSON_IsBool(v))
		return rn_strdup(cJSON_IsTrue(v) ? "true" : "false");
	return cJSON_IsNumber(v) ? rn_json_print(v) : NULL;
}

static void add_pair(struct rn_buf *b, const char *name, const cJSON *v)
{
	RN_AUTO(rn_freep) char *text = scalar(v);
	if (!text)
		return;
	RN_AUTO(rn_freep) char *n = rn_percent(name, "");
	RN_AUTO(rn_freep) char *value = rn_percent(text, "");
	rn_buf_addf(b, "%s%s=%s", b->len ? "&" : "", n, value);
}

char *aws_encode_query(const cJSON *query)
{
	struct rn_buf b = RN_BUF_INIT;
	for (const cJSON *v = query ? query->child : NULL; v; v = v->next) {
		if (!cJSON_IsArray(v))
			add_pair(&b, v->string, v);
		for (const cJSON *item = cJSON_IsArray(v) ? v->child : NULL; item;
		     item = item->next)
			add_pair(&b, v->string, item);
	}
	return rn_buf_take(&b);
}

static void flatten(struct rn_buf *b, const char *prefix, const cJSON *v)
{
	if (!cJSON_IsObject(v) && !cJSON_IsArray(v)) {
		add_pair(b, prefix, v);
		return;
	}
	if (cJSON_IsArray(v) && !v->child) { /* an empty list: NAME= */
		RN_AUTO(rn_freep) char *n = rn_percent(prefix, "");
		rn_buf_addf(b, "%s%s=", b->len ? "&" : "", n);
	}
	int i = 0;
	for (const cJSON *item = v->child; item; item = item->next) {
		RN_AUTO(rn_freep)
		char *name = cJSON_IsArray(v) ? rn_asprintf("%s.member.%d", prefix, ++i)
					      : rn_asprintf("%s.%s", prefix, item->string);
		flatten(b, name, item);
	}
}

char *aws_encode_form(const char *operation, const char *version, const cJSON *params)
{
	struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "Action=%s&Version=%s", operation, version);
	for (const cJSON *v = params ? params->child : NULL; v; v = v->next)
		flatten(&b, v->string, v);
	return rn_buf_take(&b);
}

/* ---- decoding -------------------------------------------------------------------- */

cJSON *aws_decode(const struct rn_buf *body, struct rn_error *err)
{
	const char *text = rn_buf_str(body);
	text += strspn(text, " \t\r\n");
	size_t n = body->len - (size_t)(text - rn_buf_str(body));
	if (*text == '<')
		return xml_to_json(text, n, err);
	return rn_json_parse(text, n, err);
}

static void copy(char *to, size_t room, const char *from)
{
	if (from)
		snprintf(to, room, "%s", from);
}

/* "aws.protocols#Name:http://…" is Name */
static void copy_code(char *to, size_t room, const char *from)
{
	if (!from)
		return;
	size_t n = strcspn(from, ":");
	const char *hash = memrchr(from, '#', n);
	const char *name = hash ? hash + 1 : from;
	snprintf(to, room, "%.*s", (int)(from + n - name), name);
}

static const char *first_string(const cJSON *j, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *v = rn_json_str(j, names[i]);
		if (v && *v)
			return v;
	}
	return NULL;
}

static void request_id(const struct http_headers *h, const cJSON *body, struct aws_error *e)
{
	static const char *const headers[] = { "x-amzn-RequestId", "x-amz-request-id",
					       "x-amzn-request-id" };
	for (size_t i = 0; i < RN_LEN(headers) && !e->request_id[0]; i++)
		copy(e->request_id, sizeof(e->request_id), http_headers_get(h, headers[i]));
	static const char *const members[] = { "RequestId", "RequestID", "requestId" };
	if (!e->request_id[0])
		copy(e->request_id, sizeof(e->request_id),
		     first_string(body, members, RN_LEN(members)));
}

static void xml_error(const cJSON *body, struct aws_error *e)
{
	const cJSON *inner = rn_json_get(body, "Error");
	if (!inner)
		inner = rn_json_path(body, "Errors.Error");
	copy(e->code, sizeof(e->code), rn_json_str(inner, "Code"));
	copy(e->message, sizeof(e->message), rn_json_str(inner, "Message"));
}

void aws_decode_error(const struct http_response *r, const cJSON *body, struct aws_error *e)
{
	static const char *const codes[] = { "__type", "code", "Code" };
	static const char *const messages[] = { "message", "Message", "errorMessage",
						"error_description" };
	e->http_status = r->status;
	request_id(&r->headers, body, e);
	if (rn_json_get(body, "Error") || rn_json_get(body, "Errors")) {
		xml_error(body, e);
	} else {
		const char *type = http_headers_get(&r->headers, "x-amzn-ErrorType");
		copy_code(e->code, sizeof(e->code),
			  type && *type ? type : first_string(body, codes, RN_LEN(codes)));
		copy(e->message, sizeof(e->message),
		     first_string(body, messages, RN_LEN(messages)));
	}
	if (!e->message[0] && !body)
		snprintf(e->message, sizeof(e->message), "%.500s", rn_buf_str(&r->body));
}

/* ---- judging --------------------------------------------------------------------- */

static bool is_one_of(const char *code, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(code, list[i]))
			return true;
	return false;
}
#define IS_ONE_OF(code, list) is_one_of(code, list, RN_LEN(list))

enum aws_verdict aws_judge(const struct aws_error *e)
{
	static const char *const throttled[] = {
		"Throttling",
		"ThrottlingException",
		"ThrottledException",
		"RequestThrottledException",
		"RequestThrottled",
		"TooManyRequestsException",
		"RequestLimitExceeded",
		"BandwidthLimitExceeded",
		"SlowDown",
		"PriorRequestNotComplete",
		"EC2ThrottledException",
		"TooManyUpdates",
		"ProvisionedThroughputExceededException",
		"TransactionInProgressException",
		"LimitExceededException",
		/* no throttling, but as surely not acted upon, and worth the longer wait: IAM busy
		   with the same role, STS without the keys of an identity provider */
		"ConcurrentModification",
		"IDPCommunicationError",
		"InvalidIdentityToken",
	};
	static const char *const transient[] = {
		"RequestTimeout",  "RequestTimeoutException", "InternalError",
		"InternalFailure", "ServiceUnavailable",
	};
	static const char *const skewed[] = {
		"RequestTimeTooSkewed",      "RequestExpired",        "RequestInTheFuture",
		"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure",
	};
	static const char *const expired[] = { "ExpiredToken", "ExpiredTokenException" };
	if (IS_ONE_OF(e->code, throttled) || e->http_status == 429)
		return AWS_THROTTLED;
	if (IS_ONE_OF(e->code, transient))
		return AWS_TRANSIENT;
	if (IS_ONE_OF(e->code, skewed))
		return AWS_SKEWED;
	if (IS_ONE_OF(e->code, expired))
		return AWS_EXPIRED;
	int s = e->http_status;
	return s == 0 || s == 500 || s == 502 || s == 503 || s == 504 || s == 408 ? AWS_TRANSIENT
										  : AWS_FATAL;
}

static bool same_code(const char *have, const char *want)
{
	static const char *const tails[] = { "Exception", "Fault" };
	size_t h = strlen(have), w = strlen(want);
	for (size_t i = 0; i < RN_LEN(tails); i++) {
		if (rn_ends(have, tails[i]))
			h = strlen(have) - strlen(tails[i]);
		if (rn_ends(want, tails[i]))
			w = strlen(want) - strlen(tails[i]);
	}
	return h == w && !strncmp(have, want, h);
}

bool aws_error_is(const struct aws_error *e, const char *code)
{
	return e->code[0] && same_code(e->code, code);
}

bool aws_error_is_denied(const struct aws_error *e)
{
	static const char *const codes[] = {
		"AccessDenied",
		"AccessDeniedException",
		"UnauthorizedOperation",
		"AuthorizationError",
		"UnrecognizedClientException",
		"InvalidClientTokenId",
		"UnauthorizedException",
		"MissingAuthenticationToken",
		"MissingAuthenticationTokenException",
		"NotAuthorized",
		"OptInRequired",
		"InvalidAccessKeyId",
		"SignatureDoesNotMatch",
		"InvalidSignatureException",
		"ExpiredToken",
		"ExpiredTokenException",
		"IncompleteSignature",
		"IncompleteSignatureException",
		"Forbidden",
		"ForbiddenException",
	};
	return IS_ONE_OF(e->code, codes) || (e->http_status == 403 && !e->code[0]);
}

enum rn_code aws_error_class(const struct aws_error *e)
{
	if (aws_error_is_denied(e))
		return RN_EAUTH;
	if (e->http_status == 404 || strstr(e->code, "NotFound") || rn_starts(e->code, "NoSuch"))
		return RN_ENOTFOUND;
	if (strstr(e->code, "AlreadyExists"))
		return RN_EEXISTS;
	return RN_EREMOTE;
}
