/* SPDX-License-Identifier: Apache-2.0 */
/* REST APIs, their gateway responses, tags of everything, the account. */
#include "apigw_models.h"
#include "apigw_patch.h"
#include "store.h"

#include "base/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct apigw_member MEMBERS[] = {
	{ "name", cJSON_String, true },
	{ "description", cJSON_String },
	{ "version", cJSON_String },
	{ "apiKeySource", cJSON_String },
	{ "endpointConfiguration", cJSON_Object },
	{ "binaryMediaTypes", cJSON_Array },
	{ "minimumCompressionSize", cJSON_Number },
	{ "policy", cJSON_String },
	{ "disableExecuteApiEndpoint", cJSON_True },
	{ NULL },
};

static const struct patch_row ROWS[] = {
	{ "/name", PATCH_STRING },
	{ "/description", PATCH_STRING },
	{ "/version", PATCH_STRING },
	{ "/apiKeySource", PATCH_STRING, "HEADER|AUTHORIZER" },
	{ "/policy", PATCH_STRING },
	{ "/minimumCompressionSize", PATCH_INT },
	{ "/disableExecuteApiEndpoint", PATCH_BOOL },
	{ "/binaryMediaTypes/{}", PATCH_LIST },
	{ "/endpointConfiguration/types/{}", PATCH_LIST, "EDGE|REGIONAL|PRIVATE" },
};
static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };

static int check(struct request *req, struct response *res, const cJSON *api)
{
	const char *source = rn_json_str(api, "apiKeySource");
	const cJSON *types = rn_json_path(api, "endpointConfiguration.types");
	if (!rn_streq(source, "HEADER") && !rn_streq(source, "AUTHORIZER"))
		return apigw_bad(req, res, "Invalid API key source: must be HEADER or AUTHORIZER");
	if (!cJSON_IsArray(types) || cJSON_GetArraySize(types) != 1)
		return apigw_bad(req, res, "Exactly one endpoint type must be given");
	const char *type = types->child->valuestring;
	if (!rn_streq(type, "EDGE") && !rn_streq(type, "REGIONAL") && !rn_streq(type, "PRIVATE"))
		return apigw_bad(req, res,
				 "Invalid endpoint type. Must be one of EDGE, REGIONAL, PRIVATE");
	return 0;
}

static cJSON *new_api(void)
{
	char id[16];
	cJSON *api = cJSON_CreateObject();
	cJSON_AddStringToObject(api, "id", cloud_id(id, 10, false));
	cJSON_AddNumberToObject(api, "createdDate", floor(cloud_now()));
	cJSON_AddStringToObject(api, "apiKeySource", "HEADER");
	cJSON_AddStringToObject(api, "rootResourceId", cloud_id(id, 10, false));
	cJSON_AddBoolToObject(api, "disableExecuteApiEndpoint", false);
	return api;
}

static void default_endpoint(cJSON *api)
{
	cJSON *endpoint = apigw_object(api, "endpointConfiguration");
	if (!rn_json_get(endpoint, "types"))
		cJSON_AddItemToArray(cJSON_AddArrayToObject(endpoint, "types"),
				     cJSON_CreateString("EDGE"));
	if (!rn_json_get(endpoint, "ipAddressType"))
		cJSON_AddStringToObject(endpoint, "ipAddressType", "ipv4");
}

static void save_with_root(struct request *req, const cJSON *api)
{
	const char *id = rn_json_str(api, "id"), *root = rn_json_str(api, "rootResourceId");
	RN_AUTO(rn_json_freep) cJSON *resource = apigw_new_resource(root, NULL, "");
	apigw_save(req, API, req->region, id, api);
	apigw_save(req, RESOURCE, id, root, resource);
	apigw_default_models(req, id);
}

/* POST /restapis?mode=import: the body is an OpenAPI document. */
static void import_api(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = new_api();
	default_endpoint(api);
	cJSON_AddStringToObject(api, "name", "imported");
	save_with_root(req, api);
	if (apigw_import(req, res, api, false) == 0)
		apigw_answer(req, res, 201, api);
}

void apigw_create_api(struct request *req, struct response *res)
{
	if (rn_streq(request_arg(req, "mode"), "import")) {
		import_api(req, res);
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *api = new_api();
	if (apigw_take(req, res, MEMBERS, api) < 0 || apigw_take_tags(req, res, api) < 0)
		return;
	if (rn_json_str(req->json, "cloneFrom")) {
		apigw_bad(req, res,
			  "cloneFrom is not supported by this local cloud: import an OpenAPI "
			  "document instead");
		return;
	}
	default_endpoint(api);
	if (check(req, res, api) < 0)
		return;
	save_with_root(req, api);
	apigw_answer(req, res, 201, api);
}

void apigw_get_api(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (api)
		apigw_answer(req, res, 200, api);
}

void apigw_list_apis(struct request *req, struct response *res)
{
	apigw_answer_list(req, res, store_list(req->cloud->store, API, req->region, NULL, 0));
}

void apigw_update_api(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (!api || patch_apply(req, res, api, &TABLE) < 0 || check(req, res, api) < 0)
		return;
	apigw_save(req, API, req->region, rn_json_str(api, "id"), api);
	apigw_answer(req, res, 200, api);
}

/* The API's stages leave the usage plans that name them. */
static void leave_plans(struct request *req, const char *api_id)
{
	RN_AUTO(rn_json_freep) cJSON *plans =
		store_list(req->cloud->store, PLAN, req->region, NULL, 0);
	for (cJSON *plan = plans->child; plan; plan = plan->next) {
		cJSON *stages = rn_json_get(plan, "apiStages");
		bool changed = false;
		for (cJSON *stage = stages ? stages->child : NULL, *next; stage; stage = next) {
			next = stage->next;
			if (!rn_streq(rn_json_str(stage, "apiId"), api_id))
				continue;
			cJSON_Delete(cJSON_DetachItemViaPointer(stages, stage));
			changed = true;
		}
		if (changed)
			apigw_save(req, PLAN, req->region, rn_json_str(plan, "id"), plan);
	}
}

void apigw_remove_children(struct request *req, const char *api_id)
{
	static const char *const KINDS[] = { RESOURCE, DEPLOYMENT, STAGE, GATEWAY_RESPONSE, MODEL, VALIDATOR, AUTHORIZER };
	for (size_t i = 0; i < RN_LEN(KINDS); i++)
		store_remove_all(req->cloud->store, KINDS[i], api_id, NULL);
}

void apigw_delete_api(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (!api)
		return;
	const char *id = rn_json_str(api, "id");
	leave_plans(req, id);
	apigw_remove_children(req, id);
	store_remove(req->cloud->store, API, req->region, id, NULL);
	response_body(res, 202, NULL, NULL, 0);
}

void apigw_put_api(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	const char *mode = request_arg(req, "mode");
	if (!api)
		return;
	if (mode && strcmp(mode, "merge") != 0 && strcmp(mode, "overwrite") != 0) {
		apigw_bad(req, res, "Invalid mode: must be merge or overwrite");
		return;
	}
	if (apigw_import(req, res, api, !rn_streq(mode, "overwrite")) == 0)
		apigw_answer(req, res, 200, api);
}

void apigw_get_account(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *account = cJSON_CreateObject();
	cJSON *throttle = cJSON_AddObjectToObject(account, "throttleSettings");
	cJSON_AddNumberToObject(throttle, "burstLimit", 5000);
	cJSON_AddNumberToObject(throttle, "rateLimit", 10000);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(account, "features"),
			     cJSON_CreateString("UsagePlans"));
	cJSON_AddStringToObject(account, "apiKeyVersion", "4");
	apigw_answer(req, res, 200, account);
}

/* ---- gateway responses ---- */

static const struct {
	const char *type, *status; /* status NULL: none by default */
} RESPONSE_TYPES[] = {
	{ "ACCESS_DENIED", "403" },
	{ "API_CONFIGURATION_ERROR", "500" },
	{ "AUTHORIZER_CONFIGURATION_ERROR", "500" },
	{ "AUTHORIZER_FAILURE", "500" },
	{ "BAD_REQUEST_BODY", "400" },
	{ "BAD_REQUEST_PARAMETERS", "400" },
	{ "DEFAULT_4XX", NULL },
	{ "DEFAULT_5XX", NULL },
	{ "EXPIRED_TOKEN", "403" },
	{ "INTEGRATION_FAILURE", "504" },
	{ "INTEGRATION_TIMEOUT", "504" },
	{ "INVALID_API_KEY", "403" },
	{ "INVALID_SIGNATURE", "403" },
	{ "MISSING_AUTHENTICATION_TOKEN", "403" },
	{ "QUOTA_EXCEEDED", "429" },
	{ "REQUEST_TOO_LARGE", "413" },
	{ "RESOURCE_NOT_FOUND", "404" },
	{ "THROTTLED", "429" },
	{ "UNAUTHORIZED", "401" },
	{ "UNSUPPORTED_MEDIA_TYPE", "415" },
	{ "WAF_FILTERED", "403" },
};

static const struct patch_row RESPONSE_ROWS[] = {
	{ "/statusCode", PATCH_STRING },
	{ "/responseParameters/{}", PATCH_MAP },
	{ "/responseTemplates/{}", PATCH_MAP },
};
static const struct patch_table RESPONSE_TABLE = { RESPONSE_ROWS, RN_LEN(RESPONSE_ROWS), NULL };

/* The response of a type: the one set, else the default; NULL: no such type. New. */
static cJSON *response_of(struct request *req, const char *api_id, const char *type)
{
	cJSON *doc = store_get(req->cloud->store, GATEWAY_RESPONSE, api_id, type);
	if (doc)
		return doc;
	for (size_t i = 0; i < RN_LEN(RESPONSE_TYPES); i++) {
		if (strcmp(RESPONSE_TYPES[i].type, type) != 0)
			continue;
		doc = cJSON_CreateObject();
		cJSON_AddStringToObject(doc, "responseType", type);
		if (RESPONSE_TYPES[i].status)
			cJSON_AddStringToObject(doc, "statusCode", RESPONSE_TYPES[i].status);
		cJSON_AddObjectToObject(doc, "responseParameters");
		cJSON_AddStringToObject(cJSON_AddObjectToObject(doc, "responseTemplates"),
					"application/json",
					"{\"message\":$context.error.messageString}");
		cJSON_AddBoolToObject(doc, "defaultResponse", true);
		return doc;
	}
	return NULL;
}

static cJSON *named_response(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	cJSON *doc = api ? response_of(req, rn_json_str(api, "id"), request_param(req, "type"))
			 : NULL;
	if (api && !doc)
		apigw_bad(req, res, "Invalid gateway response type %s", request_param(req, "type"));
	return doc;
}

void apigw_get_response(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = named_response(req, res);
	if (doc)
		apigw_answer(req, res, 200, doc);
}

void apigw_list_responses(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (!api)
		return;
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < RN_LEN(RESPONSE_TYPES); i++)
		cJSON_AddItemToArray(
			list, response_of(req, rn_json_str(api, "id"), RESPONSE_TYPES[i].type));
	apigw_answer_list(req, res, list);
}

int apigw_check_response(struct request *req, struct response *res, const char *type, const cJSON *doc)
{
	RN_AUTO(rn_json_freep) cJSON *known = cJSON_IsObject(doc) ? response_of(req, "", type) : NULL;
	const char *code = rn_json_str(doc, "statusCode");
	int64_t n = 0;
	if (!known)
		return apigw_bad(req, res, "Invalid gateway response type %s", type);
	return code && rn_parse_int(code, 200, 599, &n, NULL) < 0 ? apigw_bad(req, res, "Invalid status code %s", code) : 0;
}

static void save_response(struct request *req, struct response *res, int status, cJSON *doc)
{
	if (apigw_check_response(req, res, request_param(req, "type"), doc) < 0)
		return;
	apigw_set(doc, "defaultResponse", cJSON_CreateBool(false));
	apigw_save(req, GATEWAY_RESPONSE, request_param(req, "api"), request_param(req, "type"),
		   doc);
	apigw_answer(req, res, status, doc);
}

void apigw_put_response(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "statusCode", cJSON_String },
						      { "responseParameters", cJSON_Object },
						      { "responseTemplates", cJSON_Object },
						      { NULL } };
	RN_AUTO(rn_json_freep) cJSON *doc = named_response(req, res);
	if (doc && apigw_take(req, res, WANTED, doc) == 0)
		save_response(req, res, 201, doc);
}

void apigw_update_response(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = named_response(req, res);
	if (doc && patch_apply(req, res, doc, &RESPONSE_TABLE) == 0)
		save_response(req, res, 200, doc);
}

void apigw_delete_response(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (!api)
		return;
	if (store_remove(req->cloud->store, GATEWAY_RESPONSE, rn_json_str(api, "id"),
			 request_param(req, "type"), NULL) == 1)
		response_body(res, 202, NULL, NULL, 0);
	else
		apigw_not_found(req, res, "gateway response type");
}

/* ---- tags ---- */

struct tagged {
	const char *kind;
	char *parent, *id;
	cJSON *doc;
};

static void tagged_clear(struct tagged *t)
{
	free(t->parent);
	free(t->id);
	cJSON_Delete(t->doc);
}

/* "arn:aws:apigateway:REGION::/restapis/ID[/stages/NAME]", "/apikeys/ID", "/usageplans/ID" */
static int find_tagged(struct request *req, struct response *res, struct tagged *ret)
{
	static const struct {
		const char *pattern, *kind;
	} KINDS[] = { { "/restapis/{id}", API },
		      { "/restapis/{parent}/stages/{id}", STAGE },
		      { "/apikeys/{id}", KEY },
		      { "/usageplans/{id}", PLAN } };
	const char *arn = request_param(req, "arn");
	RN_AUTO(rn_freep) char *prefix = rn_asprintf("arn:aws:apigateway:%s::", req->region);
	for (size_t i = 0; rn_starts(arn, prefix) && i < RN_LEN(KINDS); i++) {
		RN_AUTO(pairs_clear) struct pairs names = { 0 };
		if (!route_match(KINDS[i].pattern, arn + strlen(prefix), &names))
			continue;
		const char *parent = pairs_get(&names, "parent", false);
		*ret = (struct tagged){ .kind = KINDS[i].kind,
					.parent = rn_strdup(parent ? parent : req->region),
					.id = rn_strdup(pairs_get(&names, "id", false)) };
		ret->doc = store_get(req->cloud->store, ret->kind, ret->parent, ret->id);
		if (ret->doc)
			return 0;
		tagged_clear(ret);
		*ret = (struct tagged){ 0 };
		return answer_error(req, res, 404, "NotFoundException",
				    "Resource %s does not exist", arn);
	}
	return apigw_bad(req, res, "Invalid ARN specified in the request");
}

void apigw_get_tags(struct request *req, struct response *res)
{
	RN_AUTO(tagged_clear) struct tagged t = { 0 };
	if (find_tagged(req, res, &t) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *out = cJSON_CreateObject();
	cJSON_AddItemToObject(out, "tags", cJSON_Duplicate(apigw_object(t.doc, "tags"), true));
	apigw_answer(req, res, 200, out);
}

void apigw_tag(struct request *req, struct response *res)
{
	RN_AUTO(tagged_clear) struct tagged t = { 0 };
	if (!request_json(req, res) || find_tagged(req, res, &t) < 0 ||
	    apigw_take_tags(req, res, t.doc) < 0)
		return;
	apigw_save(req, t.kind, t.parent, t.id, t.doc);
	response_body(res, 204, NULL, NULL, 0);
}

void apigw_untag(struct request *req, struct response *res)
{
	RN_AUTO(tagged_clear) struct tagged t = { 0 };
	if (find_tagged(req, res, &t) < 0)
		return;
	for (size_t i = 0; i < req->args.n; i++)
		if (!strcmp(req->args.v[i].name, "tagKeys"))
			apigw_set(apigw_object(t.doc, "tags"), req->args.v[i].value, NULL);
	apigw_save(req, t.kind, t.parent, t.id, t.doc);
	response_body(res, 204, NULL, NULL, 0);
}
