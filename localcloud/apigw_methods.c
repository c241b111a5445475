/* SPDX-License-Identifier: Apache-2.0 */
/* Methods, integrations and both kinds of responses: all members of their resource's document. */
#include "apigw.h"
#include "apigw_patch.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

/* A resource with the members that the request's path names; what is missing is NULL. */
struct place {
	cJSON *resource; /* owned */
	cJSON *method, *integration;
};

static void place_clear(struct place *p)
{
	cJSON_Delete(p->resource);
}

static void save(struct request *req, const struct place *p)
{
	apigw_save(req, RESOURCE, request_param(req, "api"), rn_json_str(p->resource, "id"),
		   p->resource);
}

/* Finds the resource and what it has for the verb. -1: answered. */
static int find(struct request *req, struct response *res, struct place *p, bool needs_method)
{
	p->resource = apigw_resource(req, res);
	if (!p->resource)
		return -1;
	p->method = rn_json_get(rn_json_get(p->resource, "resourceMethods"),
				request_param(req, "verb"));
	p->integration = rn_json_get(p->method, "methodIntegration");
	if (!p->method && needs_method)
		return apigw_not_found(req, res, "Method identifier");
	return 0;
}

static int find_integration(struct request *req, struct response *res, struct place *p)
{
	if (find(req, res, p, true) < 0)
		return -1;
	return p->integration ? 0 : apigw_not_found(req, res, "Integration identifier");
}

/* ---- methods ---- */

/* The authorizer, the validator and the models that the method names must be there. */
static int check_references(struct request *req, struct response *res, cJSON *method)
{
	struct store *store = req->cloud->store;
	const char *api = request_param(req, "api");
	const char *authorizer = rn_json_str(method, "authorizerId"), *validator = rn_json_str(method, "requestValidatorId");
	const cJSON *model;
	bool custom = rn_streq(rn_json_str(method, "authorizationType"), "CUSTOM");
	if (!api) /* ImportRestApi: what the document names has been looked up */
		return 0;
	if (custom && (!authorizer || !store_has(store, AUTHORIZER, api, authorizer)))
		return apigw_bad(req, res, "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.");
	if (!custom)
		apigw_set(method, "authorizerId", NULL);
	if (validator && !*validator)
		apigw_set(method, "requestValidatorId", NULL);
	else if (validator && !store_has(store, VALIDATOR, api, validator))
		return apigw_bad(req, res, "Invalid Request Validator identifier specified");
	cJSON_ArrayForEach(model, rn_json_get(method, "requestModels"))
	{
		if (!cJSON_IsString(model) || !store_has(store, MODEL, api, model->valuestring))
			return apigw_bad(req, res, "Invalid model identifier specified: %s", cJSON_IsString(model) ? model->valuestring : "");
	}
	return 0;
}

int apigw_check_method(struct request *req, struct response *res, const char *verb, cJSON *method)
{
	static const char *const VERBS[] = { "GET",   "POST", "PUT",     "DELETE",
					     "PATCH", "HEAD", "OPTIONS", "ANY" };
	const char *type = rn_json_str(method, "authorizationType");
	size_t i = 0;
	while (i < RN_LEN(VERBS) && strcmp(VERBS[i], verb) != 0)
		i++;
	if (i == RN_LEN(VERBS))
		return apigw_bad(req, res,
				 "Invalid HTTP method %s. Must be one of DELETE, GET, HEAD, "
				 "OPTIONS, PATCH, POST, PUT, ANY",
				 verb);
	if (rn_streq(type, "COGNITO_USER_POOLS"))
		return apigw_bad(req, res,
				 "authorizationType COGNITO_USER_POOLS needs a user pool, which this local cloud does not have: use CUSTOM with a "
				 "TOKEN or REQUEST authorizer");
	if (!rn_streq(type, "NONE") && !rn_streq(type, "AWS_IAM") && !rn_streq(type, "CUSTOM"))
		return apigw_bad(req, res, "Invalid authorization type %s. Must be one of NONE, AWS_IAM, CUSTOM", type ? type : "null");
	if (check_references(req, res, method) < 0)
		return -1;
	apigw_set(method, "httpMethod", cJSON_CreateString(verb));
	if (!rn_json_get(method, "apiKeyRequired"))
		cJSON_AddBoolToObject(method, "apiKeyRequired", false);
	return 0;
}

void apigw_put_method(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = {
		{ "authorizationType", cJSON_String, true }, { "apiKeyRequired", cJSON_True },
		{ "operationName", cJSON_String },           { "requestParameters", cJSON_Object },
		{ "requestModels", cJSON_Object },           { "authorizerId", cJSON_String },
		{ "requestValidatorId", cJSON_String },      { NULL }
	};
	RN_AUTO(place_clear) struct place p = { 0 };
	RN_AUTO(rn_json_freep) cJSON *method = cJSON_CreateObject();
	if (find(req, res, &p, false) < 0 || apigw_take(req, res, WANTED, method) < 0)
		return;
	if (p.method) {
		apigw_conflict(req, res, "Method already exists for this resource");
		return;
	}
	if (apigw_check_method(req, res, request_param(req, "verb"), method) < 0)
		return;
	cJSON *stored = rn_take(&method);
	cJSON_AddItemToObject(apigw_object(p.resource, "resourceMethods"),
			      request_param(req, "verb"), stored);
	save(req, &p);
	apigw_answer(req, res, 201, stored);
}

void apigw_get_method(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find(req, res, &p, true) == 0)
		apigw_answer(req, res, 200, p.method);
}

void apigw_update_method(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = {
		{ "/authorizationType", PATCH_STRING },
		{ "/authorizerId", PATCH_STRING },
		{ "/requestValidatorId", PATCH_STRING },
		{ "/apiKeyRequired", PATCH_BOOL },
		{ "/operationName", PATCH_STRING },
		{ "/requestParameters/{}", PATCH_MAP_BOOL },
		{ "/requestModels/{}", PATCH_MAP },
	};
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find(req, res, &p, true) < 0 || patch_apply(req, res, p.method, &TABLE) < 0 ||
	    apigw_check_method(req, res, request_param(req, "verb"), p.method) < 0)
		return;
	save(req, &p);
	apigw_answer(req, res, 200, p.method);
}

void apigw_delete_method(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find(req, res, &p, true) < 0)
		return;
	apigw_set(rn_json_get(p.resource, "resourceMethods"), request_param(req, "verb"), NULL);
	save(req, &p);
	response_body(res, 204, NULL, NULL, 0);
}

/* ---- integrations ---- */

static bool is_lambda_uri(const char *uri)
{
	const char *path = uri ? strstr(uri, ":lambda:path/2015-03-31/functions/") : NULL;
	return path && rn_starts(uri, "arn:aws:apigateway:") && rn_ends(uri, "/invocations") &&
	       strstr(path, "/arn:aws:lambda:");
}

int apigw_check_integration(struct request *req, struct response *res, cJSON *integration)
{
	const char *type = rn_json_str(integration, "type"), *uri = rn_json_str(integration, "uri");
	int64_t timeout = rn_json_int(integration, "timeoutInMillis", 29000);
	if (rn_streq(type, "AWS") || rn_streq(type, "HTTP"))
		return apigw_bad(req, res,
				 "Integrations of type %s need mapping templates, which this local "
				 "cloud does not evaluate: use %s_PROXY",
				 type, type);
	if (!rn_streq(type, "AWS_PROXY") && !rn_streq(type, "HTTP_PROXY") &&
	    !rn_streq(type, "MOCK"))
		return apigw_bad(
			req, res,
			"Invalid integration type %s. Must be one of AWS_PROXY, HTTP_PROXY, MOCK",
			type ? type : "null");
	if (!rn_streq(type, "MOCK") && !rn_json_str(integration, "httpMethod"))
		return apigw_bad(req, res, "Enumeration value for HttpMethod must be non-empty");
	if (rn_streq(type, "AWS_PROXY") && !is_lambda_uri(uri))
		return apigw_bad(req, res,
				 "Invalid ARN specified in the request: %s is not "
				 "arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/"
				 "FUNCTION_ARN/invocations",
				 uri ? uri : "null");
	if (rn_streq(type, "AWS_PROXY") &&
	    !rn_streq(rn_json_str(integration, "httpMethod"), "POST"))
		return apigw_bad(req, res,
				 "The integration method of a Lambda function must be POST");
	if (rn_streq(type, "HTTP_PROXY") &&
	    !(uri && (rn_starts(uri, "http://") || rn_starts(uri, "https://"))))
		return apigw_bad(req, res, "Invalid HTTP endpoint specified for URI");
	if (rn_streq(rn_json_str(integration, "connectionType"), "VPC_LINK"))
		return apigw_bad(req, res, "VPC links are not supported by this local cloud");
	if (timeout < 50 || timeout > 300000)
		return apigw_bad(req, res, "Timeout should be between 50 ms and 29000 ms");
	if (!rn_json_get(integration, "passthroughBehavior"))
		cJSON_AddStringToObject(integration, "passthroughBehavior", "WHEN_NO_MATCH");
	if (!rn_json_get(integration, "timeoutInMillis"))
		cJSON_AddNumberToObject(integration, "timeoutInMillis", 29000);
	if (!rn_json_get(integration, "cacheKeyParameters"))
		cJSON_AddArrayToObject(integration, "cacheKeyParameters");
	return 0;
}

void apigw_put_integration(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "type", cJSON_String, true },
						      { "httpMethod", cJSON_String },
						      { "uri", cJSON_String },
						      { "credentials", cJSON_String },
						      { "requestParameters", cJSON_Object },
						      { "requestTemplates", cJSON_Object },
						      { "passthroughBehavior", cJSON_String },
						      { "cacheNamespace", cJSON_String },
						      { "cacheKeyParameters", cJSON_Array },
						      { "contentHandling", cJSON_String },
						      { "timeoutInMillis", cJSON_Number },
						      { "connectionType", cJSON_String },
						      { NULL } };
	RN_AUTO(place_clear) struct place p = { 0 };
	RN_AUTO(rn_json_freep) cJSON *integration = cJSON_CreateObject();
	if (find(req, res, &p, true) < 0 || apigw_take(req, res, WANTED, integration) < 0 ||
	    apigw_check_integration(req, res, integration) < 0)
		return;
	if (!rn_json_get(integration, "cacheNamespace"))
		cJSON_AddStringToObject(integration, "cacheNamespace",
					rn_json_str(p.resource, "id"));
	cJSON *stored = rn_take(&integration);
	apigw_set(p.method, "methodIntegration", stored);
	save(req, &p);
	apigw_answer(req, res, 201, stored);
}

void apigw_get_integration(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find_integration(req, res, &p) == 0)
		apigw_answer(req, res, 200, p.integration);
}

void apigw_update_integration(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = {
		{ "/uri", PATCH_STRING },
		{ "/httpMethod", PATCH_STRING },
		{ "/credentials", PATCH_STRING },
		{ "/passthroughBehavior", PATCH_STRING, "WHEN_NO_MATCH|WHEN_NO_TEMPLATES|NEVER" },
		{ "/contentHandling", PATCH_STRING, "CONVERT_TO_BINARY|CONVERT_TO_TEXT" },
		{ "/timeoutInMillis", PATCH_INT },
		{ "/connectionType", PATCH_STRING, "INTERNET" },
		{ "/cacheNamespace", PATCH_STRING },
		{ "/cacheKeyParameters/{}", PATCH_LIST },
		{ "/requestParameters/{}", PATCH_MAP },
		{ "/requestTemplates/{}", PATCH_MAP },
	};
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find_integration(req, res, &p) < 0 ||
	    patch_apply(req, res, p.integration, &TABLE) < 0 ||
	    apigw_check_integration(req, res, p.integration) < 0)
		return;
	save(req, &p);
	apigw_answer(req, res, 200, p.integration);
}

void apigw_delete_integration(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find_integration(req, res, &p) < 0)
		return;
	apigw_set(p.method, "methodIntegration", NULL);
	save(req, &p);
	response_body(res, 204, NULL, NULL, 0);
}

/* ---- responses: of a method, of an integration ---- */

bool apigw_is_status(const char *s)
{
	int64_t n;
	return strlen(s) == 3 && rn_parse_int(s, 100, 599, &n, NULL) == 0;
}

static void put_response(struct request *req, struct response *res, struct place *p, cJSON *owner,
			 const char *list, const struct apigw_member *wanted, bool replaces)
{
	const char *status = request_param(req, "status");
	RN_AUTO(rn_json_freep) cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "statusCode", status);
	if (!apigw_is_status(status)) {
		apigw_bad(req, res, "Invalid status code specified");
		return;
	}
	if (apigw_take(req, res, wanted, doc) < 0)
		return;
	if (!replaces && rn_json_get(rn_json_get(owner, list), status)) {
		apigw_conflict(req, res, "Response already exists for this resource");
		return;
	}
	cJSON *stored = rn_take(&doc);
	apigw_set(apigw_object(owner, list), status, stored);
	save(req, p);
	apigw_answer(req, res, 201, stored);
}

/* The response that the request names, in `owner`; NULL: answered. */
static cJSON *named_response(struct request *req, struct response *res, cJSON *owner,
			     const char *list)
{
	cJSON *doc = rn_json_get(rn_json_get(owner, list), request_param(req, "status"));
	if (!doc)
		apigw_not_found(req, res, "Response status code");
	return doc;
}

static void update_response(struct request *req, struct response *res, struct place *p,
			    cJSON *owner, const char *list, int status,
			    const struct patch_table *table)
{
	cJSON *doc = named_response(req, res, owner, list);
	if (!doc || patch_apply(req, res, doc, table) < 0)
		return;
	save(req, p);
	apigw_answer(req, res, status, doc);
}

static void delete_response(struct request *req, struct response *res, struct place *p,
			    cJSON *owner, const char *list)
{
	if (!named_response(req, res, owner, list))
		return;
	apigw_set(rn_json_get(owner, list), request_param(req, "status"), NULL);
	save(req, p);
	response_body(res, 204, NULL, NULL, 0);
}

#define METHOD_LIST "methodResponses"
#define INTEGRATION_LIST "integrationResponses"

void apigw_put_method_response(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "responseParameters", cJSON_Object },
						      { "responseModels", cJSON_Object },
						      { NULL } };
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find(req, res, &p, true) == 0)
		put_response(req, res, &p, p.method, METHOD_LIST, WANTED, false);
}

void apigw_get_method_response(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	cJSON *doc = find(req, res, &p, true) == 0 ? named_response(req, res, p.method, METHOD_LIST)
						   : NULL;
	if (doc)
		apigw_answer(req, res, 200, doc);
}

void apigw_update_method_response(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = { { "/responseParameters/{}", PATCH_MAP_BOOL },
						 { "/responseModels/{}", PATCH_MAP } };
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find(req, res, &p, true) == 0)
		update_response(req, res, &p, p.method, METHOD_LIST, 201, &TABLE);
}

void apigw_delete_method_response(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find(req, res, &p, true) == 0)
		delete_response(req, res, &p, p.method, METHOD_LIST);
}

void apigw_put_integration_response(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "selectionPattern", cJSON_String },
						      { "responseParameters", cJSON_Object },
						      { "responseTemplates", cJSON_Object },
						      { "contentHandling", cJSON_String },
						      { NULL } };
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find_integration(req, res, &p) < 0)
		return;
	if (!rn_json_get(rn_json_get(p.method, METHOD_LIST), request_param(req, "status"))) {
		apigw_not_found(req, res, "Response status code");
		return;
	}
	put_response(req, res, &p, p.integration, INTEGRATION_LIST, WANTED, true);
}

void apigw_get_integration_response(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	cJSON *doc = find_integration(req, res, &p) == 0
			     ? named_response(req, res, p.integration, INTEGRATION_LIST)
			     : NULL;
	if (doc)
		apigw_answer(req, res, 200, doc);
}

void apigw_update_integration_response(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = { { "/selectionPattern", PATCH_STRING },
						 { "/responseParameters/{}", PATCH_MAP },
						 { "/responseTemplates/{}", PATCH_MAP },
						 { "/contentHandling", PATCH_STRING,
						   "CONVERT_TO_BINARY|CONVERT_TO_TEXT" } };
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find_integration(req, res, &p) == 0)
		update_response(req, res, &p, p.integration, INTEGRATION_LIST, 200, &TABLE);
}

void apigw_delete_integration_response(struct request *req, struct response *res)
{
	RN_AUTO(place_clear) struct place p = { 0 };
	if (find_integration(req, res, &p) == 0)
		delete_response(req, res, &p, p.integration, INTEGRATION_LIST);
}
