/* SPDX-License-Identifier: Apache-2.0 */
/* Models, validators, authorizers, parameters and bodies of an OpenAPI document. */
#include "apigw_import.h"

#include "store.h"

#include <ctype.h>
#include <string.h>

/* ---- schemas -------------------------------------------------------------------------- */

/* What OpenAPI adds to a schema and says nothing about a value goes; API Gateway leaves it out as well. */
static void strip(cJSON *schema)
{
	static const char *const words[] = { "example", "examples", "externalDocs", "xml", "readOnly", "writeOnly", "deprecated" };
	cJSON *next = NULL;
	for (cJSON *m = schema ? schema->child : NULL; m; m = next) {
		next = m->next;
		bool gone = m->string && rn_starts(m->string, "x-");
		for (size_t i = 0; m->string && i < RN_LEN(words); i++)
			gone |= strcmp(m->string, words[i]) == 0;
		if (!gone && m->string && (!strcmp(m->string, "properties") || !strcmp(m->string, "definitions"))) {
			cJSON *property;
			cJSON_ArrayForEach(property, m)
				strip(property);
		} else if (!gone) {
			strip(m);
		} else {
			cJSON_Delete(cJSON_DetachItemViaPointer(schema, m));
		}
	}
}

/* Stores a schema as the model `name`. */
static int take_model(struct import *im, const char *name, const char *type, const cJSON *from)
{
	RN_AUTO(rn_json_freep) cJSON *schema = cJSON_Duplicate(from, true);
	strip(schema);
	RN_AUTO(rn_freep) char *text = rn_json_pretty(schema);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p))
			return apigw_bad(im->req, im->res, "Unable to create model for '%s': Model name must be alphanumeric: %s", name, name);
	if (apigw_check_schema(im->req, im->res, text) < 0)
		return -1;
	apigw_save_model(im->req, rn_json_str(im->api, "id"), name, type, rn_json_str(schema, "description"), text);
	return 0;
}

static const char *last_part(const char *ref)
{
	const char *slash = ref ? strrchr(ref, '/') : NULL;
	return slash ? slash + 1 : ref;
}

/* A value, or what its $ref to this document names; NULL: nothing. */
static const cJSON *resolve(const struct import *im, const cJSON *value)
{
	const char *ref = rn_json_str(value, "$ref");
	if (!ref)
		return value;
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	const cJSON *at = im->doc;
	rn_strv_split(&parts, rn_starts(ref, "#/") ? ref + 2 : "", '/');
	for (size_t i = 0; i < parts.n && at; i++)
		at = rn_json_get(at, parts.v[i]);
	return at;
}

/* ---- what methods share ------------------------------------------------------------------- */

static cJSON *by_name(cJSON *list, const char *name)
{
	cJSON *one = list->child;
	while (one && !rn_streq(rn_json_str(one, "name"), name))
		one = one->next;
	return one;
}

/* The member of a list with that name, made when missing, and kept. */
static cJSON *named(cJSON *list, const char *name)
{
	char id[16];
	cJSON *one = by_name(list, name);
	if (!one) {
		one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "id", cloud_id(id, 6, false));
		cJSON_AddStringToObject(one, "name", name);
		cJSON_AddItemToArray(list, one);
	}
	apigw_set(one, "_keep", cJSON_CreateTrue());
	return one;
}

static void take_validators(struct import *im)
{
	const cJSON *from;
	cJSON_ArrayForEach(from, rn_json_get(im->doc, "x-amazon-apigateway-request-validators"))
	{
		cJSON *one = named(im->validators, from->string);
		apigw_set(one, "validateRequestBody", cJSON_CreateBool(rn_json_bool(from, "validateRequestBody", false)));
		apigw_set(one, "validateRequestParameters", cJSON_CreateBool(rn_json_bool(from, "validateRequestParameters", false)));
	}
}

static const cJSON *schemes_of(const struct import *im)
{
	const cJSON *old = rn_json_get(im->doc, "securityDefinitions");
	return old ? old : rn_json_path(im->doc, "components.securitySchemes");
}

static int take_authorizer(struct import *im, const cJSON *scheme)
{
	static const char *const COPIED[] = { "authorizerUri", "authorizerCredentials", "identitySource", "identityValidationExpression",
					      "authorizerResultTtlInSeconds" };
	const cJSON *from = rn_json_get(scheme, "x-amazon-apigateway-authorizer");
	const char *type = rn_json_str(from, "type"), *auth = rn_json_str(scheme, "x-amazon-apigateway-authtype");
	const char *header = rn_json_str(scheme, "name");
	RN_AUTO(rn_freep) char *upper = rn_strdup(type ? type : "token");
	for (char *p = upper; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	cJSON *one = named(im->authorizers, scheme->string);
	apigw_set(one, "type", cJSON_CreateString(upper));
	apigw_set(one, "authType", cJSON_CreateString(auth ? auth : "custom"));
	for (size_t i = 0; i < RN_LEN(COPIED); i++)
		apigw_set(one, COPIED[i], rn_json_get(from, COPIED[i]) ? cJSON_Duplicate(rn_json_get(from, COPIED[i]), true) : NULL);
	if (strcmp(upper, "TOKEN") == 0 && header && !rn_json_str(one, "identitySource")) {
		RN_AUTO(rn_freep) char *source = rn_asprintf("method.request.header.%s", header);
		apigw_set(one, "identitySource", cJSON_CreateString(source));
	}
	return apigw_check_authorizer(im->req, im->res, one);
}

/* Stores what is kept, removes the rest. */
static void store_list_of(struct import *im, const char *kind, cJSON *list, bool merge)
{
	const char *api = rn_json_str(im->api, "id");
	cJSON *one;
	cJSON_ArrayForEach(one, list)
	{
		bool keep = merge || rn_json_get(one, "_keep");
		apigw_set(one, "_keep", NULL);
		if (keep)
			apigw_save(im->req, kind, api, rn_json_str(one, "id"), one);
		else
			store_remove(im->req->cloud->store, kind, api, rn_json_str(one, "id"), NULL);
	}
}

static int take_models(struct import *im, bool merge)
{
	const cJSON *schemas = rn_json_get(im->doc, "definitions"), *one;
	schemas = schemas ? schemas : rn_json_path(im->doc, "components.schemas");
	if (!merge) { /* those that stay keep their ids */
		RN_AUTO(rn_json_freep) cJSON *all = store_list(im->req->cloud->store, MODEL, rn_json_str(im->api, "id"), NULL, 0);
		cJSON_ArrayForEach(one, all)
		{
			if (!rn_json_get(schemas, rn_json_str(one, "name")))
				store_remove(im->req->cloud->store, MODEL, rn_json_str(im->api, "id"), rn_json_str(one, "name"), NULL);
		}
	}
	cJSON_ArrayForEach(one, schemas)
	{
		if (take_model(im, one->string, "application/json", one) < 0)
			return -1;
	}
	return 0;
}

int import_shared(struct import *im, bool merge)
{
	const cJSON *scheme;
	if (take_models(im, merge) < 0)
		return -1;
	take_validators(im);
	cJSON_ArrayForEach(scheme, schemes_of(im))
	{
		if (rn_json_get(scheme, "x-amazon-apigateway-authorizer") && take_authorizer(im, scheme) < 0)
			return -1;
	}
	store_list_of(im, VALIDATOR, im->validators, merge);
	store_list_of(im, AUTHORIZER, im->authorizers, merge);
	return 0;
}

void import_settings(struct import *im)
{
	const cJSON *policy = rn_json_get(im->doc, "x-amazon-apigateway-policy");
	const cJSON *size = rn_json_get(im->doc, "x-amazon-apigateway-minimum-compression-size");
	const char *source = rn_json_str(im->doc, "x-amazon-apigateway-api-key-source");
	if (cJSON_IsObject(policy)) {
		RN_AUTO(rn_freep) char *text = rn_json_print(policy);
		apigw_set(im->api, "policy", cJSON_CreateString(text));
	}
	if (rn_streq(source, "AUTHORIZER") || rn_streq(source, "HEADER"))
		apigw_set(im->api, "apiKeySource", cJSON_CreateString(source));
	if (cJSON_IsNumber(size))
		apigw_set(im->api, "minimumCompressionSize", cJSON_Duplicate(size, true));
}

/* ---- operations ----------------------------------------------------------------------------- */

static void take_scheme(const struct import *im, const char *name, cJSON *method)
{
	const cJSON *scheme = rn_json_get(schemes_of(im), name), *authorizer = by_name(im->authorizers, name);
	const char *header = rn_json_str(scheme, "name"), *type = rn_json_str(scheme, "x-amazon-apigateway-authtype");
	if (type && strcasecmp(type, "awsSigv4") == 0) {
		apigw_set(method, "authorizationType", cJSON_CreateString("AWS_IAM"));
	} else if (rn_json_get(scheme, "x-amazon-apigateway-authorizer") && authorizer) {
		apigw_set(method, "authorizationType", cJSON_CreateString("CUSTOM"));
		apigw_set(method, "authorizerId", cJSON_CreateString(rn_json_str(authorizer, "id")));
	} else if (rn_streq(rn_json_str(scheme, "type"), "apiKey") && header && !strcasecmp(header, "x-api-key") && !type) {
		apigw_set(method, "apiKeyRequired", cJSON_CreateTrue());
	}
}

void import_security(const struct import *im, const cJSON *operation, cJSON *method)
{
	const char *auth = rn_json_str(rn_json_get(operation, "x-amazon-apigateway-auth"), "type");
	const cJSON *security = rn_json_get(operation, "security"), *choice, *name;
	security = security ? security : rn_json_get(im->doc, "security");
	cJSON_AddStringToObject(method, "authorizationType", "NONE");
	cJSON_AddFalseToObject(method, "apiKeyRequired");
	cJSON_ArrayForEach(choice, security)
	{
		cJSON_ArrayForEach(name, choice)
			take_scheme(im, name->string, method);
	}
	if (auth)
		apigw_set(method, "authorizationType", cJSON_CreateString(auth));
}

/* Body of that content type: the model that its schema refers to, or a new one. */
static int take_body(struct import *im, const char *type, const cJSON *schema, cJSON *method)
{
	char id[16];
	const char *ref = rn_json_str(schema, "$ref");
	RN_AUTO(rn_freep) char *made = ref ? NULL : rn_asprintf("MODEL%s", cloud_id(id, 6, false));
	if (!cJSON_IsObject(schema))
		return 0;
	if (made && take_model(im, made, type, schema) < 0)
		return -1;
	apigw_set(apigw_object(method, "requestModels"), type, cJSON_CreateString(made ? made : last_part(ref)));
	return 0;
}

static int take_parameter(struct import *im, const cJSON *given, const cJSON *operation, cJSON *method)
{
	static const char *const PLACES[][2] = { { "path", "path" }, { "query", "querystring" }, { "header", "header" } };
	const cJSON *p = resolve(im, given), *consumes = rn_json_get(operation, "consumes");
	const char *in = rn_json_str(p, "in"), *name = rn_json_str(p, "name");
	if (!in || !name)
		return apigw_bad(im->req, im->res, "Invalid OpenAPI input: a parameter needs name and in");
	if (strcmp(in, "body") == 0) {
		consumes = consumes ? consumes : rn_json_get(im->doc, "consumes");
		const char *type = consumes && cJSON_IsString(consumes->child) ? consumes->child->valuestring : "application/json";
		return take_body(im, type, rn_json_get(p, "schema"), method);
	}
	for (size_t i = 0; i < RN_LEN(PLACES); i++) {
		RN_AUTO(rn_freep) char *key = rn_asprintf("method.request.%s.%s", PLACES[i][1], name);
		if (strcmp(in, PLACES[i][0]) == 0)
			apigw_set(apigw_object(method, "requestParameters"), key, cJSON_CreateBool(rn_json_bool(p, "required", false)));
	}
	return 0;
}

int import_request(struct import *im, const cJSON *path, const cJSON *operation, cJSON *method)
{
	const cJSON *lists[] = { rn_json_get(path, "parameters"), rn_json_get(operation, "parameters") }, *one;
	const char *validator = rn_json_str(operation, "x-amazon-apigateway-request-validator");
	for (size_t i = 0; i < RN_LEN(lists); i++)
		for (one = lists[i] ? lists[i]->child : NULL; one; one = one->next)
			if (take_parameter(im, one, operation, method) < 0)
				return -1;
	cJSON_ArrayForEach(one, rn_json_get(resolve(im, rn_json_get(operation, "requestBody")), "content"))
	{
		if (take_body(im, one->string, rn_json_get(one, "schema"), method) < 0)
			return -1;
	}
	validator = validator ? validator : rn_json_str(im->doc, "x-amazon-apigateway-request-validator");
	if (!validator)
		return 0;
	const cJSON *found = by_name(im->validators, validator);
	if (!found)
		return apigw_bad(im->req, im->res, "Invalid OpenAPI input: there is no request validator %s in x-amazon-apigateway-request-validators",
				 validator);
	apigw_set(method, "requestValidatorId", cJSON_CreateString(rn_json_str(found, "id")));
	return 0;
}

void import_response_models(const struct import *im, const cJSON *from, cJSON *response)
{
	const cJSON *one, *produces = rn_json_get(im->doc, "produces");
	const char *old = rn_json_str(rn_json_get(from, "schema"), "$ref");
	const char *type = produces && cJSON_IsString(produces->child) ? produces->child->valuestring : "application/json";
	if (old)
		apigw_set(apigw_object(response, "responseModels"), type, cJSON_CreateString(last_part(old)));
	cJSON_ArrayForEach(one, rn_json_get(from, "content"))
	{
		const char *ref = rn_json_str(rn_json_get(one, "schema"), "$ref");
		if (ref)
			apigw_set(apigw_object(response, "responseModels"), one->string, cJSON_CreateString(last_part(ref)));
	}
}
