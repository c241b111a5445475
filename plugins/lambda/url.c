/* SPDX-License-Identifier: Apache-2.0 */
/* The URL of a function, and the two statements of its policy that open it to everybody. */
#include "function.h"

#include <string.h>

#define URL_PATH "/2021-10-31/functions/{}/url"

static char *policy_path(const struct function *f, const char *sid)
{
	RN_AUTO(rn_freep) char *tail = sid ? aws_path("/{}", sid) : rn_strdup("");
	RN_AUTO(rn_freep) char *format = rn_asprintf("/2015-03-31/functions/{}/policy%s", tail);
	return function_qualified_path(f, format);
}

/* NULL when there is none. */
static int read_policy(struct function *f, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = policy_path(f, NULL);
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	struct aws_error aerr = { 0 };
	struct rn_error own = { 0 };
	*ret = NULL;
	if (aws_rest(f->client, "GetPolicy", "GET", path, NULL, NULL, &answer, &aerr, &own) < 0 && aerr.http_status != 404) {
		if (err)
			*err = own;
		return -1;
	}
	const char *text = rn_json_str(answer, "Policy");
	*ret = text ? rn_json_parse_str(text, NULL) : NULL;
	return 0;
}

static void note_url(struct function *f, const cJSON *answer)
{
	const char *url = rn_json_str(answer, "FunctionUrl");
	if (!url)
		return;
	rn_freep(&f->url);
	f->url = rn_strdup(url);
}

int function_read_public(struct function *f, const cJSON *answer, cJSON *have, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *policy = NULL;
	note_url(f, answer);
	if (!cJSON_IsObject(have))
		return 0;
	if (read_policy(f, &policy, err) < 0)
		return -1;
	cJSON_AddItemToObject(have, "Public", extra_public(policy));
	return 0;
}

/* ---- statements ------------------------------------------------------------------------------ */

static int remove_statement(struct function *f, const char *sid, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = policy_path(f, sid);
	struct aws_error aerr = { 0 };
	return function_write(f, "RemovePermission", "DELETE", path, NULL, NULL, &aerr, err) < 0 && aerr.http_status != 404 ? -1 : 0;
}

static int add_statement(struct function *f, const struct extra_statement *s, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = policy_path(f, NULL);
	RN_AUTO(rn_json_freep) cJSON *body = extra_statement_body(s), *policy = NULL;
	struct aws_error aerr = { 0 };
	if (function_write(f, "AddPermission", "POST", path, body, NULL, &aerr, err) == 0)
		return 0;
	/* there after all: of a try whose answer was lost, or of somebody else meanwhile */
	if (!aws_error_is(&aerr, "ResourceConflictException") || read_policy(f, &policy, err) < 0)
		return -1;
	if (extra_has_statement(policy, s))
		return 0;
	return remove_statement(f, s->sid, err) < 0 ? -1 : function_write(f, "AddPermission", "POST", path, body, NULL, NULL, err);
}

/* Our statements become those of `public` (NULL: none); others are left alone. */
static int put_statements(struct function *f, const cJSON *public, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *policy = NULL;
	if (read_policy(f, &policy, err) < 0)
		return -1;
	for (size_t i = 0; i < EXTRA_STATEMENTS; i++) {
		const struct extra_statement *s = &extra_statements[i];
		const cJSON *item;
		bool wanted = false, right = extra_has_statement(policy, s);
		cJSON_ArrayForEach(item, public)
			wanted = wanted || rn_streq(cJSON_GetStringValue(item), s->sid);
		if (wanted && right)
			continue;
		if (extra_find_statement(policy, s->sid) && remove_statement(f, s->sid, err) < 0)
			return -1;
		if (wanted && add_statement(f, s, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the URL ------------------------------------------------------------------------------------ */

static int send_url(struct function *f, const cJSON *want, bool creating, struct aws_error *aerr, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = function_qualified_path(f, URL_PATH);
	RN_AUTO(rn_json_freep) cJSON *body = extra_url_body(want, creating), *answer = NULL;
	if (function_write(f, creating ? "CreateFunctionUrlConfig" : "UpdateFunctionUrlConfig", creating ? "POST" : "PUT", path, body, &answer,
			   aerr, err) < 0)
		return -1;
	note_url(f, answer);
	return 0;
}

static int put_url(struct function *f, const cJSON *want, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	const cJSON *have = f->extras[EXTRA_URL];
	if (!cJSON_IsObject(have)) {
		if (send_url(f, want, true, &aerr, err) == 0)
			return 0;
		return aws_error_is(&aerr, "ResourceConflictException") ? send_url(f, want, false, NULL, err) : -1;
	}
	static const char *const parts[] = { "AuthType", "InvokeMode", "Cors" };
	bool same = true;
	for (size_t i = 0; i < RN_LEN(parts); i++)
		same = same && rn_json_equal(rn_json_get(have, parts[i]), rn_json_get(want, parts[i]));
	return same ? 0 : send_url(f, want, false, NULL, err);
}

int function_write_url(struct function *f, const cJSON *want, struct rn_error *err)
{
	if (cJSON_IsNull(want)) {
		rn_freep(&f->url);
		return function_delete_extra(f, EXTRA_URL, err) < 0 ? -1 : put_statements(f, NULL, err);
	}
	return put_url(f, want, err) < 0 ? -1 : put_statements(f, rn_json_get(want, "Public"), err);
}
