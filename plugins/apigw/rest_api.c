/* SPDX-License-Identifier: Apache-2.0 */
/* The API itself: name, description, endpoint type, binary types, tags. */
#include "api.h"

#include <string.h>

static int find_api(struct api *a, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *items = NULL;
	if (api_list_apis(a, &items, err) < 0)
		return -1;
	const cJSON *item = api_pick(a, items, a->p->api_name);
	*ret = item ? cJSON_Duplicate(item, true) : NULL;
	return 0;
}

static int create(struct api *a, struct rn_error *err)
{
	a->content_changed = true;
	if (a->s->mode == STAGE_PLAN) {
		stage_change(a->s, RUNNER_CREATED, a->p->endpoint_type, "API %s", a->p->api_name);
		return 0;
	}
	if (api_remember_new(a, API_NEW_API, err) < 0)
		return -1;
	stage_step(a->s, "create the API %s", a->p->api_name);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "name", a->p->api_name);
	if (a->p->description && *a->p->description)
		cJSON_AddStringToObject(body, "description", a->p->description);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(cJSON_AddObjectToObject(body, "endpointConfiguration"), "types"),
			     cJSON_CreateString(a->p->endpoint_type));
	if (cJSON_GetArraySize(a->binary) > 0)
		cJSON_AddItemToObject(body, "binaryMediaTypes", cJSON_Duplicate(a->binary, true));
	cJSON_AddItemToObject(body, "tags", cJSON_Duplicate(a->tags, true));
	if (api_create(a, "CreateRestApi", "/restapis", body, find_api, &a->found, NULL, err) < 0)
		return -1;
	const char *id = rn_json_str(a->found, "id");
	if (!id)
		return rn_fail(err, RN_EREMOTE, "CreateRestApi answered without an id");
	a->id = rn_strdup(id);
	stage_change(a->s, RUNNER_CREATED, a->p->endpoint_type, "API %s (%s)", a->p->api_name, a->id);
	return api_read_resources(a, err);
}

static void compare(const struct api *a, cJSON *ops, struct stage_diff *d)
{
	const char *own = rn_json_str(rn_json_get(a->document, "info"), "description");
	const char *description = a->p->description ? a->p->description : own ? own : "";
	const char *present = rn_json_str(a->found, "description");
	const cJSON *type = rn_json_path(a->found, "endpointConfiguration.types.0");
	const char *have_type = cJSON_GetStringValue(type);
	if (stage_diff_str(d, "name", rn_json_str(a->found, "name"), a->p->api_name))
		patch_add(ops, "replace", "/name", a->p->api_name);
	if (stage_diff_str(d, "description", present ? present : "", description))
		patch_add(ops, "replace", "/description", description);
	if (have_type && stage_diff_str(d, "endpoint_type", have_type, a->p->endpoint_type)) {
		RN_AUTO(rn_freep) char *path = rn_asprintf("/endpointConfiguration/types/%s", have_type);
		patch_add(ops, "replace", path, a->p->endpoint_type);
	}
}

static int update(struct api *a, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	compare(a, ops, &d);
	int before = cJSON_GetArraySize(ops);
	patch_set(ops, "/binaryMediaTypes", rn_json_get(a->found, "binaryMediaTypes"), a->binary);
	if (cJSON_GetArraySize(ops) > before) {
		stage_diff_json(&d, "binary_media_types", rn_json_get(a->found, "binaryMediaTypes"), a->binary);
		a->content_changed = true;
	}
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}", a->id);
	const cJSON *tags = rn_json_get(a->found, "tags");
	if ((cJSON_GetArraySize(ops) > 0 || api_lacks_tags(a, tags)) && api_remember_api(a, err) < 0)
		return -1;
	if (a->s->mode == STAGE_RUN && api_patch(a, "UpdateRestApi", path, ops, NULL, err) < 0)
		return -1;
	if (api_put_tags(a, "restapis", a->id, tags, &d, err) < 0)
		return -1;
	stage_change_diff(a->s, &d, "API %s (%s)", a->p->api_name, a->id);
	return 0;
}

int api_put_rest_api(struct api *a, struct rn_error *err)
{
	return a->found ? update(a, err) : create(a, err);
}

char *api_url(const struct api *a, const char *path)
{
	if (aws_session_custom_endpoint(a->session, "apigateway"))
		return rn_asprintf("%s/restapis/%s/%s/_user_request_%s", aws_client_endpoint(a->client), a->id, a->p->stage,
				   *path ? path : "/");
	const char *suffix = strcmp(a->at.partition, "aws-cn") == 0 ? "amazonaws.com.cn" : "amazonaws.com";
	return rn_asprintf("https://%s.execute-api.%s.%s/%s%s", a->id, a->at.region, suffix, a->p->stage, path);
}
