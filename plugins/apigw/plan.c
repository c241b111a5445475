/* SPDX-License-Identifier: Apache-2.0 */
/* The usage plan: throttle, quota, the stage it holds for, and the key in it. */
#include "api.h"

#include <string.h>

static int find_plan(struct api *a, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *items = NULL;
	if (api_list_plans(a, &items, err) < 0)
		return -1;
	const cJSON *item = api_pick(a, items, a->plan.name);
	*ret = item ? cJSON_Duplicate(item, true) : NULL;
	return 0;
}

static cJSON *creation(const struct api *a)
{
	cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "name", a->plan.name);
	cJSON *stage = cJSON_CreateObject();
	cJSON_AddStringToObject(stage, "apiId", a->id);
	cJSON_AddStringToObject(stage, "stage", a->p->stage);
	if (a->plan.methods)
		cJSON_AddItemToObject(stage, "throttle", cJSON_Duplicate(a->plan.methods, true));
	cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "apiStages"), stage);
	if (a->plan.throttle.rate > 0) {
		cJSON *throttle = cJSON_AddObjectToObject(body, "throttle");
		cJSON_AddNumberToObject(throttle, "burstLimit", (double)a->plan.throttle.burst);
		cJSON_AddNumberToObject(throttle, "rateLimit", a->plan.throttle.rate);
	}
	if (a->plan.quota > 0) {
		cJSON *quota = cJSON_AddObjectToObject(body, "quota");
		cJSON_AddNumberToObject(quota, "limit", (double)a->plan.quota);
		cJSON_AddStringToObject(quota, "period", a->plan.period);
	}
	cJSON_AddItemToObject(body, "tags", cJSON_Duplicate(a->tags, true));
	return body;
}

static char *limits(const struct plan_wish *p)
{
	RN_AUTO(rn_strv_clear) struct rn_strv l = { 0 };
	if (p->throttle.rate > 0)
		rn_strv_addf(&l, "rate %.15g, burst %lld", p->throttle.rate, (long long)p->throttle.burst);
	if (p->quota > 0)
		rn_strv_addf(&l, "quota %lld/%s", (long long)p->quota, p->period);
	return rn_strv_join(&l, ", ");
}

static int create_plan(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *detail = limits(&a->plan);
	if (a->s->mode == STAGE_RUN) {
		RN_AUTO(rn_json_freep) cJSON *body = creation(a);
		stage_step(a->s, "create the usage plan %s", a->plan.name);
		if (api_remember_new(a, API_NEW_PLAN, err) < 0)
			return -1;
		if (api_create(a, "CreateUsagePlan", "/usageplans", body, find_plan, &a->found_plan, NULL, err) < 0)
			return -1;
		if (!rn_json_str(a->found_plan, "id"))
			return rn_fail(err, RN_EREMOTE, "CreateUsagePlan answered without an id");
	}
	stage_change(a->s, RUNNER_CREATED, *detail ? detail : "no limits", "usage plan %s", a->plan.name);
	return 0;
}

/* The plan holds for our stage and for no other. */
static void patch_stages(const struct api *a, cJSON *ops, struct stage_diff *d)
{
	RN_AUTO(rn_freep) char *want = a->id ? rn_asprintf("%s:%s", a->id, a->p->stage) : NULL;
	const cJSON *item;
	bool found = false;
	cJSON_ArrayForEach(item, rn_json_get(a->found_plan, "apiStages"))
	{
		RN_AUTO(rn_freep) char *have = rn_asprintf("%s:%s", rn_json_str(item, "apiId"), rn_json_str(item, "stage"));
		if (rn_streq(have, want)) {
			found = true;
			int before = cJSON_GetArraySize(ops);
			patch_plan_methods(ops, want, rn_json_get(item, "throttle"), a->plan.methods);
			if (cJSON_GetArraySize(ops) > before)
				stage_diff_json(d, "methods", rn_json_get(item, "throttle"), a->plan.methods);
			continue;
		}
		stage_diff_str(d, "stage", have, NULL);
		patch_add(ops, "remove", "/apiStages", have);
	}
	if (!found) {
		stage_diff_str(d, "stage", NULL, want ? want : "the new API's");
		if (want) {
			patch_add(ops, "add", "/apiStages", want);
			patch_plan_methods(ops, want, NULL, a->plan.methods);
		}
	}
}

static int update_plan(struct api *a, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	const char *id = rn_json_str(a->found_plan, "id");
	const cJSON *throttle = rn_json_get(a->found_plan, "throttle"), *quota = rn_json_get(a->found_plan, "quota");
	if (stage_diff_str(&d, "name", rn_json_str(a->found_plan, "name"), a->plan.name))
		patch_add(ops, "replace", "/name", a->plan.name);
	struct plan_wish have = { .throttle = { rn_json_num(throttle, "rateLimit", 0), rn_json_int(throttle, "burstLimit", 0) },
				  .quota = rn_json_int(quota, "limit", 0),
				  .period = rn_json_str(quota, "period") };
	RN_AUTO(rn_freep) char *old = limits(&have);
	RN_AUTO(rn_freep) char *new = limits(&a->plan);
	int before = cJSON_GetArraySize(ops);
	patch_plan(ops, a->found_plan, &a->plan);
	if (cJSON_GetArraySize(ops) > before)
		stage_diff_str(&d, "limits", *old ? old : NULL, *new ? new : NULL);
	patch_stages(a, ops, &d);
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}", id);
	const cJSON *tags = rn_json_get(a->found_plan, "tags");
	if ((cJSON_GetArraySize(ops) > 0 || api_lacks_tags(a, tags)) && api_remember_plan(a, err) < 0)
		return -1;
	if (a->s->mode == STAGE_RUN && api_patch(a, "UpdateUsagePlan", path, ops, NULL, err) < 0)
		return -1;
	if (api_put_tags(a, "usageplans", id, tags, &d, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "usage plan %s", a->plan.name);
	return 0;
}

/* Is the key in the plan by now (a try whose answer was lost)? */
static bool has_key(struct api *a)
{
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}/keys/{}", a->plan_id, a->key_id);
	return aws_rest(a->client, "GetUsagePlanKey", "GET", path, NULL, NULL, NULL, NULL, NULL) == 0;
}

static int add_key(struct api *a, struct rn_error *err)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, a->plan_keys)
	{
		if (a->key_id && rn_streq(rn_json_str(item, "id"), a->key_id))
			return 0;
	}
	if (a->s->mode == STAGE_RUN) {
		RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}/keys", a->plan_id);
		RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
		struct aws_error aerr = { 0 };
		cJSON_AddStringToObject(body, "keyId", a->key_id);
		cJSON_AddStringToObject(body, "keyType", "API_KEY");
		if (api_remember_plan_key(a, err) < 0)
			return -1;
		if (api_write(a, "CreateUsagePlanKey", "POST", path, body, NULL, &aerr, err) < 0 &&
		    !(aws_error_is(&aerr, "ConflictException") && has_key(a)))
			return -1;
	}
	stage_change(a->s, RUNNER_CREATED, NULL, "key %s in usage plan %s", a->key.name, a->plan.name);
	return 0;
}

int api_delete_plan(struct api *a, const cJSON *plan, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}", rn_json_str(plan, "id"));
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	struct aws_error aerr = { 0 };
	if (a->s->mode != STAGE_PLAN) {
		patch_leave_stages(ops, plan);
		/* stages of an API that is gone are gone from the plan too: then the deletion itself decides */
		struct rn_error patch = { 0 };
		if (api_patch(a, "UpdateUsagePlan", path, ops, NULL, &patch) < 0 && patch.code == RN_ECANCELLED) {
			*err = patch;
			return -1;
		}
		if (api_write(a, "DeleteUsagePlan", "DELETE", path, NULL, NULL, &aerr, err) < 0 && aerr.http_status != 404)
			return -1;
	}
	stage_change(a->s, RUNNER_DELETED, NULL, "usage plan %s", rn_json_str(plan, "name"));
	return 0;
}

int api_put_plan(struct api *a, struct rn_error *err)
{
	if (a->plan.wanted) {
		if ((a->found_plan ? update_plan(a, err) : create_plan(a, err)) < 0)
			return -1;
		a->plan_id = rn_strdup(rn_json_str(a->found_plan, "id"));
		if (a->key.wanted && add_key(a, err) < 0)
			return -1;
	} else if (a->found_plan && stage_owns(a->s, rn_json_get(a->found_plan, "tags")) && api_retire_plan(a, err) < 0) {
		return -1;
	}
	if (!a->key.wanted && a->found_key && stage_owns(a->s, rn_json_get(a->found_key, "tags")) && api_retire_key(a, a->found_key, err) < 0)
		return -1;
	return api_sweep(a, err);
}
