/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments are snapshots, and a stage serves one. The description of ours carries
 * the hash of the content, so a new one is made only when the content differs from
 * what the stage serves.
 */
#include "api.h"

#include "settings.h"

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

/* Of all that a deployment captures. New string. */
static char *label_of(const struct api *a)
{
	if (a->authorizer) {
		RN_AUTO(rn_json_freep) cJSON *all = cJSON_CreateObject();
		cJSON_AddItemToObject(all, "content", cJSON_Duplicate(a->want, true));
		cJSON_AddItemToObject(all, "authorizer", cJSON_Duplicate(a->authorizer, true));
		return content_label(all, a->binary);
	}
	return content_label(a->document ? a->document : a->want, a->binary);
}

bool api_serves(const struct api *a)
{
	RN_AUTO(rn_freep) char *label = label_of(a);
	const cJSON *serving = by_id(a->deployments, rn_json_str(a->found_stage, "deploymentId"));
	return rn_streq(rn_json_str(serving, "description"), label);
}

/* A deployment that was not there before: what a creation whose answer was lost has made. */
static int find_new(struct api *a, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *now = NULL;
	RN_AUTO(rn_freep) char *label = label_of(a);
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

/*
 * Keeps the newest of ours, and the one before, to which a rollback goes; those that another
 * stage still serves are left by API Gateway itself.
 */
static int prune(struct api *a, const char *current, const char *before, struct rn_error *err)
{
	bool spared = a->p->keep_deployments > 1 && by_id(a->deployments, before) && !rn_streq(before, current);
	int64_t kept = spared ? 2 : 1;
	for (;;) {
		const cJSON *d, *newest = NULL;
		cJSON_ArrayForEach(d, a->deployments)
		{
			const char *text = rn_json_str(d, "description");
			if (!text || !rn_starts(text, CONTENT_LABEL_PREFIX) || rn_streq(rn_json_str(d, "id"), current) ||
			    (spared && rn_streq(rn_json_str(d, "id"), before)))
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
	/* there after all: of a try whose answer was lost, or of somebody else meanwhile; update_stage sees what differs */
	return aws_error_is(&aerr, "ConflictException") ? api_read_stage(a, err) : -1;
}

static int patch_settings(struct api *a, cJSON *ops, struct stage_diff *d, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *have = settings_have(a->found_stage), *want = settings_want(&a->routes, a->p);
	RN_AUTO(rn_json_freep) cJSON *log = settings_access_log(a->p, &a->at), *account = NULL;
	struct throttle limits = { 0 };
	if (settings_need_account(have, want)) {
		if (aws_rest(a->client, "GetAccount", "GET", "/account", NULL, NULL, &account, NULL, err) < 0)
			return -1;
		const cJSON *t = rn_json_get(account, "throttleSettings");
		limits = (struct throttle){ rn_json_num(t, "rateLimit", 0), rn_json_int(t, "burstLimit", 0) };
	}
	settings_patch(ops, have, want, &limits, d);
	settings_patch_access_log(ops, rn_json_get(a->found_stage, "accessLogSettings"), log, d);
	/* a cache costs by the hour, and this stage never orders one */
	if (stage_diff_bool(d, "cache", rn_json_bool(a->found_stage, "cacheClusterEnabled", false), false))
		patch_add(ops, "replace", "/cacheClusterEnabled", "false");
	return 0;
}

static int send_patch(struct api *a, const cJSON *ops, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/stages/{}", a->id, a->p->stage);
	const cJSON *tags = rn_json_get(a->found_stage, "tags");
	if ((cJSON_GetArraySize(ops) > 0 || api_lacks_tags(a, tags)) && api_remember_stage(a, err) < 0)
		return -1;
	if (a->s->mode != STAGE_RUN || cJSON_GetArraySize(ops) == 0)
		return 0;
	if (api_patch(a, "UpdateStage", path, ops, NULL, err) == 0)
		return 0;
	if (strstr(err->msg, "CloudWatch Logs role ARN"))
		rn_hint(err, "API Gateway needs a role of the account for logs: set it once with `aws apigateway update-account`");
	return -1;
}

/* Points the stage to the deployment (NULL in plan: a new one) and sets what else differs; `told`: and says so. */
static int update_stage(struct api *a, const char *deployment, bool told, struct rn_error *err)
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
	RN_AUTO(rn_freep) char *kind = rn_asprintf("restapis/%s/stages", a->id);
	if (patch_settings(a, ops, &d, err) < 0 || send_patch(a, ops, err) < 0 ||
	    api_put_tags(a, kind, a->p->stage, rn_json_get(a->found_stage, "tags"), &d, err) < 0)
		return -1;
	if (told)
		stage_change_diff(a->s, &d, "stage %s of API %s", a->p->stage, a->p->api_name);
	return 0;
}

/* CreateStage takes no method settings and no access log: a second call does. */
static int new_stage(struct api *a, const char *deployment, struct rn_error *err)
{
	if (a->s->mode == STAGE_RUN && (api_remember_stage(a, err) < 0 || create_stage(a, deployment, err) < 0 || update_stage(a, deployment, false, err) < 0))
		return -1;
	stage_change(a->s, RUNNER_CREATED, NULL, "stage %s of API %s", a->p->stage, a->p->api_name);
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
	if (api_remember_deployments(a, err) < 0)
		return -1;
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
	RN_AUTO(rn_freep) char *label = label_of(a);
	RN_AUTO(rn_freep) char *before = rn_strdup(rn_json_str(a->found_stage, "deploymentId"));
	RN_AUTO(rn_freep) char *id = NULL;
	bool created = false;
	if (choose(a, label, &id, &created, err) < 0)
		return -1;
	if (created)
		stage_change(a->s, RUNNER_CREATED, NULL, "deployment of API %s", a->p->api_name);
	if ((a->found_stage ? update_stage(a, id, true, err) : new_stage(a, id, err)) < 0)
		return -1;
	return created && a->s->mode == STAGE_RUN ? prune(a, id, before, err) : 0;
}
