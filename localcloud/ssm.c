/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter Store of SSM: String and StringList parameters, one version each, in hierarchies,
 * with tags. No SecureString (there is no KMS here), history, labels or policies.
 */
#include "ssm.h"

#include "pattern.h"
#include "store.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { LEVELS_MAX = 15, NAME_MAX_BYTES = 1011, STANDARD_MAX = 4096, ADVANCED_MAX = 8192, NAMES_MAX = 10, PATTERN_MAX = 1024 };

static const struct route ROUTES[] = {
	{ .operation = "PutParameter", .handle = ssm_put },
	{ .operation = "GetParameter", .handle = ssm_get },
	{ .operation = "GetParameters", .handle = ssm_get_some },
	{ .operation = "GetParametersByPath", .handle = ssm_get_by_path },
	{ .operation = "DeleteParameter", .handle = ssm_delete },
	{ .operation = "DeleteParameters", .handle = ssm_delete_some },
	{ .operation = "DescribeParameters", .handle = ssm_describe },
	{ .operation = "AddTagsToResource", .handle = ssm_add_tags },
	{ .operation = "RemoveTagsFromResource", .handle = ssm_remove_tags },
	{ .operation = "ListTagsForResource", .handle = ssm_list_tags },
};

const struct service ssm_service = {
	.name = "ssm",
	.protocol = PROTOCOL_JSON,
	.target = "AmazonSSM",
	.transaction = true,
	.routes = ROUTES,
	.n_routes = RN_LEN(ROUTES),
};

int ssm_invalid(struct request *req, struct response *res, const char *why)
{
	return answer_error(req, res, 400, "ValidationException", "%s", why);
}

/* ---- names ---- */

static const char *name_fault(const char *name)
{
	size_t slashes = 0;
	for (const char *c = name; *c; c++) {
		slashes += *c == '/';
		if (!isalnum((unsigned char)*c) && !strchr("_.-/", *c))
			return "Parameter name: can't use other characters than letters, digits, and .-_/";
	}
	const char *first = name + (*name == '/');
	if (slashes && *name != '/')
		return "Parameter name must be a fully qualified name.";
	if (!*first || name[strlen(name) - 1] == '/')
		return "Parameter name can't be empty or end with a slash.";
	if (!strncasecmp(first, "aws", 3) || !strncasecmp(first, "ssm", 3))
		return "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).";
	return strlen(name) > NAME_MAX_BYTES ? "Parameter name is longer than 1011 characters." : NULL;
}

static bool too_deep(const char *name)
{
	size_t levels = 0;
	for (const char *c = name; *c; c++)
		levels += *c == '/';
	return levels > LEVELS_MAX;
}

cJSON *ssm_parameter(struct request *req, const char *name)
{
	return name ? store_get(req->cloud->store, PARAMETER, req->region, name) : NULL;
}

/* ---- PutParameter ---- */

/* What a document keeps apart from what GetParameter shows has a "_" before it. */
cJSON *ssm_public(const cJSON *doc)
{
	cJSON *out = cJSON_Duplicate(doc, true);
	for (cJSON *m = out->child, *next; m; m = next) {
		next = m->next;
		if (m->string[0] == '_')
			cJSON_Delete(cJSON_DetachItemViaPointer(out, m));
	}
	return out;
}

static int check_pattern(struct request *req, struct response *res, const char *pattern, const char *value)
{
	if (!pattern || !*pattern)
		return 0;
	int fits = strlen(pattern) <= PATTERN_MAX ? pattern_matches(pattern, value) : -1;
	if (fits < 0)
		return answer_error(req, res, 400, "InvalidAllowedPatternException", "The request doesn't meet the regular expression requirement.");
	return fits ? 0 : answer_error(req, res, 400, "ParameterPatternMismatchException",
				       "Parameter value, cannot be validated against allowedPattern: %s", pattern);
}

static int check_type(struct request *req, struct response *res, const cJSON *in, const cJSON *old)
{
	const char *type = rn_json_str(in, "Type"), *had = rn_json_str(old, "Type");
	if (!type && !old)
		return ssm_invalid(req, res, "A parameter type is required when you create a parameter.");
	if (rn_streq(type, "SecureString"))
		return answer_error(req, res, 400, "UnsupportedParameterType",
				    "this local cloud has no KMS and stores nothing in secret: use a String parameter");
	if (type && strcmp(type, "String") != 0 && strcmp(type, "StringList") != 0)
		return ssm_invalid(req, res, "1 validation error detected: Value at 'type' failed to satisfy constraint: Member must satisfy "
					     "enum value set: [SecureString, StringList, String]");
	if (type && had && strcmp(type, had) != 0)
		return answer_error(req, res, 400, "HierarchyTypeMismatchException", "Parameter type can't be changed from %s to %s.", had, type);
	return 0;
}

static const char *tier_of(const cJSON *in, const cJSON *old)
{
	const char *asked = rn_json_str(in, "Tier"), *value = rn_json_str(in, "Value");
	if (rn_streq(rn_json_str(old, "_Tier"), "Advanced") || rn_streq(asked, "Advanced"))
		return "Advanced";
	return rn_streq(asked, "Intelligent-Tiering") && strlen(value) > STANDARD_MAX ? "Advanced" : "Standard";
}

static int check_value(struct request *req, struct response *res, const cJSON *in, const cJSON *old)
{
	const char *value = rn_json_str(in, "Value"), *data = rn_json_str(in, "DataType");
	if (!value || !*value)
		return ssm_invalid(req, res, "1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length "
					     "greater than or equal to 1");
	if (strstr(value, "{{") && strstr(value, "}}"))
		return ssm_invalid(req, res, "Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.");
	bool standard = !strcmp(tier_of(in, old), "Standard");
	if (strlen(value) > (standard ? STANDARD_MAX : ADVANCED_MAX))
		return ssm_invalid(req, res,
				   standard ? "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger "
					      "parameter value, upgrade the parameter to use the advanced-parameter tier."
					    : "Advanced tier parameters support a maximum parameter value of 8192 characters.");
	if (data && strcmp(data, "text") != 0)
		return ssm_invalid(req, res, "The data type is not supported here: only text is.");
	const char *pattern = rn_json_str(in, "AllowedPattern");
	return check_pattern(req, res, pattern ? pattern : rn_json_str(old, "_AllowedPattern"), value);
}

static int check_put(struct request *req, struct response *res, const cJSON *in, const cJSON *old)
{
	const char *name = rn_json_str(in, "Name");
	bool overwrite = rn_json_bool(in, "Overwrite", false);
	const cJSON *tags = rn_json_get(in, "Tags");
	if (name_fault(name))
		return ssm_invalid(req, res, name_fault(name));
	if (too_deep(name))
		return answer_error(req, res, 400, "HierarchyLevelLimitExceededException",
				    "A hierarchy can have a maximum of 15 levels.");
	if (overwrite && cJSON_GetArraySize(tags) > 0)
		return ssm_invalid(req, res, "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please "
					     "remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
					     "RemoveTagsFromResource.");
	if (rn_json_str(in, "KeyId"))
		return ssm_invalid(req, res, "KeyId is required for SecureString type parameter only.");
	if (rn_json_str(in, "Policies"))
		return answer_error(req, res, 400, "InvalidPolicyTypeException", "this local cloud has no parameter policies");
	if (old && !overwrite)
		return answer_error(req, res, 400, "ParameterAlreadyExists",
				    "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.");
	if (check_type(req, res, in, old) < 0 || check_value(req, res, in, old) < 0)
		return -1;
	return ssm_check_tags(req, res, tags, NULL);
}

static void set(cJSON *doc, const char *name, cJSON *value)
{
	if (!value)
		return;
	cJSON_DeleteItemFromObjectCaseSensitive(doc, name);
	cJSON_AddItemToObject(doc, name, value);
}

static void set_text(cJSON *doc, const char *name, const char *value)
{
	set(doc, name, value ? cJSON_CreateString(value) : NULL);
}

static cJSON *new_parameter(const struct request *req, const char *name)
{
	cJSON *doc = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *arn = cloud_arn("ssm", req->region, "parameter%s%s", *name == '/' ? "" : "/", name);
	cJSON_AddStringToObject(doc, "Name", name);
	cJSON_AddStringToObject(doc, "ARN", arn);
	cJSON_AddStringToObject(doc, "DataType", "text");
	cJSON_AddItemToObject(doc, "_Tags", cJSON_CreateObject());
	return doc;
}

void ssm_put(struct request *req, struct response *res)
{
	cJSON *in = request_json(req, res);
	const char *name = rn_json_str(in, "Name");
	if (!in)
		return;
	if (!name || !*name) {
		ssm_invalid(req, res, "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *doc = ssm_parameter(req, name);
	if (check_put(req, res, in, doc) < 0)
		return;
	if (!doc)
		doc = new_parameter(req, name);
	const char *tier = tier_of(in, doc);
	int64_t version = rn_json_int(doc, "Version", 0) + 1;
	set_text(doc, "Type", rn_json_str(in, "Type"));
	set_text(doc, "Value", rn_json_str(in, "Value"));
	set(doc, "Version", cJSON_CreateNumber((double)version));
	set(doc, "LastModifiedDate", cJSON_CreateNumber(cloud_now()));
	set_text(doc, "_LastModifiedUser", req->caller_arn);
	set_text(doc, "_Description", rn_json_str(in, "Description"));
	set_text(doc, "_AllowedPattern", rn_json_str(in, "AllowedPattern"));
	cJSON *out = cJSON_CreateObject();
	cJSON_AddNumberToObject(out, "Version", (double)version);
	cJSON_AddStringToObject(out, "Tier", tier);
	set_text(doc, "_Tier", tier);
	ssm_merge_tags(doc, rn_json_get(in, "Tags"));
	store_put(req->cloud->store, PARAMETER, req->region, name, doc, NULL);
	response_json(req, res, 200, out);
}

/* ---- GetParameter, GetParameters ---- */

/* "NAME", "NAME:VERSION": the parameter as it is answered; NULL: there is none (then *ret_version_missing). */
static cJSON *selected(struct request *req, const char *text, bool *ret_version_missing)
{
	const char *colon = strrchr(text, ':');
	RN_AUTO(rn_freep) char *name = colon ? rn_strndup(text, (size_t)(colon - text)) : rn_strdup(text);
	RN_AUTO(rn_json_freep) cJSON *doc = ssm_parameter(req, name);
	int64_t version = 0;
	*ret_version_missing = false;
	if (!doc)
		return NULL;
	if (colon && (rn_parse_int(colon + 1, 1, INT64_MAX, &version, NULL) < 0 || version != rn_json_int(doc, "Version", 0))) {
		*ret_version_missing = true;
		return NULL;
	}
	cJSON *out = ssm_public(doc);
	if (colon)
		cJSON_AddStringToObject(out, "Selector", colon);
	return out;
}

void ssm_get(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	const char *name = rn_json_str(in, "Name");
	bool version_missing = false;
	cJSON *found = name ? selected(req, name, &version_missing) : NULL;
	if (!in)
		return;
	if (!name) {
		ssm_invalid(req, res, "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null");
	} else if (!found) {
		answer_error(req, res, 400, version_missing ? "ParameterVersionNotFound" : "ParameterNotFound",
			     version_missing ? "Systems Manager could not find version of %s. (This local cloud keeps the newest one.)"
					     : "Parameter %s not found.", name);
	} else {
		cJSON *out = cJSON_CreateObject();
		cJSON_AddItemToObject(out, "Parameter", found);
		response_json(req, res, 200, out);
	}
}

/* The names of the request; NULL when an error is answered. */
static const cJSON *names(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res), *list = rn_json_get(in, "Names"), *one;
	int n = cJSON_GetArraySize(list);
	bool valid = n >= 1 && n <= NAMES_MAX;
	cJSON_ArrayForEach(one, list)
		valid = valid && cJSON_IsString(one);
	if (in && !valid)
		ssm_invalid(req, res, "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between "
				      "1 and 10");
	return in && valid ? list : NULL;
}

void ssm_get_some(struct request *req, struct response *res)
{
	const cJSON *list = names(req, res), *name;
	if (!list)
		return;
	cJSON *out = cJSON_CreateObject(), *found = cJSON_AddArrayToObject(out, "Parameters");
	cJSON *missing = cJSON_AddArrayToObject(out, "InvalidParameters");
	cJSON_ArrayForEach(name, list) {
		bool version_missing;
		cJSON *one = selected(req, name->valuestring, &version_missing);
		cJSON_AddItemToArray(one ? found : missing, one ? one : cJSON_CreateString(name->valuestring));
	}
	response_json(req, res, 200, out);
}

/* ---- DeleteParameter, DeleteParameters ---- */

void ssm_delete(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	const char *name = rn_json_str(in, "Name");
	if (!in)
		return;
	if (!name || store_remove(req->cloud->store, PARAMETER, req->region, name, NULL) <= 0)
		answer_error(req, res, 400, "ParameterNotFound", "Parameter %s not found.", name ? name : "");
	else
		response_json(req, res, 200, cJSON_CreateObject());
}

void ssm_delete_some(struct request *req, struct response *res)
{
	const cJSON *list = names(req, res), *name;
	if (!list)
		return;
	cJSON *out = cJSON_CreateObject(), *gone = cJSON_AddArrayToObject(out, "DeletedParameters");
	cJSON *missing = cJSON_AddArrayToObject(out, "InvalidParameters");
	cJSON_ArrayForEach(name, list)
		cJSON_AddItemToArray(store_remove(req->cloud->store, PARAMETER, req->region, name->valuestring, NULL) > 0 ? gone : missing,
				     cJSON_CreateString(name->valuestring));
	response_json(req, res, 200, out);
}
