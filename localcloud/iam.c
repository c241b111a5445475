/* SPDX-License-Identifier: Apache-2.0 */
/* The table of IAM's operations and what they have in common: form values, validation, pages. */
#include "iam.h"

#include "base/encode.h"
#include "base/time.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct route ROUTES[] = {
	{ .operation = "CreateRole", .handle = iam_create_role },
	{ .operation = "GetRole", .handle = iam_get_role },
	{ .operation = "DeleteRole", .handle = iam_delete_role },
	{ .operation = "ListRoles", .handle = iam_list_roles },
	{ .operation = "UpdateRole", .handle = iam_update_role },
	{ .operation = "UpdateRoleDescription", .handle = iam_update_role_description },
	{ .operation = "UpdateAssumeRolePolicy", .handle = iam_update_trust },
	{ .operation = "PutRolePermissionsBoundary", .handle = iam_put_boundary },
	{ .operation = "DeleteRolePermissionsBoundary", .handle = iam_delete_boundary },
	{ .operation = "TagRole", .handle = iam_tag_role },
	{ .operation = "UntagRole", .handle = iam_untag_role },
	{ .operation = "ListRoleTags", .handle = iam_list_role_tags },
	{ .operation = "ListInstanceProfilesForRole", .handle = iam_list_instance_profiles },
	{ .operation = "AttachRolePolicy", .handle = iam_attach },
	{ .operation = "DetachRolePolicy", .handle = iam_detach },
	{ .operation = "ListAttachedRolePolicies", .handle = iam_list_attached },
	{ .operation = "PutRolePolicy", .handle = iam_put_inline },
	{ .operation = "GetRolePolicy", .handle = iam_get_inline },
	{ .operation = "DeleteRolePolicy", .handle = iam_delete_inline },
	{ .operation = "ListRolePolicies", .handle = iam_list_inline },
	{ .operation = "GetPolicy", .handle = iam_get_policy },
	{ .operation = "CreatePolicy", .handle = iam_create_policy },
	{ .operation = "DeletePolicy", .handle = iam_delete_policy },
	{ .operation = "ListPolicies", .handle = iam_list_policies },
	{ .operation = "GetPolicyVersion", .handle = iam_get_policy_version },
	{ .operation = "ListPolicyVersions", .handle = iam_list_policy_versions },
	{ .operation = "ListEntitiesForPolicy", .handle = iam_list_entities_for_policy },
	{ .operation = "ListAccountAliases", .handle = iam_list_account_aliases },
	{ .operation = "GetUser", .handle = iam_get_user },
};

const struct service iam_service = {
	.name = "iam",
	.protocol = PROTOCOL_QUERY,
	.xmlns = "https://iam.amazonaws.com/doc/2010-05-08/",
	.transaction = true,
	.routes = ROUTES,
	.n_routes = RN_LEN(ROUTES),
};

char *iam_now(char *to)
{
	return rn_iso8601(rn_wall_ms(), false, to);
}

cJSON *iam_form_list(const struct request *req, const char *name)
{
	cJSON *list = cJSON_CreateArray();
	for (unsigned i = 1;; i++) {
		RN_AUTO(rn_freep) char *key = rn_asprintf("%s.member.%u", name, i);
		const char *value = request_form(req, key);
		if (!value)
			return list;
		cJSON_AddItemToArray(list, cJSON_CreateString(value));
	}
}

cJSON *iam_form_tags(const struct request *req, const char *name)
{
	cJSON *list = cJSON_CreateArray();
	for (unsigned i = 1;; i++) {
		RN_AUTO(rn_freep) char *key = rn_asprintf("%s.member.%u.Key", name, i);
		RN_AUTO(rn_freep) char *value = rn_asprintf("%s.member.%u.Value", name, i);
		if (!request_form(req, key))
			return list;
		cJSON *tag = cJSON_CreateObject();
		cJSON_AddStringToObject(tag, "Key", request_form(req, key));
		cJSON_AddStringToObject(tag, "Value",
					request_form(req, value) ? request_form(req, value) : "");
		cJSON_AddItemToArray(list, tag);
	}
}

/* "RoleName" -> "roleName", as AWS names members in its validation errors. */
static char *member_name(const char *name)
{
	char *s = rn_strdup(name);
	s[0] = (char)tolower((unsigned char)s[0]);
	return s;
}

const char *iam_form_name(struct request *req, struct response *res, const char *name, size_t max,
			  bool free_text)
{
	const char *value = request_form(req, name);
	RN_AUTO(rn_freep) char *member = member_name(name);
	if (!value || !*value) {
		answer_error(req, res, 400, "ValidationError",
			     "1 validation error detected: Value %s at '%s' failed to satisfy "
			     "constraint: %s",
			     value ? "''" : "null", member,
			     value ? "Member must have length greater than or equal to 1"
				   : "Member must not be null");
		return NULL;
	}
	if (strlen(value) > max) {
		answer_error(req, res, 400, "ValidationError",
			     "1 validation error detected: Value '%.200s' at '%s' failed to "
			     "satisfy constraint: Member "
			     "must have length less than or equal to %zu",
			     value, member, max);
		return NULL;
	}
	for (const char *p = value; *p && !free_text; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_+=,.@-", *p)) {
			answer_error(req, res, 400, "ValidationError",
				     "The specified value for %s is invalid. It must contain only "
				     "alphanumeric "
				     "characters and/or the following: +=,.@_-",
				     member);
			return NULL;
		}
	return value;
}

static const char *sort_key(const cJSON *item, const char *key)
{
	const char *s = key ? rn_json_str(item, key) : item->valuestring;
	return s ? s : "";
}

void iam_answer_page(struct request *req, struct response *res, const char *name, cJSON *items,
		     const char *key)
{
	RN_AUTO(rn_json_freep) cJSON *all = items;
	const char *max_text = request_form(req, "MaxItems");
	int64_t max = 100;
	if (max_text && rn_parse_int(max_text, 1, 1000, &max, NULL) < 0) {
		answer_error(req, res, 400, "ValidationError",
			     "1 validation error detected: Value '%s' at 'maxItems' failed to "
			     "satisfy constraint: Member "
			     "must have value between 1 and 1000",
			     max_text);
		return;
	}
	struct rn_buf after = RN_BUF_INIT;
	const char *marker = request_form(req, "Marker");
	if (marker && (rn_base64_decode(marker, &after, NULL) < 0 || after.len == 0)) {
		rn_buf_clear(&after);
		answer_error(req, res, 400, "ValidationError", "Invalid Marker.");
		return;
	}
	cJSON *result = cJSON_CreateObject();
	cJSON *page = cJSON_AddArrayToObject(result, name);
	bool more = false;
	const char *last = NULL;
	while (all->child) {
		cJSON *item = cJSON_DetachItemFromArray(all, 0);
		if (marker && strcmp(sort_key(item, key), rn_buf_str(&after)) <= 0) {
			cJSON_Delete(item);
			continue;
		}
		if (max-- == 0) {
			more = true;
			cJSON_Delete(item);
			break;
		}
		cJSON_AddItemToArray(page, item);
		last = sort_key(item, key);
	}
	cJSON_AddBoolToObject(result, "IsTruncated", more);
	if (more) {
		RN_AUTO(rn_freep) char *next = rn_base64(last ? last : "", last ? strlen(last) : 0);
		cJSON_AddStringToObject(result, "Marker", next);
	}
	rn_buf_clear(&after);
	answer_query(req, res, result);
}

void iam_list_account_aliases(struct request *req, struct response *res)
{
	iam_answer_page(req, res, "AccountAliases", cJSON_CreateArray(), NULL);
}

/* The root credentials have a user document too; other users do not exist here. */
void iam_get_user(struct request *req, struct response *res)
{
	const char *name = request_form(req, "UserName");
	if (name) {
		answer_error(req, res, 404, "NoSuchEntity",
			     "The user with name %s cannot be found.", name);
		return;
	}
	cJSON *result = cJSON_CreateObject();
	cJSON *user = cJSON_AddObjectToObject(result, "User");
	cJSON_AddStringToObject(user, "Path", "/");
	cJSON_AddStringToObject(user, "UserName", "root");
	cJSON_AddStringToObject(user, "UserId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(user, "Arn", "arn:aws:iam::" CLOUD_ACCOUNT ":root");
	cJSON_AddStringToObject(user, "CreateDate", "2020-01-01T00:00:00Z");
	answer_query(req, res, result);
}
