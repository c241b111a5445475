/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, plans and limits. */
#include "diagnose.h"

#include "base/mem.h"
#include "base/time.h"

#include <string.h>
#include <time.h>

/* The key that was sent, by its value; NULL: there is none, or *ret_known is false: it cannot be read. New object. */
static cJSON *find_key(struct diagnosis *d, bool *ret_known)
{
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	cJSON_AddStringToObject(query, "includeValues", "true");
	RN_AUTO(rn_json_freep) cJSON *items = diagnose_list(d, "GetApiKeys", "/apikeys", query);
	const cJSON *item;
	*ret_known = items != NULL;
	cJSON_ArrayForEach(item, items)
	{
		if (d->key && rn_streq(rn_json_str(item, "value"), d->key))
			return cJSON_Duplicate(item, true);
	}
	return NULL;
}

static cJSON *plans_of(struct diagnosis *d, const cJSON *key)
{
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject();
	cJSON_AddStringToObject(query, "keyId", rn_json_str(key, "id"));
	return diagnose_list(d, "GetUsagePlans", "/usageplans", query);
}

/* The member of the plan's apiStages that is ours. */
static const cJSON *binding(const struct diagnosis *d, const cJSON *plan)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(plan, "apiStages"))
	{
		if (rn_streq(rn_json_str(item, "apiId"), d->at.api) && rn_streq(rn_json_str(item, "stage"), d->at.stage))
			return item;
	}
	return NULL;
}

/* Plan of the list that holds for the stage; NULL with the names of all in `names`. */
static const cJSON *bound_plan(const struct diagnosis *d, const cJSON *plans, struct rn_strv *names)
{
	const cJSON *plan;
	cJSON_ArrayForEach(plan, plans)
	{
		if (binding(d, plan))
			return plan;
		rn_strv_add(names, rn_json_str(plan, "name"));
	}
	return NULL;
}

char *diagnose_key(struct diagnosis *d)
{
	bool known = false;
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (!d->key)
		return rn_asprintf("%s %s wants an API key and none was sent: add headers: {x-api-key: \"${{ stages.ID.api_key }}\"}",
				   d->method, d->route->string);
	RN_AUTO(rn_json_freep) cJSON *key = find_key(d, &known);
	if (!known)
		return NULL;
	if (!key)
		return rn_asprintf("no API key in %s has the value that was sent: send ${{ stages.ID.api_key }} of the apigw stage",
				   aws_client_region(d->client));
	const char *name = rn_json_str(key, "name"), *id = rn_json_str(key, "id");
	if (!rn_json_bool(key, "enabled", true))
		return rn_asprintf("the API key %s (%s) is disabled: enable it, or run the apigw stage, which does", name, id);
	RN_AUTO(rn_json_freep) cJSON *plans = plans_of(d, key);
	if (!plans)
		return NULL;
	if (!plans->child)
		return rn_asprintf("the API key %s (%s) is in no usage plan: add it to one, or run the apigw stage, which does", name, id);
	if (bound_plan(d, plans, &names))
		return rn_asprintf("the API key %s, its usage plan and the stage are right: a new key needs up to a minute; raise retry_for",
				   name);
	RN_AUTO(rn_freep) char *all = rn_strv_join(&names, ", ");
	return rn_asprintf("the API key %s is in usage plan %s, which does not hold for stage %s of API %s: add the stage to the plan, or run "
			   "the apigw stage, which does",
			   name, all, d->at.stage, d->at.api);
}

/* ---- 429 ------------------------------------------------------------------------------------- */

static void today(char to[16])
{
	time_t now = (time_t)(rn_wall_ms() / 1000);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(to, 16, "%Y-%m-%d", &tm);
}

/* Requests left by the quota; -1: not known. */
static int64_t remaining(struct diagnosis *d, const cJSON *plan, const cJSON *key)
{
	char day[16];
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}/usage", rn_json_str(plan, "id"));
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject(), *usage = NULL;
	today(day);
	cJSON_AddStringToObject(query, "startDate", day);
	cJSON_AddStringToObject(query, "endDate", day);
	cJSON_AddStringToObject(query, "keyId", rn_json_str(key, "id"));
	if (diagnose_get(d, d->client, "GetUsage", path, query, &usage) < 0)
		return -1;
	const cJSON *values = rn_json_get(usage, "values");
	values = values ? values : rn_json_get(usage, "items");
	const cJSON *days = rn_json_get(values, rn_json_str(key, "id"));
	const cJSON *last = cJSON_GetArrayItem(days, cJSON_GetArraySize(days) - 1);
	const cJSON *left = cJSON_GetArrayItem(last, 1);
	return cJSON_IsNumber(left) ? (int64_t)left->valuedouble : -1;
}

static void add_throttle(struct rn_strv *to, const char *what, const cJSON *o, const char *rate, const char *burst)
{
	if (rn_json_num(o, rate, -1) >= 0)
		rn_strv_addf(to, "%s allows %.15g a second and %lld at once", what, rn_json_num(o, rate, 0),
			     (long long)rn_json_int(o, burst, 0));
}

static char *throttled(const struct diagnosis *d, const cJSON *plan)
{
	RN_AUTO(rn_strv_clear) struct rn_strv limits = { 0 };
	const cJSON *settings = rn_json_get(d->stage, "methodSettings");
	RN_AUTO(rn_freep) char *own = rn_asprintf("%s/%s", d->route->string + 1, d->method);
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s/%s", d->route->string, d->method);
	RN_AUTO(rn_freep) char *name = rn_asprintf("usage plan %s", plan ? rn_json_str(plan, "name") : "");
	add_throttle(&limits, name, rn_json_get(plan, "throttle"), "rateLimit", "burstLimit");
	add_throttle(&limits, "the plan's limit for this method", rn_json_get(rn_json_get(binding(d, plan), "throttle"), key),
		     "rateLimit", "burstLimit");
	add_throttle(&limits, "the stage's limit for this method", rn_json_get(settings, own), "throttlingRateLimit",
		     "throttlingBurstLimit");
	add_throttle(&limits, "the stage", rn_json_get(settings, "*/*"), "throttlingRateLimit", "throttlingBurstLimit");
	RN_AUTO(rn_freep) char *all = limits.n ? rn_strv_join(&limits, ", ") : rn_strdup("no limit is set, so it is the account's");
	return rn_asprintf("throttled: %s; raise usage_plan.rate and burst or throttle, or send less at once", all);
}

char *diagnose_limits(struct diagnosis *d)
{
	bool known = false;
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	RN_AUTO(rn_json_freep) cJSON *key = d->key ? find_key(d, &known) : NULL;
	RN_AUTO(rn_json_freep) cJSON *plans = key ? plans_of(d, key) : NULL;
	const cJSON *plan = bound_plan(d, plans, &names);
	const cJSON *quota = rn_json_get(plan, "quota");
	bool spent = strstr(rn_buf_str(&d->answer->body), "Limit Exceeded") != NULL;
	if (quota && !spent)
		spent = remaining(d, plan, key) == 0;
	if (quota && spent)
		return rn_asprintf("the quota of usage plan %s is used up (%lld requests a %s): raise usage_plan.quota, or wait for its next "
				   "period",
				   rn_json_str(plan, "name"), (long long)rn_json_int(quota, "limit", 0),
				   rn_json_str(quota, "period") ? rn_json_str(quota, "period") : "period");
	return throttled(d, plan);
}
