/* SPDX-License-Identifier: Apache-2.0 */
/* Wanted and present configuration in one form, so that comparing is comparing documents. */
#include "config.h"

#include "extra.h"
#include "fields.h"
#include "shift.h"

#include <string.h>

#define DEFAULT_TIMEOUT 3
#define DEFAULT_MEMORY 128
#define DEFAULT_STORAGE 512
#define DESCRIPTION_MAX 256

/* ---- parameters that are maps ------------------------------------------------------ */

static const struct field image_fields[] = {
	{ .name = "entrypoint", .wire = "EntryPoint", .kind = FIELD_LIST },
	{ .name = "command", .wire = "Command", .kind = FIELD_LIST },
	{ .name = "workdir", .wire = "WorkingDirectory", .kind = FIELD_TEXT },
};
static const struct field vpc_fields[] = {
	{ .name = "subnets", .wire = "SubnetIds", .kind = FIELD_SET },
	{ .name = "security_groups", .wire = "SecurityGroupIds", .kind = FIELD_SET },
	{ .name = "ipv6", .wire = "Ipv6AllowedForDualStack", .kind = FIELD_FLAG },
};
static const struct field file_system_fields[] = {
	{ .name = "access_point", .wire = "Arn", .kind = FIELD_TEXT },
	{ .name = "path", .wire = "LocalMountPath", .kind = FIELD_TEXT },
	{ .name = "direct_read", .wire = "DirectS3Read", .kind = FIELD_TEXT, .one_of = "ENABLED|DISABLED|AUTO" },
};

static bool has_subnets(const struct lambda_params *p)
{
	RN_AUTO(rn_json_freep) cJSON *vpc = fields_take_text(p->vpc.text, vpc_fields, RN_LEN(vpc_fields));
	return cJSON_GetArraySize(rn_json_get(vpc, "SubnetIds")) > 0;
}

static int check_vpc(const struct lambda_params *p, struct rn_error *err)
{
	if (fields_check("vpc", p->vpc.text, vpc_fields, RN_LEN(vpc_fields), err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *vpc = fields_take_text(p->vpc.text, vpc_fields, RN_LEN(vpc_fields));
	bool groups = cJSON_GetArraySize(rn_json_get(vpc, "SecurityGroupIds")) > 0;
	if (has_subnets(p) != groups) {
		rn_fail(err, RN_EINVAL, "vpc has %s and no %s", groups ? "security_groups" : "subnets", groups ? "subnets" : "security_groups");
		return rn_hint(err, "Lambda needs both to connect a function to a VPC");
	}
	if (rn_json_bool(vpc, "Ipv6AllowedForDualStack", false) && !groups)
		return rn_fail(err, RN_EINVAL, "vpc.ipv6 is about subnets, and vpc has none");
	return 0;
}

/* The access points of EFS, and of S3 Files, for which there is direct_read. */
static int check_access_point(const char *arn, bool direct_read, struct rn_error *err)
{
	bool efs = strstr(arn, ":elasticfilesystem:") != NULL, s3 = strstr(arn, ":s3files:") != NULL;
	if (!rn_starts(arn, "arn:") || !strstr(arn, "access-point/fsap-") || (!efs && !s3)) {
		rn_fail(err, RN_EINVAL, "file_system.access_point must be the ARN of an access point of EFS or S3 Files, not \"%s\"", arn);
		return rn_hint(err, "for example arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0");
	}
	return direct_read && efs ? rn_fail(err, RN_EINVAL, "file_system.direct_read is about S3 Files, and the access point is of EFS") : 0;
}

static int check_file_system(const struct lambda_params *p, struct rn_error *err)
{
	const char *text = p->file_system.text;
	if (!text)
		return 0;
	if (fields_check("file_system", text, file_system_fields, RN_LEN(file_system_fields), err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *fs = fields_take_text(text, file_system_fields, RN_LEN(file_system_fields));
	const char *path = rn_json_str(fs, "LocalMountPath");
	if (fields_empty(fs))
		return 0; /* {}: no file system */
	if (check_access_point(rn_json_str(fs, "Arn"), *rn_json_str(fs, "DirectS3Read"), err) < 0)
		return -1;
	const char *name = rn_starts(path, "/mnt/") ? path + strlen("/mnt/") : "";
	if (!*name || strlen(path) > 160 || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")]) {
		rn_fail(err, RN_EINVAL, "file_system.path must be a folder right below /mnt, not \"%s\"", path);
		return rn_hint(err, "for example /mnt/data");
	}
	return 0;
}

static int check_mount(const struct lambda_params *p, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *fs = fields_take_text(p->file_system.text, file_system_fields, RN_LEN(file_system_fields));
	if (fields_empty(fs) || has_subnets(p))
		return 0;
	rn_fail(err, RN_EINVAL, "file_system needs a network: a function reaches a file system through its VPC only");
	return rn_hint(err, "add vpc with subnets and security_groups that reach the file system's mount targets");
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

static int check_description(const char *text, struct rn_error *err)
{
	size_t n = 0;
	for (const char *c = text ? text : ""; *c; c++)
		n += ((unsigned char)*c & 0xC0) != 0x80; /* first bytes of UTF-8 */
	return n > DESCRIPTION_MAX ? rn_fail(err, RN_EINVAL, "a description has at most %d characters, this one %zu", DESCRIPTION_MAX, n) : 0;
}

/* An ARN of one of the services ("sqs|sns"), where the parameter is given. */
static int check_arn(const char *param, const char *arn, const char *services, const char *hint, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv allowed = { 0 };
	if (!arn || !*arn)
		return 0;
	rn_strv_split(&parts, arn, ':');
	rn_strv_split(&allowed, services, '|');
	if (parts.n >= 6 && strcmp(parts.v[0], "arn") == 0 && rn_strv_has(&allowed, parts.v[2]))
		return 0;
	rn_fail(err, RN_EINVAL, "%s must be an ARN of %s, not \"%s\"", param, services, arn);
	return rn_hint(err, "%s", hint);
}

static int check_maps(const struct lambda_params *p, const char **ret_param, struct rn_error *err)
{
	*ret_param = "image_config";
	if (fields_check("image_config", p->image_config.text, image_fields, RN_LEN(image_fields), err) < 0)
		return -1;
	*ret_param = "vpc";
	if (check_vpc(p, err) < 0)
		return -1;
	*ret_param = "file_system";
	if (check_file_system(p, err) < 0 || check_mount(p, err) < 0)
		return -1;
	*ret_param = "dead_letter";
	if (check_arn("dead_letter", p->dead_letter, "sqs|sns", "events that failed go to an SQS queue or an SNS topic; async: {on_failure: ARN} knows more targets",
		      err) < 0)
		return -1;
	*ret_param = "kms_key";
	return check_arn("kms_key", p->kms_key, "kms", "Lambda takes keys by ARN, not by alias or id", err);
}

int config_check(const struct lambda_params *p, const char **ret_param, struct rn_error *err)
{
	if (check_ranges(p, ret_param, err) < 0 || check_maps(p, ret_param, err) < 0)
		return -1;
	*ret_param = "description";
	if (check_description(p->description, err) < 0)
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
	if (extra_check(p, ret_param, err) < 0)
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

/* [{Arn, LocalMountPath, S3FilesConfig}], at most one, out of the flat form. Takes it. */
static cJSON *mounts(cJSON *flat)
{
	cJSON *list = cJSON_CreateArray();
	if (*rn_json_str(flat, "Arn")) {
		cJSON *mode = cJSON_DetachItemFromObjectCaseSensitive(flat, "DirectS3Read");
		if (*mode->valuestring && strcmp(mode->valuestring, "AUTO") != 0)
			cJSON_AddStringToObject(cJSON_AddObjectToObject(flat, "S3FilesConfig"), "DirectS3Read", mode->valuestring);
		cJSON_Delete(mode);
		cJSON_AddItemToArray(list, flat);
		return list;
	}
	cJSON_Delete(flat);
	return list;
}

static cJSON *mounts_have(const cJSON *c)
{
	const cJSON *first = rn_json_path(c, "FileSystemConfigs.0"), *mode = rn_json_path(first, "S3FilesConfig.DirectS3Read");
	RN_AUTO(rn_json_freep) cJSON *flat = first ? cJSON_Duplicate(first, true) : NULL;
	if (cJSON_IsString(mode))
		cJSON_AddStringToObject(flat, "DirectS3Read", mode->valuestring);
	return mounts(fields_take(flat, file_system_fields, RN_LEN(file_system_fields)));
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
			      fields_take_text(p->image_config.text, image_fields, RN_LEN(image_fields)));
	cJSON_AddItemToObject(o, "VpcConfig", fields_take_text(p->vpc.text, vpc_fields, RN_LEN(vpc_fields)));
	cJSON_AddItemToObject(o, "FileSystemConfigs",
			      mounts(fields_take_text(p->file_system.text, file_system_fields, RN_LEN(file_system_fields))));
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
	cJSON_AddItemToObject(o, "ImageConfig", fields_take(rn_json_path(c, "ImageConfigResponse.ImageConfig"), image_fields,
							    RN_LEN(image_fields)));
	cJSON_AddItemToObject(o, "VpcConfig", fields_take(rn_json_get(c, "VpcConfig"), vpc_fields, RN_LEN(vpc_fields)));
	cJSON_AddItemToObject(o, "FileSystemConfigs", mounts_have(c));
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
	{ "FileSystemConfigs", "file_system" },
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
