/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was there before a run, and putting it back: the deployment that the stage served, the
 * permissions of routes that went, and nothing of what is new. Resources and methods stay as
 * they are: what callers see is the deployment.
 */
#include "api.h"

#include <string.h>

#define STAGE_KEY "stage "
#define API_KEY "api "
#define KEY_KEY "key "
#define PLAN_KEY "plan "
#define PERMISSION_KEY "permission "

/* ---- records ---------------------------------------------------------------------------- */

static int remember(struct api *a, const char *prefix, const char *name, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s%s", prefix, name);
	return stage_remember(a->s, key, record, err);
}

int api_remember_new(struct api *a, enum api_new what, struct rn_error *err)
{
	static const char *const prefixes[] = { API_KEY, KEY_KEY, PLAN_KEY };
	return remember(a, prefixes[what], a->p->api_name, NULL, err);
}

int api_remember_stage(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *record = NULL;
	const char *deployment = rn_json_str(a->found_stage, "deploymentId");
	if (deployment) { /* no variables: they may hold what a record must not */
		record = cJSON_CreateObject();
		cJSON_AddStringToObject(record, "api", a->id);
		cJSON_AddStringToObject(record, "deployment", deployment);
		cJSON_AddBoolToObject(record, "tracing", rn_json_bool(a->found_stage, "tracingEnabled", false));
	}
	return remember(a, STAGE_KEY, a->p->stage, record, err);
}

int api_remember_permission(struct api *a, const struct api_function *f, const char *sid, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *record = cJSON_CreateObject();
	const char *source = policy_source_of(policy_find(f->policy, sid));
	cJSON_AddStringToObject(record, "function", f->ref.arn);
	if (f->ref.qualifier)
		cJSON_AddStringToObject(record, "qualifier", f->ref.qualifier);
	if (source) /* else it is new */
		cJSON_AddStringToObject(record, "source", source);
	return remember(a, PERMISSION_KEY, sid, record, err);
}

/* ---- putting back ----------------------------------------------------------------------------- */

static int put_stage_back(struct api *a, const char *name, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray(), *stage = NULL;
	const char *want = rn_json_str(record, "deployment");
	if (!want)
		return 0; /* new: it serves nobody yet, and goes with an API that is new */
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/stages/{}", rn_json_str(record, "api"), name);
	if (aws_rest(a->client, "GetStage", "GET", path, NULL, NULL, &stage, NULL, err) < 0)
		return -1;
	bool tracing = rn_json_bool(record, "tracing", false);
	if (stage_diff_str(&d, "deployment", rn_json_str(stage, "deploymentId"), want))
		patch_add(ops, "replace", "/deploymentId", want);
	if (stage_diff_bool(&d, "tracing", rn_json_bool(stage, "tracingEnabled", false), tracing))
		patch_add(ops, "replace", "/tracingEnabled", tracing ? "true" : "false");
	if (api_patch(a, "UpdateStage", path, ops, NULL, err) < 0)
		return rn_hint(err, "is deployment %s gone? keep_deployments: 2 or more keeps the one before", want);
	stage_change_diff(a->s, &d, "stage %s of API %s", name, a->p->api_name);
	return 0;
}

static int put_permission_back(struct api *a, const char *sid, const cJSON *record, struct rn_error *err)
{
	struct api_function f = { 0 };
	const char *arn = rn_json_str(record, "function"), *qualifier = rn_json_str(record, "qualifier");
	f.ref.arn = rn_strdup(arn);
	f.ref.qualifier = qualifier ? rn_strdup(qualifier) : NULL;
	const char *source = rn_json_str(record, "source");
	int done = api_read_policy(a, &f, err);
	bool there = policy_find(f.policy, sid) != NULL;
	if (done == 0 && there != (source != NULL)) {
		done = source ? api_add_permission(a, &f, sid, source, err) : api_remove_permission(a, &f, sid, err);
		if (done == 0)
			stage_change(a->s, source ? RUNNER_CREATED : RUNNER_DELETED, NULL, "permission %s of %s", sid, arn);
	}
	function_ref_clear(&f.ref);
	rn_json_freep(&f.policy);
	return done;
}

/* What the run made is what carries our tags, for there was none before. */
static int remove_new(struct api *a, int (*list)(struct api *, cJSON **, struct rn_error *),
		      int (*remove)(struct api *, const cJSON *, struct rn_error *), struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *items = NULL;
	int count = 0;
	return list(a, &items, err) < 0 ? -1 : api_remove_own(a, items, remove, &count, err);
}

static int put_back(struct api *a, const char *key, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *record = stage_recall(a->s, key);
	if (!record)
		return 0;
	if (rn_starts(key, STAGE_KEY))
		return put_stage_back(a, key + strlen(STAGE_KEY), record, err);
	if (rn_starts(key, PERMISSION_KEY))
		return put_permission_back(a, key + strlen(PERMISSION_KEY), record, err);
	if (rn_starts(key, PLAN_KEY))
		return remove_new(a, api_list_plans, api_delete_plan, err);
	if (rn_starts(key, KEY_KEY))
		return remove_new(a, api_list_keys, api_delete_key, err);
	return remove_new(a, api_list_apis, api_delete, err);
}

int api_rollback(struct api *a, struct rn_error *err)
{
	size_t n = 0;
	a->client = aws_client_new(a->session, "apigateway", err);
	a->lambda = a->client ? aws_client_new(a->session, "lambda", err) : NULL;
	if (!a->lambda)
		return -1;
	while (stage_recall_key(a->s, n))
		n++;
	for (size_t i = n; i > 0; i--)
		if (put_back(a, stage_recall_key(a->s, i - 1), err) < 0)
			return -1;
	return 0;
}
