/* SPDX-License-Identifier: Apache-2.0 */
/* Tags that say which stage of which pipeline made a resource, in the forms that services give them. */
#include "stage.h"

#include <string.h>
#include <strings.h>

static bool reserved(const char *name)
{
	return rn_starts(name, "runner:") || strncasecmp(name, "aws:", 4) == 0;
}

cJSON *stage_tags(struct stage *s, const struct runner_map *tags, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *o = cJSON_CreateObject();
	for (size_t i = 0; tags && i < tags->n; i++) {
		if (reserved(tags->v[i].key)) {
			rn_fail(err, RN_EINVAL, "the tag \"%s\" cannot be set: names that begin with \"%s\" are %s",
				tags->v[i].key, rn_starts(tags->v[i].key, "runner:") ? "runner:" : "aws:",
				rn_starts(tags->v[i].key, "runner:") ? "how the runner knows what it made" : "AWS's own");
			stage_blame(s, "tags");
			return NULL;
		}
		cJSON_AddStringToObject(o, tags->v[i].key, tags->v[i].value);
	}
	cJSON_AddStringToObject(o, STAGE_TAG_PIPELINE, s->pipeline);
	cJSON_AddStringToObject(o, STAGE_TAG_STAGE, s->id);
	return rn_take(&o);
}

static void add_item(cJSON *o, const cJSON *item)
{
	static const char *const names[][2] = { { "Key", "Value" }, { "key", "value" }, { "TagKey", "TagValue" } };
	for (size_t i = 0; i < RN_LEN(names); i++) {
		const char *key = rn_json_str(item, names[i][0]);
		const char *value = rn_json_str(item, names[i][1]);
		if (key && !rn_json_get(o, key))
			cJSON_AddStringToObject(o, key, value ? value : "");
	}
}

cJSON *stage_tags_object(const cJSON *tags)
{
	cJSON *o = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, tags)
	{
		if (cJSON_IsArray(tags))
			add_item(o, item);
		else if (cJSON_IsString(item) && item->string)
			cJSON_AddStringToObject(o, item->string, item->valuestring);
	}
	return o;
}

cJSON *stage_tags_list(const cJSON *object, const char *key, const char *value)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		cJSON *tag = cJSON_CreateObject();
		cJSON_AddStringToObject(tag, key, item->string);
		cJSON_AddStringToObject(tag, value, cJSON_IsString(item) ? item->valuestring : "");
		cJSON_AddItemToArray(list, tag);
	}
	return list;
}

enum stage_owner stage_owner(const struct stage *s, const cJSON *tags)
{
	RN_AUTO(rn_json_freep) cJSON *o = stage_tags_object(tags);
	const char *pipeline = rn_json_str(o, STAGE_TAG_PIPELINE);
	if (!pipeline)
		return STAGE_OWNER_NOBODY;
	if (!rn_streq(pipeline, s->pipeline))
		return STAGE_OWNER_OTHER;
	return rn_streq(rn_json_str(o, STAGE_TAG_STAGE), s->id) ? STAGE_OWNER_US : STAGE_OWNER_SIBLING;
}

bool stage_owns(const struct stage *s, const cJSON *tags)
{
	return stage_owner(s, tags) == STAGE_OWNER_US;
}

int stage_claim(const struct stage *s, const char *resource, const cJSON *tags, bool *ret_adopted, struct rn_error *err)
{
	enum stage_owner owner = stage_owner(s, tags);
	if (owner == STAGE_OWNER_OTHER) {
		RN_AUTO(rn_json_freep) cJSON *o = stage_tags_object(tags);
		rn_fail(err, RN_EINVAL, "%s belongs to the pipeline \"%s\" (its tag %s), not to \"%s\"", resource,
			rn_json_str(o, STAGE_TAG_PIPELINE), STAGE_TAG_PIPELINE, s->pipeline);
		return rn_hint(err, "use another name here, or remove that tag to hand the resource over");
	}
	if (owner == STAGE_OWNER_NOBODY)
		stage_info(s, "%s was not made by this pipeline: it is brought up to date, and destroy will leave it alone",
			   resource);
	*ret_adopted = owner == STAGE_OWNER_NOBODY;
	return 0;
}

cJSON *stage_tags_missing(const cJSON *want, const cJSON *have)
{
	cJSON *missing = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		if (!rn_streq(rn_json_str(have, item->string), item->valuestring))
			cJSON_AddStringToObject(missing, item->string, item->valuestring);
	}
	return missing;
}
