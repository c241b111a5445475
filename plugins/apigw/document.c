/* SPDX-License-Identifier: Apache-2.0 */
/* The API as its OpenAPI document says: one call puts all of it, when anything differs. */
#include "api.h"

/* Lines for one path; what is there and not wanted is told as deleted. */
static void tell_path(struct api *a, const char *path, const cJSON *want, const cJSON *have)
{
	const cJSON *m;
	cJSON_ArrayForEach(m, want)
		api_tell_method(a, path, m, rn_json_get(have, m->string));
	cJSON_ArrayForEach(m, have)
	{
		if (rn_json_get(want, m->string))
			continue;
		a->content_changed = true;
		stage_change(a->s, RUNNER_DELETED, "not in the document", "method %s %s", m->string, path);
	}
}

static void tell_all(struct api *a, const cJSON *have)
{
	const cJSON *path;
	cJSON_ArrayForEach(path, a->want)
		tell_path(a, path->string, path, rn_json_get(have, path->string));
	cJSON_ArrayForEach(path, have)
	{
		if (!rn_json_get(a->want, path->string))
			tell_path(a, path->string, NULL, path);
	}
}

/* The paths before the document: putting back goes the other way, and what the export says not quite is set right then. */
static int remember_all(struct api *a, struct rn_error *err)
{
	const cJSON *path;
	if (api_remember_api(a, err) < 0 || api_remember_below(a, "", err) < 0)
		return -1;
	cJSON_ArrayForEach(path, a->want)
	{
		if (api_remember_path(a, path->string, err) < 0)
			return -1;
	}
	return api_remember_document(a, err);
}

static int put(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}?mode=overwrite", a->id);
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	if (remember_all(a, err) < 0)
		return -1;
	stage_step(a->s, "put the OpenAPI document");
	if (api_write(a, "PutRestApi", "PUT", path, a->document, &answer, NULL, err) < 0) {
		stage_blame(a->s, "openapi");
		return -1;
	}
	const cJSON *warning;
	cJSON_ArrayForEach(warning, rn_json_get(answer, "warnings"))
		stage_warn(a->s, "API Gateway about the document: %s", cJSON_IsString(warning) ? warning->valuestring : "");
	return api_read_resources(a, err);
}

int api_put_document(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *have = content_have(a->resources);
	tell_all(a, have);
	/* models, responses and templates are in the hash that the deployment carries, and nowhere else */
	if (!a->content_changed && !api_serves(a)) {
		a->content_changed = true;
		stage_change(a->s, RUNNER_UPDATED, "its text differs from what is deployed", "OpenAPI document of API %s", a->p->api_name);
	}
	return a->content_changed && a->s->mode == STAGE_RUN ? put(a, err) : 0;
}
