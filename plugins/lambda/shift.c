/* SPDX-License-Identifier: Apache-2.0 */
/* Reading {weight, for}. */
#include "shift.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define FOR_MAX_MS (24 * 3600 * INT64_C(1000))

static int check_members(const cJSON *o, struct rn_error *err)
{
	static const char *const known[] = { "weight", "for" };
	const cJSON *item;
	cJSON_ArrayForEach(item, o)
	{
		if (strcmp(item->string, known[0]) == 0 || strcmp(item->string, known[1]) == 0)
			continue;
		const char *near = rn_nearest(item->string, known, RN_LEN(known));
		rn_fail(err, RN_EINVAL, "shift has no member \"%s\"", item->string);
		return near ? rn_hint(err, "did you mean %s?", near) : rn_hint(err, "it takes weight and for");
	}
	return 0;
}

/* 0.1 or "10%"; -1 for anything else. */
static double weight_of(const cJSON *v)
{
	double n = -1;
	if (cJSON_IsNumber(v))
		return v->valuedouble;
	const char *text = cJSON_GetStringValue(v);
	if (!text || !rn_ends(text, "%"))
		return -1;
	RN_AUTO(rn_freep) char *number = rn_strndup(text, strlen(text) - 1);
	return rn_parse_double(number, &n, NULL) < 0 ? -1 : n / 100;
}

static int64_t length_of(const cJSON *v)
{
	int64_t ms = -1;
	if (!v)
		return 0;
	if (cJSON_IsNumber(v))
		return (int64_t)(v->valuedouble * 1000);
	return cJSON_IsString(v) && rn_parse_duration(v->valuestring, &ms, NULL) == 0 ? ms : -1;
}

int shift_parse(const struct lambda_params *p, struct shift *ret, struct rn_error *err)
{
	*ret = (struct shift){ 0 };
	if (!p->shift.text)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *o = rn_json_parse_str(p->shift.text, err);
	if (!o)
		return -1;
	if (!cJSON_IsObject(o)) {
		rn_fail(err, RN_EINVAL, "shift must be a map, not %s", p->shift.text);
		return rn_hint(err, "for example {weight: 10%%, for: 5m}");
	}
	if (check_members(o, err) < 0)
		return -1;
	if (!p->alias || !*p->alias) {
		rn_fail(err, RN_EINVAL, "shift moves an alias, and there is none");
		return rn_hint(err, "add alias, for example alias: live");
	}
	struct shift s = { true, weight_of(rn_json_get(o, "weight")), length_of(rn_json_get(o, "for")) };
	if (s.weight <= 0 || s.weight >= 1) {
		rn_fail(err, RN_EINVAL, "shift.weight must be a part of the calls, above 0 and below 1");
		return rn_hint(err, "for example 0.1, or 10%%");
	}
	if (s.for_ms < 0 || s.for_ms > FOR_MAX_MS)
		return rn_fail(err, RN_EINVAL, "shift.for must be a time up to a day, such as 5m");
	*ret = s;
	return 0;
}
