/* SPDX-License-Identifier: Apache-2.0 */
/* How results and errors are written in each protocol. Knows no service but by name. */
#include "route.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- XML of the query protocol ---- */

static void xml_text(struct rn_buf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '&')
			rn_buf_adds(b, "&amp;");
		else if (c == '<')
			rn_buf_adds(b, "&lt;");
		else if (c == '>')
			rn_buf_adds(b, "&gt;");
		else if (c == '"')
			rn_buf_adds(b, "&quot;");
		else if (c == '\r')
			rn_buf_adds(b, "&#xD;");
		else if (c >= ' ' || c == '\n' || c == '\t')
			rn_buf_addc(b, (char)c);
		else
			rn_buf_addc(b, ' '); /* XML 1.0 has no other control characters */
	}
}

static void xml_value(struct rn_buf *b, const char *name, const cJSON *value)
{
	if (cJSON_IsNull(value) || name[0] == '_') /* "_x" are a document's private members */
		return;
	rn_buf_addf(b, "<%s>", name);
	if (cJSON_IsString(value)) {
		xml_text(b, value->valuestring);
	} else if (cJSON_IsBool(value)) {
		rn_buf_adds(b, cJSON_IsTrue(value) ? "true" : "false");
	} else if (cJSON_IsNumber(value)) {
		if (value->valuedouble == floor(value->valuedouble))
			rn_buf_addf(b, "%.0f", value->valuedouble);
		else
			rn_buf_addf(b, "%.17g", value->valuedouble);
	} else {
		for (const cJSON *item = value->child; item; item = item->next)
			xml_value(b, cJSON_IsArray(value) ? "member" : item->string, item);
	}
	rn_buf_addf(b, "</%s>", name);
}

void answer_query(const struct request *req, struct response *res, cJSON *result)
{
	const char *action = req->operation;
	struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "<%sResponse xmlns=\"%s\">\n", action, req->xmlns ? req->xmlns : "");
	if (result) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("%sResult", action);
		xml_value(&b, name, result);
		rn_buf_addc(&b, '\n');
	}
	rn_buf_addf(
		&b,
		"<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>\n</%sResponse>\n",
		req->id, action);
	cJSON_Delete(result);
	response_body(res, 200, "text/xml", rn_buf_str(&b), b.len);
	rn_buf_clear(&b);
}

/* ---- errors ---- */

static void error_xml(const struct request *req, struct response *res, int status, const char *code,
		      const char *text)
{
	struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "<ErrorResponse xmlns=\"%s\">\n<Error><Type>%s</Type><Code>",
		    req->xmlns ? req->xmlns : "", status < 500 ? "Sender" : "Receiver");
	xml_text(&b, code);
	rn_buf_adds(&b, "</Code><Message>");
	xml_text(&b, text);
	rn_buf_addf(&b, "</Message></Error>\n<RequestId>%s</RequestId>\n</ErrorResponse>\n",
		    req->id);
	response_body(res, status, "text/xml", rn_buf_str(&b), b.len);
	rn_buf_clear(&b);
}

static cJSON *error_registry(const char *code, const char *text)
{
	cJSON *doc = cJSON_CreateObject();
	cJSON *one = cJSON_CreateObject();
	cJSON_AddStringToObject(one, "code", code);
	cJSON_AddStringToObject(one, "message", text);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(doc, "errors"), one);
	return doc;
}

static void error_json(const struct request *req, struct response *res, int status,
		       const char *code, const char *text)
{
	cJSON *doc = cJSON_CreateObject();
	switch (req->protocol) {
	case PROTOCOL_JSON:
		cJSON_AddStringToObject(doc, "__type", code);
		break;
	case PROTOCOL_REGISTRY:
		cJSON_Delete(doc);
		doc = error_registry(code, text);
		text = NULL;
		break;
	case PROTOCOL_REST_JSON:
		if (rn_streq(req->service, "lambda"))
			cJSON_AddStringToObject(doc, "Type", status < 500 ? "User" : "Service");
		response_header(res, "x-amzn-ErrorType", "%s", code);
		break;
	case PROTOCOL_GATEWAY:
		response_header(res, "x-amzn-ErrorType", "%s", code);
		break;
	case PROTOCOL_QUERY:
		break;
	}
	if (text)
		cJSON_AddStringToObject(doc, "message", text);
	response_json(req, res, status, doc);
}

int answer_error(const struct request *req, struct response *res, int status, const char *code,
		 const char *fmt, ...)
{
	RN_AUTO(rn_freep) char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
	response_clear(res);
	if (req->protocol == PROTOCOL_QUERY)
		error_xml(req, res, status, code, text);
	else
		error_json(req, res, status, code, text);
	return -1;
}

int answer_failure(const struct request *req, struct response *res, const struct rn_error *err)
{
	const char *code = "InternalFailure";
	if (rn_streq(req->service, "lambda") || rn_streq(req->service, "iam"))
		code = rn_streq(req->service, "iam") ? "ServiceFailure" : "ServiceException";
	else if (rn_streq(req->service, "ecr"))
		code = "ServerException";
	else if (rn_streq(req->service, "ssm"))
		code = "InternalServerError";
	else if (req->protocol == PROTOCOL_REGISTRY)
		code = "UNKNOWN";
	cloud_log(req->cloud, "error: %s", err->msg);
	return answer_error(req, res, 500, code, "%s", err->msg);
}

cJSON *request_json(struct request *req, struct response *res)
{
	if (req->json)
		return req->json;
	struct rn_error err = { 0 };
	req->json = req->body.len ? rn_json_parse(req->body.p, req->body.len, &err)
				  : cJSON_CreateObject();
	if (cJSON_IsObject(req->json))
		return req->json;
	cJSON_Delete(req->json);
	req->json = NULL;
	answer_error(req, res, 400, "SerializationException",
		     "Could not parse request body into json: %s",
		     err.msg[0] ? err.msg : "it is not an object");
	return NULL;
}
