/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAPI (Swagger 2.0 and 3.0, JSON or YAML) into resources, methods and integrations, by
 * API Gateway's extensions. Resources keep their ids where the path stays.
 */
#include "apigw_import.h"
#include "store.h"

#include "yaml/document.h"

#include <stdlib.h>
#include <string.h>

static cJSON *find_path(const struct import *im, const char *path)
{
	cJSON *one = im->resources->child;
	while (one && !rn_streq(rn_json_str(one, "path"), path))
		one = one->next;
	return one;
}

/* The resource of a path, made with all above it; NULL: answered. */
static cJSON *make_path(struct import *im, const char *path)
{
	char id[16];
	cJSON *at = find_path(im, "/");
	struct rn_strv parts = { 0 };
	apigw_set(at, "_keep", cJSON_CreateTrue());
	rn_strv_split(&parts, path + 1, '/');
	for (size_t i = 0; i < parts.n && at; i++) {
		if (!*parts.v[i])
			continue;
		if (!apigw_is_path_part(parts.v[i])) {
			apigw_bad(im->req, im->res, "Invalid path in the OpenAPI document: %s",
				  path);
			at = NULL;
			break;
		}
		cJSON *made = apigw_new_resource(cloud_id(id, 6, false), at, parts.v[i]);
		cJSON *known = find_path(im, rn_json_str(made, "path"));
		if (known)
			cJSON_Delete(made);
		else
			cJSON_AddItemToArray(im->resources, known = made);
		apigw_set(known, "_keep", cJSON_CreateTrue());
		at = known;
	}
	rn_strv_clear(&parts);
	return at;
}

/* "default" and "4\\d{2}" of the extension become integrationResponses by status. */
static int take_responses(struct import *im, const cJSON *responses, cJSON *integration)
{
	cJSON *list = cJSON_AddObjectToObject(integration, "integrationResponses");
	for (const cJSON *r = responses ? responses->child : NULL; r; r = r->next) {
		const cJSON *status = rn_json_get(r, "statusCode");
		RN_AUTO(rn_freep) char *code =
			cJSON_IsString(status) ? rn_strdup(status->valuestring)
			     : status               ? rn_json_print(status)
						    : rn_strdup("200");
		if (!cJSON_IsObject(r) || !apigw_is_status(code))
			return apigw_bad(im->req, im->res, "Invalid OpenAPI input: the response %s of an integration needs a statusCode such as 200, not %s",
					 r->string, code);
		cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "statusCode", code);
		if (strcmp(r->string, "default") != 0)
			cJSON_AddStringToObject(one, "selectionPattern", r->string);
		static const char *const COPIED[] = { "responseParameters", "responseTemplates",
						      "contentHandling" };
		for (size_t i = 0; i < RN_LEN(COPIED); i++)
			if (rn_json_get(r, COPIED[i]))
				cJSON_AddItemToObject(
					one, COPIED[i],
					cJSON_Duplicate(rn_json_get(r, COPIED[i]), true));
		apigw_set(list, code, one);
	}
	return 0;
}

static int take_integration(struct import *im, const cJSON *from, const char *resource_id,
			    cJSON *method)
{
	static const char *const COPIED[] = { "httpMethod",       "uri",
					      "credentials",      "requestParameters",
					      "requestTemplates", "passthroughBehavior",
					      "cacheNamespace",   "cacheKeyParameters",
					      "contentHandling",  "timeoutInMillis",
					      "connectionType" };
	if (!from)
		return 0;
	cJSON *integration = cJSON_AddObjectToObject(method, "methodIntegration");
	const char *type = rn_json_str(from, "type");
	RN_AUTO(rn_freep) char *upper = rn_strdup(type ? type : "");
	for (char *p = upper; *p; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	cJSON_AddStringToObject(integration, "type", upper);
	for (size_t i = 0; i < RN_LEN(COPIED); i++)
		if (rn_json_get(from, COPIED[i]))
			cJSON_AddItemToObject(integration, COPIED[i],
					      cJSON_Duplicate(rn_json_get(from, COPIED[i]), true));
	const char *behavior = rn_json_str(integration, "passthroughBehavior");
	if (behavior) {
		RN_AUTO(rn_freep) char *loud = rn_strdup(behavior);
		for (char *p = loud; *p; p++)
			*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		apigw_set(integration, "passthroughBehavior", cJSON_CreateString(loud));
	}
	if (!rn_json_get(integration, "cacheNamespace"))
		cJSON_AddStringToObject(integration, "cacheNamespace", resource_id);
	if (rn_json_get(from, "responses") && take_responses(im, rn_json_get(from, "responses"), integration) < 0)
		return -1;
	return apigw_check_integration(im->req, im->res, integration);
}

static int take_operation(struct import *im, cJSON *resource, const char *verb, const cJSON *path,
			  const cJSON *operation)
{
	cJSON *method = cJSON_CreateObject();
	import_security(im, operation, method);
	if (rn_json_str(operation, "operationId"))
		cJSON_AddStringToObject(method, "operationName",
					rn_json_str(operation, "operationId"));
	apigw_set(apigw_object(resource, "resourceMethods"), verb, method);
	const cJSON *responses = rn_json_get(operation, "responses");
	for (const cJSON *r = responses ? responses->child : NULL; r; r = r->next) {
		if (strlen(r->string) != 3)
			continue; /* "default" has no method response */
		cJSON *one = cJSON_AddObjectToObject(apigw_object(method, "methodResponses"),
						     r->string);
		cJSON_AddStringToObject(one, "statusCode", r->string);
		import_response_models(im, r, one);
		const cJSON *headers = rn_json_get(r, "headers");
		for (const cJSON *h = headers ? headers->child : NULL; h; h = h->next) {
			RN_AUTO(rn_freep) char *name =
				rn_asprintf("method.response.header.%s", h->string);
			cJSON_AddBoolToObject(apigw_object(one, "responseParameters"), name, false);
		}
	}
	if (import_request(im, path, operation, method) < 0 || apigw_check_method(im->req, im->res, verb, method) < 0)
		return -1;
	return take_integration(im, rn_json_get(operation, "x-amazon-apigateway-integration"),
				rn_json_str(resource, "id"), method);
}

static int take_path(struct import *im, const cJSON *path)
{
	static const char *const VERBS[][2] = {
		{ "get", "GET" },         { "post", "POST" },
		{ "put", "PUT" },         { "delete", "DELETE" },
		{ "patch", "PATCH" },     { "head", "HEAD" },
		{ "options", "OPTIONS" }, { "x-amazon-apigateway-any-method", "ANY" }
	};
	cJSON *resource = path->string[0] == '/' && cJSON_IsObject(path) ? make_path(im, path->string) : NULL;
	if (!resource)
		return im->res->status ? -1
				       : apigw_bad(im->req, im->res,
						   "Invalid path in the OpenAPI document: %s",
						   path->string);
	for (size_t i = 0; i < RN_LEN(VERBS); i++) {
		const cJSON *operation = rn_json_get(path, VERBS[i][0]);
		if (operation && !cJSON_IsObject(operation))
			return apigw_bad(im->req, im->res, "Invalid OpenAPI input: %s of %s must be a map", VERBS[i][0], path->string);
		if (operation && take_operation(im, resource, VERBS[i][1], path, operation) < 0)
			return -1;
	}
	return 0;
}

/* One of the API's own gateway responses. */
static int take_response(struct import *im, const cJSON *from)
{
	RN_AUTO(rn_json_freep) cJSON *one = cJSON_Duplicate(from, true);
	const cJSON *status = rn_json_get(one, "statusCode");
	if (cJSON_IsNumber(status)) {
		RN_AUTO(rn_freep) char *text = rn_json_print(status);
		apigw_set(one, "statusCode", cJSON_CreateString(text));
	}
	if (apigw_check_response(im->req, im->res, from->string, one) < 0)
		return -1;
	apigw_set(one, "responseType", cJSON_CreateString(from->string));
	apigw_set(one, "defaultResponse", cJSON_CreateFalse());
	apigw_save(im->req, GATEWAY_RESPONSE, rn_json_str(im->api, "id"), from->string, one);
	return 0;
}

static int take_settings(struct import *im, bool merge)
{
	const char *title = rn_json_str(rn_json_get(im->doc, "info"), "title");
	const char *description = rn_json_str(rn_json_get(im->doc, "info"), "description");
	const char *version = rn_json_path(im->doc, "info.version")
				      ? rn_json_str(rn_json_get(im->doc, "info"), "version")
				      : NULL;
	const cJSON *types = rn_json_get(im->doc, "x-amazon-apigateway-binary-media-types");
	const cJSON *responses = rn_json_get(im->doc, "x-amazon-apigateway-gateway-responses");
	if (title)
		apigw_set(im->api, "name", cJSON_CreateString(title));
	if (description || !merge)
		apigw_set(im->api, "description", description ? cJSON_CreateString(description) : NULL);
	if (version || !merge)
		apigw_set(im->api, "version", version ? cJSON_CreateString(version) : NULL);
	import_settings(im);
	if (cJSON_IsArray(types))
		apigw_set(im->api, "binaryMediaTypes", cJSON_Duplicate(types, true));
	for (const cJSON *r = responses ? responses->child : NULL; r; r = r->next)
		if (take_response(im, r) < 0)
			return -1;
	return 0;
}

static void store_resources(struct import *im)
{
	const char *api_id = rn_json_str(im->api, "id");
	for (cJSON *r = im->resources->child; r; r = r->next) {
		const char *id = rn_json_str(r, "id");
		if (rn_json_get(r, "_keep")) {
			apigw_set(r, "_keep", NULL);
			apigw_save(im->req, RESOURCE, api_id, id, r);
		} else {
			store_remove(im->req->cloud->store, RESOURCE, api_id, id, NULL);
		}
	}
}

/* Overwrite: methods go, and the resources that the document does not name. Merge: all stays. */
static void prepare(struct import *im, bool merge)
{
	if (!merge)
		store_remove_all(im->req->cloud->store, GATEWAY_RESPONSE,
				 rn_json_str(im->api, "id"), NULL);
	for (cJSON *r = im->resources->child; r; r = r->next) {
		if (merge)
			apigw_set(r, "_keep", cJSON_CreateTrue());
		else
			apigw_set(r, "resourceMethods", NULL);
	}
}

/* The body as JSON; YAML when it is no JSON. NULL: answered. */
static cJSON *read_document(struct request *req, struct response *res)
{
	struct rn_error err = { 0 };
	const char *text = rn_buf_str(&req->body);
	cJSON *doc = rn_json_parse(text, req->body.len, &err);
	if (!doc && text[strspn(text, " \t\r\n")] != '{') {
		struct diags d;
		diags_init(&d, "document", NULL);
		RN_AUTO(doc_freep) struct doc_node *root = document_parse(text, req->body.len, &d);
		if (root && !d.errors)
			doc = doc_to_json(root);
		else if (d.n)
			rn_fail(&err, RN_EINVAL, "line %d, column %d: %s", d.v[0].at.line, d.v[0].at.column, d.v[0].message);
		diags_clear(&d);
	}
	if (cJSON_IsObject(doc))
		return doc;
	cJSON_Delete(doc);
	apigw_bad(req, res, "Invalid OpenAPI input: %s", err.msg[0] ? err.msg : "the document must be a map");
	return NULL;
}

static int take_paths(struct import *im)
{
	const cJSON *path;
	cJSON_ArrayForEach(path, rn_json_get(im->doc, "paths"))
	{
		if (take_path(im, path) < 0)
			return -1;
	}
	return 0;
}

int apigw_import(struct request *req, struct response *res, cJSON *api, bool merge)
{
	RN_AUTO(rn_json_freep) cJSON *doc = read_document(req, res);
	const cJSON *version = rn_json_get(doc, "openapi"), *swagger = rn_json_get(doc, "swagger");
	if (!doc)
		return -1;
	bool old = rn_streq(cJSON_GetStringValue(swagger), "2.0") || (cJSON_IsNumber(swagger) && swagger->valuedouble >= 2 && swagger->valuedouble <= 2);
	if (!old && !(cJSON_IsString(version) && rn_starts(version->valuestring, "3.0")))
		return apigw_bad(req, res, "Invalid OpenAPI input: it must say \"swagger\": \"2.0\" or \"openapi\": \"3.0.x\"");
	RN_AUTO(rn_json_freep) cJSON *resources = store_list(req->cloud->store, RESOURCE, rn_json_str(api, "id"), NULL, 0);
	RN_AUTO(rn_json_freep) cJSON *validators = store_list(req->cloud->store, VALIDATOR, rn_json_str(api, "id"), NULL, 0);
	RN_AUTO(rn_json_freep) cJSON *authorizers = store_list(req->cloud->store, AUTHORIZER, rn_json_str(api, "id"), NULL, 0);
	struct import im = { .req = req, .res = res, .doc = doc, .api = api, .resources = resources,
			     .validators = validators, .authorizers = authorizers };
	prepare(&im, merge);
	make_path(&im, "/");
	if (import_shared(&im, merge) < 0 || take_paths(&im) < 0)
		return -1;
	if (take_settings(&im, merge) < 0)
		return -1;
	store_resources(&im);
	apigw_save(req, API, req->region, rn_json_str(api, "id"), api);
	return 0;
}
