/* SPDX-License-Identifier: Apache-2.0 */
/* Request validators: required parameters, and bodies against their model's JSON schema. */
#include "apigw_gateway.h"

#include "json_schema.h"

#include <string.h>

static const cJSON *named(const struct gateway_call *call, const char *list, const char *member, const char *value)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, rn_json_get(call->snapshot, list))
	{
		if (rn_streq(rn_json_str(one, member), value))
			return one;
	}
	return NULL;
}

static bool has_parameter(const struct gateway_call *call, const char *mapping)
{
	RN_AUTO(rn_freep) char *value = gateway_mapped(call, mapping);
	return value && value[strspn(value, " ")];
}

static int check_parameters(struct gateway_call *call)
{
	RN_AUTO(rn_strv_clear) struct rn_strv missing = { 0 };
	const cJSON *p;
	cJSON_ArrayForEach(p, rn_json_get(call->method, "requestParameters"))
	{
		const char *name = strrchr(p->string, '.');
		if (cJSON_IsTrue(p) && name && !has_parameter(call, p->string))
			rn_strv_add(&missing, name + 1);
	}
	if (missing.n == 0)
		return 0;
	RN_AUTO(rn_freep) char *names = rn_strv_join(&missing, ", ");
	RN_AUTO(rn_freep) char *message = rn_asprintf("Missing required request parameters: [%s]", names);
	return gateway_refuse_as(call, GATEWAY_BAD_PARAMETERS, message, "the method's request validator asks for them");
}

/* The schemas of a check, read once each: a reference leads to another model of the API. */
struct models {
	const struct gateway_call *call;
	cJSON *read; /* {name: schema} */
};

static const cJSON *find_model(void *ctx, const char *ref)
{
	struct models *m = ctx;
	const char *slash = strrchr(ref, '/'), *name = slash ? slash + 1 : ref;
	const cJSON *known = rn_json_get(m->read, name), *model = named(m->call, "models", "name", name);
	if (known || !model)
		return known;
	cJSON *schema = rn_json_parse_str(rn_json_str(model, "schema"), NULL);
	if (schema)
		cJSON_AddItemToObject(m->read, name, schema);
	return schema;
}

/* The model for the body's content type; NULL: there is none, and nothing is checked. */
static const char *model_of(const struct gateway_call *call)
{
	const cJSON *models = rn_json_get(call->method, "requestModels"), *one;
	const char *type = request_header(call->req, "Content-Type");
	RN_AUTO(rn_freep) char *plain = type ? rn_strndup(type, strcspn(type, "; ")) : rn_strdup("application/json");
	cJSON_ArrayForEach(one, models)
	{
		if (strcasecmp(one->string, plain) == 0)
			return cJSON_GetStringValue(one);
	}
	return rn_json_str(models, "$default");
}

static int check_body(struct gateway_call *call)
{
	const char *name = model_of(call);
	struct rn_error err = { 0 };
	if (!name)
		return 0;
	struct models m = { call, cJSON_CreateObject() };
	const cJSON *schema = find_model(&m, name);
	RN_AUTO(rn_json_freep) cJSON *body = rn_json_parse(rn_buf_str(&call->req->body), call->req->body.len, &err);
	bool valid = schema && body && schema_validate(schema, body, find_model, &m, &err) == 0;
	cJSON_Delete(m.read);
	if (valid)
		return 0;
	call->validation_error = rn_asprintf("[%s]", schema ? err.msg : "the model is gone");
	return gateway_refuse(call, GATEWAY_BAD_BODY, "model %s: %s", name, call->validation_error);
}

int gateway_validate(struct gateway_call *call)
{
	const char *id = rn_json_str(call->method, "requestValidatorId");
	const cJSON *v = id ? named(call, "validators", "id", id) : NULL;
	if (rn_json_bool(v, "validateRequestParameters", false) && check_parameters(call) < 0)
		return -1;
	return rn_json_bool(v, "validateRequestBody", false) ? check_body(call) : 0;
}
