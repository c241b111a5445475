/* SPDX-License-Identifier: Apache-2.0 */
/* A function's configuration: what callers may set, checked as AWS does and in its words. */
#include "lambda_internal.h"

#include "faults.h"
#include "iam.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT_MAX 4096

static int out_of_range(struct request *req, struct response *res, const char *member, const cJSON *v, int64_t min,
			int64_t max)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(v);
	bool low = cJSON_IsNumber(v) && v->valuedouble < (double)min;
	return answer_error(req, res, 400, "ValidationException",
			    "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have "
			    "value %s than or equal to %lld",
			    text, member, low ? "greater" : "less", (long long)(low ? min : max));
}

static int take_number(struct request *req, struct response *res, const cJSON *v, const char *member, int64_t min,
		       int64_t max)
{
	if (!cJSON_IsNumber(v) || v->valuedouble < (double)min || v->valuedouble > (double)max)
		return out_of_range(req, res, member, v, min, max);
	return 0;
}

static int take_role(struct request *req, struct response *res, const cJSON *in, cJSON *doc)
{
	const char *role = rn_json_str(in, "Role");
	if (!role)
		return 0;
	if (!rn_starts(role, "arn:aws") || !strstr(role, ":iam::") || !strstr(role, ":role/"))
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value '%s' at 'role' failed to satisfy constraint: Member must "
				    "satisfy regular expression pattern: "
				    "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+",
				    role);
	int64_t late = faults_time(req->cloud->faults, FAULT_ROLE, "lambda", req->operation);
	if (!iam_assumable_by(req->cloud, role, "lambda.amazonaws.com") || iam_role_age_ms(req->cloud, role) < late)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "The role defined for the function cannot be assumed by Lambda.");
	json_set_str(doc, "Role", role);
	return 0;
}

/* Names that Lambda sets itself. */
static bool is_reserved(const char *name)
{
	static const char *const RESERVED[] = {
		"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
		"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
		"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
		"AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_HANDLER",
	};
	for (size_t i = 0; i < RN_LEN(RESERVED); i++)
		if (!strcmp(name, RESERVED[i]))
			return true;
	return false;
}

static bool name_valid(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	return isalpha((unsigned char)name[0]) && name[1];
}

static int take_environment(struct request *req, struct response *res, const cJSON *in, cJSON *doc)
{
	const cJSON *environment = rn_json_get(in, "Environment"), *v;
	if (!environment)
		return 0;
	const cJSON *variables = rn_json_get(environment, "Variables");
	RN_AUTO(rn_freep) char *text = variables ? rn_json_print(variables) : rn_strdup("{}");
	RN_AUTO(rn_strv_clear) struct rn_strv reserved = { 0 };
	cJSON_ArrayForEach(v, variables) {
		if (is_reserved(v->string))
			rn_strv_add(&reserved, v->string);
		else if (!cJSON_IsString(v) || !name_valid(v->string))
			return answer_error(req, res, 400, "ValidationException",
					    "1 validation error detected: Value at 'environment.variables' failed to satisfy "
					    "constraint: Map keys must satisfy constraint: [Member must satisfy regular "
					    "expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]");
	}
	if (reserved.n) {
		RN_AUTO(rn_freep) char *names = rn_strv_join(&reserved, ", ");
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "Lambda was unable to configure your environment variables because the environment "
				    "variables you have provided contains reserved keys that are currently not supported for "
				    "modification. Reserved keys used in this request: %s",
				    names);
	}
	if (strlen(text) > ENVIRONMENT_MAX)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "Lambda was unable to configure your environment variables because the environment "
				    "variables you have provided exceeded the 4KB limit. String measured: %s",
				    text);
	if (!variables || !variables->child) {
		json_set_str(doc, "Environment", NULL);
		return 0;
	}
	cJSON *kept = cJSON_CreateObject();
	cJSON_AddItemToObject(kept, "Variables", cJSON_Duplicate(variables, true));
	json_set(doc, "Environment", kept);
	return 0;
}

static int take_image_config(struct request *req, struct response *res, const cJSON *in, cJSON *doc)
{
	const cJSON *config = rn_json_get(in, "ImageConfig"), *m;
	if (!config)
		return 0;
	cJSON_ArrayForEach(m, config) {
		bool list = !strcmp(m->string, "EntryPoint") || !strcmp(m->string, "Command");
		if (list ? !cJSON_IsArray(m) : strcmp(m->string, "WorkingDirectory") || !cJSON_IsString(m))
			return answer_error(req, res, 400, "InvalidParameterValueException",
					    "ImageConfig: %s is not valid", m->string);
	}
	if (!config->child) {
		json_set_str(doc, "ImageConfigResponse", NULL);
		return 0;
	}
	cJSON *kept = cJSON_CreateObject();
	cJSON_AddItemToObject(kept, "ImageConfig", cJSON_Duplicate(config, true));
	json_set(doc, "ImageConfigResponse", kept);
	return 0;
}

static int take_sizes(struct request *req, struct response *res, const cJSON *in, cJSON *doc)
{
	static const struct {
		const char *name, *member;
		int64_t min, max;
	} NUMBERS[] = { { "Timeout", "timeout", 1, 900 }, { "MemorySize", "memorySize", 128, 10240 } };
	for (size_t i = 0; i < RN_LEN(NUMBERS); i++) {
		const cJSON *v = rn_json_get(in, NUMBERS[i].name);
		if (!v)
			continue;
		if (take_number(req, res, v, NUMBERS[i].member, NUMBERS[i].min, NUMBERS[i].max) < 0)
			return -1;
		json_set(doc, NUMBERS[i].name, cJSON_Duplicate(v, true));
	}
	const cJSON *size = rn_json_path(in, "EphemeralStorage.Size");
	if (!size)
		return 0;
	if (take_number(req, res, size, "ephemeralStorage.size", 512, 10240) < 0)
		return -1;
	json_set(doc, "EphemeralStorage", cJSON_Duplicate(rn_json_get(in, "EphemeralStorage"), true));
	return 0;
}

/* What an emulation without the thing behind it would only pretend to do. */
static int refuse_unsupported(struct request *req, struct response *res, const cJSON *in)
{
	static const char *const LISTS[] = { "Layers", "FileSystemConfigs" };
	for (size_t i = 0; i < RN_LEN(LISTS); i++) {
		const cJSON *v = rn_json_get(in, LISTS[i]);
		if (cJSON_IsArray(v) && v->child)
			return answer_error(req, res, 400, "InvalidParameterValueException",
					    "%s are not supported by the local cloud for image functions", LISTS[i]);
	}
	const cJSON *subnets = rn_json_path(in, "VpcConfig.SubnetIds");
	if (cJSON_IsArray(subnets) && subnets->child)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "The local cloud has no VPC: leave VpcConfig out");
	if (rn_json_str(in, "Handler") || rn_json_str(in, "Runtime"))
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "Please don't provide Handler or Runtime or Layer when the intended function PackageType is "
				    "Image");
	if (rn_streq(rn_json_str(rn_json_get(in, "SnapStart"), "ApplyOn"), "PublishedVersions"))
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "SnapStart is not supported for PackageType Image");
	return 0;
}

/* Kept: an event that should go there is told in the log. */
static int check_dead_letters(struct request *req, struct response *res, const cJSON *in)
{
	const char *to = rn_json_str(rn_json_get(in, "DeadLetterConfig"), "TargetArn");
	if (!to || !*to || (rn_starts(to, "arn:") && (strstr(to, ":sqs:") || strstr(to, ":sns:"))))
		return 0;
	return answer_error(req, res, 400, "InvalidParameterValueException",
			    "The provided dead letter target %s is neither an SQS queue nor an SNS topic.", to);
}

/* The members of LoggingConfig, so that none is kept without meaning. */
static int check_logging(struct request *req, struct response *res, const cJSON *in)
{
	static const char *const LEVELS[] = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };
	const cJSON *m, *logging = rn_json_get(in, "LoggingConfig");
	const char *format = rn_json_str(logging, "LogFormat");
	cJSON_ArrayForEach(m, logging) {
		const char *text = cJSON_GetStringValue(m);
		bool level = rn_ends(m->string, "LogLevel"), fits = text && !strcmp(m->string, "LogGroup") && logs_name_valid(text);
		if (text && !strcmp(m->string, "LogFormat"))
			fits = !strcmp(text, "JSON") || !strcmp(text, "Text");
		for (size_t i = 0; text && level && i < RN_LEN(LEVELS); i++)
			fits = fits || !strcmp(text, LEVELS[i]);
		if (!fits)
			return answer_error(req, res, 400, "ValidationException",
					    "1 validation error detected: Value '%s' at 'loggingConfig.%s' failed to satisfy constraint",
					    text ? text : "", m->string);
		if (level && !rn_streq(format, "JSON"))
			return answer_error(req, res, 400, "InvalidParameterValueException",
					    "Log level is not supported when LogFormat is set to \"Text\". Remove log level from your "
					    "request or change the LogFormat to \"JSON\" and try again.");
	}
	return 0;
}

static void take_rest(const struct function_ref *r, const cJSON *in, cJSON *doc)
{
	static const char *const KEPT[] = { "TracingConfig", "KMSKeyArn" };
	if (rn_json_str(in, "Description"))
		json_set_str(doc, "Description", rn_json_str(in, "Description"));
	for (size_t i = 0; i < RN_LEN(KEPT); i++)
		if (rn_json_get(in, KEPT[i]))
			json_set(doc, KEPT[i], cJSON_Duplicate(rn_json_get(in, KEPT[i]), true));
	const cJSON *logging = rn_json_get(in, "LoggingConfig"), *m;
	cJSON *kept = rn_json_get(doc, "LoggingConfig");
	if (!kept) {
		RN_AUTO(rn_freep) char *group = rn_asprintf("/aws/lambda/%s", r->name);
		kept = cJSON_AddObjectToObject(doc, "LoggingConfig");
		cJSON_AddStringToObject(kept, "LogFormat", "Text");
		cJSON_AddStringToObject(kept, "LogGroup", group);
	}
	const char *dead_letters = rn_json_str(rn_json_get(in, "DeadLetterConfig"), "TargetArn");
	if (dead_letters && *dead_letters)
		json_set(doc, "DeadLetterConfig", cJSON_Duplicate(rn_json_get(in, "DeadLetterConfig"), true));
	else if (dead_letters)
		json_set_str(doc, "DeadLetterConfig", NULL);
	cJSON_ArrayForEach(m, logging)
		json_set(kept, m->string, cJSON_Duplicate(m, true));
}

static void set_defaults(cJSON *doc)
{
	json_set_str(doc, "Description", "");
	json_set(doc, "Timeout", cJSON_CreateNumber(3));
	json_set(doc, "MemorySize", cJSON_CreateNumber(128));
	json_set_str(doc, "Version", LATEST);
	json_set_str(doc, "PackageType", "Image");
	json_set(doc, "EphemeralStorage", cJSON_CreateObject());
	cJSON_AddNumberToObject(rn_json_get(doc, "EphemeralStorage"), "Size", 512);
	json_set(doc, "TracingConfig", cJSON_CreateObject());
	cJSON_AddStringToObject(rn_json_get(doc, "TracingConfig"), "Mode", "PassThrough");
	json_set(doc, "SnapStart", cJSON_CreateObject());
	cJSON_AddStringToObject(rn_json_get(doc, "SnapStart"), "ApplyOn", "None");
	cJSON_AddStringToObject(rn_json_get(doc, "SnapStart"), "OptimizationStatus", "Off");
}

int config_apply(struct request *req, struct response *res, const cJSON *in, cJSON *doc, bool creating)
{
	struct function_ref r = { .name = (char *)(uintptr_t)rn_json_str(doc, "FunctionName") };
	if (creating)
		set_defaults(doc);
	if (refuse_unsupported(req, res, in) < 0 || check_dead_letters(req, res, in) < 0 || take_role(req, res, in, doc) < 0 ||
	    take_sizes(req, res, in, doc) < 0 || take_environment(req, res, in, doc) < 0 ||
	    take_image_config(req, res, in, doc) < 0 || check_logging(req, res, in) < 0)
		return -1;
	take_rest(&r, in, doc);
	return 0;
}

static int take_architecture(struct request *req, struct response *res, const cJSON *in, cJSON *doc)
{
	const cJSON *list = rn_json_get(in, "Architectures");
	const char *name = cJSON_IsArray(list) && list->child ? cJSON_GetStringValue(list->child) : NULL;
	if (list && (!name || list->child->next || (strcmp(name, "x86_64") && strcmp(name, "arm64"))))
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value at 'architectures' failed to satisfy constraint: Member must "
				    "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]");
	if (!name && rn_json_get(doc, "Architectures"))
		return 0;
	cJSON *kept = cJSON_CreateArray();
	cJSON_AddItemToArray(kept, cJSON_CreateString(name ? name : "x86_64"));
	json_set(doc, "Architectures", kept);
	return 0;
}

int config_apply_code(struct request *req, struct response *res, const cJSON *in, cJSON *doc)
{
	const char *uri = rn_json_str(in, "ImageUri");
	struct rn_error err = { 0 };
	if (!uri)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    rn_json_get(in, "ZipFile") || rn_json_get(in, "S3Bucket")
					    ? "The local cloud runs functions of package type Image only: give Code.ImageUri"
					    : "Please provide a source for function code.");
	cJSON *image = image_check(req->cloud, req->region, uri, &err);
	if (!image)
		return answer_error(req, res, 400, "InvalidParameterValueException", "%s", err.msg);
	if (take_architecture(req, res, in, doc) < 0) {
		cJSON_Delete(image);
		return -1;
	}
	const char *digest = rn_json_str(image, "digest"), *hex = strchr(digest, ':');
	json_set_str(doc, "CodeSha256", hex ? hex + 1 : digest);
	json_set(doc, "CodeSize", cJSON_CreateNumber(0));
	json_set(doc, "_image", image);
	return 0;
}
