/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One resource as its record says: read, compared, and only the difference written, so that a
 * rollback that was cut off is simply done again.
 */
#include "api.h"

#include "settings.h"

#include <string.h>

/* GET; *ret NULL and a line for people when it is gone. */
static int read_one(struct api *a, const char *operation, const char *path, const char *what, const char *id, cJSON **ret,
		    struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	struct rn_error own = { 0 };
	*ret = NULL;
	if (aws_rest(a->client, operation, "GET", path, NULL, NULL, ret, &aerr, &own) == 0)
		return 0;
	*ret = NULL;
	if (aerr.http_status == 404) {
		stage_warn(a->s, "%s %s is gone meanwhile and does not come back", what, id);
		return 0;
	}
	if (err)
		*err = own;
	return -1;
}

/* A text; what is not there is empty. */
static void patch_text(cJSON *ops, struct stage_diff *d, const char *name, const cJSON *have, const cJSON *want)
{
	const char *old = rn_json_str(have, name), *new = rn_json_str(want, name);
	RN_AUTO(rn_freep) char *path = rn_asprintf("/%s", name);
	if (stage_diff_str(d, name, old ? old : "", new ? new : ""))
		patch_add(ops, "replace", path, new ? new : "");
}

static void patch_flag(cJSON *ops, struct stage_diff *d, const char *name, const char *path, bool have, bool want)
{
	if (stage_diff_bool(d, name, have, want))
		patch_add(ops, "replace", path, want ? "true" : "false");
}

int api_put_api_back(struct api *a, const char *id, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray(), *api = NULL;
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}", id);
	if (read_one(a, "GetRestApi", path, "API", id, &api, err) < 0)
		return -1;
	if (!api)
		return 0;
	patch_text(ops, &d, "name", api, record);
	patch_text(ops, &d, "description", api, record);
	const char *have = cJSON_GetStringValue(rn_json_path(api, "endpointConfiguration.types.0"));
	const char *want = cJSON_GetStringValue(rn_json_path(record, "endpointConfiguration.types.0"));
	if (have && want && stage_diff_str(&d, "endpoint_type", have, want)) {
		RN_AUTO(rn_freep) char *type = rn_asprintf("/endpointConfiguration/types/%s", have);
		patch_add(ops, "replace", type, want);
	}
	const cJSON *types = rn_json_get(api, "binaryMediaTypes"), *before = rn_json_get(record, "binaryMediaTypes");
	int n = cJSON_GetArraySize(ops);
	patch_set(ops, "/binaryMediaTypes", types, before);
	if (cJSON_GetArraySize(ops) > n)
		stage_diff_json(&d, "binary_media_types", types, before);
	if (api_patch(a, "UpdateRestApi", path, ops, NULL, err) < 0 ||
	    api_put_tags_back(a, "restapis", id, rn_json_get(api, "tags"), rn_json_get(record, "tags"), &d, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "API %s (%s)", rn_json_str(record, "name"), id);
	return 0;
}

/* ---- stage ------------------------------------------------------------------------------- */

static int delete_stage(struct api *a, const char *name, const char *path, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	if (api_write(a, "DeleteStage", "DELETE", path, NULL, NULL, &aerr, err) < 0)
		return aerr.http_status == 404 ? 0 : -1;
	stage_change(a->s, RUNNER_DELETED, "it is new", "stage %s", name);
	return 0;
}

static void patch_variables(cJSON *ops, struct stage_diff *d, const cJSON *stage, const cJSON *record)
{
	RN_AUTO(rn_json_freep) cJSON *none = cJSON_CreateObject();
	const cJSON *have = rn_json_get(stage, "variables"), *want = rn_json_get(record, "variables");
	have = have ? have : none;
	want = want ? want : none;
	stage_diff_json(d, "stage_variables", have, want);
	patch_map(ops, "/variables", have, want);
}

static void patch_method_settings(cJSON *ops, struct stage_diff *d, const cJSON *stage, const cJSON *record)
{
	const cJSON *want = rn_json_get(record, "settings");
	RN_AUTO(rn_json_freep) cJSON *have = settings_have(stage);
	const struct throttle no_account = { 0 };
	if (rn_json_get(have, "* *") && !rn_json_get(want, "* *")) {
		stage_diff_note(d, "settings of all methods: removed");
		patch_add(ops, "remove", "/*/*", NULL);
		cJSON_DeleteItemFromObjectCaseSensitive(have, "* *");
	}
	settings_patch(ops, have, want, &no_account, d);
	settings_patch_access_log(ops, rn_json_get(stage, "accessLogSettings"), rn_json_get(record, "accessLogSettings"), d);
}

int api_put_stage_back(struct api *a, const char *name, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray(), *stage = NULL;
	const char *want = rn_json_str(record, "deployment"), *id = rn_json_str(record, "api");
	if (!id)
		return 0; /* of an API that is new and goes as a whole */
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/stages/{}", id, name);
	if (!want)
		return delete_stage(a, name, path, err);
	if (read_one(a, "GetStage", path, "stage", name, &stage, err) < 0)
		return -1;
	if (!stage)
		return 0;
	if (stage_diff_str(&d, "deployment", rn_json_str(stage, "deploymentId"), want))
		patch_add(ops, "replace", "/deploymentId", want);
	patch_flag(ops, &d, "tracing", "/tracingEnabled", rn_json_bool(stage, "tracingEnabled", false), rn_json_bool(record, "tracing", false));
	if (rn_json_get(record, "settings")) {
		patch_flag(ops, &d, "cache", "/cacheClusterEnabled", rn_json_bool(stage, "cacheClusterEnabled", false),
			   rn_json_bool(record, "cache", false));
		patch_variables(ops, &d, stage, record);
		patch_method_settings(ops, &d, stage, record);
	}
	if (api_patch(a, "UpdateStage", path, ops, NULL, err) < 0)
		return rn_hint(err, "is deployment %s gone? keep_deployments: 2 or more keeps the one before", want);
	RN_AUTO(rn_freep) char *kind = rn_asprintf("restapis/%s/stages", id);
	if (api_put_tags_back(a, kind, name, rn_json_get(stage, "tags"), rn_json_get(record, "tags"), &d, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "stage %s of API %s", name, a->p->api_name);
	return 0;
}

/* ---- key and plan --------------------------------------------------------------------------- */

int api_put_key_back(struct api *a, const char *id, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray(), *key = NULL;
	RN_AUTO(rn_freep) char *path = aws_path("/apikeys/{}", id);
	if (read_one(a, "GetApiKey", path, "API key", id, &key, err) < 0)
		return -1;
	if (!key)
		return 0;
	patch_text(ops, &d, "name", key, record);
	patch_text(ops, &d, "description", key, record);
	patch_flag(ops, &d, "enabled", "/enabled", rn_json_bool(key, "enabled", true), rn_json_bool(record, "enabled", true));
	if (api_patch(a, "UpdateApiKey", path, ops, NULL, err) < 0 ||
	    api_put_tags_back(a, "apikeys", id, rn_json_get(key, "tags"), rn_json_get(record, "tags"), &d, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "API key %s", rn_json_str(record, "name"));
	return 0;
}

static const cJSON *stage_of(const cJSON *plan, const cJSON *like)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(plan, "apiStages"))
	{
		if (rn_streq(rn_json_str(item, "apiId"), rn_json_str(like, "apiId")) &&
		    rn_streq(rn_json_str(item, "stage"), rn_json_str(like, "stage")))
			return item;
	}
	return NULL;
}

static void patch_stages(cJSON *ops, const cJSON *have, const cJSON *want)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(have, "apiStages"))
	{
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s:%s", rn_json_str(item, "apiId"), rn_json_str(item, "stage"));
		if (!stage_of(want, item))
			patch_add(ops, "remove", "/apiStages", name);
	}
	cJSON_ArrayForEach(item, rn_json_get(want, "apiStages"))
	{
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s:%s", rn_json_str(item, "apiId"), rn_json_str(item, "stage"));
		const cJSON *present = stage_of(have, item);
		if (!present)
			patch_add(ops, "add", "/apiStages", name);
		patch_plan_methods(ops, name, rn_json_get(present, "throttle"), rn_json_get(item, "throttle"));
	}
}

int api_put_plan_back(struct api *a, const char *id, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray(), *plan = NULL;
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}", id);
	const cJSON *throttle = rn_json_get(record, "throttle"), *quota = rn_json_get(record, "quota");
	const struct plan_wish want = { .throttle = { rn_json_num(throttle, "rateLimit", 0), rn_json_int(throttle, "burstLimit", 0) },
					.quota = rn_json_int(quota, "limit", 0),
					.period = rn_json_str(quota, "period") };
	if (read_one(a, "GetUsagePlan", path, "usage plan", id, &plan, err) < 0)
		return -1;
	if (!plan)
		return 0;
	patch_text(ops, &d, "name", plan, record);
	patch_text(ops, &d, "description", plan, record);
	int before = cJSON_GetArraySize(ops);
	patch_plan(ops, plan, &want);
	int64_t offset = rn_json_int(quota, "offset", 0);
	RN_AUTO(rn_freep) char *day = rn_asprintf("%lld", (long long)offset);
	if (want.quota && rn_json_int(rn_json_get(plan, "quota"), "offset", 0) != offset)
		patch_add(ops, "replace", "/quota/offset", day);
	if (cJSON_GetArraySize(ops) > before)
		stage_diff_note(&d, "limits as before the run");
	before = cJSON_GetArraySize(ops);
	patch_stages(ops, plan, record);
	if (cJSON_GetArraySize(ops) > before)
		stage_diff_json(&d, "stages", rn_json_get(plan, "apiStages"), rn_json_get(record, "apiStages"));
	if (api_patch(a, "UpdateUsagePlan", path, ops, NULL, err) < 0 ||
	    api_put_tags_back(a, "usageplans", id, rn_json_get(plan, "tags"), rn_json_get(record, "tags"), &d, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "usage plan %s", rn_json_str(record, "name"));
	return 0;
}
