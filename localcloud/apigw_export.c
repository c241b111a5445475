/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GetExport: what a stage serves as Swagger 2.0 or OpenAPI 3.0, as JSON or YAML; the extensions as far as they are
 * asked for. With extensions=apigateway (of oas30 or swagger) an import gives the same API again.
 */
#include "apigw.h"
#include "store.h"

#include "base/time.h"
#include "yaml/print.h"

#include <ctype.h>
#include <string.h>

struct export {
	const cJSON *snapshot;
	bool oas30, integrations, authorizers;
	cJSON *schemes; /* securityDefinitions or securitySchemes */
};

static char *lower(const char *text)
{
	char *all = rn_strdup(text ? text : "");
	for (char *p = all; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return all;
}

static void copy(cJSON *to, const cJSON *from, const char *name)
{
	const cJSON *item = rn_json_get(from, name);
	if (item && !((cJSON_IsObject(item) || cJSON_IsArray(item)) && !item->child))
		cJSON_AddItemToObject(to, name, cJSON_Duplicate(item, true));
}

/* {"$ref": …} of a model. New. */
static cJSON *reference(const struct export *e, const char *model)
{
	cJSON *o = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *ref = rn_asprintf(e->oas30 ? "#/components/schemas/%s" : "#/definitions/%s", model);
	cJSON_AddStringToObject(o, "$ref", ref);
	return o;
}

/* Documents begin with the kind, then info; `schema` in 3.0, the type itself in 2.0. */
static void add_string_type(const struct export *e, cJSON *to)
{
	cJSON *at = e->oas30 ? cJSON_AddObjectToObject(to, "schema") : to;
	cJSON_AddStringToObject(at, "type", "string");
}

/* ---- operations ------------------------------------------------------------------------ */

/* "method.request.header.X": true */
static void add_parameters(const struct export *e, const cJSON *method, cJSON *list)
{
	static const char *const places[][2] = { { "method.request.path.", "path" },
						 { "method.request.querystring.", "query" },
						 { "method.request.header.", "header" } };
	const cJSON *p;
	cJSON_ArrayForEach(p, rn_json_get(method, "requestParameters"))
	{
		for (size_t i = 0; i < RN_LEN(places); i++) {
			if (!rn_starts(p->string, places[i][0]))
				continue;
			cJSON *one = cJSON_CreateObject();
			cJSON_AddStringToObject(one, "name", p->string + strlen(places[i][0]));
			cJSON_AddStringToObject(one, "in", places[i][1]);
			if (cJSON_IsTrue(p) || !e->oas30)
				cJSON_AddBoolToObject(one, "required", cJSON_IsTrue(p));
			add_string_type(e, one);
			cJSON_AddItemToArray(list, one);
		}
	}
}

static void add_request(const struct export *e, const cJSON *method, cJSON *operation)
{
	cJSON *parameters = cJSON_CreateArray(), *consumes = cJSON_CreateArray();
	const cJSON *model;
	add_parameters(e, method, parameters);
	cJSON_ArrayForEach(model, rn_json_get(method, "requestModels"))
	{
		if (e->oas30) {
			cJSON *body = apigw_object(operation, "requestBody");
			cJSON *type = cJSON_AddObjectToObject(apigw_object(body, "content"), model->string);
			cJSON_AddItemToObject(type, "schema", reference(e, model->valuestring));
			apigw_set(body, "required", cJSON_CreateTrue());
			continue;
		}
		cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "in", "body");
		cJSON_AddStringToObject(one, "name", model->valuestring);
		cJSON_AddTrueToObject(one, "required");
		cJSON_AddItemToObject(one, "schema", reference(e, model->valuestring));
		cJSON_AddItemToArray(consumes, cJSON_CreateString(model->string));
		if (consumes->child == consumes->child->prev) /* 2.0 knows one body */
			cJSON_AddItemToArray(parameters, one);
		else
			cJSON_Delete(one);
	}
	cJSON_AddItemToObject(operation, "consumes", consumes);
	cJSON_AddItemToObject(operation, "parameters", parameters);
	if (!consumes->child)
		apigw_set(operation, "consumes", NULL);
	if (!parameters->child)
		apigw_set(operation, "parameters", NULL);
}

static void add_response(const struct export *e, const cJSON *r, cJSON *to)
{
	static const char PREFIX[] = "method.response.header.";
	cJSON *one = cJSON_AddObjectToObject(to, r->string);
	RN_AUTO(rn_freep) char *words = rn_asprintf("%s response", r->string);
	const cJSON *p;
	cJSON_AddStringToObject(one, "description", words);
	cJSON_ArrayForEach(p, rn_json_get(r, "responseParameters"))
	{
		if (rn_starts(p->string, PREFIX))
			add_string_type(e, cJSON_AddObjectToObject(apigw_object(one, "headers"), p->string + strlen(PREFIX)));
	}
	cJSON_ArrayForEach(p, rn_json_get(r, "responseModels"))
	{
		if (e->oas30)
			cJSON_AddItemToObject(cJSON_AddObjectToObject(apigw_object(one, "content"), p->string), "schema",
					      reference(e, p->valuestring));
		else if (!rn_json_get(one, "schema"))
			cJSON_AddItemToObject(one, "schema", reference(e, p->valuestring));
	}
}

static void add_integration(const cJSON *from, cJSON *operation)
{
	static const char *const kept[] = { "httpMethod",	"uri",	      "credentials",	 "connectionType",     "requestParameters",
					    "requestTemplates", "cacheNamespace", "cacheKeyParameters", "contentHandling", "timeoutInMillis" };
	cJSON *i = cJSON_AddObjectToObject(operation, "x-amazon-apigateway-integration");
	RN_AUTO(rn_freep) char *type = lower(rn_json_str(from, "type"));
	RN_AUTO(rn_freep) char *passes = lower(rn_json_str(from, "passthroughBehavior"));
	const cJSON *r;
	cJSON_AddStringToObject(i, "type", type);
	for (size_t k = 0; k < RN_LEN(kept); k++)
		copy(i, from, kept[k]);
	cJSON_AddStringToObject(i, "passthroughBehavior", passes);
	cJSON_ArrayForEach(r, rn_json_get(from, "integrationResponses"))
	{
		const char *pattern = rn_json_str(r, "selectionPattern");
		cJSON *one = cJSON_Duplicate(r, true);
		apigw_set(one, "selectionPattern", NULL);
		apigw_set(apigw_object(i, "responses"), pattern && *pattern ? pattern : "default", one);
	}
}

static const cJSON *by_member(const cJSON *list, const char *member, const char *value)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, list)
	{
		if (value && rn_streq(rn_json_str(one, member), value))
			return one;
	}
	return NULL;
}

/* A scheme {type: apiKey} and its use by the operation. */
static cJSON *use_scheme(struct export *e, cJSON *operation, const char *name, const char *header)
{
	cJSON *use = cJSON_CreateObject(), *security = rn_json_get(operation, "security"), *scheme = apigw_object(e->schemes, name);
	cJSON_AddArrayToObject(use, name);
	cJSON_AddItemToArray(security ? security : cJSON_AddArrayToObject(operation, "security"), use);
	apigw_set(scheme, "type", cJSON_CreateString("apiKey"));
	apigw_set(scheme, "name", cJSON_CreateString(header));
	apigw_set(scheme, "in", cJSON_CreateString("header"));
	return scheme;
}

static void add_authorizer(struct export *e, const cJSON *a, cJSON *operation)
{
	static const char *const kept[] = { "authorizerUri", "authorizerCredentials", "identitySource", "identityValidationExpression",
					    "authorizerResultTtlInSeconds" };
	static const char PREFIX[] = "method.request.header.";
	const char *source = rn_json_str(a, "identitySource"), *auth = rn_json_str(a, "authType");
	bool token = rn_streq(rn_json_str(a, "type"), "TOKEN");
	cJSON *scheme = use_scheme(e, operation, rn_json_str(a, "name"),
				   token && source && rn_starts(source, PREFIX) ? source + strlen(PREFIX) : token ? "Authorization" : "Unused");
	apigw_set(scheme, "x-amazon-apigateway-authtype", cJSON_CreateString(auth ? auth : "custom"));
	if (!e->authorizers)
		return;
	cJSON *x = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *type = lower(rn_json_str(a, "type"));
	for (size_t i = 0; i < RN_LEN(kept); i++)
		copy(x, a, kept[i]);
	if (token)
		apigw_set(x, "identitySource", NULL); /* it is the scheme's name */
	cJSON_AddStringToObject(x, "type", type);
	apigw_set(scheme, "x-amazon-apigateway-authorizer", x);
}

static void add_security(struct export *e, const cJSON *method, cJSON *operation)
{
	const char *type = rn_json_str(method, "authorizationType");
	const cJSON *a = by_member(rn_json_get(e->snapshot, "authorizers"), "id", rn_json_str(method, "authorizerId"));
	if (rn_json_bool(method, "apiKeyRequired", false))
		use_scheme(e, operation, "api_key", "x-api-key");
	if (rn_streq(type, "AWS_IAM"))
		apigw_set(use_scheme(e, operation, "sigv4", "Authorization"), "x-amazon-apigateway-authtype", cJSON_CreateString("awsSigv4"));
	if (a)
		add_authorizer(e, a, operation);
}

static void add_operation(struct export *e, const cJSON *method, cJSON *path)
{
	RN_AUTO(rn_freep) char *verb = lower(method->string);
	cJSON *operation = cJSON_AddObjectToObject(path, strcmp(verb, "any") == 0 ? "x-amazon-apigateway-any-method" : verb);
	const cJSON *r, *validator = by_member(rn_json_get(e->snapshot, "validators"), "id", rn_json_str(method, "requestValidatorId"));
	if (rn_json_str(method, "operationName"))
		cJSON_AddStringToObject(operation, "operationId", rn_json_str(method, "operationName"));
	add_request(e, method, operation);
	if (!e->oas30)
		cJSON_AddItemToArray(cJSON_AddArrayToObject(operation, "produces"), cJSON_CreateString("application/json"));
	cJSON *responses = cJSON_AddObjectToObject(operation, "responses");
	cJSON_ArrayForEach(r, rn_json_get(method, "methodResponses"))
		add_response(e, r, responses);
	add_security(e, method, operation);
	if (!e->integrations)
		return;
	if (validator)
		cJSON_AddStringToObject(operation, "x-amazon-apigateway-request-validator", rn_json_str(validator, "name"));
	if (rn_json_get(method, "methodIntegration"))
		add_integration(rn_json_get(method, "methodIntegration"), operation);
}

/* ---- the document ---------------------------------------------------------------------------- */

static void add_head(const struct export *e, struct request *req, const cJSON *deployment, cJSON *doc)
{
	const cJSON *api = rn_json_get(e->snapshot, "api");
	const char *version = rn_json_str(api, "version");
	char date[32];
	cJSON_AddStringToObject(doc, e->oas30 ? "openapi" : "swagger", e->oas30 ? "3.0.1" : "2.0");
	cJSON *info = cJSON_AddObjectToObject(doc, "info");
	copy(info, api, "description");
	cJSON_AddStringToObject(info, "version", version ? version : rn_iso8601((int64_t)rn_json_num(deployment, "createdDate", 0) * 1000, false, date));
	apigw_set(info, "title", cJSON_CreateString(rn_json_str(api, "name")));
	const char *host = request_header(req, "Host");
	RN_AUTO(rn_freep) char *base = rn_asprintf("/restapis/%s/%s/_user_request_", rn_json_str(api, "id"), request_param(req, "stage"));
	if (e->oas30) {
		cJSON *server = cJSON_CreateObject();
		RN_AUTO(rn_freep) char *url = rn_asprintf("http://%s/{basePath}", host ? host : "localhost");
		cJSON_AddStringToObject(server, "url", url);
		cJSON_AddStringToObject(cJSON_AddObjectToObject(cJSON_AddObjectToObject(server, "variables"), "basePath"), "default", base + 1);
		cJSON_AddItemToArray(cJSON_AddArrayToObject(doc, "servers"), server);
		return;
	}
	cJSON_AddStringToObject(doc, "host", host ? host : "localhost");
	cJSON_AddStringToObject(doc, "basePath", base);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(doc, "schemes"), cJSON_CreateString("http"));
}

static void add_models(const struct export *e, cJSON *to)
{
	const cJSON *m;
	cJSON_ArrayForEach(m, rn_json_get(e->snapshot, "models"))
	{
		cJSON *schema = rn_json_parse_str(rn_json_str(m, "schema"), NULL);
		apigw_set(schema, "$schema", NULL);
		if (schema)
			apigw_set(to, rn_json_str(m, "name"), schema);
	}
}

static void add_extensions(const struct export *e, cJSON *doc)
{
	const cJSON *api = rn_json_get(e->snapshot, "api"), *one;
	const char *policy = rn_json_str(api, "policy");
	cJSON_ArrayForEach(one, rn_json_get(e->snapshot, "responses"))
	{
		cJSON *to = cJSON_AddObjectToObject(apigw_object(doc, "x-amazon-apigateway-gateway-responses"), rn_json_str(one, "responseType"));
		copy(to, one, "statusCode");
		copy(to, one, "responseParameters");
		copy(to, one, "responseTemplates");
	}
	cJSON_ArrayForEach(one, rn_json_get(e->snapshot, "validators"))
	{
		cJSON *to = cJSON_AddObjectToObject(apigw_object(doc, "x-amazon-apigateway-request-validators"), rn_json_str(one, "name"));
		copy(to, one, "validateRequestParameters");
		copy(to, one, "validateRequestBody");
	}
	cJSON *parsed = policy ? rn_json_parse_str(policy, NULL) : NULL;
	if (parsed)
		cJSON_AddItemToObject(doc, "x-amazon-apigateway-policy", parsed);
	if (rn_streq(rn_json_str(api, "apiKeySource"), "AUTHORIZER"))
		cJSON_AddStringToObject(doc, "x-amazon-apigateway-api-key-source", "AUTHORIZER");
	if (rn_json_get(api, "minimumCompressionSize"))
		cJSON_AddItemToObject(doc, "x-amazon-apigateway-minimum-compression-size",
				      cJSON_Duplicate(rn_json_get(api, "minimumCompressionSize"), true));
	const cJSON *types = rn_json_get(api, "binaryMediaTypes");
	if (types && types->child)
		cJSON_AddItemToObject(doc, "x-amazon-apigateway-binary-media-types", cJSON_Duplicate(types, true));
}

/* New. */
static cJSON *document(struct export *e, struct request *req, const cJSON *deployment)
{
	cJSON *doc = cJSON_CreateObject(), *models = cJSON_CreateObject(), *paths;
	const cJSON *r, *m;
	e->schemes = cJSON_CreateObject();
	add_head(e, req, deployment, doc);
	paths = cJSON_AddObjectToObject(doc, "paths");
	cJSON_ArrayForEach(r, rn_json_get(e->snapshot, "resources"))
	{
		cJSON_ArrayForEach(m, rn_json_get(r, "resourceMethods"))
			add_operation(e, m, apigw_object(paths, rn_json_str(r, "path")));
	}
	add_models(e, models);
	cJSON *at = e->oas30 ? cJSON_AddObjectToObject(doc, "components") : doc;
	if (models->child)
		cJSON_AddItemToObject(at, e->oas30 ? "schemas" : "definitions", models);
	else
		cJSON_Delete(models);
	if (e->schemes->child)
		cJSON_AddItemToObject(at, e->oas30 ? "securitySchemes" : "securityDefinitions", e->schemes);
	else
		cJSON_Delete(e->schemes);
	if (e->integrations)
		add_extensions(e, doc);
	return doc;
}

static void answer_document(struct response *res, const struct export *e, const cJSON *doc, bool yaml)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (yaml) {
		yaml_print(doc, &text);
	} else {
		RN_AUTO(rn_freep) char *json = rn_json_pretty(doc);
		rn_buf_adds(&text, json);
	}
	response_body(res, 200, yaml ? "application/yaml" : "application/json", text.p, text.len);
	response_header(res, "Content-Disposition", "attachment; filename=\"%s_%s.%s\"", e->oas30 ? "oas30" : "swagger",
			rn_json_str(rn_json_get(doc, "info"), "version"), yaml ? "yaml" : "json");
}

static bool asks_for(const struct request *req, const char *extension)
{
	for (size_t i = 0; i < req->args.n; i++) {
		RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
		rn_strv_split(&all, req->args.v[i].value, ',');
		if (strcmp(req->args.v[i].name, "extensions") == 0 && rn_strv_has(&all, extension))
			return true;
	}
	return false;
}

void apigw_export(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	RN_AUTO(rn_json_freep) cJSON *stage =
		api ? apigw_named(req, res, STAGE, rn_json_str(api, "id"), "stage", "Stage identifier") : NULL;
	const char *type = request_param(req, "type"), *accept = request_header(req, "Accept");
	if (!stage)
		return;
	bool yaml = accept && strstr(accept, "yaml");
	if (strcmp(type, "oas30") != 0 && strcmp(type, "swagger") != 0) {
		apigw_bad(req, res, "Invalid export type specified: %s. Must be one of oas30, swagger", type);
		return;
	}
	if (asks_for(req, "postman")) {
		apigw_bad(req, res, "Postman extensions are not made by this local cloud: ask for integrations, authorizers or apigateway");
		return;
	}
	if (accept && !yaml && !strstr(accept, "json") && !strstr(accept, "*/*")) {
		apigw_bad(req, res, "Invalid media type %s for an export: application/json or application/yaml", accept);
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *deployment =
		store_get(req->cloud->store, DEPLOYMENT, rn_json_str(api, "id"), rn_json_str(stage, "deploymentId"));
	struct export e = { .snapshot = rn_json_get(deployment, "_snapshot"), .oas30 = strcmp(type, "oas30") == 0 };
	e.integrations = asks_for(req, "integrations") || asks_for(req, "apigateway");
	e.authorizers = asks_for(req, "authorizers") || asks_for(req, "apigateway");
	RN_AUTO(rn_json_freep) cJSON *doc = document(&e, req, deployment);
	answer_document(res, &e, doc, yaml);
}
