/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments (snapshots of an API) and the stages that serve them. */
#include "apigw.h"
#include "apigw_patch.h"
#include "store.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STAGES_MAX 10

cJSON *apigw_snapshot(struct request *req, const cJSON *api)
{
	const char *id = rn_json_str(api, "id");
	cJSON *snapshot = cJSON_CreateObject();
	cJSON_AddItemToObject(snapshot, "api", cJSON_Duplicate(api, true));
	static const char *const PARTS[][2] = { { "resources", RESOURCE }, { "responses", GATEWAY_RESPONSE }, { "models", MODEL },
						{ "validators", VALIDATOR }, { "authorizers", AUTHORIZER } };
	for (size_t i = 0; i < RN_LEN(PARTS); i++)
		cJSON_AddItemToObject(snapshot, PARTS[i][0], store_list(req->cloud->store, PARTS[i][1], id, NULL, 0));
	return snapshot;
}

/* {"/path": {"GET": {authorizationType, apiKeyRequired}}}. -1: a method has no integration, or
 * there is none at all. */
static int summarize(struct request *req, struct response *res, const cJSON *snapshot,
		     cJSON *summary)
{
	bool any = false;
	for (const cJSON *r = rn_json_get(snapshot, "resources")->child; r; r = r->next) {
		const cJSON *methods = rn_json_get(r, "resourceMethods");
		for (const cJSON *m = methods ? methods->child : NULL; m; m = m->next) {
			if (!rn_json_get(m, "methodIntegration"))
				return apigw_bad(req, res, "No integration defined for method");
			cJSON *one = cJSON_AddObjectToObject(
				apigw_object(summary, rn_json_str(r, "path")), m->string);
			cJSON_AddStringToObject(one, "authorizationType",
						rn_json_str(m, "authorizationType"));
			cJSON_AddBoolToObject(one, "apiKeyRequired",
					      rn_json_bool(m, "apiKeyRequired", false));
			any = true;
		}
	}
	return any ? 0 : apigw_bad(req, res, "The REST API doesn't contain any methods");
}

static bool is_stage_name(const char *s)
{
	size_t n = strlen(s);
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
			return false;
	return n > 0 && n <= 128;
}

static cJSON *new_stage(const char *name, const char *deployment)
{
	cJSON *stage = cJSON_CreateObject();
	double now = floor(cloud_now());
	cJSON_AddStringToObject(stage, "deploymentId", deployment);
	cJSON_AddStringToObject(stage, "stageName", name);
	cJSON_AddBoolToObject(stage, "cacheClusterEnabled", false);
	cJSON_AddStringToObject(stage, "cacheClusterStatus", "NOT_AVAILABLE");
	cJSON_AddObjectToObject(stage, "methodSettings");
	cJSON_AddBoolToObject(stage, "tracingEnabled", false);
	cJSON_AddNumberToObject(stage, "createdDate", now);
	cJSON_AddNumberToObject(stage, "lastUpdatedDate", now);
	return stage;
}

static void save_stage(struct request *req, cJSON *stage)
{
	apigw_set(stage, "lastUpdatedDate", cJSON_CreateNumber(floor(cloud_now())));
	apigw_save(req, STAGE, request_param(req, "api"), rn_json_str(stage, "stageName"), stage);
}

/* CreateDeployment with stageName: makes the stage or moves it to the deployment. -1: answered. */
static int bind_stage(struct request *req, struct response *res, const char *deployment)
{
	const char *name = rn_json_str(req->json, "stageName"), *api_id = request_param(req, "api");
	const char *description = rn_json_str(req->json, "stageDescription");
	const cJSON *variables = rn_json_get(req->json, "variables");
	if (!name || !*name)
		return 0;
	if (!is_stage_name(name))
		return apigw_bad(req, res, "Stage name only allows a-zA-Z0-9_-");
	RN_AUTO(rn_json_freep) cJSON *stage = store_get(req->cloud->store, STAGE, api_id, name);
	if (!stage && store_count(req->cloud->store, STAGE, api_id) >= STAGES_MAX)
		return answer_error(req, res, 429, "LimitExceededException",
				    "Maximum number of stages for this API has been reached.");
	if (!stage)
		stage = new_stage(name, deployment);
	apigw_set(stage, "deploymentId", cJSON_CreateString(deployment));
	if (description)
		apigw_set(stage, "description", cJSON_CreateString(description));
	if (cJSON_IsObject(variables))
		apigw_set(stage, "variables", cJSON_Duplicate(variables, true));
	save_stage(req, stage);
	return 0;
}

void apigw_create_deployment(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "description", cJSON_String }, { NULL } };
	char id[16];
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	RN_AUTO(rn_json_freep) cJSON *deployment = cJSON_CreateObject();
	if (!api || apigw_take(req, res, WANTED, deployment) < 0)
		return;
	cJSON_AddStringToObject(deployment, "id", cloud_id(id, 6, false));
	cJSON_AddNumberToObject(deployment, "createdDate", floor(cloud_now()));
	cJSON *snapshot = apigw_snapshot(req, api), *summary = cJSON_CreateObject();
	cJSON_AddItemToObject(deployment, "_snapshot", snapshot);
	cJSON_AddItemToObject(deployment, "apiSummary", summary);
	if (summarize(req, res, snapshot, summary) < 0 || bind_stage(req, res, id) < 0)
		return;
	apigw_save(req, DEPLOYMENT, rn_json_str(api, "id"), id, deployment);
	RN_AUTO(rn_json_freep) cJSON *out = apigw_shown(deployment);
	apigw_set(out, "apiSummary", NULL); /* only ?embed=apisummary shows it */
	apigw_answer(req, res, 201, out);
}

static cJSON *named_deployment(struct request *req, struct response *res)
{
	return apigw_of_api(req, res, DEPLOYMENT, "deployment", "Deployment identifier");
}

void apigw_get_deployment(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *deployment = named_deployment(req, res);
	const char *embed = request_arg(req, "embed");
	if (!deployment)
		return;
	if (!embed || strcasecmp(embed, "apisummary") != 0)
		apigw_set(deployment, "apiSummary", NULL);
	apigw_answer(req, res, 200, deployment);
}

void apigw_list_deployments(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (!api)
		return;
	cJSON *list = store_list(req->cloud->store, DEPLOYMENT, rn_json_str(api, "id"), NULL, 0);
	for (cJSON *one = list->child; one; one = one->next)
		apigw_set(one, "apiSummary", NULL);
	apigw_answer_list(req, res, list);
}

void apigw_update_deployment(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = { { "/description", PATCH_STRING } };
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(rn_json_freep) cJSON *deployment = named_deployment(req, res);
	if (!deployment || patch_apply(req, res, deployment, &TABLE) < 0)
		return;
	apigw_save(req, DEPLOYMENT, request_param(req, "api"), rn_json_str(deployment, "id"),
		   deployment);
	apigw_set(deployment, "apiSummary", NULL);
	apigw_answer(req, res, 200, deployment);
}

void apigw_delete_deployment(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *deployment = named_deployment(req, res);
	if (!deployment)
		return;
	RN_AUTO(rn_json_freep) cJSON *stages =
		store_list(req->cloud->store, STAGE, request_param(req, "api"), NULL, 0);
	for (const cJSON *stage = stages->child; stage; stage = stage->next)
		if (rn_streq(rn_json_str(stage, "deploymentId"), rn_json_str(deployment, "id"))) {
			apigw_bad(req, res,
				  "Active stages pointing to this deployment must be moved or "
				  "deleted");
			return;
		}
	store_remove(req->cloud->store, DEPLOYMENT, request_param(req, "api"),
		     rn_json_str(deployment, "id"), NULL);
	response_body(res, 202, NULL, NULL, 0);
}

/* ---- stages ---- */

static cJSON *named_stage(struct request *req, struct response *res)
{
	return apigw_of_api(req, res, STAGE, "stage", "Stage identifier");
}

void apigw_create_stage(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = {
		{ "stageName", cJSON_String, true }, { "deploymentId", cJSON_String, true },
		{ "description", cJSON_String },     { "variables", cJSON_Object },
		{ "tracingEnabled", cJSON_True },    { NULL }
	};
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject();
	if (!api || apigw_take(req, res, WANTED, in) < 0)
		return;
	const char *name = rn_json_str(in, "stageName"),
		   *deployment = rn_json_str(in, "deploymentId"), *api_id = rn_json_str(api, "id");
	if (!is_stage_name(name)) {
		apigw_bad(req, res, "Stage name only allows a-zA-Z0-9_-");
		return;
	}
	if (!store_has(req->cloud->store, DEPLOYMENT, api_id, deployment)) {
		apigw_bad(req, res, "Deployment id does not exist");
		return;
	}
	if (store_has(req->cloud->store, STAGE, api_id, name)) {
		apigw_conflict(req, res, "Stage already exists");
		return;
	}
	if (store_count(req->cloud->store, STAGE, api_id) >= STAGES_MAX) {
		answer_error(req, res, 429, "LimitExceededException",
			     "Maximum number of stages for this API has been reached.");
		return;
	}
	if (rn_json_bool(req->json, "cacheClusterEnabled", false) ||
	    rn_json_get(req->json, "canarySettings")) {
		apigw_bad(req, res,
			  "cache clusters and canaries are not supported by this local cloud");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *stage = new_stage(name, deployment);
	if (apigw_take(req, res, WANTED, stage) < 0 || apigw_take_tags(req, res, stage) < 0)
		return;
	save_stage(req, stage);
	apigw_answer(req, res, 201, stage);
}

void apigw_get_stage(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *stage = named_stage(req, res);
	if (stage)
		apigw_answer(req, res, 200, stage);
}

/* {"item": [...]}: stages have no pages. */
void apigw_list_stages(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *api = apigw_api(req, res);
	if (!api)
		return;
	const char *deployment = request_arg(req, "deploymentId");
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, STAGE, rn_json_str(api, "id"), NULL, 0);
	RN_AUTO(rn_json_freep) cJSON *out = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(out, "item");
	for (const cJSON *stage = all->child; stage; stage = stage->next)
		if (!deployment || rn_streq(rn_json_str(stage, "deploymentId"), deployment))
			cJSON_AddItemToArray(list, apigw_shown(stage));
	apigw_answer(req, res, 200, out);
}

/* "remove /RESOURCE/METHOD": all settings of that method. 0: there are none, so it is another path. */
static int remove_method_setting(cJSON *stage, const struct rn_strv *segments)
{
	cJSON *settings = rn_json_get(stage, "methodSettings");
	const char *path = segments->v[0];
	RN_AUTO(rn_freep) char *key =
		rn_asprintf("%s/%s", *path == '/' && path[1] ? path + 1 : path, segments->v[1]);
	if (!rn_json_get(settings, key))
		return 0;
	apigw_set(settings, key, NULL);
	return 1;
}

/* The settings of one method, made with AWS's defaults. */
static cJSON *method_setting(cJSON *stage, const char *key)
{
	cJSON *all = apigw_object(stage, "methodSettings"), *one = rn_json_get(all, key);
	if (one)
		return one;
	one = cJSON_AddObjectToObject(all, key);
	cJSON_AddFalseToObject(one, "metricsEnabled");
	cJSON_AddStringToObject(one, "loggingLevel", "OFF");
	cJSON_AddFalseToObject(one, "dataTraceEnabled");
	cJSON_AddFalseToObject(one, "cachingEnabled");
	cJSON_AddNumberToObject(one, "cacheTtlInSeconds", 300);
	cJSON_AddFalseToObject(one, "cacheDataEncrypted");
	cJSON_AddTrueToObject(one, "requireAuthorizationForCacheControl");
	cJSON_AddStringToObject(one, "unauthorizedCacheControlHeaderStrategy", "SUCCEED_WITH_RESPONSE_HEADER");
	return one;
}

/* "/RESOURCE/METHOD/throttling/rateLimit" and its like: methodSettings["RESOURCE/METHOD"], "*" for
 * any. */
static int patch_method_setting(struct request *req, struct response *res, cJSON *stage,
				const char *op, const struct rn_strv *segments, const char *value)
{
	static const struct {
		const char *group, *name, *member;
		enum { IS_NUMBER, IS_BOOL, IS_STRING } type;
	} SETTINGS[] = {
		{ "throttling", "rateLimit", "throttlingRateLimit", IS_NUMBER },
		{ "throttling", "burstLimit", "throttlingBurstLimit", IS_NUMBER },
		{ "logging", "loglevel", "loggingLevel", IS_STRING },
		{ "logging", "dataTrace", "dataTraceEnabled", IS_BOOL },
		{ "metrics", "enabled", "metricsEnabled", IS_BOOL },
	};
	if (segments->n == 2 && !strcmp(op, "remove"))
		return remove_method_setting(stage, segments);
	if (segments->n != 4)
		return 0;
	for (size_t i = 0; i < RN_LEN(SETTINGS); i++) {
		double number = 0;
		bool flag = false;
		if (strcmp(segments->v[2], SETTINGS[i].group) != 0 ||
		    strcmp(segments->v[3], SETTINGS[i].name) != 0)
			continue;
		if (strcmp(op, "replace") != 0 || !value)
			return apigw_bad(
				req, res,
				"Only replace with a value is supported for method settings");
		cJSON *item = NULL;
		if (SETTINGS[i].type == IS_STRING)
			item = cJSON_CreateString(value);
		else if (SETTINGS[i].type == IS_BOOL && rn_parse_bool(value, &flag, NULL) == 0)
			item = cJSON_CreateBool(flag);
		else if (SETTINGS[i].type == IS_NUMBER &&
			 rn_parse_double(value, &number, NULL) == 0)
			item = cJSON_CreateNumber(number);
		if (!item)
			return apigw_bad(req, res, "Invalid value '%s' specified for %s", value,
					 SETTINGS[i].name);
		const char *path = segments->v[0];
		RN_AUTO(rn_freep) char *key =
			rn_asprintf("%s/%s", *path == '/' && path[1] ? path + 1 : path,
					segments->v[1]);
		apigw_set(method_setting(stage, key), SETTINGS[i].member, item);
		return 1;
	}
	return 0;
}

void apigw_update_stage(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = {
		{ "/deploymentId", PATCH_STRING },
		{ "/description", PATCH_STRING },
		{ "/variables/{}", PATCH_MAP },
		{ "/tracingEnabled", PATCH_BOOL },
		{ "/cacheClusterEnabled", PATCH_BOOL, "false" },
		{ "/accessLogSettings", PATCH_OBJECT },
		{ "/accessLogSettings/destinationArn", PATCH_STRING },
		{ "/accessLogSettings/format", PATCH_STRING },
	};
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), patch_method_setting };
	RN_AUTO(rn_json_freep) cJSON *stage = named_stage(req, res);
	if (!stage || patch_apply(req, res, stage, &TABLE) < 0)
		return;
	if (!store_has(req->cloud->store, DEPLOYMENT, request_param(req, "api"),
		       rn_json_str(stage, "deploymentId"))) {
		apigw_bad(req, res, "Deployment id does not exist");
		return;
	}
	save_stage(req, stage);
	apigw_answer(req, res, 200, stage);
}

void apigw_delete_stage(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *stage = named_stage(req, res);
	if (!stage)
		return;
	const char *name = rn_json_str(stage, "stageName");
	RN_AUTO(rn_json_freep) cJSON *plans =
		store_list(req->cloud->store, PLAN, req->region, NULL, 0);
	for (cJSON *plan = plans->child; plan; plan = plan->next) {
		cJSON *stages = rn_json_get(plan, "apiStages");
		for (cJSON *one = stages ? stages->child : NULL, *next; one; one = next) {
			next = one->next;
			if (!rn_streq(rn_json_str(one, "apiId"), request_param(req, "api")) ||
			    !rn_streq(rn_json_str(one, "stage"), name))
				continue;
			cJSON_Delete(cJSON_DetachItemViaPointer(stages, one));
			apigw_save(req, PLAN, req->region, rn_json_str(plan, "id"), plan);
		}
	}
	store_remove(req->cloud->store, STAGE, request_param(req, "api"), name, NULL);
	response_body(res, 202, NULL, NULL, 0);
}
