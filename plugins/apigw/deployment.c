/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments are snapshots, and a stage serves one. The description of ours carries
 * the hash of the content, so a new one is made only when the content differs from
 * what the stage serves.
 */
#include "api.h"

#include <stdlib.h>
#include <string.h>

static const cJSON *by_id(const cJSON *deployments, const char *id)
{
	const cJSON *d;
	cJSON_ArrayForEach(d, deployments)
	{
		if (id && rn_streq(rn_json_str(d, "id"), id))
			return d;
	}
	return NULL;
}

/* Newest deployment with that label; NULL when there is none. */
static const cJSON *by_label(const cJSON *deployments, const char *label)
{
	const cJSON *d, *best = NULL;
	cJSON_ArrayForEach(d, deployments)
	{
		if (rn_streq(rn_json_str(d, "description"), label) &&
		    (!best || rn_json_num(d, "createdDate", 0) >= rn_json_num(best, "createdDate", 0)))
			best = d;
	}
	return best;
}

/* A deployment that was not there before: what a creation whose answer was lost has made. */
static int find_new(struct api *a, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *now = NULL;
	RN_AUTO(rn_freep) char *label = content_label(a->want, &a->p->binary_media_types);
	if (api_list_deployments(a, a->id, &now, err) < 0)
		return -1;
	const cJSON *d;
	cJSON_ArrayForEach(d, now)
	{
		if (!by_id(a->deployments, rn_json_str(d, "id")) && rn_streq(rn_json_str(d, "description"), label)) {
			*ret = cJSON_Duplicate(d, true);
			return 0;
		}
	}
	return 0;
}

/* Keeps the newest of ours; those that another stage still serves are left by API Gateway itself. */
static int prune(struct api *a, const char *current, struct rn_error *err)
{
	int64_t kept = 1;
	for (;;) {
		const cJSON *d, *newest = NULL;
		cJSON_ArrayForEach(d, a->deployments)
		{
			const char *text = rn_json_str(d, "description");
			if (!text || !rn_starts(text, CONTENT_LABEL_PREFIX) || rn_streq(rn_json_str(d, "id"), current))
				continue;
			if (!newest || rn_json_num(d, "createdDate", 0) > rn_json_num(newest, "createdDate", 0))
				newest = d;
		}
		if (!newest)
			return 0;
		RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/deployments/{}", a->id, rn_json_str(newest, "id"));
		struct aws_error aerr = { 0 };
		if (kept++ >= a->p->keep_deployments &&
		    api_write(a, "DeleteDeployment", "DELETE", path, NULL, NULL, &aerr, err) < 0 &&
		    aerr.http_status != 404 && !aws_error_is(&aerr, "BadRequestException"))
			return -1;
		cJSON_Delete(cJSON_DetachItemViaPointer(a->deployments, (cJSON *)newest));
	}
}

static cJSON *variables(const struct apigw_params *p)
{
	cJSON *o = cJSON_CreateObject();
	for (size_t i = 0; i < p->stage_variables.n; i++)
		cJSON_AddStringToObject(o, p->stage_variables.v[i].key, p->stage_variables.v[i].value);
	return o;
}

static int create_stage(struct api *a, const char *deployment, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/stages", a->id);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "stageName", a->p->stage);
	cJSON_AddStringToObject(body, "deploymentId", deployment);
	if (a->p->stage_variables.n)
		cJSON_AddItemToObject(body, "variables", variables(a->p));
	if (a->p->tracing)
		cJSON_AddTrueToObject(body, "tracingEnabled");
	cJSON_AddItemToObject(body, "tags", cJSON_Duplicate(a->tags, true));
	struct aws_error aerr = { 0 };
	if (api_write(a, "CreateStage", "POST", path, body, &a->found_stage, &aerr, err) == 0)
		return 0;
	return aws_error_is(&aerr, "ConflictException") && aerr.attempts > 1 ? 0 : -1;
}

/* Points the stage to the deployment and sets what else differs. `label` tells the reader what is deployed. */
static int update_stage(struct api *a, const char *deployment, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	RN_AUTO(rn_json_freep) cJSON *want = variables(a->p);
	RN_AUTO(rn_json_freep) cJSON *none = cJSON_CreateObject();
	const cJSON *have = rn_json_get(a->found_stage, "variables");
	bool tracing = rn_json_bool(a->found_stage, "tracingEnabled", false);
	have = cJSON_IsObject(have) ? have : none;
	if (stage_diff_str(&d, "deployment", rn_json_str(a->found_stage, "deploymentId"), deployment ? deployment : "a new one") &&
	    deployment)
		patch_add(ops, "replace", "/deploymentId", deployment);
	stage_diff_json(&d, "stage_variables", have, want);
	patch_map(ops, "/variables", have, want);
	if (stage_diff_bool(&d, "tracing", tracing, a->p->tracing))
		patch_add(ops, "replace", "/tracingEnabled", a->p->tracing ? "true" : "false");
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/stages/{}", a->id, a->p->stage);
	if (a->s->mode == STAGE_RUN && api_patch(a, "UpdateStage", path, ops, NULL, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "stage %s of API %s", a->p->stage, a->p->api_name);
	return 0;
}

/* *ret_id: the deployment that the stage must serve; stays NULL in plan when a new one would be made. */
static int choose(struct api *a, const char *label, char **ret_id, bool *ret_created, struct rn_error *err)
{
	const cJSON *serving = by_id(a->deployments, rn_json_str(a->found_stage, "deploymentId"));
	const cJSON *same = rn_streq(rn_json_str(serving, "description"), label) ? serving : by_label(a->deployments, label);
	if (same && !a->content_changed) {
		*ret_id = rn_strdup(rn_json_str(same, "id"));
		return 0;
	}
	*ret_created = true;
	if (a->s->mode == STAGE_PLAN)
		return 0;
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/deployments", a->id);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject(), *made = NULL;
	cJSON_AddStringToObject(body, "description", label);
	stage_step(a->s, "deploy");
	if (api_create(a, "CreateDeployment", path, body, find_new, &made, NULL, err) < 0)
		return -1;
	if (!rn_json_str(made, "id"))
		return rn_fail(err, RN_EREMOTE, "CreateDeployment answered without an id");
	*ret_id = rn_strdup(rn_json_str(made, "id"));
	return 0;
}

int api_put_deployment(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *label = content_label(a->want, &a->p->binary_media_types);
	RN_AUTO(rn_freep) char *id = NULL;
	bool created = false;
	if (choose(a, label, &id, &created, err) < 0)
		return -1;
	if (created)
		stage_change(a->s, RUNNER_CREATED, NULL, "deployment of API %s", a->p->api_name);
	if (a->found_stage) {
		if (update_stage(a, id, err) < 0)
			return -1;
	} else {
		if (a->s->mode == STAGE_RUN && create_stage(a, id, err) < 0)
			return -1;
		stage_change(a->s, RUNNER_CREATED, NULL, "stage %s of API %s", a->p->stage, a->p->api_name);
	}
	return created && a->s->mode == STAGE_RUN ? prune(a, id, err) : 0;
}
