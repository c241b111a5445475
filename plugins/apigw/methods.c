/* SPDX-License-Identifier: Apache-2.0 */
/* Resources, methods and integrations: what the routes want and no more. */
#include "api.h"

#include <string.h>

/* ---- resources ------------------------------------------------------------------------------ */

static const char *resource_id(const struct api *a, const char *path)
{
	const cJSON *r;
	cJSON_ArrayForEach(r, a->resources)
	{
		if (rn_streq(rn_json_str(r, "path"), path))
			return rn_json_str(r, "id");
	}
	return NULL;
}

static int create_resource(struct api *a, const char *parent, const char *path, struct rn_error *err)
{
	const char *parent_id = resource_id(a, parent);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject(), *made = NULL;
	if (!parent_id)
		return rn_fail(err, RN_EREMOTE, "the API has no resource %s", parent);
	RN_AUTO(rn_freep) char *call = aws_path("/restapis/{}/resources/{}", a->id, parent_id);
	cJSON_AddStringToObject(body, "pathPart", strrchr(path, '/') + 1);
	struct aws_error aerr = { 0 };
	a->content_changed = true;
	if (api_remember_path(a, path, err) < 0)
		return -1;
	if (api_write(a, "CreateResource", "POST", call, body, &made, &aerr, err) < 0) {
		if (!aws_error_is(&aerr, "ConflictException"))
			return -1;
		/* made by a try whose answer was lost */
		if (api_read_resources(a, err) < 0)
			return -1;
		return resource_id(a, path) ? 0 : rn_fail(err, RN_EREMOTE, "API Gateway refuses the resource %s: %s", path,
							  aerr.message);
	}
	if (!rn_json_str(made, "path"))
		cJSON_AddStringToObject(made, "path", path);
	cJSON_AddItemToArray(a->resources, rn_take(&made));
	return 0;
}

/* Makes "/a", "/a/b", "/a/b/c" as far as they are missing. */
static int ensure_resource(struct api *a, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *parent = rn_strdup("/");
	for (const char *end = path; *end && path[1];) {
		const char *next = strchr(end + 1, '/');
		RN_AUTO(rn_freep) char *part = next ? rn_strndup(path, (size_t)(next - path)) : rn_strdup(path);
		if (!resource_id(a, part) && create_resource(a, parent, part, err) < 0)
			return -1;
		rn_freep(&parent);
		parent = rn_take(&part);
		if (!next)
			break;
		end = next;
	}
	return 0;
}

/* ---- methods ---------------------------------------------------------------------------------- */

static char *method_path(const struct api *a, const char *path, const char *method, const char *tail)
{
	RN_AUTO(rn_freep) char *base = aws_path("/restapis/{}/resources/{}/methods/{}", a->id, resource_id(a, path), method);
	return rn_asprintf("%s%s", base, tail);
}

/* A response as a body: its status is in the path. New object. */
static cJSON *response_body(const cJSON *response)
{
	cJSON *body = cJSON_Duplicate(response, true);
	cJSON_DeleteItemFromObjectCaseSensitive(body, "statusCode");
	return body;
}

static int put_integration(struct api *a, const char *path, const char *method, const cJSON *want, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *call = method_path(a, path, method, "/integration");
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_Duplicate(want, true);
	const cJSON *response;
	cJSON_DeleteItemFromObjectCaseSensitive(body, "integrationResponses");
	if (api_write(a, "PutIntegration", "PUT", call, body, NULL, NULL, err) < 0)
		return -1;
	cJSON_ArrayForEach(response, rn_json_get(want, "integrationResponses"))
	{
		RN_AUTO(rn_freep) char *tail = rn_asprintf("/integration/responses/%s", response->string);
		RN_AUTO(rn_freep) char *to = method_path(a, path, method, tail);
		RN_AUTO(rn_json_freep) cJSON *one = response_body(response);
		if (api_write(a, "PutIntegrationResponse", "PUT", to, one, NULL, NULL, err) < 0)
			return -1;
	}
	return 0;
}

static int put_responses(struct api *a, const char *path, const char *method, const cJSON *want, struct rn_error *err)
{
	const cJSON *response;
	cJSON_ArrayForEach(response, rn_json_get(want, "methodResponses"))
	{
		RN_AUTO(rn_freep) char *tail = rn_asprintf("/responses/%s", response->string);
		RN_AUTO(rn_freep) char *to = method_path(a, path, method, tail);
		RN_AUTO(rn_json_freep) cJSON *one = response_body(response);
		struct aws_error aerr = { 0 };
		if (api_write(a, "PutMethodResponse", "PUT", to, one, NULL, &aerr, err) == 0)
			continue;
		/* of a try whose answer was lost, or of a method that was there: this one must be it */
		if (!aws_error_is(&aerr, "ConflictException") ||
		    api_write(a, "DeleteMethodResponse", "DELETE", to, NULL, NULL, NULL, err) < 0 ||
		    api_write(a, "PutMethodResponse", "PUT", to, one, NULL, NULL, err) < 0)
			return -1;
	}
	return 0;
}

static int patch_method(struct api *a, const char *path, const char *method, const cJSON *want, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *call = method_path(a, path, method, "");
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	patch_add(ops, "replace", "/apiKeyRequired", rn_json_bool(want, "apiKeyRequired", false) ? "true" : "false");
	patch_add(ops, "replace", "/authorizationType", rn_json_str(want, "authorizationType"));
	if (rn_json_str(want, "authorizerId"))
		patch_add(ops, "replace", "/authorizerId", rn_json_str(want, "authorizerId"));
	return api_patch(a, "UpdateMethod", call, ops, NULL, err);
}

static int create_method(struct api *a, const char *path, const char *method, const cJSON *want, struct rn_error *err)
{
	static const char *const elsewhere[] = { "integration", "methodResponses" };
	RN_AUTO(rn_freep) char *call = method_path(a, path, method, "");
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_Duplicate(want, true);
	for (size_t i = 0; i < RN_LEN(elsewhere); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(body, elsewhere[i]);
	struct aws_error aerr = { 0 };
	if (api_write(a, "PutMethod", "PUT", call, body, NULL, &aerr, err) < 0) {
		if (!aws_error_is(&aerr, "ConflictException") || patch_method(a, path, method, want, err) < 0)
			return -1;
	}
	const cJSON *integration = rn_json_get(want, "integration");
	return put_responses(a, path, method, want, err) < 0 ? -1 : integration ? put_integration(a, path, method, integration, err) : 0;
}

static int delete_method(struct api *a, const char *path, const char *method, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *call = method_path(a, path, method, "");
	struct aws_error aerr = { 0 };
	a->content_changed = true;
	if (a->s->mode == STAGE_PLAN || api_write(a, "DeleteMethod", "DELETE", call, NULL, NULL, &aerr, err) == 0)
		return 0;
	return aerr.http_status == 404 ? 0 : -1;
}

/* ---- comparing ---------------------------------------------------------------------------------- */

/* The function's ARN in an integration's URI; NULL when there is none. New string. */
static char *function_of(const cJSON *integration)
{
	const char *uri = rn_json_str(integration, "uri");
	const char *at = uri ? strstr(uri, "/functions/") : NULL;
	if (!at)
		return rn_strdup(uri);
	at += strlen("/functions/");
	return rn_strndup(at, strcspn(at, "/"));
}

/* Lines about a method that is there; true when method settings, integration (or its responses) differ. */
static void compare(const struct api *a, const cJSON *want, const cJSON *have, bool *ret_method, bool *ret_integration,
		    struct stage_diff *d)
{
	const cJSON *wi = rn_json_get(want, "integration"), *hi = rn_json_get(have, "integration");
	*ret_method = stage_diff_bool(d, "api_key_required", rn_json_bool(have, "apiKeyRequired", false),
				      rn_json_bool(want, "apiKeyRequired", false));
	if (rn_json_str(want, "authorizationType")) /* else API Gateway works it out of a document */
		*ret_method |= stage_diff_str(d, "authorization", rn_json_str(have, "authorizationType"),
					      rn_json_str(want, "authorizationType"));
	if (rn_json_str(want, "authorizerId"))
		*ret_method |= stage_diff_str(d, "authorizer", rn_json_str(have, "authorizerId"), rn_json_str(want, "authorizerId"));
	if (a->s->mode == STAGE_ROLLBACK) { /* all of it as it was, and nothing more */
		*ret_integration = !rn_json_equal(want, have);
		if (*ret_integration)
			stage_diff_note(d, "as before the run");
		return;
	}
	*ret_integration = !content_same(wi, hi) ||
			   !content_same(rn_json_get(want, "methodResponses"), rn_json_get(have, "methodResponses"));
	if (*ret_integration) {
		RN_AUTO(rn_freep) char *old = function_of(hi);
		RN_AUTO(rn_freep) char *new = function_of(wi);
		bool told = rn_json_str(wi, "uri") && stage_diff_str(d, "function", old, new);
		if (!told)
			stage_diff_note(d, "%s", rn_streq(rn_json_str(wi, "type"), "MOCK") ? "cors" : "integration");
	}
	if (rn_streq(rn_json_str(wi, "type"), "AWS_PROXY") && !rn_json_str(wi, "uri") && a->s->mode == STAGE_PLAN)
		stage_diff_note(d, "function: known when it runs");
}

static int update_method(struct api *a, const char *path, const cJSON *want, const cJSON *have, struct rn_error *err)
{
	const char *method = want->string;
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	bool settings = false, integration = false;
	compare(a, want, have, &settings, &integration, &d);
	bool mock = rn_streq(rn_json_str(rn_json_get(want, "integration"), "type"), "MOCK");
	a->content_changed |= settings || integration;
	bool whole = mock || a->s->mode == STAGE_ROLLBACK;
	if ((settings || integration) && api_remember_path(a, path, err) < 0)
		return -1;
	if (a->s->mode != STAGE_PLAN && whole && (settings || integration)) {
		/* what the stage serves is its deployment, so the gap between both calls is never live */
		if (delete_method(a, path, method, err) < 0 || create_method(a, path, method, want, err) < 0)
			return -1;
	} else if (a->s->mode != STAGE_PLAN) {
		if ((settings && patch_method(a, path, method, want, err) < 0) ||
		    (integration && put_integration(a, path, method, rn_json_get(want, "integration"), err) < 0))
			return -1;
	}
	stage_change_diff(a->s, &d, "method %s %s", method, path);
	return 0;
}

void api_tell_method(struct api *a, const char *path, const cJSON *want, const cJSON *have)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	bool settings = false, integration = false;
	if (have) {
		compare(a, want, have, &settings, &integration, &d);
		a->content_changed |= settings || integration;
		stage_change_diff(a->s, &d, "method %s %s", want->string, path);
		return;
	}
	RN_AUTO(rn_freep) char *function = function_of(rn_json_get(want, "integration"));
	a->content_changed = true;
	stage_change(a->s, RUNNER_CREATED, function, "method %s %s", want->string, path);
}

static int put_path(struct api *a, const cJSON *methods, const cJSON *have, struct rn_error *err)
{
	const char *path = methods->string;
	if (a->s->mode != STAGE_PLAN && ensure_resource(a, path, err) < 0)
		return -1;
	const cJSON *method;
	cJSON_ArrayForEach(method, methods)
	{
		const cJSON *present = rn_json_get(have, method->string);
		if (present) {
			if (update_method(a, path, method, present, err) < 0)
				return -1;
			continue;
		}
		a->content_changed = true;
		if (api_remember_path(a, path, err) < 0 ||
		    (a->s->mode != STAGE_PLAN && create_method(a, path, method->string, method, err) < 0))
			return -1;
		api_tell_method(a, path, method, NULL);
	}
	return 0;
}

/* ---- what is too much ----------------------------------------------------------------------------- */

/* True when `path` is a wanted path or lies above one. */
static bool is_needed(const struct api *a, const char *path)
{
	size_t n = strlen(path);
	const cJSON *want;
	if (strcmp(path, "/") == 0)
		return true;
	cJSON_ArrayForEach(want, a->want)
	{
		if (rn_starts(want->string, path) && (want->string[n] == '\0' || want->string[n] == '/'))
			return true;
	}
	return false;
}

static const char *surplus_reason(const struct api *a)
{
	return a->s->mode == STAGE_ROLLBACK ? "it is new" : "no route needs it";
}

static int delete_resource(struct api *a, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *call = aws_path("/restapis/{}/resources/{}", a->id, resource_id(a, path));
	struct aws_error aerr = { 0 };
	a->content_changed = true;
	if (api_remember_below(a, path, err) < 0)
		return -1;
	if (a->s->mode != STAGE_PLAN && api_write(a, "DeleteResource", "DELETE", call, NULL, NULL, &aerr, err) < 0 &&
	    aerr.http_status != 404)
		return -1;
	stage_change(a->s, RUNNER_DELETED, surplus_reason(a), "resource %s", path);
	return 0;
}

static int remove_methods(struct api *a, const cJSON *present, struct rn_error *err)
{
	const cJSON *wanted = rn_json_get(a->want, present->string), *method;
	cJSON_ArrayForEach(method, present)
	{
		if (rn_json_get(wanted, method->string))
			continue;
		if (api_remember_path(a, present->string, err) < 0 || delete_method(a, present->string, method->string, err) < 0)
			return -1;
		stage_change(a->s, RUNNER_DELETED, surplus_reason(a), "method %s %s", method->string, present->string);
	}
	return 0;
}

static int remove_surplus(struct api *a, const cJSON *have, struct rn_error *err)
{
	const cJSON *present;
	cJSON_ArrayForEach(present, have)
	{
		RN_AUTO(rn_freep) char *parent = rn_strdup(present->string);
		char *slash = strrchr(parent, '/');
		slash[slash == parent] = '\0';
		if (is_needed(a, present->string)) {
			if (remove_methods(a, present, err) < 0)
				return -1;
		} else if (is_needed(a, parent) && delete_resource(a, present->string, err) < 0) { /* with all below it */
			return -1;
		}
	}
	return 0;
}

int api_put_methods(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *have = content_have(a->resources);
	const cJSON *methods;
	cJSON_ArrayForEach(methods, a->want)
	{
		if (put_path(a, methods, rn_json_get(have, methods->string), err) < 0)
			return -1;
	}
	return remove_surplus(a, have, err);
}
