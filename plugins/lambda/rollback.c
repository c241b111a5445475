/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was there before a run, and putting it back. Records go to the journal in the clear,
 * so they have no environment: that of before is in the published version that had it.
 */
#include "function.h"

#include "config.h"

#include <string.h>

#define FUNCTION_KEY "function "
#define ALIAS_KEY "alias "
#define KEPT "kept" /* in place of a version: the run does not touch the environment */

/* ---- records --------------------------------------------------------------------------- */

int function_remember(struct function *f, const cJSON *update, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *key = rn_asprintf(FUNCTION_KEY "%s", f->p->function_name);
	if (f->s->mode != STAGE_RUN || !f->found)
		return stage_remember(f->s, key, NULL, err);
	RN_AUTO(rn_json_freep) cJSON *record = cJSON_CreateObject();
	const cJSON *c = function_configuration(f), *code = rn_json_get(f->found, "Code");
	const char *image = rn_json_str(code, "ResolvedImageUri");
	const cJSON *architecture = rn_json_path(c, "Architectures.0");
	cJSON_AddStringToObject(record, "image", image ? image : rn_json_str(code, "ImageUri"));
	cJSON_AddStringToObject(record, "architecture", cJSON_IsString(architecture) ? architecture->valuestring : "x86_64");
	cJSON_AddNumberToObject(record, "concurrency",
				rn_json_num(rn_json_get(f->found, "Concurrency"), "ReservedConcurrentExecutions", -1));
	cJSON *settings = config_have(c);
	cJSON_DeleteItemFromObjectCaseSensitive(settings, "Environment");
	cJSON_AddItemToObject(record, "settings", settings);
	const cJSON *same = NULL;
	if (!rn_json_get(update, "Environment"))
		cJSON_AddStringToObject(record, "environment", KEPT);
	else if (function_same_version(f, &same, err) < 0)
		return -1;
	else if (same)
		cJSON_AddStringToObject(record, "environment", rn_json_str(same, "Version"));
	return stage_remember(f->s, key, record, err);
}

int function_remember_alias(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *key = rn_asprintf(ALIAS_KEY "%s:%s", f->p->function_name, f->p->alias);
	RN_AUTO(rn_json_freep) cJSON *record = NULL;
	if (f->alias) {
		const cJSON *weights = rn_json_path(f->alias, "RoutingConfig.AdditionalVersionWeights");
		record = cJSON_CreateObject();
		cJSON_AddStringToObject(record, "version", rn_json_str(f->alias, "FunctionVersion"));
		if (weights && weights->child)
			cJSON_AddItemToObject(record, "weights", cJSON_Duplicate(weights, true));
	}
	return stage_remember(f->s, key, record, err);
}

static const char EXTRA_KEY[] = "setting ";

int function_remember_extra(struct function *f, enum extra e, struct rn_error *err)
{
	const char *alias = f->p->alias && *f->p->alias ? f->p->alias : NULL;
	RN_AUTO(rn_freep)
	char *key = rn_asprintf("%s%s %s%s%s", EXTRA_KEY, extra_param(e), f->p->function_name, alias ? ":" : "", alias ? alias : "");
	RN_AUTO(rn_json_freep) cJSON *record = cJSON_IsObject(f->extras[e]) ? cJSON_Duplicate(f->extras[e], true) : NULL;
	cJSON_DeleteItemFromObjectCaseSensitive(record, "Status"); /* a failure is nothing to put back */
	return stage_remember(f->s, key, record, err);
}

/* ---- putting back ------------------------------------------------------------------------ */

static int delete_alias(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *tail = aws_path("/aliases/{}", f->p->alias);
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s%s", f->path, tail);
	struct aws_error aerr = { 0 };
	if (function_write(f, "DeleteAlias", "DELETE", path, NULL, NULL, &aerr, err) < 0 &&
	    !aws_error_is(&aerr, "ResourceNotFoundException"))
		return -1;
	stage_change(f->s, RUNNER_DELETED, "it is new", "alias %s of function %s", f->p->alias, f->p->function_name);
	return 0;
}

static int put_alias_back(struct function *f, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	if (function_read_alias(f, err) < 0)
		return -1;
	if (!f->alias)
		return cJSON_IsNull(record) ? 0 : rn_fail(err, RN_ENOTFOUND, "alias %s is gone", f->p->alias);
	if (cJSON_IsNull(record))
		return delete_alias(f, err);
	const char *version = rn_json_str(record, "version");
	const cJSON *weights = rn_json_get(record, "weights"), *other = weights ? weights->child : NULL;
	const cJSON *present = rn_json_path(f->alias, "RoutingConfig.AdditionalVersionWeights");
	present = present && present->child ? present : NULL;
	stage_diff_str(&d, "version", rn_json_str(f->alias, "FunctionVersion"), version);
	stage_diff_json(&d, "weights", present, weights);
	if (stage_differs(&d) &&
	    function_put_alias(f, version, other ? other->string : NULL, other ? other->valuedouble : 0, err) < 0)
		return -1;
	stage_change_diff(f->s, &d, "alias %s of function %s", f->p->alias, f->p->function_name);
	return 0;
}

/* Settings as they were, with the environment of the version that still has it. New object; NULL with `err`. */
static cJSON *old_settings(struct function *f, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *want = cJSON_Duplicate(rn_json_get(record, "settings"), true);
	const char *version = rn_json_str(record, "environment");
	if (!version)
		stage_warn(f->s, "the environment of function %s stays as it is: no published version has the old one "
				 "(with `publish: true` there is one)", f->p->function_name);
	if (!version || strcmp(version, KEPT) == 0)
		return rn_take(&want);
	RN_AUTO(rn_json_freep) cJSON *c = NULL;
	if (function_read_version(f, version, &c, err) < 0)
		return NULL;
	RN_AUTO(rn_json_freep) cJSON *whole = config_have(c);
	cJSON_AddItemToObject(want, "Environment", cJSON_DetachItemFromObjectCaseSensitive(whole, "Environment"));
	return rn_take(&want);
}

/* One round: compare, and write what differs. *ret_again: compare once more. */
static int back_round(struct function *f, const cJSON *want, const cJSON *record, struct stage_diff *told, bool *ret_again,
		      struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *have = config_have(function_configuration(f));
	RN_AUTO(rn_json_freep) cJSON *update = config_difference(have, want, &d);
	const cJSON *present = rn_json_path(function_configuration(f), "Architectures.0");
	const char *architecture = rn_json_str(record, "architecture");
	bool code = stage_diff_str(&d, "architecture", cJSON_GetStringValue(present), architecture);
	code |= stage_diff_str(&d, "image", config_digest(f->found), strchr(f->image, '@') + 1);
	if (!stage_differs(told))
		stage_diff_join(told, &d);
	*ret_again = false;
	if (cJSON_GetArraySize(update) > 0 && function_update_configuration(f, update, ret_again, err) < 0)
		return -1;
	return code && !*ret_again ? function_update_code(f, architecture, ret_again, err) : 0;
}

static int put_function_back(struct function *f, const cJSON *record, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff told = { 0 };
	const char *image = rn_json_str(record, "image");
	if (!image || !strchr(image, '@'))
		return rn_fail(err, RN_EINTERNAL, "the record of function %s names no image by digest", f->p->function_name);
	rn_freep(&f->image);
	f->image = rn_strdup(image);
	if (function_settle(f, err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *want = old_settings(f, record, err);
	bool again = true;
	if (!want)
		return -1;
	for (int round = 0; again && round < FUNCTION_ROUNDS; round++)
		if (back_round(f, want, record, &told, &again, err) < 0)
			return -1;
	if (again)
		return function_contended(f, err);
	if (function_put_concurrency(f, rn_json_int(record, "concurrency", -1), &told, err) < 0)
		return -1;
	stage_change_diff(f->s, &told, "function %s", f->p->function_name);
	return 0;
}

static int put_setting_back(struct function *f, const char *key, const cJSON *record, struct rn_error *err)
{
	for (enum extra e = 0; e < EXTRA_N; e++) {
		RN_AUTO(rn_freep) char *prefix = rn_asprintf("%s%s ", EXTRA_KEY, extra_param(e));
		if (rn_starts(key, prefix))
			return function_put_extra_back(f, e, record, err);
	}
	return 0;
}

static int put_back(struct function *f, const char *key, const cJSON *record, struct rn_error *err)
{
	if (rn_starts(key, ALIAS_KEY))
		return put_alias_back(f, record, err);
	if (rn_starts(key, EXTRA_KEY))
		return put_setting_back(f, key, record, err);
	if (function_read(f, err) < 0)
		return -1;
	if (cJSON_IsNull(record))
		return f->found && stage_owns(f->s, rn_json_get(f->found, "Tags")) ? function_delete(f, err) : 0;
	if (!f->found)
		return rn_fail(err, RN_ENOTFOUND, "function %s is gone", f->p->function_name);
	return put_function_back(f, record, err);
}

/* One record; the names are those of its key, for parameters may not be known here. */
static int put_key_back(struct stage *s, const struct lambda_params *p, struct aws_session *session, const char *key,
			struct rn_error *err)
{
	struct lambda_params named = *p;
	const char *name = strrchr(key, ' ') + 1;
	RN_AUTO(rn_freep) char *function = rn_strndup(name, strcspn(name, ":"));
	named.function_name = function;
	named.alias = name[strlen(function)] ? name + strlen(function) + 1 : NULL;
	RN_AUTO(function_clear) struct function f = { 0 };
	RN_AUTO(rn_json_freep) cJSON *record = stage_recall(s, key);
	if (!record || function_init(&f, s, &named, session, err) < 0)
		return record ? -1 : 0;
	return put_back(&f, key, record, err);
}

int function_rollback(struct stage *s, const struct lambda_params *p, struct aws_session *session, struct rn_error *err)
{
	size_t n = 0;
	while (stage_recall_key(s, n))
		n++;
	for (size_t i = n; i > 0; i--) /* what came last is what callers see: alias and settings come before the function */
		if (put_key_back(s, p, session, stage_recall_key(s, i - 1), err) < 0)
			return -1;
	return 0;
}
