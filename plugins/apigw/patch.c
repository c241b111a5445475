/* SPDX-License-Identifier: Apache-2.0 */
/* Patch operations from two states of the same thing. Values are strings, as API Gateway wants them. */
#include "content.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

void patch_add(cJSON *ops, const char *op, const char *path, const char *value)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "op", op);
	cJSON_AddStringToObject(o, "path", path);
	if (value)
		cJSON_AddStringToObject(o, "value", value);
	cJSON_AddItemToArray(ops, o);
}

char *patch_path(const char *prefix, const char *name)
{
	RN_AUTO(rn_freep) char *tilde = rn_replace(name, "~", "~0");
	RN_AUTO(rn_freep) char *slash = rn_replace(tilde, "/", "~1");
	return rn_asprintf("%s/%s", prefix, slash);
}

static bool holds(const cJSON *list, const char *value)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (rn_streq(cJSON_GetStringValue(item), value))
			return true;
	}
	return false;
}

void patch_set(cJSON *ops, const char *prefix, const cJSON *have, const cJSON *want)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		RN_AUTO(rn_freep) char *path = patch_path(prefix, item->valuestring);
		if (!holds(have, item->valuestring))
			patch_add(ops, "add", path, NULL);
	}
	cJSON_ArrayForEach(item, have)
	{
		RN_AUTO(rn_freep) char *path = cJSON_IsString(item) ? patch_path(prefix, item->valuestring) : NULL;
		if (path && !holds(want, item->valuestring))
			patch_add(ops, "remove", path, NULL);
	}
}

void patch_map(cJSON *ops, const char *prefix, const cJSON *have, const cJSON *want)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		RN_AUTO(rn_freep) char *path = patch_path(prefix, item->string);
		if (!rn_streq(rn_json_str(have, item->string), item->valuestring))
			patch_add(ops, "replace", path, item->valuestring);
	}
	cJSON_ArrayForEach(item, have)
	{
		RN_AUTO(rn_freep) char *path = patch_path(prefix, item->string);
		if (!rn_json_get(want, item->string))
			patch_add(ops, "remove", path, NULL);
	}
}

static void patch_limits(cJSON *ops, const char *prefix, const cJSON *have, double rate, int64_t burst)
{
	RN_AUTO(rn_freep) char *rate_path = rn_asprintf("%s/rateLimit", prefix);
	RN_AUTO(rn_freep) char *burst_path = rn_asprintf("%s/burstLimit", prefix);
	RN_AUTO(rn_freep) char *rate_text = rn_asprintf("%.15g", rate);
	RN_AUTO(rn_freep) char *burst_text = rn_asprintf("%lld", (long long)burst);
	double present = rn_json_num(have, "rateLimit", 0);
	if (present < rate || present > rate)
		patch_add(ops, "replace", rate_path, rate_text);
	if (rn_json_int(have, "burstLimit", 0) != burst)
		patch_add(ops, "replace", burst_path, burst_text);
}

/* "/predict/POST" of a plan's stage -> "/apiStages/API:STAGE/throttle/~1predict/POST"; new string. */
static char *method_path(const char *stage, const char *key)
{
	const char *method = strrchr(key, '/');
	RN_AUTO(rn_freep) char *resource = method ? rn_strndup(key, (size_t)(method - key)) : rn_strdup("");
	RN_AUTO(rn_freep) char *prefix = rn_asprintf("/apiStages/%s/throttle", stage);
	RN_AUTO(rn_freep) char *path = patch_path(prefix, *resource ? resource : "/");
	return rn_asprintf("%s%s", path, method ? method : "/");
}

void patch_plan_methods(cJSON *ops, const char *stage, const cJSON *have, const cJSON *want)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		RN_AUTO(rn_freep) char *path = method_path(stage, item->string);
		patch_limits(ops, path, rn_json_get(have, item->string), rn_json_num(item, "rateLimit", 0),
			     rn_json_int(item, "burstLimit", 0));
	}
	cJSON_ArrayForEach(item, have)
	{
		RN_AUTO(rn_freep) char *path = method_path(stage, item->string);
		if (!rn_json_get(want, item->string))
			patch_add(ops, "remove", path, NULL);
	}
}

void patch_leave_stages(cJSON *ops, const cJSON *plan)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(plan, "apiStages"))
	{
		RN_AUTO(rn_freep) char *stage = rn_asprintf("%s:%s", rn_json_str(item, "apiId"), rn_json_str(item, "stage"));
		patch_add(ops, "remove", "/apiStages", stage);
	}
}

static void patch_throttle(cJSON *ops, const cJSON *have, const struct plan_wish *want)
{
	if (want->throttle.rate <= 0) {
		if (cJSON_IsObject(have) && have->child)
			patch_add(ops, "remove", "/throttle", NULL);
		return;
	}
	patch_limits(ops, "/throttle", have, want->throttle.rate, want->throttle.burst);
}

static void patch_quota(cJSON *ops, const cJSON *have, const struct plan_wish *want)
{
	if (want->quota <= 0) {
		if (cJSON_IsObject(have) && have->child)
			patch_add(ops, "remove", "/quota", NULL);
		return;
	}
	RN_AUTO(rn_freep) char *limit = rn_asprintf("%lld", (long long)want->quota);
	if (rn_json_int(have, "limit", 0) != want->quota)
		patch_add(ops, "replace", "/quota/limit", limit);
	if (!rn_streq(rn_json_str(have, "period"), want->period))
		patch_add(ops, "replace", "/quota/period", want->period);
}

void patch_plan(cJSON *ops, const cJSON *have, const struct plan_wish *want)
{
	patch_throttle(ops, rn_json_get(have, "throttle"), want);
	patch_quota(ops, rn_json_get(have, "quota"), want);
}
