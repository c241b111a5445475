/* SPDX-License-Identifier: Apache-2.0 */
/* API keys. Their values are shown only when asked for. */
#include "apigw.h"
#include "apigw_patch.h"
#include "store.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LENGTH 40

/* As answered. New. */
static cJSON *shown(const cJSON *key, bool with_value)
{
	cJSON *out = apigw_shown(key);
	if (!with_value)
		apigw_set(out, "value", NULL);
	return out;
}

static void answer(struct request *req, struct response *res, int status, const cJSON *key,
		   bool with_value)
{
	RN_AUTO(rn_json_freep) cJSON *out = shown(key, with_value);
	apigw_answer(req, res, status, out);
}

/* Is the value well formed and not taken? -1: answered. */
static int check_value(struct request *req, struct response *res, const char *value)
{
	size_t n = strlen(value);
	if (n < 20 || n > 128)
		return apigw_bad(req, res, "API Key value should be %s characters",
				 n < 20 ? "at least 20" : "at most 128");
	for (const char *p = value; *p; p++)
		if (!isgraph((unsigned char)*p))
			return apigw_bad(req, res,
					 "API Key value has characters that a header cannot carry");
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, KEY, req->region, NULL, 0);
	for (const cJSON *key = all->child; key; key = key->next)
		if (rn_streq(rn_json_str(key, "value"), value))
			return apigw_conflict(req, res, "API Key already exists");
	return 0;
}

void apigw_create_key(struct request *req, struct response *res)
{
	static const struct apigw_member WANTED[] = {
		{ "name", cJSON_String },       { "description", cJSON_String },
		{ "enabled", cJSON_True },      { "value", cJSON_String },
		{ "customerId", cJSON_String }, { NULL }
	};
	char id[16], value[VALUE_LENGTH + 1];
	if (request_arg(req, "mode")) {
		answer_error(req, res, 404, "UnknownOperationException", "ImportApiKeys is no operation of this local cloud");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *key = cJSON_CreateObject();
	double now = floor(cloud_now());
	cJSON_AddStringToObject(key, "id", cloud_id(id, 10, false));
	cJSON_AddBoolToObject(key, "enabled", false);
	cJSON_AddNumberToObject(key, "createdDate", now);
	cJSON_AddNumberToObject(key, "lastUpdatedDate", now);
	cJSON_AddArrayToObject(key, "stageKeys");
	if (apigw_take(req, res, WANTED, key) < 0 || apigw_take_tags(req, res, key) < 0)
		return;
	const cJSON *stage_keys = rn_json_get(req->json, "stageKeys");
	if (cJSON_GetArraySize(stage_keys) > 0) {
		apigw_bad(req, res, "stageKeys are deprecated: use usage plans");
		return;
	}
	const char *given = rn_json_str(key, "value");
	if (given && check_value(req, res, given) < 0)
		return;
	if (!given)
		cJSON_AddStringToObject(key, "value", cloud_id(value, VALUE_LENGTH, false));
	apigw_save(req, KEY, req->region, id, key);
	answer(req, res, 201, key, true);
}

static cJSON *named_key(struct request *req, struct response *res)
{
	return apigw_named(req, res, KEY, req->region, "key", "API Key identifier");
}

void apigw_get_key(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *key = named_key(req, res);
	if (key)
		answer(req, res, 200, key, rn_streq(request_arg(req, "includeValue"), "true"));
}

void apigw_list_keys(struct request *req, struct response *res)
{
	const char *prefix = request_arg(req, "name"), *customer = request_arg(req, "customerId");
	bool values = rn_streq(request_arg(req, "includeValues"), "true");
	RN_AUTO(rn_json_freep) cJSON *all =
		store_list(req->cloud->store, KEY, req->region, NULL, 0);
	cJSON *list = cJSON_CreateArray();
	for (const cJSON *key = all->child; key; key = key->next) {
		const char *name = rn_json_str(key, "name");
		if ((prefix && !(name && rn_starts(name, prefix))) ||
		    (customer && !rn_streq(rn_json_str(key, "customerId"), customer)))
			continue;
		cJSON_AddItemToArray(list, shown(key, values));
	}
	apigw_answer_list(req, res, list);
}

void apigw_update_key(struct request *req, struct response *res)
{
	static const struct patch_row ROWS[] = {
		{ "/name", PATCH_STRING },
		{ "/description", PATCH_STRING },
		{ "/enabled", PATCH_BOOL },
		{ "/customerId", PATCH_STRING },
	};
	static const struct patch_table TABLE = { ROWS, RN_LEN(ROWS), NULL };
	RN_AUTO(rn_json_freep) cJSON *key = named_key(req, res);
	if (!key || patch_apply(req, res, key, &TABLE) < 0)
		return;
	apigw_set(key, "lastUpdatedDate", cJSON_CreateNumber(floor(cloud_now())));
	apigw_save(req, KEY, req->region, rn_json_str(key, "id"), key);
	answer(req, res, 200, key, false);
}

void apigw_delete_key(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *key = named_key(req, res);
	if (!key)
		return;
	const char *id = rn_json_str(key, "id");
	RN_AUTO(rn_json_freep) cJSON *plans =
		store_list(req->cloud->store, PLAN, req->region, NULL, 0);
	for (const cJSON *plan = plans->child; plan; plan = plan->next) {
		store_remove(req->cloud->store, PLAN_KEY, rn_json_str(plan, "id"), id, NULL);
		store_remove(req->cloud->store, USAGE, rn_json_str(plan, "id"), id, NULL);
	}
	store_remove(req->cloud->store, KEY, req->region, id, NULL);
	response_body(res, 202, NULL, NULL, 0);
}
