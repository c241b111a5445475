/* SPDX-License-Identifier: Apache-2.0 */
/* The table of API Gateway's operations and what they have in common. */
#include "apigw.h"
#include "apigw_gateway.h"
#include "store.h"

#include "base/encode.h"

#include <stdarg.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define R "/restapis/{api}"
#define M R "/resources/{resource}/methods/{verb}"

static const struct route ROUTES[] = {
	{ "POST", "/restapis", "CreateRestApi", apigw_create_api },
	{ "GET", "/restapis", "GetRestApis", apigw_list_apis },
	{ "GET", R, "GetRestApi", apigw_get_api },
	{ "PATCH", R, "UpdateRestApi", apigw_update_api },
	{ "DELETE", R, "DeleteRestApi", apigw_delete_api },
	{ "PUT", R, "PutRestApi", apigw_put_api },
	{ "GET", R "/resources", "GetResources", apigw_list_resources },
	{ "POST", R "/resources/{resource}", "CreateResource", apigw_create_resource },
	{ "GET", R "/resources/{resource}", "GetResource", apigw_get_resource },
	{ "PATCH", R "/resources/{resource}", "UpdateResource", apigw_update_resource },
	{ "DELETE", R "/resources/{resource}", "DeleteResource", apigw_delete_resource },
	{ "PUT", M, "PutMethod", apigw_put_method },
	{ "GET", M, "GetMethod", apigw_get_method },
	{ "PATCH", M, "UpdateMethod", apigw_update_method },
	{ "DELETE", M, "DeleteMethod", apigw_delete_method },
	{ "POST", M, "TestInvokeMethod", apigw_test_invoke, .blocks = true },
	{ "PUT", M "/responses/{status}", "PutMethodResponse", apigw_put_method_response },
	{ "GET", M "/responses/{status}", "GetMethodResponse", apigw_get_method_response },
	{ "PATCH", M "/responses/{status}", "UpdateMethodResponse", apigw_update_method_response },
	{ "DELETE", M "/responses/{status}", "DeleteMethodResponse", apigw_delete_method_response },
	{ "PUT", M "/integration", "PutIntegration", apigw_put_integration },
	{ "GET", M "/integration", "GetIntegration", apigw_get_integration },
	{ "PATCH", M "/integration", "UpdateIntegration", apigw_update_integration },
	{ "DELETE", M "/integration", "DeleteIntegration", apigw_delete_integration },
	{ "PUT", M "/integration/responses/{status}", "PutIntegrationResponse",
	  apigw_put_integration_response },
	{ "GET", M "/integration/responses/{status}", "GetIntegrationResponse",
	  apigw_get_integration_response },
	{ "PATCH", M "/integration/responses/{status}", "UpdateIntegrationResponse",
	  apigw_update_integration_response },
	{ "DELETE", M "/integration/responses/{status}", "DeleteIntegrationResponse",
	  apigw_delete_integration_response },
	{ "POST", R "/deployments", "CreateDeployment", apigw_create_deployment },
	{ "GET", R "/deployments", "GetDeployments", apigw_list_deployments },
	{ "GET", R "/deployments/{deployment}", "GetDeployment", apigw_get_deployment },
	{ "PATCH", R "/deployments/{deployment}", "UpdateDeployment", apigw_update_deployment },
	{ "DELETE", R "/deployments/{deployment}", "DeleteDeployment", apigw_delete_deployment },
	{ "POST", R "/stages", "CreateStage", apigw_create_stage },
	{ "GET", R "/stages", "GetStages", apigw_list_stages },
	{ "GET", R "/stages/{stage}", "GetStage", apigw_get_stage },
	{ "PATCH", R "/stages/{stage}", "UpdateStage", apigw_update_stage },
	{ "DELETE", R "/stages/{stage}", "DeleteStage", apigw_delete_stage },
	{ "GET", R "/gatewayresponses", "GetGatewayResponses", apigw_list_responses },
	{ "PUT", R "/gatewayresponses/{type}", "PutGatewayResponse", apigw_put_response },
	{ "GET", R "/gatewayresponses/{type}", "GetGatewayResponse", apigw_get_response },
	{ "PATCH", R "/gatewayresponses/{type}", "UpdateGatewayResponse", apigw_update_response },
	{ "DELETE", R "/gatewayresponses/{type}", "DeleteGatewayResponse", apigw_delete_response },
	{ "GET", R "/models", "GetModels", apigw_list_models },
	{ "POST", R "/models", "CreateModel", apigw_create_model },
	{ "GET", R "/models/{model}", "GetModel", apigw_get_model },
	{ "PATCH", R "/models/{model}", "UpdateModel", apigw_update_model },
	{ "DELETE", R "/models/{model}", "DeleteModel", apigw_delete_model },
	{ "GET", R "/models/{model}/default_template", "GetModelTemplate", apigw_get_model_template },
	{ "GET", R "/requestvalidators", "GetRequestValidators", apigw_list_validators },
	{ "POST", R "/requestvalidators", "CreateRequestValidator", apigw_create_validator },
	{ "GET", R "/requestvalidators/{validator}", "GetRequestValidator", apigw_get_validator },
	{ "PATCH", R "/requestvalidators/{validator}", "UpdateRequestValidator", apigw_update_validator },
	{ "DELETE", R "/requestvalidators/{validator}", "DeleteRequestValidator", apigw_delete_validator },
	{ "GET", R "/authorizers", "GetAuthorizers", apigw_list_authorizers },
	{ "POST", R "/authorizers", "CreateAuthorizer", apigw_create_authorizer },
	{ "GET", R "/authorizers/{authorizer}", "GetAuthorizer", apigw_get_authorizer },
	{ "POST", R "/authorizers/{authorizer}", "TestInvokeAuthorizer", apigw_test_authorizer, .blocks = true },
	{ "PATCH", R "/authorizers/{authorizer}", "UpdateAuthorizer", apigw_update_authorizer },
	{ "DELETE", R "/authorizers/{authorizer}", "DeleteAuthorizer", apigw_delete_authorizer },
	{ "GET", R "/stages/{stage}/exports/{type}", "GetExport", apigw_export },
	{ "POST", "/apikeys", "CreateApiKey", apigw_create_key },
	{ "GET", "/apikeys", "GetApiKeys", apigw_list_keys },
	{ "GET", "/apikeys/{key}", "GetApiKey", apigw_get_key },
	{ "PATCH", "/apikeys/{key}", "UpdateApiKey", apigw_update_key },
	{ "DELETE", "/apikeys/{key}", "DeleteApiKey", apigw_delete_key },
	{ "POST", "/usageplans", "CreateUsagePlan", apigw_create_plan },
	{ "GET", "/usageplans", "GetUsagePlans", apigw_list_plans },
	{ "GET", "/usageplans/{plan}", "GetUsagePlan", apigw_get_plan },
	{ "PATCH", "/usageplans/{plan}", "UpdateUsagePlan", apigw_update_plan },
	{ "DELETE", "/usageplans/{plan}", "DeleteUsagePlan", apigw_delete_plan },
	{ "POST", "/usageplans/{plan}/keys", "CreateUsagePlanKey", apigw_create_plan_key },
	{ "GET", "/usageplans/{plan}/keys", "GetUsagePlanKeys", apigw_list_plan_keys },
	{ "GET", "/usageplans/{plan}/keys/{key}", "GetUsagePlanKey", apigw_get_plan_key },
	{ "DELETE", "/usageplans/{plan}/keys/{key}", "DeleteUsagePlanKey", apigw_delete_plan_key },
	{ "GET", "/usageplans/{plan}/usage", "GetUsage", apigw_get_usage },
	{ "PATCH", "/usageplans/{plan}/keys/{key}/usage", "UpdateUsage", apigw_update_usage },
	{ "GET", "/tags/{arn}", "GetTags", apigw_get_tags },
	{ "PUT", "/tags/{arn}", "TagResource", apigw_tag },
	{ "DELETE", "/tags/{arn}", "UntagResource", apigw_untag },
	{ "GET", "/account", "GetAccount", apigw_get_account },
};

static int start(struct cloud *c, const struct service *self, struct rn_error *err)
{
	(void)err;
	c->service_data[self->slot] = gateway_new();
	return 0;
}

static void stop(struct cloud *c, const struct service *self)
{
	gateway_free(c->service_data[self->slot]);
	c->service_data[self->slot] = NULL;
}

const struct service apigw_service = {
	.name = "apigateway",
	.slot = CLOUD_SLOT_APIGW,
	.protocol = PROTOCOL_REST_JSON,
	.transaction = true,
	.routes = ROUTES,
	.n_routes = RN_LEN(ROUTES),
	.start = start,
	.stop = stop,
};

/* ---- answers ---- */

int apigw_bad(struct request *req, struct response *res, const char *fmt, ...)
{
	RN_AUTO(rn_freep) char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
	return answer_error(req, res, 400, "BadRequestException", "%s", text);
}

int apigw_conflict(struct request *req, struct response *res, const char *fmt, ...)
{
	RN_AUTO(rn_freep) char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
	return answer_error(req, res, 409, "ConflictException", "%s", text);
}

int apigw_not_found(struct request *req, struct response *res, const char *what)
{
	return answer_error(req, res, 404, "NotFoundException", "Invalid %s specified", what);
}

cJSON *apigw_shown(const cJSON *doc)
{
	cJSON *out = cJSON_Duplicate(doc, true);
	for (cJSON *m = out ? out->child : NULL, *next; m; m = next) {
		next = m->next;
		if (m->string && m->string[0] == '_')
			cJSON_Delete(cJSON_DetachItemViaPointer(out, m));
	}
	return out;
}

void apigw_answer(struct request *req, struct response *res, int status, const cJSON *doc)
{
	response_json(req, res, status, apigw_shown(doc));
	response_header(res, "x-amz-apigw-id", "%.12s=", req->id);
}

void apigw_answer_list(struct request *req, struct response *res, cJSON *items)
{
	RN_AUTO(rn_json_freep) cJSON *all = items;
	const char *limit_text = request_arg(req, "limit"),
		   *position = request_arg(req, "position");
	const char *accept = request_header(req, "Accept");
	bool hal = !accept || !strstr(accept, "application/json");
	int64_t limit = 25, skip = 0, total = cJSON_GetArraySize(all);
	RN_AUTO(rn_buf_clearp) struct rn_buf plain = RN_BUF_INIT;
	if ((limit_text && rn_parse_int(limit_text, 1, 500, &limit, NULL) < 0) ||
	    (position && (rn_base64_decode(position, &plain, NULL) < 0 ||
			  rn_parse_int(rn_buf_str(&plain), 0, INT32_MAX, &skip, NULL) < 0))) {
		apigw_bad(req, res,
			  position ? "Invalid position parameter" : "Invalid limit parameter");
		return;
	}
	cJSON *out = cJSON_CreateObject(), *page = cJSON_CreateArray();
	for (int64_t i = 0; all->child && i < skip + limit; i++) {
		RN_AUTO(rn_json_freep) cJSON *item = cJSON_DetachItemFromArray(all, 0);
		if (i >= skip)
			cJSON_AddItemToArray(page, apigw_shown(item));
	}
	if (skip + limit < total) {
		char text[32];
		snprintf(text, sizeof(text), "%" PRId64, skip + limit);
		RN_AUTO(rn_freep) char *next = rn_base64(text, strlen(text));
		cJSON_AddStringToObject(out, "position", next);
	}
	cJSON_AddItemToObject(hal ? cJSON_AddObjectToObject(out, "_embedded") : out, "item", page);
	RN_AUTO(rn_freep) char *text = rn_json_print(out);
	cJSON_Delete(out);
	response_body(res, 200, hal ? "application/hal+json" : "application/json", text,
		      strlen(text));
}

/* ---- named things ---- */

cJSON *apigw_named(struct request *req, struct response *res, const char *kind, const char *parent,
		   const char *param, const char *what)
{
	const char *id = request_param(req, param);
	cJSON *doc = store_get(req->cloud->store, kind, parent, id);
	if (!doc)
		apigw_not_found(req, res, what);
	return doc;
}

cJSON *apigw_api(struct request *req, struct response *res)
{
	const char *id = request_param(req, "api");
	cJSON *doc = store_get(req->cloud->store, API, req->region, id);
	if (!doc)
		answer_error(req, res, 404, "NotFoundException",
			     "Invalid API identifier specified " CLOUD_ACCOUNT ":%s", id);
	return doc;
}

cJSON *apigw_of_api(struct request *req, struct response *res, const char *kind, const char *param, const char *what)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	return api ? apigw_named(req, res, kind, request_param(req, "api"), param, what) : NULL;
}

cJSON *apigw_resource(struct request *req, struct response *res)
{
	return apigw_of_api(req, res, RESOURCE, "resource", "Resource identifier");
}

/* ---- documents ---- */

void apigw_set(cJSON *object, const char *name, cJSON *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	if (value)
		cJSON_AddItemToObject(object, name, value);
}

cJSON *apigw_object(cJSON *object, const char *name)
{
	cJSON *member = rn_json_get(object, name);
	return member ? member : cJSON_AddObjectToObject(object, name);
}

int apigw_take(struct request *req, struct response *res, const struct apigw_member *members,
	       cJSON *to)
{
	cJSON *in = request_json(req, res);
	if (!in)
		return -1;
	for (const struct apigw_member *m = members; m->name; m++) {
		const cJSON *value = rn_json_get(in, m->name);
		if (!value || cJSON_IsNull(value)) {
			if (m->required)
				return apigw_bad(req, res, "%s cannot be null", m->name);
			continue;
		}
		bool right = m->type == cJSON_True ? cJSON_IsBool(value)
						   : (value->type & 0xff) == m->type;
		if (!right || (m->required && cJSON_IsString(value) && !*value->valuestring))
			return apigw_bad(req, res, "Invalid value for %s", m->name);
		apigw_set(to, m->name, cJSON_Duplicate(value, true));
	}
	return 0;
}

int apigw_save(struct request *req, const char *kind, const char *parent, const char *id,
	       const cJSON *doc)
{
	return store_put(req->cloud->store, kind, parent, id, doc, NULL);
}

int apigw_take_tags(struct request *req, struct response *res, cJSON *doc)
{
	const cJSON *in = rn_json_get(req->json, "tags");
	if (!in || cJSON_IsNull(in))
		return 0;
	if (!cJSON_IsObject(in))
		return apigw_bad(req, res, "Invalid value for tags");
	cJSON *tags = apigw_object(doc, "tags");
	for (const cJSON *tag = in->child; tag; tag = tag->next) {
		if (!cJSON_IsString(tag) || !*tag->string || strlen(tag->string) > 128 ||
		    strlen(tag->valuestring) > 256 || rn_starts(tag->string, "aws:"))
			return apigw_bad(req, res, "The tag %s is not valid", tag->string);
		apigw_set(tags, tag->string, cJSON_CreateString(tag->valuestring));
	}
	return cJSON_GetArraySize(tags) > 50 ? apigw_bad(req, res, "Too many tags: 50 at most") : 0;
}
