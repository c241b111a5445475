/* SPDX-License-Identifier: Apache-2.0 */
/* Models (schemas of bodies) and request validators. */
#include "apigw_models.h"

#include "apigw_patch.h"
#include "json_schema.h"
#include "pattern.h"
#include "store.h"

#include <ctype.h>
#include <string.h>

/* ---- what all three have ---------------------------------------------------------------- */

/* Takes `one`; NULL: the 404 is answered. */
static void answer_one(struct request *req, struct response *res, cJSON *one)
{
	if (one)
		apigw_answer(req, res, 200, one);
	cJSON_Delete(one);
}

static void list_all(struct request *req, struct response *res, const char *kind)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (api)
		apigw_answer_list(req, res, store_list(req->cloud->store, kind, rn_json_str(api, "id"), NULL, 0));
}

/* Does a method name it, in a map of models or as the one value of `member`? Words for the first that does, new; NULL: none. */
static char *used_by(struct request *req, const char *api, const char *member, const char *value)
{
	RN_AUTO(rn_json_freep) cJSON *resources = store_list(req->cloud->store, RESOURCE, api, NULL, 0);
	const cJSON *r, *m, *one;
	cJSON_ArrayForEach(r, resources)
	{
		cJSON_ArrayForEach(m, rn_json_get(r, "resourceMethods"))
		{
			bool used = rn_streq(rn_json_str(m, member), value);
			cJSON_ArrayForEach(one, rn_json_get(m, member))
				used |= rn_streq(cJSON_GetStringValue(one), value);
			if (used)
				return rn_asprintf("%s %s", m->string, rn_json_str(r, "path"));
		}
	}
	return NULL;
}

/* Takes `one`, which `id` is the key of; not while the `member` of a method names it. `what` and `name`: for the words of that. */
static void delete_one(struct request *req, struct response *res, const char *kind, cJSON *one, const char *id, const char *member, const char *what,
		       const char *name)
{
	const char *api = request_param(req, "api");
	RN_AUTO(rn_freep) char *user = one ? used_by(req, api, member, id) : NULL;
	if (user)
		apigw_conflict(req, res, "Cannot delete %s '%s', is referenced in method: %s", what, name, user);
	else if (one && store_remove(req->cloud->store, kind, api, id, NULL) == 1)
		response_body(res, 202, NULL, NULL, 0);
	cJSON_Delete(one);
}

/* ---- models ---------------------------------------------------------------------------- */

static const struct {
	const char *name, *description, *schema;
} DEFAULT_MODELS[] = {
	{ "Empty", "This is a default empty schema model",
	  "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}" },
	{ "Error", "This is a default error schema model",
	  "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n"
	  "  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}" },
};

void apigw_save_model(struct request *req, const char *api, const char *name, const char *type, const char *description, const char *schema)
{
	char id[16];
	RN_AUTO(rn_json_freep) cJSON *old = store_get(req->cloud->store, MODEL, api, name);
	RN_AUTO(rn_json_freep) cJSON *model = cJSON_CreateObject();
	cJSON_AddStringToObject(model, "id", old ? rn_json_str(old, "id") : cloud_id(id, 6, false));
	cJSON_AddStringToObject(model, "name", name);
	if (description)
		cJSON_AddStringToObject(model, "description", description);
	cJSON_AddStringToObject(model, "schema", schema);
	cJSON_AddStringToObject(model, "contentType", type);
	apigw_save(req, MODEL, api, name, model);
}

void apigw_default_models(struct request *req, const char *api)
{
	for (size_t i = 0; i < RN_LEN(DEFAULT_MODELS); i++)
		apigw_save_model(req, api, DEFAULT_MODELS[i].name, "application/json", DEFAULT_MODELS[i].description, DEFAULT_MODELS[i].schema);
}

int apigw_check_schema(struct request *req, struct response *res, const char *schema)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv unknown = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = schema ? rn_json_parse_str(schema, &err) : NULL;
	if (doc && schema_check(doc, &unknown, &err) == 0)
		return 0;
	if (!unknown.n)
		return apigw_bad(req, res, "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified: %s]",
				 schema ? err.msg : "there is none");
	RN_AUTO(rn_freep) char *names = rn_strv_join(&unknown, "\",\"");
	return apigw_bad(req, res,
			 "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified. Unsupported keyword(s): "
			 "[\"%s\"]]",
			 names);
}

static bool is_model_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p))
			return false;
	return *name != '\0';
}

void apigw_create_model(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "name", cJSON_String, true }, { "contentType", cJSON_String, true },
						      { "description", cJSON_String }, { "schema", cJSON_String }, { NULL } };
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject();
	if (!api || apigw_take(req, res, WANTED, in) < 0)
		return;
	const char *name = rn_json_str(in, "name"), *id = rn_json_str(api, "id"), *schema = rn_json_str(in, "schema");
	if (!is_model_name(name))
		apigw_bad(req, res, "Model name must be alphanumeric: %s", name);
	else if (store_has(req->cloud->store, MODEL, id, name))
		apigw_conflict(req, res, "Model name already exists for this REST API");
	else if (rn_starts(rn_json_str(in, "contentType"), "application/json") && apigw_check_schema(req, res, schema) < 0)
		return;
	else {
		apigw_save_model(req, id, name, rn_json_str(in, "contentType"), rn_json_str(in, "description"), schema ? schema : "{}");
		RN_AUTO(rn_json_freep) cJSON *made = store_get(req->cloud->store, MODEL, id, name);
		apigw_answer(req, res, 201, made);
	}
}

static cJSON *named_model(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	cJSON *model = api ? store_get(req->cloud->store, MODEL, rn_json_str(api, "id"), request_param(req, "model")) : NULL;
	if (api && !model)
		answer_error(req, res, 404, "NotFoundException", "Invalid model name specified: %s", request_param(req, "model"));
	return model;
}

void apigw_get_model(struct request *req, struct response *res)
{
	answer_one(req, res, named_model(req, res));
}

/* A mapping template that passes the members of the schema on, as API Gateway makes it up. */
static void add_template(struct rn_buf *to, const cJSON *schema, const char *at, int depth)
{
	const cJSON *p, *properties = rn_json_get(schema, "properties");
	rn_buf_adds(to, "{\n");
	cJSON_ArrayForEach(p, properties)
	{
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s.%s", at, p->string);
		rn_buf_addf(to, "%*s\"%s\" : ", 2 * (depth + 1), "", p->string);
		if (rn_streq(rn_json_str(p, "type"), "object") && depth < 16)
			add_template(to, p, path, depth + 1);
		else
			rn_buf_addf(to, rn_streq(rn_json_str(p, "type"), "string") ? "\"$inputRoot%s\"" : "$inputRoot%s", path);
		rn_buf_adds(to, p->next ? ",\n" : "\n");
	}
	rn_buf_addf(to, "%*s}", 2 * depth, "");
}

void apigw_get_model_template(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *model = named_model(req, res);
	if (!model)
		return;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(rn_json_freep) cJSON *schema = rn_json_parse_str(rn_json_str(model, "schema"), NULL), *out = cJSON_CreateObject();
	rn_buf_adds(&text, "#set($inputRoot = $input.path('$'))\n");
	add_template(&text, schema, "", 0);
	cJSON_AddStringToObject(out, "value", rn_buf_str(&text));
	apigw_answer(req, res, 200, out);
}

void apigw_list_models(struct request *req, struct response *res)
{
	list_all(req, res, MODEL);
}

void apigw_update_model(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = { { "/description", PATCH_STRING }, { "/schema", PATCH_STRING } };
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(rn_json_freep) cJSON *model = named_model(req, res);
	if (!model || patch_apply(req, res, model, &TABLE) < 0 || apigw_check_schema(req, res, rn_json_str(model, "schema")) < 0)
		return;
	apigw_save(req, MODEL, request_param(req, "api"), rn_json_str(model, "name"), model);
	apigw_answer(req, res, 200, model);
}

void apigw_delete_model(struct request *req, struct response *res)
{
	cJSON *model = named_model(req, res);
	const char *name = rn_json_str(model, "name");
	delete_one(req, res, MODEL, model, name, "requestModels", "model", name);
}

/* ---- request validators -------------------------------------------------------------------- */

static const struct apigw_member VALIDATOR_MEMBERS[] = { { "name", cJSON_String }, { "validateRequestBody", cJSON_True },
							 { "validateRequestParameters", cJSON_True }, { NULL } };

void apigw_create_validator(struct request *req, struct response *res)
{
	char id[16];
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	RN_AUTO(rn_json_freep) cJSON *one = cJSON_CreateObject();
	if (!api || apigw_take(req, res, VALIDATOR_MEMBERS, one) < 0)
		return;
	cJSON_AddStringToObject(one, "id", cloud_id(id, 6, false));
	for (size_t i = 1; VALIDATOR_MEMBERS[i].name; i++)
		if (!rn_json_get(one, VALIDATOR_MEMBERS[i].name))
			cJSON_AddFalseToObject(one, VALIDATOR_MEMBERS[i].name);
	apigw_save(req, VALIDATOR, rn_json_str(api, "id"), id, one);
	apigw_answer(req, res, 201, one);
}

static cJSON *named_validator(struct request *req, struct response *res)
{
	return apigw_of_api(req, res, VALIDATOR, "validator", "Request Validator identifier");
}

void apigw_get_validator(struct request *req, struct response *res)
{
	answer_one(req, res, named_validator(req, res));
}

void apigw_list_validators(struct request *req, struct response *res)
{
	list_all(req, res, VALIDATOR);
}

void apigw_update_validator(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = { { "/name", PATCH_STRING },
						 { "/validateRequestBody", PATCH_BOOL },
						 { "/validateRequestParameters", PATCH_BOOL } };
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(rn_json_freep) cJSON *one = named_validator(req, res);
	if (!one || patch_apply(req, res, one, &TABLE) < 0)
		return;
	apigw_save(req, VALIDATOR, request_param(req, "api"), rn_json_str(one, "id"), one);
	apigw_answer(req, res, 200, one);
}

void apigw_delete_validator(struct request *req, struct response *res)
{
	cJSON *one = named_validator(req, res);
	const char *id = rn_json_str(one, "id");
	delete_one(req, res, VALIDATOR, one, id, "requestValidatorId", "request validator", id);
}

/* ---- authorizers -------------------------------------------------------------------------------- */

int apigw_check_authorizer(struct request *req, struct response *res, cJSON *a)
{
	const char *type = rn_json_str(a, "type"), *uri = rn_json_str(a, "authorizerUri"), *source = rn_json_str(a, "identitySource");
	const char *pattern = rn_json_str(a, "identityValidationExpression");
	double ttl = rn_json_num(a, "authorizerResultTtlInSeconds", 300);
	source = source && *source ? source : NULL; /* all callers would share one decision */
	if (rn_streq(type, "COGNITO_USER_POOLS") || rn_streq(type, "JWT"))
		return apigw_bad(req, res, "Authorizers of type %s need a user pool or an issuer, which this local cloud does not have: use TOKEN or REQUEST",
				 type);
	if (!rn_streq(type, "TOKEN") && !rn_streq(type, "REQUEST"))
		return apigw_bad(req, res, "Invalid authorizer type specified. Must be one of TOKEN, REQUEST, COGNITO_USER_POOLS");
	if (!uri || !strstr(uri, ":lambda:path/2015-03-31/functions/") || !rn_ends(uri, "/invocations"))
		return apigw_bad(req, res, "Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.",
				 uri ? uri : "null");
	if (ttl < 0 || ttl > 3600)
		return apigw_bad(req, res, "Authorizer result TTL must be between 0 and 3600 seconds");
	if (pattern && *pattern && pattern_matches(pattern, "") < 0)
		return apigw_bad(req, res, "Invalid identity validation expression: %s is not of the part of regular expressions that this local cloud knows", pattern);
	if (!source && rn_streq(type, "TOKEN")) /* the console's default */
		apigw_set(a, "identitySource", cJSON_CreateString("method.request.header.Authorization"));
	else if (!source && ttl > 0)
		return apigw_bad(req, res, "Identity source is required for a REQUEST authorizer whose results are cached");
	if (rn_streq(type, "TOKEN") && !rn_starts(rn_json_str(a, "identitySource"), "method.request.header."))
		return apigw_bad(req, res, "Invalid identity source %s: a TOKEN authorizer takes method.request.header.NAME", rn_json_str(a, "identitySource"));
	return 0;
}

void apigw_create_authorizer(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = {
		{ "name", cJSON_String, true },     { "type", cJSON_String, true },
		{ "authType", cJSON_String },       { "authorizerUri", cJSON_String },
		{ "identitySource", cJSON_String }, { "authorizerCredentials", cJSON_String },
		{ "identityValidationExpression", cJSON_String }, { "authorizerResultTtlInSeconds", cJSON_Number }, { NULL }
	};
	char id[16];
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	RN_AUTO(rn_json_freep) cJSON *one = cJSON_CreateObject();
	if (!api || apigw_take(req, res, WANTED, one) < 0 || apigw_check_authorizer(req, res, one) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *all = store_list(req->cloud->store, AUTHORIZER, rn_json_str(api, "id"), NULL, 0);
	const cJSON *other;
	cJSON_ArrayForEach(other, all)
	{
		if (rn_streq(rn_json_str(other, "name"), rn_json_str(one, "name"))) {
			apigw_bad(req, res, "Authorizer name must be unique. Authorizer %s already exists in this RestApi.", rn_json_str(one, "name"));
			return;
		}
	}
	cJSON_AddStringToObject(one, "id", cloud_id(id, 6, false));
	if (!rn_json_get(one, "authType"))
		cJSON_AddStringToObject(one, "authType", "custom");
	apigw_save(req, AUTHORIZER, rn_json_str(api, "id"), id, one);
	apigw_answer(req, res, 201, one);
}

cJSON *apigw_authorizer(struct request *req, struct response *res)
{
	return apigw_of_api(req, res, AUTHORIZER, "authorizer", "Authorizer identifier");
}

void apigw_get_authorizer(struct request *req, struct response *res)
{
	answer_one(req, res, apigw_authorizer(req, res));
}

void apigw_list_authorizers(struct request *req, struct response *res)
{
	list_all(req, res, AUTHORIZER);
}

void apigw_update_authorizer(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = {
		{ "/name", PATCH_STRING },	     { "/type", PATCH_STRING },
		{ "/authType", PATCH_STRING },	     { "/authorizerUri", PATCH_STRING },
		{ "/identitySource", PATCH_STRING }, { "/authorizerCredentials", PATCH_STRING },
		{ "/identityValidationExpression", PATCH_STRING }, { "/authorizerResultTtlInSeconds", PATCH_INT },
	};
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(rn_json_freep) cJSON *one = apigw_authorizer(req, res);
	if (!one || patch_apply(req, res, one, &TABLE) < 0 || apigw_check_authorizer(req, res, one) < 0)
		return;
	apigw_save(req, AUTHORIZER, request_param(req, "api"), rn_json_str(one, "id"), one);
	apigw_answer(req, res, 200, one);
}

void apigw_delete_authorizer(struct request *req, struct response *res)
{
	cJSON *one = apigw_authorizer(req, res);
	delete_one(req, res, AUTHORIZER, one, rn_json_str(one, "id"), "authorizerId", "authorizer", rn_json_str(one, "name"));
}
