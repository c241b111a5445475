/* SPDX-License-Identifier: Apache-2.0 */
/* Usage plans, the keys in them, and their use. */
#include "apigw.h"
#include "apigw_limits.h"
#include "apigw_patch.h"
#include "store.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

#define PLANS_MAX 300

static cJSON *named_plan(struct request *req, struct response *res)
{
	return apigw_named(req, res, PLAN, req->region, "plan", "Usage Plan ID");
}

/* The plan's member of that API and stage; borrowed. */
static cJSON *find_stage(const cJSON *plan, const char *api, const char *stage)
{
	const cJSON *stages = rn_json_get(plan, "apiStages");
	cJSON *one = stages ? stages->child : NULL;
	while (one && !(rn_streq(rn_json_str(one, "apiId"), api) &&
			rn_streq(rn_json_str(one, "stage"), stage)))
		one = one->next;
	return one;
}

/* A key may be in one plan per stage only: is any of the plan's keys in another plan of that stage?
 */
static int check_keys(struct request *req, struct response *res, const cJSON *plan, const char *api,
		      const char *stage)
{
	RN_AUTO(rn_json_freep) cJSON *keys =
		store_list(req->cloud->store, PLAN_KEY, rn_json_str(plan, "id"), NULL, 0);
	RN_AUTO(rn_json_freep) cJSON *plans =
		store_list(req->cloud->store, PLAN, req->region, NULL, 0);
	for (const cJSON *other = plans->child; other; other = other->next) {
		const char *id = rn_json_str(other, "id");
		if (rn_streq(id, rn_json_str(plan, "id")) || !find_stage(other, api, stage))
			continue;
		for (const cJSON *key = keys->child; key; key = key->next)
			if (store_has(req->cloud->store, PLAN_KEY, id, rn_json_str(key, "id")))
				return apigw_conflict(req, res,
						      "The key %s is already in the usage plan %s "
						      "for the API stage %s:%s",
						      rn_json_str(key, "id"), id, api, stage);
	}
	return 0;
}

/* Adds "api:stage" to the plan. -1: answered. */
static int add_stage(struct request *req, struct response *res, cJSON *plan, const char *api,
		     const char *stage)
{
	if (!store_has(req->cloud->store, API, req->region, api))
		return answer_error(req, res, 404, "NotFoundException",
				    "Invalid API identifier specified " CLOUD_ACCOUNT ":%s", api);
	if (!store_has(req->cloud->store, STAGE, api, stage))
		return apigw_bad(req, res, "API Stage not found: %s:%s", api, stage);
	if (find_stage(plan, api, stage))
		return apigw_conflict(req, res, "Usage Plan %s already has API stage %s:%s",
				      rn_json_str(plan, "id"), api, stage);
	if (check_keys(req, res, plan, api, stage) < 0)
		return -1;
	cJSON *one = cJSON_CreateObject();
	cJSON_AddStringToObject(one, "apiId", api);
	cJSON_AddStringToObject(one, "stage", stage);
	cJSON_AddItemToArray(rn_json_get(plan, "apiStages"), one);
	return 0;
}

/* Limits that make sense? -1: answered. */
static int check(struct request *req, struct response *res, const cJSON *plan)
{
	const cJSON *quota = rn_json_get(plan, "quota"), *throttle = rn_json_get(plan, "throttle");
	const char *period = rn_json_str(quota, "period"), *name = rn_json_str(plan, "name");
	int64_t offset = rn_json_int(quota, "offset", 0);
	if (!name || !*name)
		return apigw_bad(req, res, "Usage Plan name cannot be null or empty");
	if (quota &&
	    (rn_json_num(quota, "limit", 0) < 1 ||
	     (!rn_streq(period, "DAY") && !rn_streq(period, "WEEK") && !rn_streq(period, "MONTH"))))
		return apigw_bad(req, res,
				 "Usage Plan quota needs a limit above 0 and a period of DAY, WEEK "
				 "or MONTH");
	int64_t max = rn_streq(period, "WEEK") ? 6 : rn_streq(period, "MONTH") ? 27 : 0;
	if (quota && (offset < 0 || offset > max))
		return apigw_bad(
			req, res,
			"Usage Plan quota offset must be between 0 and %lld for the period %s",
			(long long)max, period);
	if (throttle && (rn_json_num(throttle, "rateLimit", 0) < 0 ||
			 rn_json_num(throttle, "burstLimit", 0) < 0))
		return apigw_bad(req, res, "Usage Plan throttle limits must not be negative");
	return 0;
}

static void default_offset(cJSON *plan)
{
	cJSON *quota = rn_json_get(plan, "quota");
	if (quota && !rn_json_get(quota, "offset"))
		cJSON_AddNumberToObject(quota, "offset", 0);
}

void apigw_create_plan(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "name", cJSON_String, true },
						      { "description", cJSON_String },
						      { "throttle", cJSON_Object },
						      { "quota", cJSON_Object },
						      { NULL } };
	char id[16];
	RN_AUTO(rn_json_freep) cJSON *plan = cJSON_CreateObject();
	cJSON_AddStringToObject(plan, "id", cloud_id(id, 6, false));
	cJSON_AddArrayToObject(plan, "apiStages");
	if (apigw_take(req, res, WANTED, plan) < 0 || apigw_take_tags(req, res, plan) < 0 ||
	    check(req, res, plan) < 0)
		return;
	if (store_count(req->cloud->store, PLAN, req->region) >= PLANS_MAX) {
		answer_error(req, res, 429, "LimitExceededException",
			     "Maximum number of usage plans has been reached.");
		return;
	}
	default_offset(plan);
	const cJSON *stages = rn_json_get(req->json, "apiStages");
	for (const cJSON *one = stages ? stages->child : NULL; one; one = one->next) {
		const char *api = rn_json_str(one, "apiId"), *stage = rn_json_str(one, "stage");
		if (!api || !stage) {
			apigw_bad(req, res, "An API stage needs apiId and stage");
			return;
		}
		if (add_stage(req, res, plan, api, stage) < 0)
			return;
		if (rn_json_get(one, "throttle"))
			apigw_set(find_stage(plan, api, stage), "throttle",
				  cJSON_Duplicate(rn_json_get(one, "throttle"), true));
	}
	apigw_save(req, PLAN, req->region, id, plan);
	apigw_answer(req, res, 201, plan);
}

void apigw_get_plan(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	if (plan)
		apigw_answer(req, res, 200, plan);
}

void apigw_list_plans(struct request *req, struct response *res)
{
	const char *key = request_arg(req, "keyId");
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, PLAN, req->region, NULL, 0);
	cJSON *list = cJSON_CreateArray();
	for (const cJSON *plan = all->child; plan; plan = plan->next)
		if (!key || store_has(req->cloud->store, PLAN_KEY, rn_json_str(plan, "id"), key))
			cJSON_AddItemToArray(list, cJSON_Duplicate(plan, true));
	apigw_answer_list(req, res, list);
}

/* ".../throttle/PATH/METHOD/rateLimit" of a stage in the plan. */
static int patch_stage_throttle(struct request *req, struct response *res, cJSON *stage,
				const char *op, const struct rn_strv *segments, const char *value)
{
	double number = 0;
	const char *name = segments->v[segments->n - 1];
	if (segments->n == 5 && !strcmp(op, "remove")) { /* /apiStages/A:S/throttle/PATH/METHOD */
		RN_AUTO(rn_freep) char *method = rn_asprintf("%s/%s", segments->v[3], segments->v[4]);
		apigw_set(rn_json_get(stage, "throttle"), method, NULL);
		return 1;
	}
	if (segments->n != 6 || strcmp(segments->v[2], "throttle") != 0 ||
	    (strcmp(name, "rateLimit") != 0 && strcmp(name, "burstLimit") != 0))
		return apigw_bad(req, res,
				 "Invalid patch path below apiStages: use "
				 "/apiStages/API:STAGE/throttle/PATH/METHOD/rateLimit");
	if (!value || rn_parse_double(value, &number, NULL) < 0 || number < 0)
		return apigw_bad(req, res, "Invalid value '%s' specified for %s",
				 value ? value : "null", name);
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s/%s", segments->v[3], segments->v[4]);
	apigw_set(apigw_object(apigw_object(stage, "throttle"), key), name,
		  cJSON_CreateNumber(number));
	return 1;
}

static int patch_stages(struct request *req, struct response *res, cJSON *plan, const char *op,
			const struct rn_strv *segments, const char *value)
{
	if (strcmp(segments->v[0], "apiStages") != 0)
		return 0;
	RN_AUTO(rn_freep) char *pair = rn_strdup(segments->n == 1 ? value : segments->v[1]);
	char *stage = pair ? strchr(pair, ':') : NULL;
	if (!stage)
		return apigw_bad(req, res, "Invalid API stage '%s': must be API_ID:STAGE",
				 pair ? pair : "null");
	*stage++ = '\0';
	if (segments->n == 1 && !strcmp(op, "add"))
		return add_stage(req, res, plan, pair, stage) < 0 ? -1 : 1;
	cJSON *one = find_stage(plan, pair, stage);
	if (!one)
		return answer_error(req, res, 404, "NotFoundException",
				    "Usage Plan has no API stage %s:%s", pair, stage);
	if (segments->n > 1)
		return patch_stage_throttle(req, res, one, op, segments, value);
	if (strcmp(op, "remove") != 0)
		return apigw_bad(req, res,
				 "Invalid op '%s' for /apiStages. Must be one of: [add, remove]",
				 op);
	cJSON_Delete(cJSON_DetachItemViaPointer(rn_json_get(plan, "apiStages"), one));
	return 1;
}

void apigw_update_plan(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = {
		{ "/name", PATCH_STRING },
		{ "/description", PATCH_STRING },
		{ "/productCode", PATCH_STRING },
		{ "/throttle", PATCH_OBJECT },
		{ "/throttle/rateLimit", PATCH_NUMBER },
		{ "/throttle/burstLimit", PATCH_INT },
		{ "/quota", PATCH_OBJECT },
		{ "/quota/limit", PATCH_INT },
		{ "/quota/offset", PATCH_INT },
		{ "/quota/period", PATCH_STRING, "DAY|WEEK|MONTH" },
	};
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), patch_stages };
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	if (!plan || patch_apply(req, res, plan, &TABLE) < 0 || check(req, res, plan) < 0)
		return;
	default_offset(plan);
	apigw_save(req, PLAN, req->region, rn_json_str(plan, "id"), plan);
	apigw_answer(req, res, 200, plan);
}

void apigw_delete_plan(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	if (!plan)
		return;
	const char *id = rn_json_str(plan, "id");
	if (cJSON_GetArraySize(rn_json_get(plan, "apiStages")) > 0) {
		apigw_bad(req, res,
			  "Cannot delete Usage Plan %s: it still has API stages, remove them first",
			  id);
		return;
	}
	store_remove_all(req->cloud->store, PLAN_KEY, id, NULL);
	store_remove_all(req->cloud->store, USAGE, id, NULL);
	store_remove(req->cloud->store, PLAN, req->region, id, NULL);
	response_body(res, 202, NULL, NULL, 0);
}

/* ---- keys of a plan ---- */

/* As answered: with the name and value that the key has now; NULL when the key is gone. New. */
static cJSON *plan_key(struct request *req, const char *key_id)
{
	RN_AUTO(rn_json_freep) cJSON *key = store_get(req->cloud->store, KEY, req->region, key_id);
	if (!key)
		return NULL;
	cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "id", key_id);
	cJSON_AddStringToObject(out, "type", "API_KEY");
	cJSON_AddStringToObject(out, "value", rn_json_str(key, "value"));
	if (rn_json_str(key, "name"))
		cJSON_AddStringToObject(out, "name", rn_json_str(key, "name"));
	return out;
}

void apigw_create_plan_key(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = { { "keyId", cJSON_String, true },
						      { "keyType", cJSON_String, true },
						      { NULL } };
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject();
	if (!plan || apigw_take(req, res, WANTED, in) < 0)
		return;
	const char *id = rn_json_str(in, "keyId"), *plan_id = rn_json_str(plan, "id");
	if (!rn_streq(rn_json_str(in, "keyType"), "API_KEY")) {
		apigw_bad(req, res, "Invalid key type: must be API_KEY");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *out = plan_key(req, id);
	if (!out) {
		apigw_not_found(req, res, "API Key identifier");
		return;
	}
	if (store_has(req->cloud->store, PLAN_KEY, plan_id, id)) {
		apigw_conflict(req, res, "Usage Plan %s already has the key %s", plan_id, id);
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *link = cJSON_CreateObject();
	cJSON_AddStringToObject(link, "id", id);
	apigw_save(req, PLAN_KEY, plan_id, id, link);
	const cJSON *stages = rn_json_get(plan, "apiStages");
	for (const cJSON *one = stages->child; one; one = one->next)
		if (check_keys(req, res, plan, rn_json_str(one, "apiId"),
			       rn_json_str(one, "stage")) < 0)
			return; /* the transaction takes the link back */
	apigw_answer(req, res, 201, out);
}

static bool has_key(struct request *req, struct response *res, const cJSON *plan)
{
	if (store_has(req->cloud->store, PLAN_KEY, rn_json_str(plan, "id"),
		      request_param(req, "key")))
		return true;
	answer_error(req, res, 404, "NotFoundException",
		     "Invalid API Key identifier specified for usage plan %s",
		     rn_json_str(plan, "id"));
	return false;
}

void apigw_get_plan_key(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	if (!plan || !has_key(req, res, plan))
		return;
	RN_AUTO(rn_json_freep) cJSON *out = plan_key(req, request_param(req, "key"));
	if (out)
		apigw_answer(req, res, 200, out);
}

void apigw_list_plan_keys(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	if (!plan)
		return;
	const char *prefix = request_arg(req, "name");
	RN_AUTO(rn_json_freep) cJSON *links =
		store_list(req->cloud->store, PLAN_KEY, rn_json_str(plan, "id"), NULL, 0);
	cJSON *list = cJSON_CreateArray();
	for (const cJSON *link = links->child; link; link = link->next) {
		cJSON *one = plan_key(req, rn_json_str(link, "id"));
		const char *name = rn_json_str(one, "name");
		if (one && (!prefix || (name && rn_starts(name, prefix))))
			cJSON_AddItemToArray(list, one);
		else
			cJSON_Delete(one);
	}
	apigw_answer_list(req, res, list);
}

void apigw_delete_plan_key(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	if (!plan || !has_key(req, res, plan))
		return;
	store_remove(req->cloud->store, PLAN_KEY, rn_json_str(plan, "id"),
		     request_param(req, "key"), NULL);
	response_body(res, 202, NULL, NULL, 0);
}

/* ---- use ---- */

/* [[used, left], ...] for each day from `first` to `last`. New. */
static cJSON *days_of(struct request *req, const cJSON *plan, const char *key_id, int64_t first,
		      int64_t last)
{
	char day[16];
	RN_AUTO(rn_json_freep) cJSON *usage =
		store_get(req->cloud->store, USAGE, rn_json_str(plan, "id"), key_id);
	cJSON *days = cJSON_CreateArray();
	int64_t left = quota_left(plan, usage);
	for (int64_t at = first; at <= last; at += 86400) {
		cJSON *pair = cJSON_CreateArray();
		cJSON_AddItemToArray(
			pair, cJSON_CreateNumber((double)quota_used_on(usage, quota_day(at, day))));
		cJSON_AddItemToArray(pair, cJSON_CreateNumber((double)left));
		cJSON_AddItemToArray(days, pair);
	}
	return days;
}

static int parse_day(const char *text, int64_t *ret)
{
	RN_AUTO(rn_freep) char *stamp = rn_asprintf("%sT00:00:00Z", text ? text : "");
	int64_t ms = 0;
	if (rn_parse_iso8601(stamp, &ms, NULL) < 0)
		return -1;
	*ret = ms / 1000;
	return 0;
}

static void answer_usage(struct request *req, struct response *res, const cJSON *plan,
			 const char *only, int64_t first, int64_t last)
{
	char day[16];
	RN_AUTO(rn_json_freep) cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "usagePlanId", rn_json_str(plan, "id"));
	cJSON_AddStringToObject(out, "startDate", quota_day(first, day));
	cJSON_AddStringToObject(out, "endDate", quota_day(last, day));
	cJSON *values = cJSON_AddObjectToObject(out, "values");
	RN_AUTO(rn_json_freep) cJSON *links =
		store_list(req->cloud->store, PLAN_KEY, rn_json_str(plan, "id"), NULL, 0);
	for (const cJSON *link = links->child; link; link = link->next) {
		const char *id = rn_json_str(link, "id");
		if (!only || rn_streq(only, id))
			cJSON_AddItemToObject(values, id, days_of(req, plan, id, first, last));
	}
	apigw_answer(req, res, 200, out);
}

void apigw_get_usage(struct request *req, struct response *res)
{
	int64_t first = 0, last = 0;
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	if (!plan)
		return;
	if (parse_day(request_arg(req, "startDate"), &first) < 0 ||
	    parse_day(request_arg(req, "endDate"), &last) < 0 || last < first ||
	    last - first > 90 * 86400) {
		apigw_bad(req, res,
			  "startDate and endDate must be YYYY-MM-DD and at most 90 days apart");
		return;
	}
	answer_usage(req, res, plan, request_arg(req, "keyId"), first, last);
}

void apigw_update_usage(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = { { "/remaining", PATCH_INT } };
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(rn_json_freep) cJSON *plan = named_plan(req, res);
	RN_AUTO(rn_json_freep) cJSON *change = cJSON_CreateObject();
	if (!plan || !has_key(req, res, plan) || patch_apply(req, res, change, &TABLE) < 0)
		return;
	int64_t left = rn_json_int(change, "remaining", -1);
	if (left < 0 || !rn_json_get(plan, "quota")) {
		apigw_bad(req, res, "The usage plan has no quota, or /remaining is missing");
		return;
	}
	const char *id = rn_json_str(plan, "id"), *key = request_param(req, "key");
	RN_AUTO(rn_json_freep) cJSON *usage = store_get(req->cloud->store, USAGE, id, key);
	if (!usage)
		usage = cJSON_CreateObject();
	quota_set_left(plan, usage, left);
	apigw_save(req, USAGE, id, key, usage);
	int64_t today = rn_wall_ms() / 1000;
	answer_usage(req, res, plan, key, today - today % 86400, today - today % 86400);
}
