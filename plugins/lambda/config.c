/* SPDX-License-Identifier: Apache-2.0 */
/* Wanted and present configuration in one form, so that comparing is comparing documents. */
#include "config.h"

#include "shift.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT 3
#define DEFAULT_MEMORY 128
#define DEFAULT_STORAGE 512

/* ---- JSON parameters -------------------------------------------------------------- */

/* Names a user may write, and the member of the API that each becomes. */
struct member {
	const char *name;
	const char *wire;
	bool list;
};
static const struct member image_members[] = {
	{ "entrypoint", "EntryPoint", true },
	{ "command", "Command", true },
	{ "workdir", "WorkingDirectory", false },
};
static const struct member vpc_members[] = {
	{ "subnets", "SubnetIds", true },
	{ "security_groups", "SecurityGroupIds", true },
};

static const struct member *find_member(const struct member *m, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(m[i].name, name) == 0 || strcmp(m[i].wire, name) == 0)
			return &m[i];
	return NULL;
}

static bool is_strings(const cJSON *list)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (!cJSON_IsString(item))
			return false;
	}
	return cJSON_IsArray(list);
}

static int check_object(const char *param, const char *text, const struct member *m, size_t n, struct rn_error *err)
{
	if (!text)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *o = rn_json_parse_str(text, err);
	if (!o)
		return rn_wrap(err, "%s", param);
	if (!cJSON_IsObject(o))
		return rn_fail(err, RN_EINVAL, "%s must be a map, not %s", param, text);
	const cJSON *item;
	cJSON_ArrayForEach(item, o)
	{
		const struct member *known = find_member(m, n, item->string);
		if (!known) {
			rn_fail(err, RN_EINVAL, "%s has no member \"%s\"", param, item->string);
			return n == RN_LEN(vpc_members) ? rn_hint(err, "it takes subnets and security_groups") :
							  rn_hint(err, "it takes entrypoint, command and workdir");
		}
		if (known->list ? !is_strings(item) && !cJSON_IsString(item) : !cJSON_IsString(item))
			return rn_fail(err, RN_EINVAL, "%s.%s must be %s", param, known->name,
				       known->list ? "a list of strings" : "a string");
	}
	return 0;
}

static int check_ranges(const struct lambda_params *p, const char **ret_param, struct rn_error *err)
{
	if (p->timeout.ms % 1000 != 0 || p->timeout.ms < 1000 || p->timeout.ms > 900000) {
		*ret_param = "timeout";
		return rn_fail(err, RN_EINVAL, "a function's timeout is whole seconds from 1s to 15m");
	}
	if (p->memory < 128 || p->memory > 10240) {
		*ret_param = "memory";
		return rn_fail(err, RN_EINVAL, "a function's memory is 128 to 10240 (MB)");
	}
	if (p->ephemeral_storage < 512 || p->ephemeral_storage > 10240) {
		*ret_param = "ephemeral_storage";
		return rn_fail(err, RN_EINVAL, "a function's ephemeral storage is 512 to 10240 (MB)");
	}
	if (p->reserved_concurrency < -1) {
		*ret_param = "reserved_concurrency";
		return rn_fail(err, RN_EINVAL, "reserved concurrency is 0 or more, or -1 for none");
	}
	return 0;
}

static int check_retention(int64_t days, struct rn_error *err)
{
	static const int allowed[] = { 0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
				       2557, 2922, 3288, 3653 };
	int64_t near = 0;
	for (size_t i = 0; i < RN_LEN(allowed); i++) {
		if (allowed[i] == days)
			return 0;
		if (allowed[i] < days)
			near = allowed[i];
	}
	rn_fail(err, RN_EINVAL, "CloudWatch Logs cannot keep logs for %lld days", (long long)days);
	return rn_hint(err, "the next shorter time that it knows is %lld", (long long)near);
}

static int check_levels(const struct lambda_params *p, const char **ret_param, struct rn_error *err)
{
	if ((!p->log_level && !p->system_log_level) || rn_streq(p->log_format, "JSON"))
		return 0;
	*ret_param = p->log_level ? "log_level" : "system_log_level";
	rn_fail(err, RN_EINVAL, "%s filters a log in JSON, and this function's is text", *ret_param);
	return rn_hint(err, "add log_format: JSON");
}

int config_check(const struct lambda_params *p, const char **ret_param, struct rn_error *err)
{
	if (check_ranges(p, ret_param, err) < 0)
		return -1;
	*ret_param = "image_config";
	if (check_object("image_config", p->image_config.text, image_members, RN_LEN(image_members), err) < 0)
		return -1;
	*ret_param = "vpc";
	if (check_object("vpc", p->vpc.text, vpc_members, RN_LEN(vpc_members), err) < 0)
		return -1;
	*ret_param = "log_retention";
	if (check_retention(p->log_retention, err) < 0)
		return -1;
	if (check_levels(p, ret_param, err) < 0)
		return -1;
	struct shift unused;
	*ret_param = "shift";
	if (shift_parse(p, &unused, err) < 0)
		return -1;
	*ret_param = "role";
	if (p->role && *p->role && !rn_starts(p->role, "arn:")) {
		rn_fail(err, RN_EINVAL, "role must be the ARN of a role, not \"%s\"", p->role);
		return rn_hint(err, "an iam stage gives it: ${{ stages.ID.arn }}");
	}
	*ret_param = NULL;
	return 0;
}

/* ---- one form for both sides -------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A new list of the strings in `list` (a string counts as a list of one), sorted when `sort`. */
static cJSON *strings(const cJSON *list, bool sort)
{
	RN_AUTO(rn_strv_clear) struct rn_strv v = { 0 };
	const cJSON *item;
	if (cJSON_IsString(list))
		rn_strv_add(&v, list->valuestring);
	else
		cJSON_ArrayForEach(item, list)
			rn_strv_add(&v, cJSON_IsString(item) ? item->valuestring : "");
	if (sort && v.n)
		qsort(v.v, v.n, sizeof v.v[0], by_text);
	cJSON *copy = cJSON_CreateArray();
	for (size_t i = 0; i < v.n; i++)
		cJSON_AddItemToArray(copy, cJSON_CreateString(v.v[i]));
	return copy;
}

/* An object of the wire's members out of one with either spelling; absent ones are empty. */
static cJSON *members(const cJSON *o, const struct member *m, size_t n, bool sort)
{
	cJSON *all = cJSON_CreateObject();
	for (size_t i = 0; i < n; i++) {
		const cJSON *v = rn_json_get(o, m[i].name);
		if (!v)
			v = rn_json_get(o, m[i].wire);
		if (m[i].list)
			cJSON_AddItemToObject(all, m[i].wire, strings(v, sort));
		else
			cJSON_AddStringToObject(all, m[i].wire, cJSON_IsString(v) ? v->valuestring : "");
	}
	return all;
}

static cJSON *json_members(const char *text, const struct member *m, size_t n, bool sort)
{
	RN_AUTO(rn_json_freep) cJSON *o = text ? rn_json_parse_str(text, NULL) : NULL;
	return members(o, m, n, sort);
}

static cJSON *variables(const struct runner_map *map)
{
	cJSON *environment = cJSON_CreateObject();
	cJSON *o = cJSON_AddObjectToObject(environment, "Variables");
	for (size_t i = 0; i < map->n; i++)
		cJSON_AddStringToObject(o, map->v[i].key, map->v[i].value);
	return environment;
}

static void add_text(cJSON *o, const char *name, const char *value, const char *otherwise)
{
	cJSON_AddStringToObject(o, name, value && *value ? value : otherwise);
}

struct logging {
	const char *format, *level, *system_level, *group;
};

/* Levels exist in JSON logs alone; Lambda refuses them for text. */
static cJSON *logging(const struct logging *l, const char *function_name)
{
	cJSON *o = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *usual = rn_asprintf("/aws/lambda/%s", function_name ? function_name : "");
	add_text(o, "LogFormat", l->format, "Text");
	add_text(o, "LogGroup", l->group, usual);
	if (rn_streq(l->format, "JSON")) {
		add_text(o, "ApplicationLogLevel", l->level, "INFO");
		add_text(o, "SystemLogLevel", l->system_level, "INFO");
	}
	return o;
}

cJSON *config_want(const struct lambda_params *p)
{
	cJSON *o = cJSON_CreateObject();
	if (p->role && *p->role)
		cJSON_AddStringToObject(o, "Role", p->role);
	add_text(o, "Description", p->description, "");
	cJSON_AddNumberToObject(o, "Timeout", (double)p->timeout.ms / 1000);
	cJSON_AddNumberToObject(o, "MemorySize", (double)p->memory);
	cJSON_AddItemToObject(o, "Environment", variables(&p->environment));
	add_text(o, "KMSKeyArn", p->kms_key, "");
	cJSON_AddNumberToObject(cJSON_AddObjectToObject(o, "EphemeralStorage"), "Size", (double)p->ephemeral_storage);
	add_text(cJSON_AddObjectToObject(o, "TracingConfig"), "Mode", p->tracing, "PassThrough");
	cJSON_AddItemToObject(o, "ImageConfig",
			      json_members(p->image_config.text, image_members, RN_LEN(image_members), false));
	cJSON_AddItemToObject(o, "VpcConfig", json_members(p->vpc.text, vpc_members, RN_LEN(vpc_members), true));
	const struct logging l = { p->log_format, p->log_level, p->system_log_level, p->log_group };
	cJSON_AddItemToObject(o, "LoggingConfig", logging(&l, p->function_name));
	add_text(cJSON_AddObjectToObject(o, "DeadLetterConfig"), "TargetArn", p->dead_letter, "");
	return o;
}

cJSON *config_have(const cJSON *c)
{
	cJSON *o = cJSON_CreateObject();
	add_text(o, "Role", rn_json_str(c, "Role"), "");
	add_text(o, "Description", rn_json_str(c, "Description"), "");
	cJSON_AddNumberToObject(o, "Timeout", rn_json_num(c, "Timeout", DEFAULT_TIMEOUT));
	cJSON_AddNumberToObject(o, "MemorySize", rn_json_num(c, "MemorySize", DEFAULT_MEMORY));
	cJSON *environment = cJSON_AddObjectToObject(o, "Environment");
	const cJSON *present = rn_json_path(c, "Environment.Variables");
	cJSON_AddItemToObject(environment, "Variables",
			      cJSON_IsObject(present) ? cJSON_Duplicate(present, true) : cJSON_CreateObject());
	add_text(o, "KMSKeyArn", rn_json_str(c, "KMSKeyArn"), "");
	cJSON_AddNumberToObject(cJSON_AddObjectToObject(o, "EphemeralStorage"), "Size",
				rn_json_num(rn_json_get(c, "EphemeralStorage"), "Size", DEFAULT_STORAGE));
	add_text(cJSON_AddObjectToObject(o, "TracingConfig"), "Mode", rn_json_str(rn_json_get(c, "TracingConfig"), "Mode"),
		 "PassThrough");
	cJSON_AddItemToObject(o, "ImageConfig", members(rn_json_path(c, "ImageConfigResponse.ImageConfig"), image_members,
							RN_LEN(image_members), false));
	cJSON_AddItemToObject(o, "VpcConfig",
			      members(rn_json_get(c, "VpcConfig"), vpc_members, RN_LEN(vpc_members), true));
	const cJSON *log = rn_json_get(c, "LoggingConfig");
	const struct logging l = { rn_json_str(log, "LogFormat"), rn_json_str(log, "ApplicationLogLevel"),
				   rn_json_str(log, "SystemLogLevel"), rn_json_str(log, "LogGroup") };
	cJSON_AddItemToObject(o, "LoggingConfig", logging(&l, rn_json_str(c, "FunctionName")));
	add_text(cJSON_AddObjectToObject(o, "DeadLetterConfig"), "TargetArn",
		 rn_json_str(rn_json_get(c, "DeadLetterConfig"), "TargetArn"), "");
	return o;
}

/* ---- difference ------------------------------------------------------------------------ */

/* Wire member -> the parameter that a reader of the pipeline knows. */
static const char *const spoken[][2] = {
	{ "Role", "role" },
	{ "Description", "description" },
	{ "Timeout", "timeout" },
	{ "MemorySize", "memory" },
	{ "KMSKeyArn", "kms_key" },
	{ "EphemeralStorage", "ephemeral_storage" },
	{ "TracingConfig", "tracing" },
	{ "ImageConfig", "image_config" },
	{ "VpcConfig", "vpc" },
	{ "LoggingConfig", "logging" },
	{ "DeadLetterConfig", "dead_letter" },
};

static const char *spoken_name(const char *wire)
{
	for (size_t i = 0; i < RN_LEN(spoken); i++)
		if (strcmp(spoken[i][0], wire) == 0)
			return spoken[i][1];
	return wire;
}

/* The one value inside {"Size": 512} or {"Mode": "Active"} says more than the object. */
static const cJSON *plain(const cJSON *v)
{
	return cJSON_IsObject(v) && cJSON_GetArraySize(v) == 1 ? v->child : v;
}

static void tell(struct stage_diff *d, const char *wire, const cJSON *have, const cJSON *want)
{
	const char *name = spoken_name(wire);
	if (strcmp(wire, "Environment") == 0) {
		stage_diff_secret(d, "environment", rn_json_get(have, "Variables"), rn_json_get(want, "Variables"));
		return;
	}
	have = plain(have);
	want = plain(want);
	if (cJSON_IsString(have) && cJSON_IsString(want))
		stage_diff_str(d, name, *have->valuestring ? have->valuestring : NULL,
			       *want->valuestring ? want->valuestring : NULL);
	else
		stage_diff_json(d, name, have, want);
}

cJSON *config_difference(const cJSON *have, const cJSON *want, struct stage_diff *d)
{
	cJSON *update = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, want)
	{
		const cJSON *present = rn_json_get(have, item->string);
		if (present && rn_json_equal(present, item))
			continue;
		tell(d, item->string, present, item);
		cJSON_AddItemToObject(update, item->string, cJSON_Duplicate(item, true));
	}
	return update;
}

/* ---- code and versions ------------------------------------------------------------------ */

const char *config_digest(const cJSON *function)
{
	const cJSON *code = rn_json_get(function, "Code");
	const char *uri = rn_json_str(code, "ResolvedImageUri");
	if (!uri)
		uri = rn_json_str(code, "ImageUri");
	const char *at = uri ? strrchr(uri, '@') : NULL;
	return at ? at + 1 : NULL;
}

bool config_same_version(const cJSON *latest, const cJSON *version)
{
	RN_AUTO(rn_json_freep) cJSON *a = config_have(latest);
	RN_AUTO(rn_json_freep) cJSON *b = config_have(version);
	const cJSON *mine = rn_json_path(latest, "Architectures.0");
	const cJSON *its = rn_json_path(version, "Architectures.0");
	return rn_json_equal(a, b) && rn_streq(rn_json_str(latest, "CodeSha256"), rn_json_str(version, "CodeSha256")) &&
	       rn_streq(cJSON_GetStringValue(mine), cJSON_GetStringValue(its));
}

const char *config_architecture(const char *name)
{
	if (!name || strcmp(name, "x86_64") == 0 || strcmp(name, "amd64") == 0)
		return "x86_64";
	return "arm64";
}
