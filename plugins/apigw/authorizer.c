/* SPDX-License-Identifier: Apache-2.0 */
/* Lambda authorizers: the parameter, and the authorizer of an API that the stage keeps. */
#include "authorizer.h"

#include "api.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define HEADER "method.request.header."
#define TTL_MAX 3600

/* ---- the parameter ---------------------------------------------------------------------- */

static int check_members(const cJSON *o, struct rn_error *err)
{
	static const char *const known[] = { "function", "type", "identity", "ttl", "pattern" };
	const cJSON *item, *ttl = rn_json_get(o, "ttl");
	if (!cJSON_IsObject(o) || !rn_json_str(o, "function")) {
		rn_fail(err, RN_EINVAL, "authorizer must be a map that names the function that decides");
		return rn_hint(err, "for example {function: \"${{ stages.auth.arn }}\", identity: Authorization}");
	}
	cJSON_ArrayForEach(item, o)
	{
		bool found = false;
		for (size_t i = 0; i < RN_LEN(known); i++)
			found |= strcmp(known[i], item->string) == 0;
		if (found)
			continue;
		const char *near = rn_nearest(item->string, known, RN_LEN(known));
		rn_fail(err, RN_EINVAL, "authorizer has no member \"%s\"", item->string);
		return near ? rn_hint(err, "did you mean %s?", near) : rn_hint(err, "it takes function, type, identity, ttl and pattern");
	}
	if (ttl && (!cJSON_IsNumber(ttl) || ttl->valuedouble < 0 || ttl->valuedouble > TTL_MAX || ttl->valuedouble != (double)ttl->valueint))
		return rn_fail(err, RN_EINVAL, "authorizer.ttl must be a whole number of seconds, 0 to %d", TTL_MAX);
	if (rn_json_get(o, "pattern") && !rn_json_str(o, "pattern"))
		return rn_fail(err, RN_EINVAL, "authorizer.pattern must be a regular expression");
	return 0;
}

/* "Authorization" -> "method.request.header.Authorization"; a list is joined. New; NULL: neither text nor texts. */
static char *identity_of(const cJSON *given)
{
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	const cJSON *item;
	if (cJSON_IsString(given) && *given->valuestring)
		return strchr(given->valuestring, '.') ? rn_strdup(given->valuestring) : rn_asprintf(HEADER "%s", given->valuestring);
	cJSON_ArrayForEach(item, given)
	{
		RN_AUTO(rn_freep) char *one = cJSON_IsString(item) ? identity_of(item) : NULL;
		if (!one)
			return NULL;
		rn_strv_add(&all, one);
	}
	return cJSON_IsArray(given) && all.n ? rn_strv_join(&all, ", ") : NULL;
}

static int body_of(const cJSON *o, cJSON **ret, struct rn_error *err)
{
	const char *type = rn_json_str(o, "type");
	const cJSON *identity = rn_json_get(o, "identity"), *ttl = rn_json_get(o, "ttl");
	RN_AUTO(rn_freep) char *source = identity ? identity_of(identity) : rn_strdup(HEADER "Authorization");
	bool token = !type || strcmp(type, "TOKEN") == 0;
	if (rn_streq(type, "COGNITO_USER_POOLS")) {
		rn_fail(err, RN_EUNSUPPORTED, "an authorizer of routes is a function; user pools are not made here");
		return rn_hint(err, "describe the API with openapi, and its pool there with x-amazon-apigateway-authorizer");
	}
	if (!token && strcmp(type, "REQUEST") != 0)
		return rn_fail(err, RN_EINVAL, "authorizer.type is TOKEN or REQUEST, not \"%s\"", type);
	if (!source || (token && (!rn_starts(source, HEADER) || strchr(source, ',')))) {
		rn_fail(err, RN_EINVAL, "authorizer.identity must be %s", token ? "the name of one header" : "a header's name or a list of sources");
		return rn_hint(err, token ? "type: REQUEST takes several, and query parameters" :
					    "for example [Authorization, method.request.querystring.tenant]");
	}
	if (!token && rn_json_get(o, "pattern")) {
		rn_fail(err, RN_EINVAL, "authorizer.pattern is about tokens, and the type is REQUEST");
		return rn_hint(err, "API Gateway would not look at it: leave it out, or use type: TOKEN");
	}
	*ret = cJSON_CreateObject();
	cJSON_AddStringToObject(*ret, "name", AUTHORIZER_NAME);
	cJSON_AddStringToObject(*ret, "type", token ? "TOKEN" : "REQUEST");
	cJSON_AddStringToObject(*ret, "identitySource", source);
	cJSON_AddNumberToObject(*ret, "authorizerResultTtlInSeconds", ttl ? ttl->valuedouble : 300);
	if (rn_json_str(o, "pattern"))
		cJSON_AddStringToObject(*ret, "identityValidationExpression", rn_json_str(o, "pattern"));
	return 0;
}

int authorizer_parse(const struct apigw_params *p, const struct routes *r, cJSON **ret, char **ret_function, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *o = p->authorizer.text ? rn_json_parse_str(p->authorizer.text, err) : NULL;
	bool used = false;
	for (size_t i = 0; i < r->n; i++)
		used |= rn_streq(r->v[i].authorization, "CUSTOM");
	if (!p->authorizer.text && !used)
		return 0;
	if (!p->authorizer.text) {
		rn_fail(err, RN_EINVAL, "authorization CUSTOM, and no authorizer is given");
		return rn_hint(err, "add authorizer: {function: \"${{ stages.auth.arn }}\"}");
	}
	if (!o || check_members(o, err) < 0)
		return -1;
	if (!used) {
		rn_fail(err, RN_EINVAL, "no route asks the authorizer");
		return rn_hint(err, "add authorization: CUSTOM, to the routes or for all");
	}
	if (body_of(o, ret, err) < 0)
		return -1;
	*ret_function = rn_strdup(rn_json_str(o, "function"));
	return 0;
}

/* ---- comparing ------------------------------------------------------------------------------ */

void authorizer_use(cJSON *content, const char *id)
{
	cJSON *path, *method;
	cJSON_ArrayForEach(path, content)
	{
		cJSON_ArrayForEach(method, path)
		{
			if (!rn_streq(rn_json_str(method, "authorizationType"), "CUSTOM"))
				continue;
			cJSON_DeleteItemFromObjectCaseSensitive(method, "authorizerId");
			cJSON_AddStringToObject(method, "authorizerId", id);
		}
	}
}

void authorizer_patch(cJSON *ops, const cJSON *have, const cJSON *want, bool (*tell)(void *ctx, const char *field, const char *have, const char *want),
		      void *ctx)
{
	static const char *const texts[][2] = { { "type", "type" }, { "authorizerUri", "function" }, { "identitySource", "identity" },
						{ "identityValidationExpression", "pattern" } };
	for (size_t i = 0; i < RN_LEN(texts); i++) {
		const char *old = rn_json_str(have, texts[i][0]), *new = rn_json_str(want, texts[i][0]);
		RN_AUTO(rn_freep) char *path = rn_asprintf("/%s", texts[i][0]);
		if (tell(ctx, texts[i][1], old ? old : "", new ? new : ""))
			patch_add(ops, "replace", path, new ? new : "");
	}
	RN_AUTO(rn_freep) char *old = rn_asprintf("%lld", (long long)rn_json_int(have, "authorizerResultTtlInSeconds", 300));
	RN_AUTO(rn_freep) char *new = rn_asprintf("%lld", (long long)rn_json_int(want, "authorizerResultTtlInSeconds", 300));
	if (tell(ctx, "ttl", old, new))
		patch_add(ops, "replace", "/authorizerResultTtlInSeconds", new);
}

char *authorizer_function(const cJSON *authorizer)
{
	const char *uri = rn_json_str(authorizer, "authorizerUri");
	const char *begin = uri ? strstr(uri, "/functions/") : NULL;
	if (!begin || strstr(begin, "${"))
		return NULL;
	begin += strlen("/functions/");
	return rn_strndup(begin, strcspn(begin, "/"));
}

/* ---- the API's authorizer ----------------------------------------------------------------------- */

int api_list_authorizers(struct api *a, const char *id, cJSON **ret, struct rn_error *err)
{
	const struct aws_pages pages = { .list = "item", .out_token = "position" };
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/authorizers", id);
	return aws_rest_pages(a->client, "GetAuthorizers", path, NULL, &pages, ret, NULL, err);
}

int api_read_authorizer(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *all = NULL;
	const cJSON *item;
	if (api_list_authorizers(a, a->id, &all, err) < 0)
		return -1;
	rn_json_freep(&a->found_authorizer);
	cJSON_ArrayForEach(item, all)
	{
		if (rn_streq(rn_json_str(item, "name"), AUTHORIZER_NAME) && !a->found_authorizer)
			a->found_authorizer = cJSON_Duplicate(item, true);
	}
	return 0;
}

static int find_authorizer(struct api *a, cJSON **ret, struct rn_error *err)
{
	if (api_read_authorizer(a, err) < 0)
		return -1;
	*ret = a->found_authorizer ? cJSON_Duplicate(a->found_authorizer, true) : NULL;
	return 0;
}

/* From the wish, or from a record of one that was deleted. */
static int create(struct api *a, const cJSON *body, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/authorizers", a->id);
	RN_AUTO(rn_json_freep) cJSON *made = NULL;
	if (api_create(a, "CreateAuthorizer", path, body, find_authorizer, &made, NULL, err) < 0)
		return -1;
	if (!rn_json_str(made, "id"))
		return rn_fail(err, RN_EREMOTE, "CreateAuthorizer answered without an id");
	rn_json_freep(&a->found_authorizer);
	a->found_authorizer = rn_take(&made);
	return 0;
}

static bool tell(void *ctx, const char *field, const char *have, const char *want)
{
	return stage_diff_str(ctx, field, have, want);
}

/* Makes the authorizer that is there like `want`. `remember`: before the first write. */
static int update(struct api *a, const cJSON *want, int (*remember)(struct api *, struct rn_error *), struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/authorizers/{}", a->id, rn_json_str(a->found_authorizer, "id"));
	authorizer_patch(ops, a->found_authorizer, want, tell, &d);
	bool differs = cJSON_GetArraySize(ops) > 0;
	a->content_changed |= differs;
	if (differs && remember && remember(a, err) < 0)
		return -1;
	if (a->s->mode != STAGE_PLAN && api_patch(a, "UpdateAuthorizer", path, ops, NULL, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "authorizer of API %s", a->p->api_name);
	return 0;
}

/* One that no route asks any more stays: its id stands in deployments, and would not come back. */
int api_put_authorizer(struct api *a, struct rn_error *err)
{
	if (!a->authorizer)
		return 0;
	if (a->authorizer_functions.n) {
		RN_AUTO(rn_freep) char *uri = content_function_uri(a->authorizer_functions.v[0], &a->at);
		cJSON_DeleteItemFromObjectCaseSensitive(a->authorizer, "authorizerUri");
		cJSON_AddStringToObject(a->authorizer, "authorizerUri", uri);
	}
	if (!a->found_authorizer) {
		a->content_changed = true;
		if (a->s->mode == STAGE_RUN && (api_remember_authorizer(a, err) < 0 || create(a, a->authorizer, err) < 0))
			return -1;
		stage_change(a->s, RUNNER_CREATED, a->authorizer_functions.n ? a->authorizer_functions.v[0] : NULL, "authorizer of API %s",
			     a->p->api_name);
	} else if (update(a, a->authorizer, api_remember_authorizer, err) < 0) {
		return -1;
	}
	if (a->found_authorizer)
		authorizer_use(a->want, rn_json_str(a->found_authorizer, "id"));
	return 0;
}

static int delete_authorizer(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/authorizers/{}", a->id, rn_json_str(a->found_authorizer, "id"));
	struct aws_error aerr = { 0 };
	if (api_write(a, "DeleteAuthorizer", "DELETE", path, NULL, NULL, &aerr, err) < 0 && aerr.http_status != 404)
		return -1;
	stage_change(a->s, RUNNER_DELETED, "it is new", "authorizer of API %s", a->p->api_name);
	return 0;
}

int api_put_authorizer_back(struct api *a, const char *api, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *want = cJSON_IsNull(record) ? NULL : cJSON_Duplicate(record, true);
	rn_freep(&a->id);
	a->id = rn_strdup(api);
	if (api_read_authorizer(a, err) < 0)
		return -1;
	if (!want)
		return a->found_authorizer ? delete_authorizer(a, err) : 0;
	cJSON_DeleteItemFromObjectCaseSensitive(want, "id");
	if (a->found_authorizer)
		return update(a, want, NULL, err);
	if (create(a, want, err) < 0)
		return -1;
	stage_change(a->s, RUNNER_CREATED, NULL, "authorizer of API %s", a->p->api_name);
	return 0;
}
