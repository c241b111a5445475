/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is there, kept before it is changed: one record a resource, with all that the stage may write
 * of it. Of an API that this run makes only that is kept: it goes as a whole. Keys and plans that are
 * no longer wanted are retired instead of deleted, since neither a key's value nor a plan's id can be made again.
 */
#include "api.h"

#include "settings.h"

#include "base/time.h"

#include <string.h>

#define RETIRED "retired by runner at " /* begin of a description; a date and words follow */
#define PATH_KEY_MAX 100 /* bytes of a path in a record's key; a longer one is hashed there */
#define DAY_MS ((int64_t)24 * 3600 * 1000)

/* Takes `record`. */
static int remember(struct api *a, const char *prefix, const char *name, cJSON *record, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s%s", prefix, name);
	int done = stage_remember(a->s, key, record, err);
	cJSON_Delete(record);
	return done;
}

static void copy(cJSON *to, const cJSON *from, const char *name)
{
	const cJSON *item = rn_json_get(from, name);
	if (item)
		cJSON_AddItemToObject(to, name, cJSON_Duplicate(item, true));
}

/* {name: value before, or null} of the tags that the run sets. */
static void copy_tags(const struct api *a, cJSON *to, const cJSON *from)
{
	RN_AUTO(rn_json_freep) cJSON *have = stage_tags_object(rn_json_get(from, "tags"));
	cJSON *tags = cJSON_AddObjectToObject(to, "tags");
	const cJSON *tag;
	cJSON_ArrayForEach(tag, a->tags)
	{
		const char *value = rn_json_str(have, tag->string);
		cJSON_AddItemToObject(tags, tag->string, value ? cJSON_CreateString(value) : cJSON_CreateNull());
	}
}

static cJSON *ids_of(const cJSON *items)
{
	cJSON *ids = cJSON_CreateArray();
	const cJSON *item;
	cJSON_ArrayForEach(item, items)
	{
		const char *id = rn_json_str(item, "id");
		if (id)
			cJSON_AddItemToArray(ids, cJSON_CreateString(id));
	}
	return ids;
}

int api_remember_new(struct api *a, enum api_new what, struct rn_error *err)
{
	static const char *const prefixes[] = { RECORD_NEW_API, RECORD_NEW_KEY, RECORD_NEW_PLAN };
	const cJSON *own = what == API_NEW_KEY ? a->own_keys : what == API_NEW_PLAN ? a->own_plans : NULL;
	a->made |= what == API_NEW_API;
	return remember(a, prefixes[what], a->p->api_name, ids_of(own), err);
}

int api_remember_api(struct api *a, struct rn_error *err)
{
	static const char *const kept[] = { "name", "description", "endpointConfiguration", "binaryMediaTypes" };
	if (a->made)
		return 0;
	cJSON *record = cJSON_CreateObject();
	for (size_t i = 0; i < RN_LEN(kept); i++)
		copy(record, a->found, kept[i]);
	copy_tags(a, record, a->found);
	return remember(a, RECORD_API, a->id, record, err);
}

int api_remember_path(struct api *a, const char *path, struct rn_error *err)
{
	const cJSON *resource;
	if (a->made)
		return 0;
	cJSON *record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "api", a->id);
	cJSON_AddStringToObject(record, "path", path);
	cJSON_ArrayForEach(resource, a->before)
	{
		if (rn_streq(rn_json_str(resource, "path"), path))
			cJSON_AddItemToObject(record, "methods", content_methods(resource));
	}
	RN_AUTO(rn_freep) char *name = strlen(path) <= PATH_KEY_MAX ? rn_strdup(path) : policy_sid(a->id, "content", "", path);
	return remember(a, RECORD_CONTENT, name, record, err);
}

int api_remember_below(struct api *a, const char *path, struct rn_error *err)
{
	const cJSON *resource;
	size_t n = strlen(path);
	cJSON_ArrayForEach(resource, a->before)
	{
		const char *one = rn_json_str(resource, "path");
		if (one && rn_starts(one, path) && (one[n] == '/' || !one[n]) && api_remember_path(a, one, err) < 0)
			return -1;
	}
	return 0;
}

int api_remember_document(struct api *a, struct rn_error *err)
{
	if (a->made)
		return 0;
	cJSON *record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "stage", a->p->stage);
	copy(record, a->found_stage, "deploymentId");
	copy(record, a->found, "version");
	return remember(a, RECORD_DOCUMENT, a->id, record, err);
}

int api_remember_authorizer(struct api *a, struct rn_error *err)
{
	return a->made ? 0 : remember(a, RECORD_AUTHORIZER, a->id, a->found_authorizer ? cJSON_Duplicate(a->found_authorizer, true) : cJSON_CreateNull(), err);
}

int api_remember_deployments(struct api *a, struct rn_error *err)
{
	return a->made ? 0 : remember(a, RECORD_DEPLOYMENTS, a->id, ids_of(a->deployments), err);
}

int api_remember_stage(struct api *a, struct rn_error *err)
{
	if (a->made)
		return 0;
	cJSON *record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "api", a->id);
	if (rn_json_str(a->found_stage, "deploymentId")) { /* else it is new */
		cJSON_AddStringToObject(record, "deployment", rn_json_str(a->found_stage, "deploymentId"));
		cJSON_AddBoolToObject(record, "tracing", rn_json_bool(a->found_stage, "tracingEnabled", false));
		cJSON_AddBoolToObject(record, "cache", rn_json_bool(a->found_stage, "cacheClusterEnabled", false));
		cJSON_AddItemToObject(record, "settings", settings_have(a->found_stage));
		copy(record, a->found_stage, "accessLogSettings");
		copy(record, a->found_stage, "variables"); /* not for secrets: a secret of a pipeline is refused there */
		copy_tags(a, record, a->found_stage);
	}
	return remember(a, RECORD_STAGE, a->p->stage, record, err);
}

int api_remember_permission(struct api *a, const struct api_function *f, const char *sid, struct rn_error *err)
{
	cJSON *record = cJSON_CreateObject();
	const char *source = policy_source_of(policy_find(f->policy, sid));
	cJSON_AddStringToObject(record, "sid", sid);
	cJSON_AddStringToObject(record, "function", f->ref.arn);
	if (f->ref.qualifier)
		cJSON_AddStringToObject(record, "qualifier", f->ref.qualifier);
	if (source) /* else it is new */
		cJSON_AddStringToObject(record, "source", source);
	/* a function and its alias, or the function before and after, may have the same statement: one comes, the other one goes */
	RN_AUTO(rn_freep) char *name = policy_sid(a->id, sid, f->ref.qualifier ? f->ref.qualifier : "", f->ref.arn);
	return remember(a, RECORD_PERMISSION, name, record, err);
}

int api_remember_key(struct api *a, const cJSON *key, struct rn_error *err)
{
	static const char *const kept[] = { "name", "description", "enabled" }; /* never the value */
	cJSON *record = cJSON_CreateObject();
	for (size_t i = 0; i < RN_LEN(kept); i++)
		copy(record, key, kept[i]);
	copy_tags(a, record, key);
	return remember(a, RECORD_KEY, rn_json_str(key, "id"), record, err);
}

int api_remember_plan(struct api *a, struct rn_error *err)
{
	static const char *const kept[] = { "name", "description", "throttle", "quota", "apiStages" };
	cJSON *record = cJSON_CreateObject();
	for (size_t i = 0; i < RN_LEN(kept); i++)
		copy(record, a->found_plan, kept[i]);
	copy_tags(a, record, a->found_plan);
	return remember(a, RECORD_PLAN, rn_json_str(a->found_plan, "id"), record, err);
}

int api_remember_plan_key(struct api *a, struct rn_error *err)
{
	return remember(a, RECORD_PLAN_KEY, a->plan_id, cJSON_CreateString(a->key_id), err);
}

/* ---- retired ------------------------------------------------------------------------------ */

static char *retirement(void)
{
	char date[32];
	return rn_asprintf(RETIRED "%s, goes with the first run a day later", rn_iso8601(rn_wall_ms(), false, date));
}

bool api_is_retired(const cJSON *item)
{
	const char *text = rn_json_str(item, "description");
	return text && rn_starts(text, RETIRED);
}

/* For long enough that no run may want it back. */
static bool is_due(const cJSON *item)
{
	int64_t when = 0;
	if (!api_is_retired(item))
		return false;
	const char *text = rn_json_str(item, "description") + strlen(RETIRED);
	RN_AUTO(rn_freep) char *date = rn_strndup(text, strcspn(text, ", "));
	return rn_parse_iso8601(date, &when, NULL) < 0 || rn_wall_ms() - when >= DAY_MS;
}

int api_retire_key(struct api *a, const cJSON *key, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/apikeys/{}", rn_json_str(key, "id"));
	RN_AUTO(rn_freep) char *words = retirement();
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	patch_add(ops, "replace", "/enabled", "false");
	patch_add(ops, "replace", "/description", words);
	if (a->s->mode == STAGE_RUN && (api_remember_key(a, key, err) < 0 || api_patch(a, "UpdateApiKey", path, ops, NULL, err) < 0))
		return -1;
	stage_change(a->s, RUNNER_DELETED, "disabled; goes with the first run a day later", "API key %s", rn_json_str(key, "name"));
	return 0;
}

int api_retire_plan(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}", rn_json_str(a->found_plan, "id"));
	RN_AUTO(rn_freep) char *words = retirement();
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	patch_leave_stages(ops, a->found_plan);
	patch_add(ops, "replace", "/description", words);
	if (a->s->mode == STAGE_RUN && (api_remember_plan(a, err) < 0 || api_patch(a, "UpdateUsagePlan", path, ops, NULL, err) < 0))
		return -1;
	stage_change(a->s, RUNNER_DELETED, "holds for no stage; goes with the first run a day later", "usage plan %s",
		     rn_json_str(a->found_plan, "name"));
	return 0;
}

int api_sweep(struct api *a, struct rn_error *err)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, a->own_plans)
	{
		if (is_due(item) && api_delete_plan(a, item, err) < 0)
			return -1;
	}
	cJSON_ArrayForEach(item, a->own_keys)
	{
		/* the one in use may have been retired once */
		if (is_due(item) && !rn_streq(rn_json_str(item, "id"), a->key_id) && api_delete_key(a, item, err) < 0)
			return -1;
	}
	return 0;
}
