/* SPDX-License-Identifier: Apache-2.0 */
/* Tags, reserved concurrency, loops, and lists of what belongs to a function. */
#include "lambda_internal.h"

#include <stdlib.h>
#include <string.h>

#define CONCURRENCY_MAX 1000 /* of an account */
#define UNRESERVED_MIN 100   /* AWS keeps so many for functions without a reservation */
#define TAGS_MAX 50
#define LIST_MAX 50

/* ---- tags: the resource is an ARN ---- */

static cJSON *tagged(struct request *req, struct response *res, struct function_ref *r)
{
	const char *arn = request_param(req, "arn");
	if (!arn || !rn_starts(arn, "arn:") || function_ref_parse(req->region, arn, NULL, r, NULL) < 0) {
		answer_error(req, res, 400, "ValidationException",
			     "1 validation error detected: Value '%s' at 'resource' failed to satisfy constraint: Member must "
			     "satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-"
			     "\\d{1}:\\d{12}:function:[a-zA-Z0-9-_]+",
			     arn ? arn : "");
		return NULL;
	}
	if (r->qualifier) {
		answer_error(req, res, 400, "InvalidParameterValueException",
			     "Tags on function aliases and versions are not supported. Please specify a function ARN.");
		return NULL;
	}
	return function_require(req, res, r);
}

static cJSON *tags_of(cJSON *doc)
{
	cJSON *tags = rn_json_get(doc, "_tags");
	return tags ? tags : cJSON_AddObjectToObject(doc, "_tags");
}

void lambda_tag(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res), *t;
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = in ? tagged(req, res, &r) : NULL;
	if (doc) {
		cJSON *tags = tags_of(doc);
		cJSON_ArrayForEach(t, rn_json_get(in, "Tags"))
			json_set_str(tags, t->string, cJSON_IsString(t) ? t->valuestring : "");
		if (cJSON_GetArraySize(tags) > TAGS_MAX) {
			answer_error(req, res, 400, "InvalidParameterValueException", "A resource can have at most %d tags",
				     TAGS_MAX);
		} else {
			function_save(req->cloud, &r, doc);
			response_json(req, res, 204, NULL);
		}
	}
	function_ref_clear(&r);
}

void lambda_untag(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = tagged(req, res, &r);
	if (doc) {
		for (size_t i = 0; i < req->args.n; i++)
			if (!strcmp(req->args.v[i].name, "tagKeys"))
				json_set_str(tags_of(doc), req->args.v[i].value, NULL);
		function_save(req->cloud, &r, doc);
		response_json(req, res, 204, NULL);
	}
	function_ref_clear(&r);
}

void lambda_list_tags(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = tagged(req, res, &r);
	if (doc) {
		cJSON *out = cJSON_CreateObject();
		cJSON_AddItemToObject(out, "Tags", cJSON_Duplicate(tags_of(doc), true));
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

/* ---- reserved concurrency ---- */

static cJSON *asked(struct request *req, struct response *res, struct function_ref *r)
{
	return function_ref_of(req, res, r) < 0 ? NULL : function_require(req, res, r);
}

/* What the other functions of the region have reserved. */
static double reserved_elsewhere(struct request *req, const struct function_ref *r)
{
	RN_AUTO(rn_json_freep) cJSON *docs = store_list(req->cloud->store, FUNCTION, r->region, NULL, 0);
	const cJSON *d;
	double sum = 0;
	cJSON_ArrayForEach(d, docs)
		if (!rn_streq(rn_json_str(d, "FunctionName"), r->name))
			sum += rn_json_num(d, "_reserved", 0);
	return sum;
}

void lambda_put_concurrency(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = in ? asked(req, res, &r) : NULL;
	const cJSON *n = rn_json_get(in, "ReservedConcurrentExecutions");
	if (doc && (!cJSON_IsNumber(n) || n->valuedouble < 0)) {
		answer_error(req, res, 400, "ValidationException",
			     "1 validation error detected: Value at 'reservedConcurrentExecutions' failed to satisfy constraint: "
			     "Member must have value greater than or equal to 0");
	} else if (doc && reserved_elsewhere(req, &r) + n->valuedouble > CONCURRENCY_MAX - UNRESERVED_MIN) {
		answer_error(req, res, 400, "InvalidParameterValueException",
			     "Specified ReservedConcurrentExecutions for function decreases account's "
			     "UnreservedConcurrentExecution below its minimum value of [%d].",
			     UNRESERVED_MIN);
	} else if (doc) {
		json_set(doc, "_reserved", cJSON_CreateNumber(n->valuedouble));
		function_save(req->cloud, &r, doc);
		cJSON *out = cJSON_CreateObject();
		cJSON_AddNumberToObject(out, "ReservedConcurrentExecutions", n->valuedouble);
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

void lambda_get_concurrency(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r);
	if (doc) {
		cJSON *out = cJSON_CreateObject();
		const cJSON *n = rn_json_get(doc, "_reserved");
		if (n)
			cJSON_AddNumberToObject(out, "ReservedConcurrentExecutions", n->valuedouble);
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

void lambda_delete_concurrency(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r);
	if (doc) {
		json_set_str(doc, "_reserved", NULL);
		function_save(req->cloud, &r, doc);
		response_json(req, res, 204, NULL);
	}
	function_ref_clear(&r);
}

void lambda_account_settings(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *docs = store_list(req->cloud->store, FUNCTION, req->region, NULL, 0);
	struct function_ref none = { .region = req->region };
	cJSON *out = cJSON_CreateObject(), *limit = cJSON_AddObjectToObject(out, "AccountLimit"),
	      *usage = cJSON_AddObjectToObject(out, "AccountUsage");
	cJSON_AddNumberToObject(limit, "TotalCodeSize", 80530636800.0);
	cJSON_AddNumberToObject(limit, "CodeSizeUnzipped", 262144000);
	cJSON_AddNumberToObject(limit, "CodeSizeZipped", 52428800);
	cJSON_AddNumberToObject(limit, "ConcurrentExecutions", CONCURRENCY_MAX);
	cJSON_AddNumberToObject(limit, "UnreservedConcurrentExecutions", CONCURRENCY_MAX - reserved_elsewhere(req, &none));
	cJSON_AddNumberToObject(usage, "TotalCodeSize", 0);
	cJSON_AddNumberToObject(usage, "FunctionCount", cJSON_GetArraySize(docs));
	response_json(req, res, 200, out);
}

/* ---- asked by Terraform and SAM: there is none ---- */

void lambda_no_signing(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r);
	if (doc) {
		cJSON *out = cJSON_CreateObject();
		cJSON_AddStringToObject(out, "FunctionName", r.name);
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

/* ---- loops ---- */

void lambda_get_recursion(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r);
	if (doc) {
		cJSON *out = cJSON_CreateObject();
		const char *loop = rn_json_str(doc, "_recursion");
		cJSON_AddStringToObject(out, "RecursiveLoop", loop ? loop : "Terminate");
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

void lambda_put_recursion(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = in ? asked(req, res, &r) : NULL;
	const char *loop = rn_json_str(in, "RecursiveLoop");
	bool allow = rn_streq(loop, "Allow");
	if (doc && !allow && !rn_streq(loop, "Terminate")) {
		answer_error(req, res, 400, "ValidationException",
			     "1 validation error detected: Value %s at 'recursiveLoop' failed to satisfy constraint: Member must satisfy "
			     "enum value set: [Allow, Terminate]",
			     loop ? loop : "null");
	} else if (doc) {
		json_set_str(doc, "_recursion", allow ? loop : NULL);
		function_save(req->cloud, &r, doc);
		cJSON *out = cJSON_CreateObject();
		cJSON_AddStringToObject(out, "RecursiveLoop", loop);
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

/* ---- lists of what belongs to a function ---- */

void lambda_answer_list(struct request *req, struct response *res, const struct function_ref *r, const char *kind, const char *member,
			void (*show)(const struct request *req, cJSON *doc))
{
	const char *text = request_arg(req, "MaxItems");
	int64_t limit = LIST_MAX;
	if (text && rn_parse_int(text, 1, LIST_MAX, &limit, NULL) < 0) {
		answer_error(req, res, 400, "InvalidParameterValueException", "MaxItems must be between 1 and %d", LIST_MAX);
		return;
	}
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_json_freep) cJSON *docs = store_list(req->cloud->store, kind, parent, request_arg(req, "Marker"), (size_t)limit + 1);
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, member), *d;
	const char *last = NULL;
	cJSON_ArrayForEach(d, docs) {
		if (limit-- == 0) {
			cJSON_AddStringToObject(out, "NextMarker", last);
			break;
		}
		const char *arn = rn_json_str(d, "FunctionArn"), *qualifier = arn ? strrchr(arn, ':') + 1 : "";
		last = rn_json_str(d, "_id") ? rn_json_str(d, "_id") : qualifier;
		if (show)
			show(req, d);
		cJSON_AddItemToArray(list, function_public(d, NULL));
	}
	response_json(req, res, 200, out);
}
