/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of parameters; SSM's other resources do not exist here. */
#include "ssm.h"

#include "store.h"

#include <string.h>

enum { TAGS_MAX = 50, KEY_MAX = 128, TAG_VALUE_MAX = 256 };

int ssm_check_tags(struct request *req, struct response *res, const cJSON *tags, const cJSON *doc)
{
	const cJSON *tag, *have = rn_json_get(doc, "_Tags");
	int n = cJSON_GetArraySize(have);
	cJSON_ArrayForEach(tag, tags) {
		const char *key = rn_json_str(tag, "Key"), *value = rn_json_str(tag, "Value");
		if (!key || !*key || strlen(key) > KEY_MAX || !value || strlen(value) > TAG_VALUE_MAX)
			return ssm_invalid(req, res, "1 validation error detected: Value at 'tags' failed to satisfy constraint: a key has 1 to 128 "
						     "characters, a value 0 to 256");
		n += !rn_json_get(have, key);
	}
	return n > TAGS_MAX ? answer_error(req, res, 400, "TooManyTagsError", "The resource has more than 50 tags.") : 0;
}

void ssm_merge_tags(cJSON *doc, const cJSON *tags)
{
	cJSON *have = rn_json_get(doc, "_Tags");
	const cJSON *tag;
	cJSON_ArrayForEach(tag, tags) {
		const char *key = rn_json_str(tag, "Key");
		cJSON_DeleteItemFromObjectCaseSensitive(have, key);
		cJSON_AddStringToObject(have, key, rn_json_str(tag, "Value"));
	}
}

/* The parameter of the request; new, NULL: an error is answered. */
static cJSON *resource(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	const char *type = rn_json_str(in, "ResourceType"), *id = rn_json_str(in, "ResourceId");
	if (!in)
		return NULL;
	if (!rn_streq(type, "Parameter")) {
		answer_error(req, res, 400, "InvalidResourceType", "this local cloud has no %s: the resource type Parameter is what it has",
			     type ? type : "(none)");
		return NULL;
	}
	cJSON *doc = ssm_parameter(req, id);
	if (!doc)
		answer_error(req, res, 400, "InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID and try again.");
	return doc;
}

static void keep(struct request *req, struct response *res, const cJSON *doc)
{
	store_put(req->cloud->store, PARAMETER, req->region, rn_json_str(doc, "Name"), doc, NULL);
	response_json(req, res, 200, cJSON_CreateObject());
}

void ssm_add_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = resource(req, res);
	const cJSON *tags = rn_json_get(req->json, "Tags");
	if (!doc || ssm_check_tags(req, res, tags, doc) < 0)
		return;
	ssm_merge_tags(doc, tags);
	keep(req, res, doc);
}

void ssm_remove_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = resource(req, res);
	const cJSON *key;
	if (!doc)
		return;
	cJSON_ArrayForEach(key, rn_json_get(req->json, "TagKeys"))
		if (cJSON_IsString(key))
			cJSON_DeleteItemFromObjectCaseSensitive(rn_json_get(doc, "_Tags"), key->valuestring);
	keep(req, res, doc);
}

void ssm_list_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *doc = resource(req, res);
	const cJSON *tag;
	if (!doc)
		return;
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "TagList");
	cJSON_ArrayForEach(tag, rn_json_get(doc, "_Tags")) {
		cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "Key", tag->string);
		cJSON_AddStringToObject(one, "Value", tag->valuestring);
		cJSON_AddItemToArray(list, one);
	}
	response_json(req, res, 200, out);
}
