/* SPDX-License-Identifier: Apache-2.0 */
/* Creating the function and bringing it up to date. */
#include "function.h"

#include <string.h>


/* Member of the configuration -> the parameters that it comes from. */
static const struct {
	const char *wire;
	const char *params[4];
} sources[] = {
	{ "Role", { "role" } },
	{ "Description", { "description" } },
	{ "Timeout", { "timeout" } },
	{ "MemorySize", { "memory" } },
	{ "Environment", { "environment" } },
	{ "KMSKeyArn", { "kms_key" } },
	{ "EphemeralStorage", { "ephemeral_storage" } },
	{ "TracingConfig", { "tracing" } },
	{ "ImageConfig", { "image_config" } },
	{ "VpcConfig", { "vpc" } },
	{ "FileSystemConfigs", { "file_system" } },
	{ "LoggingConfig", { "log_format", "log_group", "log_level", "system_log_level" } },
	{ "DeadLetterConfig", { "dead_letter" } },
};

static bool any(const struct function *f, size_t row, bool (*is)(struct runner_stage *, const char *), bool wanted)
{
	for (size_t i = 0; i < RN_LEN(sources[row].params); i++)
		if (sources[row].params[i] && is(f->s->rs, sources[row].params[i]) == wanted)
			return true;
	return false;
}

/*
 * What the pipeline wants. Of a function that we did not make, only what the pipeline
 * gives; in plan, without what is not known yet (told in `d`).
 */
static cJSON *wanted(const struct function *f, struct stage_diff *d)
{
	cJSON *want = config_want(f->p);
	for (size_t i = 0; i < RN_LEN(sources); i++) {
		bool unknown = any(f, i, f->s->host->is_known, false);
		if (unknown)
			stage_diff_note(d, "%s: known when it runs", sources[i].params[0]);
		if (unknown || (f->adopted && !any(f, i, f->s->host->is_set, true)))
			cJSON_DeleteItemFromObjectCaseSensitive(want, sources[i].wire);
	}
	return want;
}

/* ---- creation ------------------------------------------------------------------------ */

static cJSON *creation(const struct function *f, const cJSON *tags)
{
	struct stage_diff unused = { 0 };
	RN_AUTO(rn_json_freep) cJSON *nothing = cJSON_CreateObject();
	cJSON_AddStringToObject(nothing, "FunctionName", f->p->function_name);
	RN_AUTO(rn_json_freep) cJSON *defaults = config_have(nothing);
	RN_AUTO(rn_json_freep) cJSON *want = config_want(f->p);
	cJSON *body = config_difference(defaults, want, &unused);
	stage_diff_clear(&unused);
	cJSON_AddStringToObject(body, "FunctionName", f->p->function_name);
	cJSON_AddStringToObject(body, "PackageType", "Image");
	cJSON_AddStringToObject(cJSON_AddObjectToObject(body, "Code"), "ImageUri", f->image);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "Architectures"),
			     cJSON_CreateString(config_architecture(f->p->architecture)));
	cJSON_AddItemToObject(body, "Tags", cJSON_Duplicate(tags, true));
	return body;
}

/* 0 also when it turned out to exist already (*ret_created false): then it is compared like any other. */
static int create(struct function *f, const cJSON *tags, bool *ret_created, struct rn_error *err)
{
	f->changed = true;
	*ret_created = true;
	if (f->s->mode == STAGE_PLAN) {
		stage_change(f->s, RUNNER_CREATED, f->image ? f->image : "image known when it runs", "function %s",
			     f->p->function_name);
		return 0;
	}
	if (function_remember(f, NULL, err) < 0)
		return -1;
	stage_step(f->s, "create function %s", f->p->function_name);
	RN_AUTO(rn_json_freep) cJSON *body = creation(f, tags);
	struct aws_error aerr = { 0 };
	bool made = function_write(f, "CreateFunction", "POST", "/2015-03-31/functions", body, NULL, &aerr, err) == 0;
	if (!made && !aws_error_is(&aerr, "ResourceConflictException"))
		return -1;
	if (function_settle(f, err) < 0)
		return -1;
	/* a creation whose answer was lost is found with our tags */
	*ret_created = made || stage_owns(f->s, rn_json_get(f->found, "Tags"));
	if (*ret_created)
		stage_change(f->s, RUNNER_CREATED, f->image, "function %s", f->p->function_name);
	return function_check_state(function_configuration(f), err);
}

/* ---- update ----------------------------------------------------------------------------- */

/* Says that the write met another revision: read again and compare again. */
static bool moved_on(const struct aws_error *e)
{
	return aws_error_is(e, "PreconditionFailedException");
}

static int send_update(struct function *f, const char *operation, const char *tail, cJSON *body, bool *ret_again,
		       struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s", f->path, tail);
	const char *revision = rn_json_str(function_configuration(f), "RevisionId");
	if (revision)
		cJSON_AddStringToObject(body, "RevisionId", revision);
	struct aws_error aerr = { 0 };
	*ret_again = false;
	if (function_write(f, operation, "PUT", path, body, NULL, &aerr, err) < 0) {
		if (!moved_on(&aerr))
			return -1;
		*ret_again = true;
	}
	if (function_settle(f, err) < 0)
		return -1;
	return *ret_again ? 0 : function_check_state(function_configuration(f), err);
}

int function_update_configuration(struct function *f, const cJSON *update, bool *ret_again, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_Duplicate(update, true);
	stage_step(f->s, "update the configuration");
	return send_update(f, "UpdateFunctionConfiguration", "configuration", body, ret_again, err);
}

int function_update_code(struct function *f, const char *architecture, bool *ret_again, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "ImageUri", f->image);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "Architectures"), cJSON_CreateString(architecture));
	stage_step(f->s, "update the code");
	return send_update(f, "UpdateFunctionCode", "code", body, ret_again, err);
}

/* Compares the code; true when it must be deployed. */
static bool code_differs(const struct function *f, const char **ret_architecture, struct stage_diff *d)
{
	const cJSON *c = function_configuration(f);
	const char *present = cJSON_GetStringValue(rn_json_path(c, "Architectures.0"));
	const char *architecture = config_architecture(f->p->architecture);
	present = present ? present : "x86_64";
	if (f->adopted && !f->s->host->is_set(f->s->rs, "architecture"))
		architecture = present;
	*ret_architecture = architecture;
	bool differs = stage_diff_str(d, "architecture", present, architecture);
	if (!f->image) {
		stage_diff_note(d, "image: known when it runs");
		return false;
	}
	const char *at = strchr(f->image, '@');
	differs |= stage_diff_str(d, "image", config_digest(f->found), at ? at + 1 : f->image);
	if (rn_streq(rn_json_str(c, "State"), "Failed") || rn_streq(rn_json_str(c, "LastUpdateStatus"), "Failed"))
		differs |= stage_diff_note(d, "state: Failed -> deployed again");
	return differs;
}

/* One round: compare, and write at most one of configuration and code. *ret_again: read and compare once more. */
static int update_round(struct function *f, struct stage_diff *told, bool *ret_again, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff settings = { 0 };
	RN_AUTO(stage_diff_clear) struct stage_diff code = { 0 };
	RN_AUTO(rn_json_freep) cJSON *want = wanted(f, &settings);
	RN_AUTO(rn_json_freep) cJSON *have = config_have(function_configuration(f));
	RN_AUTO(rn_json_freep) cJSON *update = config_difference(have, want, &settings);
	const char *architecture = NULL;
	bool redeploy = code_differs(f, &architecture, &code);
	if (f->s->mode == STAGE_PLAN || told->lines.n == 0) {
		stage_diff_join(told, &settings);
		stage_diff_join(told, &code);
	}
	*ret_again = false;
	f->changed |= stage_differs(told);
	if (f->s->mode == STAGE_PLAN)
		return 0;
	bool configure = cJSON_GetArraySize(update) > 0;
	if ((configure || redeploy) && function_remember(f, update, err) < 0)
		return -1;
	if (configure && function_update_configuration(f, update, ret_again, err) < 0)
		return -1;
	if (redeploy && !*ret_again && function_update_code(f, architecture, ret_again, err) < 0)
		return -1;
	return 0;
}

static bool busy(const cJSON *c)
{
	return rn_streq(rn_json_str(c, "State"), "Pending") || rn_streq(rn_json_str(c, "LastUpdateStatus"), "InProgress");
}

int function_put_concurrency(struct function *f, int64_t want, struct stage_diff *d, struct rn_error *err)
{
	int64_t have = rn_json_int(rn_json_get(f->found, "Concurrency"), "ReservedConcurrentExecutions", -1);
	if (!stage_diff_int(d, "reserved_concurrency", have, want) || f->s->mode == STAGE_PLAN)
		return 0;
	if (function_remember(f, NULL, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *path = aws_path("/2017-10-31/functions/{}/concurrency", f->p->function_name);
	if (want < 0)
		return function_write(f, "DeleteFunctionConcurrency", "DELETE", path, NULL, NULL, NULL, err);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddNumberToObject(body, "ReservedConcurrentExecutions", (double)want);
	return function_write(f, "PutFunctionConcurrency", "PUT", path, body, NULL, NULL, err);
}

static int put_concurrency(struct function *f, struct stage_diff *d, struct rn_error *err)
{
	const struct runner_host *host = f->s->host;
	bool given = host->is_set(f->s->rs, "reserved_concurrency") && host->is_known(f->s->rs, "reserved_concurrency");
	return given ? function_put_concurrency(f, f->p->reserved_concurrency, d, err) : 0;
}

static int put_tags(struct function *f, const cJSON *tags, struct stage_diff *d, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *want = cJSON_Duplicate(tags, true);
	if (f->adopted) {
		cJSON_DeleteItemFromObjectCaseSensitive(want, STAGE_TAG_PIPELINE);
		cJSON_DeleteItemFromObjectCaseSensitive(want, STAGE_TAG_STAGE);
	}
	RN_AUTO(rn_json_freep) cJSON *have = stage_tags_object(rn_json_get(f->found, "Tags"));
	RN_AUTO(rn_json_freep) cJSON *missing = stage_tags_missing(want, have);
	const cJSON *tag;
	cJSON_ArrayForEach(tag, missing)
		stage_diff_str(d, tag->string, rn_json_str(have, tag->string), tag->valuestring);
	if (cJSON_GetArraySize(missing) == 0 || f->s->mode == STAGE_PLAN)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	cJSON_AddItemToObject(body, "Tags", rn_take(&missing));
	RN_AUTO(rn_freep) char *path = aws_path("/2017-03-31/tags/{}", function_arn(f));
	return function_write(f, "TagResource", "POST", path, body, NULL, NULL, err);
}

/* Lambda hides an environment whose key the caller may not use. */
static void warn_hidden(const struct function *f)
{
	const cJSON *e = rn_json_path(function_configuration(f), "Environment.Error");
	if (cJSON_IsObject(e))
		stage_warn(f->s, "the environment of function %s cannot be read and so not compared (%s: %s): it is written anew",
			   f->p->function_name, rn_json_str(e, "ErrorCode"), rn_json_str(e, "Message"));
}

static int update(struct function *f, struct stage_diff *told, struct rn_error *err)
{
	warn_hidden(f);
	if (busy(function_configuration(f)) && f->s->mode == STAGE_RUN && function_settle(f, err) < 0)
		return -1;
	bool again = true;
	for (int round = 0; again && round < FUNCTION_ROUNDS; round++)
		if (update_round(f, told, &again, err) < 0)
			return -1;
	return again ? function_contended(f, err) : 0;
}

int function_contended(const struct function *f, struct rn_error *err)
{
	rn_fail(err, RN_EREMOTE, "function %s was changed by somebody else each time it was to be updated", f->p->function_name);
	return rn_hint(err, "is another pipeline or person deploying it? run again when they are done");
}

static int check_package(const struct function *f, struct rn_error *err)
{
	const char *type = rn_json_str(function_configuration(f), "PackageType");
	if (!type || strcmp(type, "Image") == 0)
		return 0;
	stage_blame(f->s, "function_name");
	rn_fail(err, RN_EUNSUPPORTED, "function %s was made from a .zip archive, and Lambda cannot turn it into one with an image",
		f->p->function_name);
	return rn_hint(err, "delete the function or choose another function_name");
}

int function_converge(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *tags = stage_tags(f->s, &f->p->tags, err);
	if (!tags)
		return -1;
	bool created = false;
	if (!f->found && create(f, tags, &created, err) < 0)
		return -1;
	if (!f->found)
		return 0; /* plan */
	RN_AUTO(rn_freep) char *name = rn_asprintf("function %s", f->p->function_name);
	if (stage_claim(f->s, name, rn_json_get(f->found, "Tags"), &f->adopted, err) < 0)
		return stage_blame(f->s, "function_name");
	if (check_package(f, err) < 0)
		return -1;
	RN_AUTO(stage_diff_clear) struct stage_diff told = { 0 };
	if (update(f, &told, err) < 0 || put_tags(f, tags, &told, err) < 0 || put_concurrency(f, &told, err) < 0)
		return -1;
	if (!created)
		stage_change_diff(f->s, &told, "%s", name);
	return 0;
}
