/* SPDX-License-Identifier: Apache-2.0 */
/* The API's content in one form for both sides. */
#include "content.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"

#include <openssl/sha.h>
#include <string.h>

#define MOCK_TEMPLATE "{\"statusCode\": 200}"

char *content_function_arn(const char *function, const struct content_place *at)
{
	if (rn_starts(function, "arn:"))
		return rn_strdup(function);
	return rn_asprintf("arn:%s:lambda:%s:%s:function:%s", at->partition, at->region, at->account, function);
}

char *content_function_uri(const char *function, const struct content_place *at)
{
	RN_AUTO(rn_freep) char *arn = content_function_arn(function, at);
	return rn_asprintf("arn:%s:apigateway:%s:lambda:path/2015-03-31/functions/%s/invocations", at->partition, at->region, arn);
}

/* ---- what is wanted --------------------------------------------------------------------- */

static cJSON *proxy_integration(const struct route *r, const struct apigw_params *p, const struct content_place *at)
{
	cJSON *i = cJSON_CreateObject();
	cJSON_AddStringToObject(i, "type", "AWS_PROXY");
	cJSON_AddStringToObject(i, "httpMethod", "POST");
	if (r->function) {
		RN_AUTO(rn_freep) char *uri = content_function_uri(r->function, at);
		cJSON_AddStringToObject(i, "uri", uri);
	}
	cJSON_AddNumberToObject(i, "timeoutInMillis", (double)p->integration_timeout.ms);
	return i;
}

static cJSON *proxy_method(const struct route *r, const struct apigw_params *p, const struct content_place *at)
{
	cJSON *m = cJSON_CreateObject();
	cJSON_AddBoolToObject(m, "apiKeyRequired", r->key_required);
	cJSON_AddStringToObject(m, "authorizationType", r->authorization);
	cJSON_AddItemToObject(m, "integration", proxy_integration(r, p, at));
	return m;
}

static const struct {
	const char *member;
	const char *header;
} cors_headers[] = {
	{ "origins", "Access-Control-Allow-Origin" },
	{ "methods", "Access-Control-Allow-Methods" },
	{ "headers", "Access-Control-Allow-Headers" },
	{ "max_age", "Access-Control-Max-Age" },
};

/* OPTIONS answered by API Gateway itself. */
static cJSON *cors_method(const cJSON *cors, bool binary)
{
	cJSON *m = cJSON_CreateObject();
	cJSON_AddFalseToObject(m, "apiKeyRequired");
	cJSON_AddStringToObject(m, "authorizationType", "NONE");
	cJSON *i = cJSON_AddObjectToObject(m, "integration");
	cJSON_AddStringToObject(i, "type", "MOCK");
	cJSON_AddStringToObject(cJSON_AddObjectToObject(i, "requestTemplates"), "application/json", MOCK_TEMPLATE);
	if (binary) /* else the template meets a body that was taken for binary */
		cJSON_AddStringToObject(i, "contentHandling", "CONVERT_TO_TEXT");
	cJSON *values = cJSON_AddObjectToObject(
		cJSON_AddObjectToObject(cJSON_AddObjectToObject(i, "integrationResponses"), "200"), "responseParameters");
	cJSON *names = cJSON_AddObjectToObject(
		cJSON_AddObjectToObject(cJSON_AddObjectToObject(m, "methodResponses"), "200"), "responseParameters");
	for (size_t h = 0; h < RN_LEN(cors_headers); h++) {
		const char *value = rn_json_str(cors, cors_headers[h].member);
		if (!value)
			continue;
		RN_AUTO(rn_freep) char *name = rn_asprintf("method.response.header.%s", cors_headers[h].header);
		RN_AUTO(rn_freep) char *quoted = rn_asprintf("'%s'", value);
		cJSON_AddStringToObject(values, name, quoted);
		cJSON_AddTrueToObject(names, name);
	}
	return m;
}

/* Several methods of one path share its OPTIONS: the methods that it allows are joined. */
static void join_cors(cJSON **shared, const struct route *r)
{
	if (!*shared) {
		*shared = cJSON_Duplicate(r->cors, true);
		return;
	}
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv unique = { 0 };
	rn_strv_split(&all, rn_json_str(*shared, "methods"), ',');
	rn_strv_split(&all, rn_json_str(r->cors, "methods"), ',');
	rn_strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		if (!rn_strv_has(&unique, all.v[i]))
			rn_strv_add(&unique, all.v[i]);
	RN_AUTO(rn_freep) char *methods = rn_strv_join(&unique, ",");
	cJSON_ReplaceItemInObjectCaseSensitive(*shared, "methods", cJSON_CreateString(methods));
}

cJSON *content_want(const struct routes *r, const struct apigw_params *p, const struct content_place *at)
{
	cJSON *all = cJSON_CreateObject();
	for (size_t i = 0; i < r->n;) {
		const char *path = r->v[i].path;
		RN_AUTO(rn_json_freep) cJSON *cors = NULL;
		cJSON *methods = cJSON_AddObjectToObject(all, path);
		for (; i < r->n && strcmp(r->v[i].path, path) == 0; i++) {
			cJSON_AddItemToObject(methods, r->v[i].method, proxy_method(&r->v[i], p, at));
			if (r->v[i].cors)
				join_cors(&cors, &r->v[i]);
		}
		if (cors && !rn_json_get(methods, "OPTIONS"))
			cJSON_AddItemToObject(methods, "OPTIONS", cors_method(cors, p->binary_media_types.n > 0));
	}
	return all;
}

/* ---- what is there ------------------------------------------------------------------------ */

/* `id`: of the resource, which names the cache by itself unless somebody chose a name. */
static cJSON *method_have(const cJSON *method, const char *id)
{
	static const char *const kept[][2] = {
		{ "methodIntegration", "integration" }, { "methodResponses", "methodResponses" },
		{ "requestParameters", "requestParameters" }, { "requestModels", "requestModels" },
		{ "requestValidatorId", "requestValidatorId" }, { "operationName", "operationName" },
		{ "authorizerId", "authorizerId" }, { "authorizationScopes", "authorizationScopes" },
	};
	cJSON *m = cJSON_CreateObject();
	const char *authorization = rn_json_str(method, "authorizationType");
	cJSON_AddBoolToObject(m, "apiKeyRequired", rn_json_bool(method, "apiKeyRequired", false));
	cJSON_AddStringToObject(m, "authorizationType", authorization ? authorization : "NONE");
	for (size_t i = 0; i < RN_LEN(kept); i++) {
		const cJSON *item = rn_json_get(method, kept[i][0]);
		if (item && !cJSON_IsNull(item))
			cJSON_AddItemToObject(m, kept[i][1], cJSON_Duplicate(item, true));
	}
	cJSON *integration = rn_json_get(m, "integration");
	if (id && rn_streq(rn_json_str(integration, "cacheNamespace"), id))
		cJSON_DeleteItemFromObjectCaseSensitive(integration, "cacheNamespace");
	return m;
}

cJSON *content_methods(const cJSON *resource)
{
	cJSON *methods = cJSON_CreateObject();
	const cJSON *method;
	cJSON_ArrayForEach(method, rn_json_get(resource, "resourceMethods"))
		cJSON_AddItemToObject(methods, method->string, method_have(method, rn_json_str(resource, "id")));
	return methods;
}

cJSON *content_have(const cJSON *resources)
{
	cJSON *all = cJSON_CreateObject();
	const cJSON *resource;
	cJSON_ArrayForEach(resource, resources)
	{
		const char *path = rn_json_str(resource, "path");
		if (path)
			cJSON_AddItemToObject(all, path, content_methods(resource));
	}
	return all;
}

bool content_same(const cJSON *want, const cJSON *have)
{
	return !want || (have && rn_json_subset(want, have));
}

char *content_label(const cJSON *want, const cJSON *binary)
{
	RN_AUTO(rn_freep) char *text = rn_json_canonical(want);
	RN_AUTO(rn_buf_clear) struct rn_buf all = RN_BUF_INIT;
	RN_AUTO(rn_strv_clear) struct rn_strv types = { 0 };
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	const cJSON *type;
	cJSON_ArrayForEach(type, binary)
		rn_strv_add(&types, cJSON_IsString(type) ? type->valuestring : "");
	rn_strv_sort(&types);
	rn_buf_adds(&all, text);
	for (size_t i = 0; i < types.n; i++)
		rn_buf_addf(&all, "\n%s", types.v[i]);
	SHA256((const unsigned char *)rn_buf_str(&all), all.len, digest);
	return rn_asprintf(CONTENT_LABEL_PREFIX "%s", rn_hex(digest, sizeof digest, hex));
}
