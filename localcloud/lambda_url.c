/* SPDX-License-Identifier: Apache-2.0 */
/* Function URLs: their configuration. What is called by them is in lambda_url_call.c. */
#include "lambda_url.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

/* A document: FunctionArn, AuthType, Cors, CreationTime, LastModifiedTime, InvokeMode, _qualifier ("" for the function). */

static cJSON *find(struct cloud *c, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_json_freep) cJSON *all = store_list(c->store, FUNCTION_URL, parent, NULL, 0);
	const cJSON *u;
	cJSON_ArrayForEach(u, all)
		if (rn_streq(rn_json_str(u, "_qualifier"), r->qualifier ? r->qualifier : ""))
			return cJSON_Duplicate(u, true);
	return NULL;
}

static void now(char *to)
{
	rn_iso8601(rn_wall_ms(), true, to);
}

static cJSON *public(const struct request *req, const cJSON *url, const char *id)
{
	cJSON *out = function_public(url, NULL);
	RN_AUTO(rn_freep) char *address = rn_asprintf("%s" FUNCTION_URL_PREFIX "%s/%s/", req->cloud->endpoint, req->region, id);
	json_set_str(out, "FunctionUrl", address);
	return out;
}

static void show_address(const struct request *req, cJSON *url)
{
	cJSON *shown = public(req, url, rn_json_str(url, "_id"));
	json_set_str(url, "FunctionUrl", rn_json_str(shown, "FunctionUrl"));
	cJSON_Delete(shown);
}

/* ---- checks ---- */

static int check_choice(struct request *req, struct response *res, const cJSON *in, const char *name, const char *member, const char *a,
			const char *b, bool needed)
{
	const cJSON *v = rn_json_get(in, name);
	const char *text = cJSON_GetStringValue(v);
	if (!v && !needed)
		return 0;
	if (!v)
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member);
	if (text && (!strcmp(text, a) || !strcmp(text, b)))
		return 0;
	return answer_error(req, res, 400, "ValidationException",
			    "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: "
			    "[%s, %s]",
			    text ? text : "", member, a, b);
}

static int check_list(struct request *req, struct response *res, const cJSON *v, const char *member, size_t longest)
{
	const cJSON *item;
	bool fits = !v || cJSON_IsArray(v);
	cJSON_ArrayForEach(item, v)
		fits = fits && cJSON_IsString(item) && strlen(item->valuestring) <= longest;
	return fits ? 0 :
		      answer_error(req, res, 400, "ValidationException",
				   "1 validation error detected: Value at 'cors.%s' failed to satisfy constraint: Member must satisfy "
				   "constraint: [Member must have length less than or equal to %zu]",
				   member, longest);
}

static int check_cors(struct request *req, struct response *res, const cJSON *cors)
{
	const cJSON *age = rn_json_get(cors, "MaxAge"), *credentials = rn_json_get(cors, "AllowCredentials");
	if (cors && (!cJSON_IsObject(cors) || (credentials && !cJSON_IsBool(credentials))))
		return answer_error(req, res, 400, "SerializationException", "Cors is not of the form that is expected");
	if (check_list(req, res, rn_json_get(cors, "AllowOrigins"), "allowOrigins", 253) < 0 ||
	    check_list(req, res, rn_json_get(cors, "AllowMethods"), "allowMethods", 6) < 0 ||
	    check_list(req, res, rn_json_get(cors, "AllowHeaders"), "allowHeaders", 1024) < 0 ||
	    check_list(req, res, rn_json_get(cors, "ExposeHeaders"), "exposeHeaders", 1024) < 0)
		return -1;
	if (!age || (cJSON_IsNumber(age) && age->valuedouble >= 0 && age->valuedouble <= 86400))
		return 0;
	return answer_error(req, res, 400, "ValidationException",
			    "1 validation error detected: Value at 'cors.maxAge' failed to satisfy constraint: Member must have value less than "
			    "or equal to 86400");
}

/* A URL belongs to a function or an alias, never to a version. */
static int asked(struct request *req, struct response *res, struct function_ref *r)
{
	if (function_ref_of(req, res, r) < 0)
		return -1;
	const char *q = r->qualifier;
	if (!q || q[strspn(q, "0123456789")])
		return 0;
	answer_error(req, res, 400, "ValidationException",
		     "1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular "
		     "expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
		     q);
	function_ref_clear(r);
	return -1;
}

/* ---- the API ---- */

static int take(struct request *req, struct response *res, const cJSON *in, cJSON *url, bool creating)
{
	char stamp[32];
	if (check_choice(req, res, in, "AuthType", "authType", "NONE", "AWS_IAM", creating) < 0 ||
	    check_choice(req, res, in, "InvokeMode", "invokeMode", "BUFFERED", "RESPONSE_STREAM", false) < 0 ||
	    check_cors(req, res, rn_json_get(in, "Cors")) < 0)
		return -1;
	static const char *const NAMES[] = { "AuthType", "InvokeMode", "Cors" };
	for (size_t i = 0; i < RN_LEN(NAMES); i++)
		if (rn_json_get(in, NAMES[i]))
			json_set(url, NAMES[i], cJSON_Duplicate(rn_json_get(in, NAMES[i]), true));
	const cJSON *cors = rn_json_get(url, "Cors");
	if (cors && !cors->child)
		json_set_str(url, "Cors", NULL);
	now(stamp);
	json_set_str(url, "LastModifiedTime", stamp);
	return 0;
}

static void create(struct request *req, struct response *res, const cJSON *in, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier);
	RN_AUTO(rn_json_freep) cJSON *doc = function_qualified(req->cloud, r, r->qualifier), *present = find(req->cloud, r);
	if (!doc) {
		answer_error(req, res, 404, "ResourceNotFoundException", "Function does not exist");
		return;
	}
	if (present) {
		answer_error(req, res, 409, "ResourceConflictException",
			     "Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this "
			     "Lambda function",
			     arn);
		return;
	}
	char id[33], stamp[32];
	RN_AUTO(rn_json_freep) cJSON *url = cJSON_CreateObject();
	cloud_id(id, 32, false);
	now(stamp);
	cJSON_AddStringToObject(url, "FunctionArn", arn);
	cJSON_AddStringToObject(url, "CreationTime", stamp);
	cJSON_AddStringToObject(url, "InvokeMode", "BUFFERED");
	cJSON_AddStringToObject(url, "_qualifier", r->qualifier ? r->qualifier : "");
	cJSON_AddStringToObject(url, "_id", id);
	if (take(req, res, in, url, true) < 0)
		return;
	store_put(req->cloud->store, FUNCTION_URL, parent, id, url, NULL);
	cJSON *out = public(req, url, id);
	json_set_str(out, "LastModifiedTime", NULL);
	response_json(req, res, 201, out);
}

void lambda_create_url(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	if (!in || asked(req, res, &r) < 0)
		return;
	create(req, res, in, &r);
	function_ref_clear(&r);
}

/* The URL that the request names; NULL when answered. */
static cJSON *named(struct request *req, struct response *res, struct function_ref *r)
{
	if (asked(req, res, r) < 0)
		return NULL;
	cJSON *url = find(req->cloud, r);
	if (!url)
		answer_error(req, res, 404, "ResourceNotFoundException", "The resource you requested does not exist.");
	return url;
}

void lambda_get_url(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *url = named(req, res, &r);
	if (url)
		response_json(req, res, 200, public(req, url, rn_json_str(url, "_id")));
	function_ref_clear(&r);
}

void lambda_update_url(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *url = in ? named(req, res, &r) : NULL;
	if (url && take(req, res, in, url, false) == 0) {
		RN_AUTO(rn_freep) char *parent = function_parent(&r);
		store_put(req->cloud->store, FUNCTION_URL, parent, rn_json_str(url, "_id"), url, NULL);
		response_json(req, res, 200, public(req, url, rn_json_str(url, "_id")));
	}
	function_ref_clear(&r);
}

void lambda_delete_url(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *url = named(req, res, &r);
	if (url) {
		RN_AUTO(rn_freep) char *parent = function_parent(&r);
		store_remove(req->cloud->store, FUNCTION_URL, parent, rn_json_str(url, "_id"), NULL);
		response_json(req, res, 204, NULL);
	}
	function_ref_clear(&r);
}

void lambda_list_urls(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_load(req->cloud, &r);
	if (doc)
		lambda_answer_list(req, res, &r, FUNCTION_URL, "FunctionUrlConfigs", show_address);
	else
		answer_error(req, res, 404, "ResourceNotFoundException", "Function does not exist");
	function_ref_clear(&r);
}

void lambda_forget_url(struct cloud *c, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_json_freep) cJSON *url = find(c, r);
	if (url)
		store_remove(c->store, FUNCTION_URL, parent, rn_json_str(url, "_id"), NULL);
}
