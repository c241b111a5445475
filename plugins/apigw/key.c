/* SPDX-License-Identifier: Apache-2.0 */
/* The API key. Its value cannot be changed, so another value is another key. */
#include "api.h"

static bool was_there(const struct api *a, const char *id)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, a->own_keys)
	{
		if (rn_streq(rn_json_str(item, "id"), id))
			return true;
	}
	return false;
}

static int find_key(struct api *a, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *items = NULL, *whole = NULL, *query = cJSON_CreateObject();
	if (api_list_keys(a, &items, err) < 0)
		return -1;
	const cJSON *item, *found = NULL;
	cJSON_ArrayForEach(item, items)
	{
		if (stage_owns(a->s, rn_json_get(item, "tags")) && !was_there(a, rn_json_str(item, "id")))
			found = item;
	}
	if (!found)
		return 0;
	RN_AUTO(rn_freep) char *path = aws_path("/apikeys/{}", rn_json_str(found, "id"));
	cJSON_AddStringToObject(query, "includeValue", "true");
	return aws_rest(a->client, "GetApiKey", "GET", path, query, NULL, ret, NULL, err);
}

/* A retired key that has the value which is wanted, with that value; NULL: there is none. New. */
static int find_retired(struct api *a, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	const cJSON *item;
	*ret = NULL;
	cJSON_AddStringToObject(query, "includeValue", "true");
	cJSON_ArrayForEach(item, a->own_keys)
	{
		RN_AUTO(rn_json_freep) cJSON *whole = NULL;
		RN_AUTO(rn_freep) char *path = aws_path("/apikeys/{}", rn_json_str(item, "id"));
		if (!api_is_retired(item))
			continue;
		if (aws_rest(a->client, "GetApiKey", "GET", path, query, NULL, &whole, NULL, err) < 0)
			return -1;
		if (rn_streq(rn_json_str(whole, "value"), a->key.value)) {
			*ret = rn_take(&whole);
			return 0;
		}
	}
	return 0;
}

static int create_key(struct api *a, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "name", a->key.name);
	cJSON_AddTrueToObject(body, "enabled");
	if (a->key.value)
		cJSON_AddStringToObject(body, "value", a->key.value);
	cJSON_AddItemToObject(body, "tags", cJSON_Duplicate(a->tags, true));
	struct aws_error aerr = { 0 };
	stage_step(a->s, "create the API key %s", a->key.name);
	if (api_create(a, "CreateApiKey", "/apikeys", body, find_key, ret, &aerr, err) < 0) {
		if (!aws_error_is(&aerr, "ConflictException"))
			return -1;
		stage_blame(a->s, "api_key");
		return rn_hint(err, "a key with this value exists in the account: choose another api_key.value, or delete that key");
	}
	if (!rn_json_str(*ret, "id") || !rn_json_str(*ret, "value"))
		return rn_fail(err, RN_EREMOTE, "CreateApiKey answered without id or value");
	return 0;
}

int api_delete_key(struct api *a, const cJSON *key, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/apikeys/{}", rn_json_str(key, "id"));
	struct aws_error aerr = { 0 };
	if (a->s->mode != STAGE_PLAN && api_write(a, "DeleteApiKey", "DELETE", path, NULL, NULL, &aerr, err) < 0 &&
	    aerr.http_status != 404)
		return -1;
	stage_change(a->s, RUNNER_DELETED, NULL, "API key %s", rn_json_str(key, "name"));
	return 0;
}

/* The one before goes, if it is ours: a sibling's may be in use. */
static int replace_key(struct api *a, cJSON *key, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *old = rn_take(&a->found_key);
	a->found_key = key;
	return old && stage_owns(a->s, rn_json_get(old, "tags")) ? api_retire_key(a, old, err) : 0;
}

static int make_key(struct api *a, const char *detail, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *made = NULL;
	if (api_remember_new(a, API_NEW_KEY, err) < 0)
		return -1;
	if (a->s->mode == STAGE_RUN && create_key(a, &made, err) < 0)
		return -1;
	stage_change(a->s, RUNNER_CREATED, detail, "API key %s", a->key.name);
	return replace_key(a, rn_take(&made), err);
}

static int update_key(struct api *a, const cJSON *key, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	const char *id = rn_json_str(key, "id");
	if (stage_diff_str(&d, "name", rn_json_str(key, "name"), a->key.name))
		patch_add(ops, "replace", "/name", a->key.name);
	if (stage_diff_bool(&d, "enabled", rn_json_bool(key, "enabled", true), true))
		patch_add(ops, "replace", "/enabled", "true");
	if (api_is_retired(key)) {
		stage_diff_note(&d, "wanted again");
		patch_add(ops, "replace", "/description", "");
	}
	RN_AUTO(rn_freep) char *path = aws_path("/apikeys/{}", id);
	const cJSON *tags = rn_json_get(key, "tags");
	if ((cJSON_GetArraySize(ops) > 0 || api_lacks_tags(a, tags)) && api_remember_key(a, key, err) < 0)
		return -1;
	if (a->s->mode == STAGE_RUN && api_patch(a, "UpdateApiKey", path, ops, NULL, err) < 0)
		return -1;
	if (api_put_tags(a, "apikeys", id, tags, &d, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "API key %s", a->key.name);
	return 0;
}

/* The key with the value that is wanted: the one that is there, one that was retired, or a new one. */
static int put_value(struct api *a, struct rn_error *err)
{
	cJSON *again = NULL;
	if (a->found_key && (!a->key.value || rn_streq(rn_json_str(a->found_key, "value"), a->key.value)))
		return update_key(a, a->found_key, err);
	if (a->key.value && find_retired(a, &again, err) < 0)
		return -1;
	if (!again)
		return make_key(a, a->found_key ? "with another value" : NULL, err);
	if (update_key(a, again, err) == 0)
		return replace_key(a, again, err);
	cJSON_Delete(again);
	return -1;
}

int api_put_key(struct api *a, struct rn_error *err)
{
	if (!a->key.wanted)
		return 0; /* an old one goes after the plan that holds it */
	if (a->key.value)
		a->s->host->mask(a->s->rs, a->key.value);
	if (put_value(a, err) < 0)
		return -1;
	a->key_id = rn_strdup(rn_json_str(a->found_key, "id"));
	const char *value = rn_json_str(a->found_key, "value");
	if (value)
		a->s->host->mask(a->s->rs, value);
	return 0;
}
