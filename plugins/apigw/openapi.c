/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI documents: completed, and seen as routes and content. */
#include "openapi.h"

#include "authorizer.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define INTEGRATION "x-amazon-apigateway-integration"
#define BINARY_TYPES "x-amazon-apigateway-binary-media-types"

/* ---- operations -------------------------------------------------------------------------- */

static const char *const verbs[][2] = {
	{ "get", "GET" },	  { "post", "POST" }, { "put", "PUT" },		{ "delete", "DELETE" },
	{ "patch", "PATCH" },	  { "head", "HEAD" }, { "options", "OPTIONS" }, { "x-amazon-apigateway-any-method", "ANY" },
};

typedef int each_fn(void *ctx, const char *path, const char *method, cJSON *operation, struct rn_error *err);

static int each_operation(const cJSON *doc, each_fn *f, void *ctx, struct rn_error *err)
{
	cJSON *path;
	cJSON_ArrayForEach(path, rn_json_get(doc, "paths"))
	{
		for (size_t i = 0; i < RN_LEN(verbs); i++) {
			cJSON *operation = rn_json_get(path, verbs[i][0]);
			if (cJSON_IsObject(operation) && f(ctx, path->string, verbs[i][1], operation, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* ---- counting ----------------------------------------------------------------------------- */

static int count(void *ctx, const char *path, const char *method, cJSON *operation, struct rn_error *err)
{
	(void)path, (void)method, (void)operation, (void)err;
	++*(size_t *)ctx;
	return 0;
}

size_t openapi_count(const cJSON *doc)
{
	size_t n = 0;
	each_operation(doc, count, &n, NULL);
	return n;
}

/* ---- completing ------------------------------------------------------------------------------ */

struct completion {
	const struct apigw_params *p;
	const struct content_place *at;
	bool known; /* the function is */
};

static int add_integration(void *ctx, const char *path, const char *method, cJSON *operation, struct rn_error *err)
{
	const struct completion *c = ctx;
	const char *function = c->p->function;
	if (rn_json_get(operation, INTEGRATION))
		return 0;
	if (c->known && (!function || !*function)) {
		rn_fail(err, RN_EINVAL, "nothing answers %s %s of the OpenAPI document", method, path);
		return rn_hint(err, "give `function`, or add " INTEGRATION " to the operation");
	}
	cJSON *i = cJSON_AddObjectToObject(operation, INTEGRATION);
	cJSON_AddStringToObject(i, "type", "aws_proxy");
	cJSON_AddStringToObject(i, "httpMethod", "POST");
	cJSON_AddStringToObject(i, "passthroughBehavior", "when_no_match");
	cJSON_AddNumberToObject(i, "timeoutInMillis", (double)c->p->integration_timeout.ms);
	if (function && *function) {
		RN_AUTO(rn_freep) char *uri = content_function_uri(function, c->at);
		cJSON_AddStringToObject(i, "uri", uri);
	}
	return 0;
}

static void set_text(cJSON *o, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(o, name);
	cJSON_AddStringToObject(o, name, value);
}

int openapi_complete(cJSON *doc, const struct apigw_params *p, const struct content_place *at, bool known,
		     struct rn_error *err)
{
	struct completion c = { p, at, known };
	cJSON *info = rn_json_get(doc, "info");
	set_text(info, "title", p->api_name);
	if (p->description)
		set_text(info, "description", p->description);
	if (p->binary_media_types.n) {
		cJSON_DeleteItemFromObjectCaseSensitive(doc, BINARY_TYPES);
		cJSON *list = cJSON_AddArrayToObject(doc, BINARY_TYPES);
		for (size_t i = 0; i < p->binary_media_types.n; i++)
			cJSON_AddItemToArray(list, cJSON_CreateString(p->binary_media_types.v[i]));
	}
	return each_operation(doc, add_integration, &c, err);
}

cJSON *openapi_binary_types(const cJSON *doc)
{
	const cJSON *list = rn_json_get(doc, BINARY_TYPES);
	return cJSON_IsArray(list) ? cJSON_Duplicate(list, true) : cJSON_CreateArray();
}

/* ---- as routes and content --------------------------------------------------------------------- */

static char *upper(const char *text)
{
	char *all = rn_strdup(text ? text : "");
	for (char *c = all; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return all;
}

static const cJSON *schemes_of(const cJSON *doc)
{
	const cJSON *old = rn_json_get(doc, "securityDefinitions");
	return old ? old : rn_json_get(rn_json_get(doc, "components"), "securitySchemes");
}

void openapi_authorizers(const cJSON *doc, struct rn_strv *to)
{
	const cJSON *scheme;
	cJSON_ArrayForEach(scheme, schemes_of(doc))
	{
		const cJSON *authorizer = rn_json_get(scheme, "x-amazon-apigateway-authorizer");
		RN_AUTO(rn_freep) char *function = authorizer_function(authorizer);
		if (function && !rn_json_str(authorizer, "authorizerCredentials") && !rn_strv_has(to, function))
			rn_strv_add(to, function);
	}
}

/* One of the schemes that an operation may choose from is the x-api-key header. */
static bool is_key_scheme(const cJSON *doc, const char *name)
{
	const cJSON *scheme = rn_json_get(schemes_of(doc), name);
	const char *header = rn_json_str(scheme, "name");
	return rn_streq(rn_json_str(scheme, "type"), "apiKey") && header && strcasecmp(header, "x-api-key") == 0 &&
	       !rn_json_get(scheme, "x-amazon-apigateway-authtype");
}

/* *ret_other: there are schemes beside the key, whose authorisation type API Gateway works out itself. */
static bool needs_key(const cJSON *doc, const cJSON *operation, bool *ret_other)
{
	const cJSON *security = rn_json_get(operation, "security"), *choice, *scheme;
	bool key = false;
	security = security ? security : rn_json_get(doc, "security");
	cJSON_ArrayForEach(choice, security)
	{
		cJSON_ArrayForEach(scheme, choice)
		{
			bool is_key = is_key_scheme(doc, scheme->string);
			key |= is_key;
			*ret_other |= !is_key;
		}
	}
	return key;
}

struct seen {
	const cJSON *doc;
	struct routes *routes;
	cJSON *content;
};

/* ARN between "/functions/" and "/invocations"; NULL for another kind of integration or one with stage variables. New string. */
static char *function_of(const cJSON *integration)
{
	const char *uri = rn_json_str(integration, "uri");
	const char *begin = uri ? strstr(uri, ":lambda:path/") : NULL;
	begin = begin ? strstr(begin, "/functions/") : NULL;
	if (!begin || strstr(begin, "${"))
		return NULL;
	begin += strlen("/functions/");
	return rn_strndup(begin, strcspn(begin, "/"));
}

static int see_route(void *ctx, const char *path, const char *method, cJSON *operation, struct rn_error *err)
{
	const struct seen *s = ctx;
	bool other = false;
	RN_AUTO(rn_freep) char *function = function_of(rn_json_get(operation, INTEGRATION));
	return routes_add(s->routes, path, method, function, "NONE", needs_key(s->doc, operation, &other), err);
}

static int see_content(void *ctx, const char *path, const char *method, cJSON *operation, struct rn_error *err)
{
	const struct seen *s = ctx;
	static const char *const kept[] = { "httpMethod", "uri", "credentials" };
	const cJSON *integration = rn_json_get(operation, INTEGRATION);
	const char *auth = rn_json_str(rn_json_get(operation, "x-amazon-apigateway-auth"), "type");
	bool other = false;
	(void)err;
	cJSON *methods = rn_json_get(s->content, path);
	cJSON *m = cJSON_AddObjectToObject(methods ? methods : cJSON_AddObjectToObject(s->content, path), method);
	cJSON_AddBoolToObject(m, "apiKeyRequired", needs_key(s->doc, operation, &other));
	if (auth || !other) {
		RN_AUTO(rn_freep) char *type = upper(auth ? auth : "NONE");
		cJSON_AddStringToObject(m, "authorizationType", type);
	}
	RN_AUTO(rn_freep) char *type = upper(rn_json_str(integration, "type"));
	cJSON *i = cJSON_AddObjectToObject(m, "integration");
	cJSON_AddStringToObject(i, "type", type);
	for (size_t k = 0; k < RN_LEN(kept) && strcmp(type, "MOCK") != 0; k++)
		if (rn_json_str(integration, kept[k]))
			cJSON_AddStringToObject(i, kept[k], rn_json_str(integration, kept[k]));
	return 0;
}

int openapi_routes(const cJSON *doc, struct routes *ret, struct rn_error *err)
{
	struct seen s = { .doc = doc, .routes = ret };
	if (each_operation(doc, see_route, &s, err) < 0)
		return -1;
	routes_sort(ret);
	return 0;
}

cJSON *openapi_content(const cJSON *doc)
{
	struct seen s = { .doc = doc, .content = cJSON_CreateObject() };
	each_operation(doc, see_content, &s, NULL);
	return s.content;
}
