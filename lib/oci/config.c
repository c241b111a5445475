/* SPDX-License-Identifier: Apache-2.0 */
/* The image configuration as a JSON document. */
#include "config.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

cJSON *config_new(const struct platform *p)
{
	cJSON *c = cJSON_CreateObject();
	cJSON_AddStringToObject(c, "architecture", p->architecture ? p->architecture : "amd64");
	cJSON_AddStringToObject(c, "os", p->os ? p->os : "linux");
	if (p->variant)
		cJSON_AddStringToObject(c, "variant", p->variant);
	cJSON_AddObjectToObject(c, "config");
	cJSON *rootfs = cJSON_AddObjectToObject(c, "rootfs");
	cJSON_AddStringToObject(rootfs, "type", "layers");
	cJSON_AddArrayToObject(rootfs, "diff_ids");
	cJSON_AddArrayToObject(c, "history");
	return c;
}

static cJSON *diff_ids(const cJSON *config)
{
	return rn_json_get(rn_json_get(config, "rootfs"), "diff_ids");
}

/* A list of strings, null or missing. */
static bool is_strings(const cJSON *j)
{
	if (!j || cJSON_IsNull(j))
		return true;
	if (!cJSON_IsArray(j))
		return false;
	const cJSON *item;
	cJSON_ArrayForEach(item, j) if (!cJSON_IsString(item)) return false;
	return true;
}

static bool is_object(const cJSON *j)
{
	return !j || cJSON_IsNull(j) || cJSON_IsObject(j);
}

static int check_run(const cJSON *run, struct rn_error *err)
{
	static const char *const lists[] = { "Env", "Cmd", "Entrypoint", "OnBuild", "Shell" };
	static const char *const objects[] = { "Labels", "ExposedPorts", "Volumes", "Healthcheck" };
	static const char *const strings[] = { "User", "WorkingDir", "StopSignal" };
	for (size_t i = 0; i < RN_LEN(lists); i++)
		if (!is_strings(rn_json_get(run, lists[i])))
			return rn_fail(err, RN_EINVAL, "config.%s is not a list of strings",
				       lists[i]);
	for (size_t i = 0; i < RN_LEN(objects); i++)
		if (!is_object(rn_json_get(run, objects[i])))
			return rn_fail(err, RN_EINVAL, "config.%s is not an object", objects[i]);
	for (size_t i = 0; i < RN_LEN(strings); i++) {
		const cJSON *s = rn_json_get(run, strings[i]);
		if (s && !cJSON_IsNull(s) && !cJSON_IsString(s))
			return rn_fail(err, RN_EINVAL, "config.%s is not a string", strings[i]);
	}
	return 0;
}

/* history may be missing or empty; else its layers must be as many as the diff_ids */
static int check_history(const cJSON *config, struct rn_error *err)
{
	const cJSON *history = rn_json_get(config, "history");
	if (!history || cJSON_IsNull(history))
		return 0;
	if (!cJSON_IsArray(history))
		return rn_fail(err, RN_EINVAL, "history is not a list");
	size_t layers = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, history)
	{
		if (!cJSON_IsObject(item))
			return rn_fail(err, RN_EINVAL, "history has an entry that is no object");
		layers += !rn_json_bool(item, "empty_layer", false);
	}
	if (layers && layers != config_layers(config))
		return rn_fail(err, RN_EINVAL, "history names %zu layers, rootfs.diff_ids %zu",
			       layers, config_layers(config));
	return 0;
}

static int check(const cJSON *config, struct rn_error *err)
{
	if (!cJSON_IsObject(config))
		return rn_fail(err, RN_EINVAL, "it is not a JSON object");
	const cJSON *ids = diff_ids(config);
	if (!cJSON_IsArray(ids) || !is_strings(ids))
		return rn_fail(err, RN_EINVAL, "rootfs.diff_ids is not a list of strings");
	struct digest d;
	for (size_t i = 0; i < config_layers(config); i++)
		if (config_diff_id(config, i, &d, err) < 0)
			return -1;
	if (!is_object(rn_json_get(config, "config")))
		return rn_fail(err, RN_EINVAL, "config is not an object");
	if (check_run(rn_json_get(config, "config"), err) < 0)
		return -1;
	return check_history(config, err);
}

cJSON *config_parse(const void *data, size_t n, struct rn_error *err)
{
	if (n > CONFIG_SIZE_MAX) {
		rn_fail(err, RN_ELIMIT, "the image configuration has more than %zu bytes",
			CONFIG_SIZE_MAX);
		return NULL;
	}
	RN_AUTO(rn_json_freep) cJSON *config = rn_json_parse(data, n, err);
	if (!config || check(config, err) < 0) {
		rn_wrap(err, "image configuration");
		return NULL;
	}
	return rn_take(&config);
}

void config_print(const cJSON *config, struct rn_buf *ret)
{
	RN_AUTO(rn_freep) char *text = rn_json_canonical(config);
	rn_buf_adds(ret, text);
}

void config_platform(const cJSON *config, struct platform *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->os = rn_strdup(rn_json_str(config, "os"));
	ret->architecture = rn_strdup(rn_json_str(config, "architecture"));
	ret->variant = rn_strdup(rn_json_str(config, "variant"));
	ret->os_version = rn_strdup(rn_json_str(config, "os.version"));
}

/* The member, made anew when it is missing or null. */
static cJSON *ensure(cJSON *obj, const char *name, cJSON *(*make)(void))
{
	cJSON *m = rn_json_get(obj, name);
	if (m && !cJSON_IsNull(m))
		return m;
	cJSON_DeleteItemFromObjectCaseSensitive(obj, name);
	m = make();
	cJSON_AddItemToObject(obj, name, m);
	return m;
}

cJSON *config_run(cJSON *config)
{
	return ensure(config, "config", cJSON_CreateObject);
}

size_t config_layers(const cJSON *config)
{
	return (size_t)cJSON_GetArraySize(diff_ids(config));
}

int config_diff_id(const cJSON *config, size_t i, struct digest *ret, struct rn_error *err)
{
	const cJSON *id = cJSON_GetArrayItem(diff_ids(config), (int)i);
	if (!cJSON_IsString(id))
		return rn_fail(err, RN_EINVAL, "rootfs.diff_ids has no layer %zu", i);
	if (digest_parse(id->valuestring, ret, err) < 0)
		return rn_wrap(err, "rootfs.diff_ids[%zu]", i);
	return 0;
}

static void add_history(cJSON *config, const char *created_at, const char *created_by,
			const char *comment, bool empty)
{
	cJSON *h = cJSON_CreateObject();
	if (created_at && *created_at)
		cJSON_AddStringToObject(h, "created", created_at);
	if (created_by)
		cJSON_AddStringToObject(h, "created_by", created_by);
	if (comment)
		cJSON_AddStringToObject(h, "comment", comment);
	if (empty)
		cJSON_AddBoolToObject(h, "empty_layer", true);
	cJSON_AddItemToArray(ensure(config, "history", cJSON_CreateArray), h);
}

/* Entries for the layers of a base that came without history. */
static void complete_history(cJSON *config, size_t layers)
{
	size_t have = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(config, "history"))
		have += !rn_json_bool(item, "empty_layer", false);
	for (; have < layers; have++)
		add_history(config, NULL, NULL, "layer of a base image without history", false);
}

void config_add_layer(cJSON *config, const struct digest *diff_id, const char *created_at,
		      const char *created_by, const char *comment)
{
	complete_history(config, config_layers(config));
	cJSON *rootfs = ensure(config, "rootfs", cJSON_CreateObject);
	cJSON *ids = ensure(rootfs, "diff_ids", cJSON_CreateArray);
	cJSON_AddItemToArray(ids, cJSON_CreateString(diff_id->text));
	add_history(config, created_at, created_by, comment, false);
}

void config_add_empty(cJSON *config, const char *created_at, const char *created_by,
		      const char *comment)
{
	complete_history(config, config_layers(config));
	add_history(config, created_at, created_by, comment, true);
}

/* The item of Env that sets NAME; its index in *ret_index. */
static cJSON *find_env(const cJSON *config, const char *name, int *ret_index)
{
	const cJSON *env = rn_json_get(rn_json_get(config, "config"), "Env");
	size_t n = strlen(name);
	int i = 0;
	cJSON *item;
	cJSON_ArrayForEach(item, env)
	{
		if (cJSON_IsString(item) && !strncmp(item->valuestring, name, n) &&
		    item->valuestring[n] == '=') {
			*ret_index = i;
			return item;
		}
		i++;
	}
	return NULL;
}

const char *config_env(const cJSON *config, const char *name)
{
	int index;
	const cJSON *item = find_env(config, name, &index);
	return item ? item->valuestring + strlen(name) + 1 : NULL;
}

void config_set_env(cJSON *config, const char *name, const char *value)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("%s=%s", name, value);
	cJSON *env = ensure(config_run(config), "Env", cJSON_CreateArray);
	int index;
	if (find_env(config, name, &index))
		cJSON_ReplaceItemInArray(env, index, cJSON_CreateString(text));
	else
		cJSON_AddItemToArray(env, cJSON_CreateString(text));
}
