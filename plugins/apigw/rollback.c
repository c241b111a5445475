/* SPDX-License-Identifier: Apache-2.0 */
/* Back to what was before a run: its records in reverse order, each compared with what is there now. */
#include "api.h"

#include <string.h>

/* True when the run made the API: what is in it goes with it, and needs no record of its own. */
static bool is_new_api(const struct api *a)
{
	const char *key;
	for (size_t i = 0; (key = stage_recall_key(a->s, i)); i++)
		if (rn_starts(key, RECORD_NEW_API))
			return true;
	return false;
}

/* ---- permissions --------------------------------------------------------------------------- */

static int put_permission_back(struct api *a, const cJSON *record, struct rn_error *err)
{
	const char *sid = rn_json_str(record, "sid");
	struct api_function f = { 0 };
	const char *arn = rn_json_str(record, "function"), *qualifier = rn_json_str(record, "qualifier");
	f.ref.arn = rn_strdup(arn);
	f.ref.qualifier = qualifier ? rn_strdup(qualifier) : NULL;
	const char *source = rn_json_str(record, "source");
	int done = api_read_policy(a, &f, err);
	const cJSON *statement = policy_find(f.policy, sid);
	if (done == 0 && (source ? !policy_allows(statement, source) : statement != NULL)) {
		done = source ? api_add_permission(a, &f, sid, source, err) : api_remove_permission(a, &f, sid, err);
		if (done == 0)
			stage_change(a->s, source ? RUNNER_CREATED : RUNNER_DELETED, NULL, "permission %s of %s", sid, arn);
	}
	function_ref_clear(&f.ref);
	rn_json_freep(&f.policy);
	return done;
}

/* ---- what is new ----------------------------------------------------------------------------- */

static bool has_id(const cJSON *ids, const char *id)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, ids)
	{
		if (rn_streq(cJSON_GetStringValue(item), id))
			return true;
	}
	return false;
}

/* What the run made carries our tags and was not there before. */
static int remove_new(struct api *a, const cJSON *before, int (*list)(struct api *, cJSON **, struct rn_error *),
		      int (*remove)(struct api *, const cJSON *, struct rn_error *), struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *items = NULL;
	int count = 0;
	if (list(a, &items, err) < 0)
		return -1;
	cJSON *next = NULL;
	for (cJSON *item = items->child; item; item = next) {
		next = item->next;
		if (has_id(before, rn_json_str(item, "id")))
			cJSON_Delete(cJSON_DetachItemViaPointer(items, item));
	}
	return api_remove_own(a, items, remove, &count, err);
}

static int remove_deployments(struct api *a, const char *api, const cJSON *before, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *now = NULL;
	const cJSON *d;
	if (api_list_deployments(a, api, &now, err) < 0)
		return -1;
	cJSON_ArrayForEach(d, now)
	{
		const char *text = rn_json_str(d, "description"), *id = rn_json_str(d, "id");
		if (!text || !rn_starts(text, CONTENT_LABEL_PREFIX) || has_id(before, id))
			continue;
		RN_AUTO(rn_freep) char *path = aws_path("/restapis/{}/deployments/{}", api, id);
		struct aws_error aerr = { 0 };
		if (api_write(a, "DeleteDeployment", "DELETE", path, NULL, NULL, &aerr, err) == 0)
			stage_change(a->s, RUNNER_DELETED, "it is new", "deployment %s", id);
		else if (aerr.http_status != 404 && !aws_error_is(&aerr, "BadRequestException")) /* another stage serves it */
			return -1;
	}
	return 0;
}

static int remove_plan_key(struct api *a, const char *plan, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = aws_path("/usageplans/{}/keys/{}", plan, cJSON_GetStringValue(record));
	struct aws_error aerr = { 0 };
	if (api_write(a, "DeleteUsagePlanKey", "DELETE", path, NULL, NULL, &aerr, err) < 0 && aerr.http_status != 404)
		return -1;
	return 0;
}

/* ---- content ----------------------------------------------------------------------------------- */

/* Validators and authorizers that a document brought back have new ids. */
static void take_ids(const cJSON *have, cJSON *want)
{
	static const char *const ids[] = { "requestValidatorId", "authorizerId" };
	cJSON *method;
	cJSON_ArrayForEach(method, want)
	{
		const cJSON *present = rn_json_get(have, method->string);
		for (size_t i = 0; i < RN_LEN(ids); i++)
			if (rn_json_get(present, ids[i]) && rn_json_get(method, ids[i]))
				cJSON_ReplaceItemInObjectCaseSensitive(method, ids[i], cJSON_Duplicate(rn_json_get(present, ids[i]), true));
	}
}

/* Resources and methods of all paths that the run touched; the others stay as they are. */
static int put_content_back(struct api *a, const char *api, struct rn_error *err)
{
	const char *key;
	rn_freep(&a->id);
	a->id = rn_strdup(api);
	if (api_read_resources(a, err) < 0)
		return -1;
	rn_json_freep(&a->want);
	a->want = content_have(a->resources);
	for (size_t i = 0; (key = stage_recall_key(a->s, i)); i++) {
		if (!rn_starts(key, RECORD_CONTENT))
			continue;
		RN_AUTO(rn_json_freep) cJSON *record = stage_recall(a->s, key);
		const char *path = rn_json_str(record, "path");
		const cJSON *methods = rn_json_get(record, "methods");
		cJSON *want = methods ? cJSON_Duplicate(methods, true) : NULL;
		take_ids(rn_json_get(a->want, path), want);
		cJSON_DeleteItemFromObjectCaseSensitive(a->want, path);
		if (want)
			cJSON_AddItemToObject(a->want, path, want);
	}
	return api_put_methods(a, err);
}

/* A document was put over all there was; the deployment of before still has it, and the stage serves that again. */
static int put_document_back(struct api *a, const char *api, const cJSON *record, struct rn_error *err)
{
	const char *name = rn_json_str(record, "stage"), *deployment = rn_json_str(record, "deploymentId");
	RN_AUTO(rn_json_freep) cJSON *stage = NULL, *document = NULL;
	RN_AUTO(rn_freep) char *at = aws_path("/restapis/{}/stages/{}", api, name);
	RN_AUTO(rn_freep) char *exported = rn_asprintf("%s/exports/oas30?extensions=apigateway", at);
	RN_AUTO(rn_freep) char *put = aws_path("/restapis/{}?mode=overwrite", api);
	if (deployment && aws_rest(a->client, "GetStage", "GET", at, NULL, NULL, &stage, NULL, err) < 0)
		return -1;
	if (!deployment || !rn_streq(rn_json_str(stage, "deploymentId"), deployment)) {
		stage_warn(a->s, "resources and methods of API %s stay as the document of the run says: no stage served those of before",
			   a->p->api_name);
		return 0;
	}
	if (aws_rest(a->client, "GetExport", "GET", exported, NULL, NULL, &document, NULL, err) < 0)
		return -1;
	cJSON *info = rn_json_get(document, "info"); /* an export has the deployment's date in place of the version */
	cJSON_DeleteItemFromObjectCaseSensitive(info, "version");
	if (rn_json_str(record, "version"))
		cJSON_AddStringToObject(info, "version", rn_json_str(record, "version"));
	if (api_write(a, "PutRestApi", "PUT", put, document, NULL, NULL, err) < 0)
		return -1;
	stage_change(a->s, RUNNER_UPDATED, "as deployed before the run", "resources and methods of API %s", a->p->api_name);
	return 0;
}

/* ---- all ------------------------------------------------------------------------------------------ */

static int put_back_in_api(struct api *a, const char *key, const cJSON *record, bool *content, struct rn_error *err)
{
	if (rn_starts(key, RECORD_STAGE))
		return api_put_stage_back(a, key + strlen(RECORD_STAGE), record, err);
	if (rn_starts(key, RECORD_DEPLOYMENTS))
		return remove_deployments(a, key + strlen(RECORD_DEPLOYMENTS), record, err);
	if (rn_starts(key, RECORD_DOCUMENT))
		return put_document_back(a, key + strlen(RECORD_DOCUMENT), record, err);
	if (rn_starts(key, RECORD_AUTHORIZER))
		return api_put_authorizer_back(a, key + strlen(RECORD_AUTHORIZER), record, err);
	if (rn_starts(key, RECORD_API))
		return api_put_api_back(a, key + strlen(RECORD_API), record, err);
	if (!rn_starts(key, RECORD_CONTENT) || *content)
		return 0;
	*content = true; /* all paths at once */
	return put_content_back(a, rn_json_str(record, "api"), err);
}

static int put_back(struct api *a, const char *key, bool new_api, bool *content, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *record = stage_recall(a->s, key);
	if (!record)
		return 0;
	if (rn_starts(key, RECORD_PERMISSION))
		return put_permission_back(a, record, err);
	if (rn_starts(key, RECORD_PLAN_KEY))
		return remove_plan_key(a, key + strlen(RECORD_PLAN_KEY), record, err);
	if (rn_starts(key, RECORD_PLAN))
		return api_put_plan_back(a, key + strlen(RECORD_PLAN), record, err);
	if (rn_starts(key, RECORD_KEY))
		return api_put_key_back(a, key + strlen(RECORD_KEY), record, err);
	if (rn_starts(key, RECORD_NEW_PLAN))
		return remove_new(a, record, api_list_plans, api_delete_plan, err);
	if (rn_starts(key, RECORD_NEW_KEY))
		return remove_new(a, record, api_list_keys, api_delete_key, err);
	if (rn_starts(key, RECORD_NEW_API))
		return remove_new(a, record, api_list_apis, api_delete, err);
	return new_api ? 0 : put_back_in_api(a, key, record, content, err);
}

int api_rollback(struct api *a, struct rn_error *err)
{
	size_t n = 0;
	bool content = false;
	a->client = aws_client_new(a->session, "apigateway", err);
	a->lambda = a->client ? aws_client_new(a->session, "lambda", err) : NULL;
	if (!a->lambda)
		return -1;
	a->at = (struct content_place){ aws_session_partition(a->session), aws_client_region(a->client), NULL };
	bool new_api = is_new_api(a);
	while (stage_recall_key(a->s, n))
		n++;
	for (size_t i = n; i > 0; i--)
		if (put_back(a, stage_recall_key(a->s, i - 1), new_api, &content, err) < 0)
			return -1;
	return 0;
}
