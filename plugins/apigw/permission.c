/* SPDX-License-Identifier: Apache-2.0 */
/* Who may invoke the functions: one statement a route in each function's policy, and no stale one. */
#include "api.h"

#include <string.h>

static char *policy_path(const struct api_function *f, const char *sid)
{
	RN_AUTO(rn_freep) char *base = aws_path("/2015-03-31/functions/{}/policy", f->ref.arn);
	RN_AUTO(rn_freep) char *tail = sid ? aws_path("/{}", sid) : rn_strdup("");
	RN_AUTO(rn_freep) char *query = f->ref.qualifier ? aws_path("?Qualifier={}", f->ref.qualifier) : rn_strdup("");
	return rn_asprintf("%s%s%s", base, tail, query);
}

int api_remove_permission(struct api *a, struct api_function *f, const char *sid, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = policy_path(f, sid);
	struct aws_error aerr = { 0 };
	if (api_write(a, "RemovePermission", "DELETE", path, NULL, NULL, &aerr, err) < 0 && aerr.http_status != 404)
		return -1;
	return 0;
}

int api_add_permission(struct api *a, struct api_function *f, const char *sid, const char *source, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = policy_path(f, NULL);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "StatementId", sid);
	cJSON_AddStringToObject(body, "Action", "lambda:InvokeFunction");
	cJSON_AddStringToObject(body, "Principal", "apigateway.amazonaws.com");
	cJSON_AddStringToObject(body, "SourceArn", source);
	struct aws_error aerr = { 0 };
	if (api_write(a, "AddPermission", "POST", path, body, NULL, &aerr, err) == 0)
		return 0;
	if (!aws_error_is(&aerr, "ResourceConflictException") || api_read_policy(a, f, err) < 0)
		return -1;
	/* there already: by a try whose answer was lost, or with another content */
	if (policy_allows(policy_find(f->policy, sid), source))
		return 0;
	return api_remove_permission(a, f, sid, err) < 0 ? -1 :
	       api_write(a, "AddPermission", "POST", path, body, NULL, NULL, err);
}

int api_remove_permissions(struct api *a, struct api_function *f, const char *id, const struct rn_strv *keep,
			   struct rn_error *err)
{
	RN_AUTO(rn_freep) char *prefix = policy_sid_prefix(id);
	const cJSON *statement;
	cJSON_ArrayForEach(statement, rn_json_get(f->policy, "Statement"))
	{
		const char *sid = rn_json_str(statement, "Sid");
		if (!sid || !rn_starts(sid, prefix) || (keep && rn_strv_has(keep, sid)))
			continue;
		if (a->s->mode == STAGE_RUN && api_remember_permission(a, f, sid, err) < 0)
			return -1;
		if (a->s->mode != STAGE_PLAN && api_remove_permission(a, f, sid, err) < 0)
			return -1;
		stage_change(a->s, RUNNER_DELETED, NULL, "permission %s of %s%s%s", sid, f->ref.arn, f->ref.qualifier ? ":" : "",
			     f->ref.qualifier ? f->ref.qualifier : "");
	}
	return 0;
}

static bool is_function(const struct api *a, const char *function, const struct api_function *f)
{
	if (!function)
		return false;
	RN_AUTO(rn_freep) char *arn = content_function_arn(function, &a->at);
	RN_AUTO(function_ref_clear) struct function_ref ref = { 0 };
	function_ref_parse(arn, &ref);
	return rn_streq(ref.arn, f->ref.arn) && rn_streq(ref.qualifier, f->ref.qualifier);
}

/* Takes `sid` and `source`. */
static int put_statement(struct api *a, struct api_function *f, char *sid, char *source, const char *words, struct rn_strv *keep,
			 struct stage_diff *d, struct rn_error *err)
{
	int done = 0;
	rn_strv_add(keep, sid);
	if (!policy_allows(policy_find(f->policy, sid), source)) {
		stage_diff_note(d, "%s", words);
		if (a->s->mode == STAGE_RUN && (api_remember_permission(a, f, sid, err) < 0 || api_add_permission(a, f, sid, source, err) < 0))
			done = -1;
	}
	rn_freep(&sid);
	rn_freep(&source);
	return done;
}

/* As authorizer: for all of the API's, since a document's have no id before it is put. */
static int put_authorizer_statement(struct api *a, struct api_function *f, const char *id, struct rn_strv *keep, struct stage_diff *d,
				    struct rn_error *err)
{
	for (size_t i = 0; i < a->authorizer_functions.n; i++)
		if (is_function(a, a->authorizer_functions.v[i], f))
			return put_statement(a, f, policy_sid(id, "authorizers", "*", ""), policy_source_authorizers(&a->at, id), "as authorizer",
					     keep, d, err);
	return 0;
}

static int put_function(struct api *a, struct api_function *f, struct rn_error *err)
{
	const char *id = a->id ? a->id : "NEW";
	RN_AUTO(rn_strv_clear) struct rn_strv keep = { 0 };
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	for (size_t i = 0; i < a->routes.n; i++) {
		const struct route *r = &a->routes.v[i];
		if (!is_function(a, r->function, f))
			continue;
		RN_AUTO(rn_freep) char *words = rn_asprintf("%s %s", r->method, r->path);
		if (put_statement(a, f, policy_sid(id, a->p->stage, r->method, r->path), policy_source(&a->at, id, a->p->stage, r->method, r->path),
				  words, &keep, &d, err) < 0)
			return -1;
	}
	if (put_authorizer_statement(a, f, id, &keep, &d, err) < 0)
		return -1;
	const char *name = strstr(f->ref.arn, ":function:");
	name = name ? name + strlen(":function:") : f->ref.arn;
	RN_AUTO(rn_freep) char *detail = stage_differs(&d) ? rn_strv_join(&d.lines, ", ") : NULL;
	stage_change(a->s, detail ? RUNNER_CREATED : RUNNER_UNCHANGED, detail, "permission to invoke %s", name);
	return a->id ? api_remove_permissions(a, f, a->id, &keep, err) : 0;
}

int api_put_permissions(struct api *a, struct rn_error *err)
{
	for (size_t i = 0; i < a->n_functions; i++)
		if (put_function(a, &a->functions[i], err) < 0)
			return -1;
	return 0;
}

/* ---- functions that are no longer named -------------------------------------------------------- */

/* Takes `arn`. */
static int leave_function(struct api *a, char *arn, struct rn_strv *done, struct rn_error *err)
{
	struct api_function f = { 0 };
	bool named = rn_strv_has(done, arn) || strstr(arn, "${");
	int rc = 0;
	for (size_t i = 0; i < a->n_functions; i++)
		named |= is_function(a, arn, &a->functions[i]);
	if (!named) {
		rn_strv_add(done, arn);
		function_ref_parse(arn, &f.ref);
		rc = api_read_policy(a, &f, err) < 0 ? -1 : api_remove_permissions(a, &f, a->id, NULL, err);
	}
	function_ref_clear(&f.ref);
	rn_json_freep(&f.policy);
	rn_freep(&arn);
	return rc;
}

int api_leave_functions(struct api *a, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv done = { 0 };
	const cJSON *resource, *method;
	cJSON_ArrayForEach(resource, a->before)
	{
		cJSON_ArrayForEach(method, rn_json_get(resource, "resourceMethods"))
		{
			const char *uri = rn_json_str(rn_json_get(method, "methodIntegration"), "uri");
			const char *begin = uri ? strstr(uri, ":lambda:path/") : NULL;
			begin = begin ? strstr(begin, "/functions/") : NULL;
			begin = begin ? begin + strlen("/functions/") : NULL;
			if (begin && leave_function(a, rn_strndup(begin, strcspn(begin, "/")), &done, err) < 0)
				return -1;
		}
	}
	return 0;
}
