/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what there is, in two rounds of calls at the same time. */
#include "api.h"

#include "openapi.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

/* In `check`, where there is no session, the document is not read yet: its routes come later. */
static int parse_document(struct api *a, struct rn_error *err)
{
	static const char *const others[] = { "resource", "routes", "method", "authorization", "authorizer", "api_key_required", "cors" };
	for (size_t i = 0; i < RN_LEN(others); i++) {
		if (!a->s->host->is_set(a->s->rs, others[i]))
			continue;
		stage_blame(a->s, others[i]);
		rn_fail(err, RN_EINVAL, "%s beside openapi: the document describes the routes", others[i]);
		return rn_hint(err, "say it in the document, or leave openapi out");
	}
	if (!a->session)
		return 0;
	a->document = openapi_read(a->p->openapi, err);
	return a->document && openapi_routes(a->document, &a->routes, err) == 0 ? 0 : stage_blame(a->s, "openapi");
}

static int parse_routes(struct api *a, struct rn_error *err)
{
	const char *param = NULL;
	if (a->p->openapi)
		return parse_document(a, err);
	return routes_parse(a->p, &a->routes, &param, err) < 0 ? stage_blame(a->s, param) : 0;
}

int api_init(struct api *a, struct stage *s, const struct apigw_params *p, struct aws_session *session,
	     struct rn_error *err)
{
	*a = (struct api){ .s = s, .p = p, .session = session };
	if (parse_routes(a, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *decides = NULL;
	if (!p->openapi && s->host->is_known(s->rs, "authorizer") && authorizer_parse(p, &a->routes, &a->authorizer, &decides, err) < 0)
		return stage_blame(s, p->authorizer.text ? "authorizer" : "authorization");
	if (decides && *decides)
		rn_strv_add(&a->authorizer_functions, decides);
	bool key = routes_need_key(&a->routes);
	if (key_parse(p, key, &a->key, err) < 0)
		return stage_blame(s, "api_key");
	if (plan_parse(p, key, &a->plan, err) < 0)
		return stage_blame(s, "usage_plan");
	a->tags = stage_tags(s, &p->tags, err);
	return a->tags ? 0 : -1;
}

void api_clear(struct api *a)
{
	aws_client_free(a->client);
	aws_client_free(a->lambda);
	routes_clear(&a->routes);
	key_clear(&a->key);
	plan_clear(&a->plan);
	cJSON **documents[] = { &a->tags, &a->document, &a->want, &a->binary, &a->found, &a->found_key, &a->found_plan, &a->plan_keys,
				&a->resources, &a->deployments, &a->found_stage, &a->own_keys, &a->own_plans, &a->before,
				&a->authorizer, &a->found_authorizer };
	for (size_t i = 0; i < RN_LEN(documents); i++)
		rn_json_freep(documents[i]);
	for (size_t i = 0; i < a->n_functions; i++) {
		function_ref_clear(&a->functions[i].ref);
		rn_json_freep(&a->functions[i].policy);
	}
	rn_strv_clear(&a->authorizer_functions);
	rn_freep(&a->id);
	rn_freep(&a->key_id);
	rn_freep(&a->plan_id);
}

/* ---- lists -------------------------------------------------------------------------------- */

static int list(struct api *a, const char *operation, const char *path, cJSON **ret, struct rn_error *err)
{
	const struct aws_pages pages = { .list = "item", .out_token = "position" };
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	cJSON_AddStringToObject(query, "limit", "500");
	return aws_rest_pages(a->client, operation, path, query, &pages, ret, NULL, err);
}

int api_list_apis(struct api *a, cJSON **ret, struct rn_error *err)
{
	return list(a, "GetRestApis", "/restapis", ret, err);
}

int api_list_keys(struct api *a, cJSON **ret, struct rn_error *err)
{
	return list(a, "GetApiKeys", "/apikeys", ret, err);
}

int api_list_plans(struct api *a, cJSON **ret, struct rn_error *err)
{
	return list(a, "GetUsagePlans", "/usageplans", ret, err);
}

int api_list_deployments(struct api *a, const char *id, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/deployments", id);
	return list(a, "GetDeployments", path, ret, err);
}

static bool older(const cJSON *a, const cJSON *b)
{
	return rn_json_num(a, "createdDate", 0) < rn_json_num(b, "createdDate", 0);
}

const cJSON *api_pick(const struct api *a, const cJSON *items, const char *name)
{
	const cJSON *item, *own = NULL, *sibling = NULL;
	cJSON_ArrayForEach(item, items)
	{
		enum stage_owner owner = stage_owner(a->s, rn_json_get(item, "tags"));
		if (api_is_retired(item))
			continue;
		if (owner == STAGE_OWNER_US && (!own || older(item, own)))
			own = item;
		if (owner == STAGE_OWNER_SIBLING && rn_streq(rn_json_str(item, "name"), name))
			sibling = item;
	}
	return own ? own : sibling;
}

/* Takes `items`; *ret_own (may be NULL): all that this stage made. */
static void take(const struct api *a, cJSON *items, const char *name, cJSON **ret, cJSON **ret_own)
{
	const cJSON *item = api_pick(a, items, name);
	*ret = item ? cJSON_Duplicate(item, true) : NULL;
	if (ret_own)
		*ret_own = cJSON_CreateArray();
	cJSON_ArrayForEach(item, items)
	{
		if (ret_own && stage_owns(a->s, rn_json_get(item, "tags")))
			cJSON_AddItemToArray(*ret_own, cJSON_Duplicate(item, true));
	}
	cJSON_Delete(items);
}

/* ---- first round ----------------------------------------------------------------------------- */

static int task_api(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	cJSON *items = NULL;
	if (api_list_apis(a, &items, err) < 0)
		return -1;
	take(a, items, a->p->api_name, &a->found, NULL);
	return 0;
}

static int task_key(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	cJSON *items = NULL;
	if (api_list_keys(a, &items, err) < 0)
		return -1;
	take(a, items, a->key.name, &a->found_key, &a->own_keys);
	return 0;
}

static int task_plan(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	cJSON *items = NULL;
	if (api_list_plans(a, &items, err) < 0)
		return -1;
	take(a, items, a->plan.name, &a->found_plan, &a->own_plans);
	return 0;
}

static int task_identity(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	struct aws_identity who = { 0 };
	if (aws_session_identity(a->session, &who, err) < 0)
		return -1;
	a->at = (struct content_place){ aws_session_partition(a->session), aws_client_region(a->client), who.account };
	return 0;
}

/* ---- second round ------------------------------------------------------------------------------ */

/* GET; a 404 gives NULL. */
static int get(struct aws_client *c, const char *operation, const char *path, const cJSON *query, cJSON **ret,
	       struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	struct rn_error own = { 0 };
	cJSON *answer = NULL;
	if (aws_rest(c, operation, "GET", path, query, NULL, &answer, &aerr, &own) < 0) {
		if (aerr.http_status != 404) {
			if (err)
				*err = own;
			return -1;
		}
		answer = NULL;
	}
	cJSON_Delete(*ret);
	*ret = answer;
	return 0;
}

/* Answers that leave the integration out are completed by single reads. */
static int complete_method(struct api *a, cJSON *resource, cJSON *methods, const char *name, struct rn_error *err)
{
	const cJSON *method = rn_json_get(methods, name);
	if (rn_json_get(method, "methodIntegration") || rn_json_get(method, "authorizationType"))
		return 0;
	cJSON *whole = NULL;
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/resources/{}/methods/{}", a->id, rn_json_str(resource, "id"), name);
	if (get(a->client, "GetMethod", path, NULL, &whole, err) < 0)
		return -1;
	if (whole)
		cJSON_ReplaceItemInObjectCaseSensitive(methods, name, whole);
	return 0;
}

int api_read_resources(struct api *a, struct rn_error *err)
{
	const struct aws_pages pages = { .list = "item", .out_token = "position" };
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/resources", a->id);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	cJSON_AddStringToObject(query, "limit", "500");
	cJSON_AddStringToObject(query, "embed", "methods");
	rn_json_freep(&a->resources);
	if (aws_rest_pages(a->client, "GetResources", path, query, &pages, &a->resources, NULL, err) < 0)
		return -1;
	cJSON *resource;
	cJSON_ArrayForEach(resource, a->resources)
	{
		RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
		cJSON *methods = rn_json_get(resource, "resourceMethods");
		const cJSON *method;
		cJSON_ArrayForEach(method, methods)
			rn_strv_add(&names, method->string);
		for (size_t i = 0; i < names.n; i++)
			if (complete_method(a, resource, methods, names.v[i], err) < 0)
				return -1;
	}
	return 0;
}

static int task_resources(void *arg, struct rn_error *err)
{
	return api_read_resources(arg, err);
}

static int task_deployments(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	return api_list_deployments(a, a->id, &a->deployments, err);
}

int api_read_stage(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/stages/{}", a->id, a->p->stage);
	return get(a->client, "GetStage", path, NULL, &a->found_stage, err);
}

static int task_stage(void *arg, struct rn_error *err)
{
	return api_read_stage(arg, err);
}

static int task_plan_keys(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}/keys", rn_json_str(a->found_plan, "id"));
	return list(a, "GetUsagePlanKeys", path, &a->plan_keys, err);
}

static int task_key_value(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	RN_AUTO(rn_freep) char *path = aws_path("/apikeys/{}", rn_json_str(a->found_key, "id"));
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	cJSON *whole = NULL;
	cJSON_AddStringToObject(query, "includeValue", "true");
	if (get(a->client, "GetApiKey", path, query, &whole, err) < 0)
		return -1;
	cJSON_Delete(a->found_key);
	a->found_key = whole;
	return 0;
}

int api_read_policy(struct api *a, struct api_function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/2015-03-31/functions/{}/policy", f->ref.arn);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject(), *answer = NULL;
	if (f->ref.qualifier)
		cJSON_AddStringToObject(query, "Qualifier", f->ref.qualifier);
	if (get(a->lambda, "GetPolicy", path, query, &answer, err) < 0)
		return -1;
	const char *text = rn_json_str(answer, "Policy");
	rn_json_freep(&f->policy);
	f->policy = text ? rn_json_parse_str(text, NULL) : NULL;
	return 0;
}

static int task_policies(void *arg, struct rn_error *err)
{
	struct api *a = arg;
	for (size_t i = 0; i < a->n_functions; i++)
		if (api_read_policy(a, &a->functions[i], err) < 0)
			return -1;
	return 0;
}

static int add_function(struct api *a, const char *function, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *arn = content_function_arn(function, &a->at);
	RN_AUTO(function_ref_clear) struct function_ref ref = { 0 };
	function_ref_parse(arn, &ref);
	for (size_t k = 0; k < a->n_functions; k++)
		if (rn_streq(a->functions[k].ref.arn, ref.arn) && rn_streq(a->functions[k].ref.qualifier, ref.qualifier))
			return 0;
	if (a->n_functions == API_FUNCTIONS_MAX)
		return rn_fail(err, RN_ELIMIT, "the routes name more than %d functions", API_FUNCTIONS_MAX);
	a->functions[a->n_functions++].ref = ref;
	ref = (struct function_ref){ 0 };
	return 0;
}

static int collect_functions(struct api *a, struct rn_error *err)
{
	for (size_t i = 0; i < a->routes.n; i++)
		if (a->routes.v[i].function && add_function(a, a->routes.v[i].function, err) < 0)
			return -1;
	for (size_t i = 0; i < a->authorizer_functions.n; i++)
		if (add_function(a, a->authorizer_functions.v[i], err) < 0)
			return -1;
	return 0;
}

static int task_authorizer(void *arg, struct rn_error *err)
{
	return api_read_authorizer(arg, err);
}

static int want_content(struct api *a, struct rn_error *err)
{
	if (!a->document) {
		a->want = content_want(&a->routes, a->p, &a->at);
		a->binary = cJSON_CreateArray();
		for (size_t i = 0; i < a->p->binary_media_types.n; i++)
			cJSON_AddItemToArray(a->binary, cJSON_CreateString(a->p->binary_media_types.v[i]));
		return 0;
	}
	bool known = a->s->host->is_known(a->s->rs, "function");
	routes_clear(&a->routes);
	if (openapi_complete(a->document, a->p, &a->at, known, err) < 0 || openapi_routes(a->document, &a->routes, err) < 0)
		return stage_blame(a->s, "openapi");
	a->want = openapi_content(a->document);
	openapi_authorizers(a->document, &a->authorizer_functions);
	a->binary = openapi_binary_types(a->document);
	return 0;
}

int api_survey(struct api *a, struct rn_error *err)
{
	a->client = aws_client_new(a->session, "apigateway", err);
	a->lambda = a->client ? aws_client_new(a->session, "lambda", err) : NULL;
	const struct stage_task first[] = { { task_api, a }, { task_key, a }, { task_plan, a }, { task_identity, a } };
	if (!a->lambda || stage_parallel(first, RN_LEN(first), err) < 0 || want_content(a, err) < 0 ||
	    collect_functions(a, err) < 0)
		return -1;
	a->id = rn_strdup(rn_json_str(a->found, "id"));
	struct stage_task tasks[7];
	size_t n = 0;
	if (a->id) {
		tasks[n++] = (struct stage_task){ task_resources, a };
		tasks[n++] = (struct stage_task){ task_deployments, a };
		tasks[n++] = (struct stage_task){ task_stage, a };
		tasks[n++] = (struct stage_task){ task_policies, a };
		if (a->authorizer)
			tasks[n++] = (struct stage_task){ task_authorizer, a };
	}
	if (a->found_plan)
		tasks[n++] = (struct stage_task){ task_plan_keys, a };
	if (a->found_key)
		tasks[n++] = (struct stage_task){ task_key_value, a };
	if (stage_parallel(tasks, n, err) < 0)
		return -1;
	a->before = cJSON_Duplicate(a->resources, true);
	return 0;
}
