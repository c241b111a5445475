/* SPDX-License-Identifier: Apache-2.0 */
/* The usage plan and the API key that the parameters describe. */
#include "routes.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static int unknown_member(const cJSON *o, const char *what, const char *const *known, size_t n, struct rn_error *err)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, o)
	{
		bool found = false;
		for (size_t i = 0; i < n; i++)
			found |= strcmp(known[i], item->string) == 0;
		if (!found) {
			const char *near = rn_nearest(item->string, known, n);
			rn_fail(err, RN_EINVAL, "%s has no member \"%s\"", what, item->string);
			return near ? rn_hint(err, "did you mean %s?", near) : -1;
		}
	}
	return 0;
}

/* A map parameter; *ret is NULL when it is not given. */
static int parse_map(const char *text, const char *what, const char *const *known, size_t n, cJSON **ret,
		     struct rn_error *err)
{
	*ret = NULL;
	if (!text)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *o = rn_json_parse_str(text, err);
	if (!o)
		return -1;
	if (!cJSON_IsObject(o))
		return rn_fail(err, RN_EINVAL, "%s must be a map", what);
	if (unknown_member(o, what, known, n, err) < 0)
		return -1;
	*ret = rn_take(&o);
	return 0;
}

static int parse_name(const cJSON *o, const char *what, const char *otherwise, char **ret, struct rn_error *err)
{
	const cJSON *name = rn_json_get(o, "name");
	if (name && (!cJSON_IsString(name) || !*name->valuestring))
		return rn_fail(err, RN_EINVAL, "%s.name must be a string", what);
	*ret = rn_strdup(name ? name->valuestring : otherwise);
	return 0;
}

/* ---- plan ------------------------------------------------------------------------------- */

/* "100/day" */
static int parse_quota(const cJSON *v, struct plan_wish *p, struct rn_error *err)
{
	static const char *const periods[][2] = { { "day", "DAY" }, { "week", "WEEK" }, { "month", "MONTH" } };
	if (!v)
		return 0;
	const char *text = cJSON_IsString(v) ? v->valuestring : "";
	const char *slash = strchr(text, '/');
	RN_AUTO(rn_freep) char *number = rn_strndup(text, slash ? (size_t)(slash - text) : 0);
	for (size_t i = 0; slash && i < RN_LEN(periods); i++)
		if (strcasecmp(slash + 1, periods[i][0]) == 0)
			p->period = periods[i][1];
	if (!p->period || rn_parse_int(number, 1, INT32_MAX, &p->quota, NULL) < 0) {
		rn_fail(err, RN_EINVAL, "usage_plan.quota must be a number of requests a day, week or month");
		return rn_hint(err, "for example 100/day");
	}
	return 0;
}

int throttle_parse(const cJSON *o, const char *what, struct throttle *ret, struct rn_error *err)
{
	const cJSON *rate = rn_json_get(o, "rate"), *burst = rn_json_get(o, "burst");
	if (rate && (!cJSON_IsNumber(rate) || rate->valuedouble <= 0))
		return rn_fail(err, RN_EINVAL, "%s.rate must be a number of requests a second", what);
	if (burst && (!cJSON_IsNumber(burst) || burst->valuedouble < 1 || burst->valuedouble != (double)burst->valueint))
		return rn_fail(err, RN_EINVAL, "%s.burst must be a whole number of requests", what);
	if (!rate != !burst) {
		rn_fail(err, RN_EINVAL, "%s has %s but no %s", what, rate ? "rate" : "burst", rate ? "burst" : "rate");
		return rn_hint(err, "API Gateway throttles by both: requests a second (rate) and how many at once (burst)");
	}
	ret->rate = rate ? rate->valuedouble : 0;
	ret->burst = burst ? burst->valueint : 0;
	return 0;
}

/* "POST /predict" -> "/predict/POST", as usage plans name a method; new string. */
static char *method_key(const char *text, struct rn_error *err)
{
	RN_AUTO(routes_clear) struct routes one = { 0 };
	const char *blank = strchr(text, ' ');
	if (!blank || blank[1] != '/') {
		rn_fail(err, RN_EINVAL, "\"%s\" in usage_plan.methods is not a method and a path", text);
		rn_hint(err, "for example {\"POST /predict\": {rate: 5, burst: 10}}");
		return NULL;
	}
	RN_AUTO(rn_freep) char *method = rn_strndup(text, (size_t)(blank - text));
	if (routes_add(&one, blank + 1, method, NULL, "NONE", false, err) < 0)
		return NULL;
	return rn_asprintf("%s/%s", one.v[0].path, one.v[0].method);
}

static int parse_methods(const cJSON *o, struct plan_wish *w, struct rn_error *err)
{
	static const char *const known[] = { "rate", "burst" };
	const cJSON *item;
	if (!o)
		return 0;
	if (!cJSON_IsObject(o))
		return rn_fail(err, RN_EINVAL, "usage_plan.methods must be a map such as {\"POST /predict\": {rate: 5, burst: 10}}");
	w->methods = cJSON_CreateObject();
	cJSON_ArrayForEach(item, o)
	{
		struct throttle t = { 0 };
		RN_AUTO(rn_freep) char *what = rn_asprintf("usage_plan.methods.%s", item->string);
		RN_AUTO(rn_freep) char *key = method_key(item->string, err);
		if (!key || unknown_member(item, what, known, RN_LEN(known), err) < 0 || throttle_parse(item, what, &t, err) < 0)
			return -1;
		if (t.rate <= 0)
			return rn_fail(err, RN_EINVAL, "%s needs rate and burst", what);
		cJSON *limits = cJSON_AddObjectToObject(w->methods, key);
		cJSON_AddNumberToObject(limits, "burstLimit", (double)t.burst);
		cJSON_AddNumberToObject(limits, "rateLimit", t.rate);
	}
	return 0;
}

int plan_parse(const struct apigw_params *p, bool key_needed, struct plan_wish *ret, struct rn_error *err)
{
	static const char *const known[] = { "name", "burst", "rate", "quota", "methods" };
	RN_AUTO(rn_json_freep) cJSON *o = NULL;
	RN_AUTO(plan_clear) struct plan_wish w = { 0 };
	if (parse_map(p->usage_plan.text, "usage_plan", known, RN_LEN(known), &o, err) < 0 ||
	    throttle_parse(o, "usage_plan", &w.throttle, err) < 0 || parse_quota(rn_json_get(o, "quota"), &w, err) < 0 ||
	    parse_methods(rn_json_get(o, "methods"), &w, err) < 0 ||
	    parse_name(o, "usage_plan", p->api_name, &w.name, err) < 0)
		return -1;
	w.wanted = o || key_needed || p->api_key.text;
	*ret = w;
	w = (struct plan_wish){ 0 };
	return 0;
}

void plan_clear(struct plan_wish *p)
{
	rn_freep(&p->name);
	rn_json_freep(&p->methods);
}

/* ---- key --------------------------------------------------------------------------------- */

int key_parse(const struct apigw_params *p, bool key_needed, struct key_wish *ret, struct rn_error *err)
{
	static const char *const known[] = { "name", "value" };
	RN_AUTO(rn_json_freep) cJSON *o = NULL;
	RN_AUTO(key_clear) struct key_wish w = { 0 };
	if (parse_map(p->api_key.text, "api_key", known, RN_LEN(known), &o, err) < 0 ||
	    parse_name(o, "api_key", p->api_name, &w.name, err) < 0)
		return -1;
	const cJSON *value = rn_json_get(o, "value");
	if (value) {
		size_t n = cJSON_IsString(value) ? strlen(value->valuestring) : 0;
		if (n < 20 || n > 128) {
			rn_fail(err, RN_EINVAL, "api_key.value must have 20 to 128 characters");
			return rn_hint(err, "leave it out and API Gateway makes one; the output api_key tells it");
		}
		w.value = rn_strdup(value->valuestring);
	}
	ret->wanted = o || key_needed;
	ret->name = rn_take(&w.name);
	ret->value = rn_take(&w.value);
	return 0;
}

void key_clear(struct key_wish *k)
{
	if (k->value)
		rn_wipe(k->value, strlen(k->value));
	rn_freep(&k->name);
	rn_freep(&k->value);
}
