/* SPDX-License-Identifier: Apache-2.0 */
/* Roles. A role is one document: what GetRole shows, and "_attached" and "_inline" beside it. */
#include "iam.h"
#include "store.h"

#include "base/encode.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>

#define ROLE "iam.role"
#define ATTACHED_MAX 10
#define TAGS_MAX 50

static char *role_id(const char *name)
{
	char *id = rn_strdup(name);
	return rn_lower(id); /* names differ in more than case */
}

cJSON *iam_role_by_name(struct cloud *c, const char *name)
{
	RN_AUTO(rn_freep) char *id = role_id(name);
	return store_get(c->store, ROLE, "", id);
}

cJSON *iam_role_by_arn(struct cloud *c, const char *arn)
{
	const char *name = arn ? strrchr(arn, '/') : NULL;
	cJSON *role = name ? iam_role_by_name(c, name + 1) : NULL;
	if (role && !rn_streq(rn_json_str(role, "Arn"), arn)) {
		cJSON_Delete(role);
		return NULL;
	}
	return role;
}

bool iam_role_exists(struct cloud *c, const char *role_arn)
{
	RN_AUTO(rn_json_freep) cJSON *role = iam_role_by_arn(c, role_arn);
	return role;
}

int64_t iam_role_age_ms(struct cloud *c, const char *role_arn)
{
	RN_AUTO(rn_json_freep) cJSON *role = iam_role_by_arn(c, role_arn);
	const char *made = rn_json_str(role, "CreateDate");
	int64_t ms = 0;
	return made && rn_parse_iso8601(made, &ms, NULL) == 0 ? rn_wall_ms() - ms : INT64_MAX;
}

bool iam_assumable_by(struct cloud *c, const char *role_arn, const char *service)
{
	RN_AUTO(rn_json_freep) cJSON *role = iam_role_by_arn(c, role_arn);
	const struct iam_question question = { .action = "sts:AssumeRole",
					       .kind = "Service",
					       .principals = (const char *[]){ service },
					       .n_principals = 1 };
	return role && iam_trust_allows(rn_json_str(role, "AssumeRolePolicyDocument"), &question);
}

/* The role that the request names; NULL when the error is answered. */
static cJSON *named_role(struct request *req, struct response *res)
{
	const char *name = iam_form_name(req, res, "RoleName", 64, false);
	if (!name)
		return NULL;
	cJSON *role = iam_role_by_name(req->cloud, name);
	if (!role)
		answer_error(req, res, 404, "NoSuchEntity",
			     "The role with name %s cannot be found.", name);
	return role;
}

static int save(struct request *req, const cJSON *role)
{
	RN_AUTO(rn_freep) char *id = role_id(rn_json_str(role, "RoleName"));
	return store_put(req->cloud->store, ROLE, "", id, role, NULL);
}

static void set_string(cJSON *object, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	if (value)
		cJSON_AddStringToObject(object, name, value);
}

/* As answered: the trust policy percent-encoded, nothing private. */
static cJSON *shown(const cJSON *role, bool in_list)
{
	cJSON *out = cJSON_Duplicate(role, true);
	RN_AUTO(rn_freep) char *trust =
		rn_percent(rn_json_str(role, "AssumeRolePolicyDocument"), "");
	set_string(out, "AssumeRolePolicyDocument", trust);
	cJSON_DeleteItemFromObjectCaseSensitive(out, "_attached");
	cJSON_DeleteItemFromObjectCaseSensitive(out, "_inline");
	if (in_list) {
		cJSON_DeleteItemFromObjectCaseSensitive(out, "Tags");
		cJSON_DeleteItemFromObjectCaseSensitive(out, "PermissionsBoundary");
	} else {
		cJSON_AddItemToObject(out, "RoleLastUsed", cJSON_CreateObject());
	}
	return out;
}

static void answer_role(struct request *req, struct response *res, const cJSON *role)
{
	cJSON *result = cJSON_CreateObject();
	cJSON_AddItemToObject(result, "Role", shown(role, false));
	answer_query(req, res, result);
}

/* Sets tags of `list` in the role's; -1 when the error is answered. */
static int merge_tags(struct request *req, struct response *res, cJSON *role, const cJSON *list)
{
	cJSON *tags = rn_json_get(role, "Tags");
	if (!tags)
		tags = cJSON_AddArrayToObject(role, "Tags");
	for (const cJSON *tag = list->child; tag; tag = tag->next) {
		const char *key = rn_json_str(tag, "Key"), *value = rn_json_str(tag, "Value");
		if (!*key || strlen(key) > 128 || strlen(value) > 256 || rn_starts(key, "aws:"))
			return answer_error(req, res, 400,
					    rn_starts(key, "aws:") ? "InvalidInput"
								   : "ValidationError",
					    "The tag \"%.200s\" is not valid: keys have 1 to 128 "
					    "characters and do not "
					    "start with aws:, values have at most 256",
					    key);
		cJSON *old = tags->child;
		while (old && strcasecmp(rn_json_str(old, "Key"), key) != 0)
			old = old->next;
		if (old)
			cJSON_ReplaceItemViaPointer(tags, old, cJSON_Duplicate(tag, true));
		else
			cJSON_AddItemToArray(tags, cJSON_Duplicate(tag, true));
	}
	if (cJSON_GetArraySize(tags) > TAGS_MAX)
		return answer_error(req, res, 409, "LimitExceeded",
				    "Cannot exceed quota for TagsPerRole: %d", TAGS_MAX);
	return 0;
}

static int set_boundary(struct request *req, struct response *res, cJSON *role, const char *arn)
{
	RN_AUTO(rn_json_freep) cJSON *policy = iam_policy_by_arn(req->cloud, arn);
	if (!policy)
		return answer_error(req, res, 404, "NoSuchEntity",
				    "Scope ARN: %s does not exist or is not attachable.", arn);
	cJSON_DeleteItemFromObjectCaseSensitive(role, "PermissionsBoundary");
	cJSON *boundary = cJSON_AddObjectToObject(role, "PermissionsBoundary");
	cJSON_AddStringToObject(boundary, "PermissionsBoundaryType", "Policy");
	cJSON_AddStringToObject(boundary, "PermissionsBoundaryArn", arn);
	return 0;
}

/* MaxSessionDuration of the form, when given. */
static int set_duration(struct request *req, struct response *res, cJSON *role)
{
	const char *text = request_form(req, "MaxSessionDuration");
	int64_t seconds = 3600;
	if (text && rn_parse_int(text, 3600, 43200, &seconds, NULL) < 0)
		return answer_error(req, res, 400, "ValidationError",
				    "1 validation error detected: Value '%s' at "
				    "'maxSessionDuration' failed to satisfy "
				    "constraint: Member must have value between 3600 and 43200",
				    text);
	if (text || !rn_json_get(role, "MaxSessionDuration")) {
		cJSON_DeleteItemFromObjectCaseSensitive(role, "MaxSessionDuration");
		cJSON_AddNumberToObject(role, "MaxSessionDuration", (double)seconds);
	}
	return 0;
}

static int check_description(struct request *req, struct response *res)
{
	const char *text = request_form(req, "Description");
	if (text && strlen(text) > 1000)
		return answer_error(req, res, 400, "ValidationError",
				    "1 validation error detected: Value at 'description' failed to "
				    "satisfy constraint: "
				    "Member must have length less than or equal to 1000");
	return 0;
}

static int check_trust(struct request *req, struct response *res, const char *document)
{
	struct rn_error err = { 0 };
	if (iam_document_check(document, true, &err) < 0)
		return answer_error(req, res, 400, "MalformedPolicyDocument", "%s", err.msg);
	if (strlen(document) > 4096)
		return answer_error(req, res, 409, "LimitExceeded",
				    "Cannot exceed quota for ACLSizePerRole: 4096");
	return 0;
}

static cJSON *new_role(const char *name, const char *path, const char *trust)
{
	char id[24], stamp[32];
	RN_AUTO(rn_freep) char *arn = cloud_arn("iam", "", "role%s%s", path, name);
	RN_AUTO(rn_freep) char *role_key = rn_asprintf("AROA%s", cloud_id(id, 17, true));
	cJSON *role = cJSON_CreateObject();
	cJSON_AddStringToObject(role, "Path", path);
	cJSON_AddStringToObject(role, "RoleName", name);
	cJSON_AddStringToObject(role, "RoleId", role_key);
	cJSON_AddStringToObject(role, "Arn", arn);
	cJSON_AddStringToObject(role, "CreateDate", iam_now(stamp));
	cJSON_AddStringToObject(role, "AssumeRolePolicyDocument", trust);
	cJSON_AddArrayToObject(role, "_attached");
	cJSON_AddArrayToObject(role, "_inline");
	return role;
}

void iam_create_role(struct request *req, struct response *res)
{
	const char *name = iam_form_name(req, res, "RoleName", 64, false);
	const char *trust = name ? iam_form_name(req, res, "AssumeRolePolicyDocument", 131072, true)
				 : NULL;
	if (!trust || check_trust(req, res, trust) < 0 || check_description(req, res) < 0)
		return;
	const char *path = request_form(req, "Path");
	if (path && (!rn_starts(path, "/") || !rn_ends(path, "/") || strlen(path) > 512)) {
		answer_error(req, res, 400, "ValidationError",
			     "The specified value for path is invalid. It must begin and end with "
			     "/ and contain only "
			     "alphanumeric characters and/or / characters.");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *old = iam_role_by_name(req->cloud, name);
	if (old) {
		answer_error(req, res, 409, "EntityAlreadyExists",
			     "Role with name %s already exists.", name);
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *role = new_role(name, path ? path : "/", trust);
	RN_AUTO(rn_json_freep) cJSON *tags = iam_form_tags(req, "Tags");
	const char *boundary = request_form(req, "PermissionsBoundary");
	if (request_form(req, "Description"))
		set_string(role, "Description", request_form(req, "Description"));
	if (set_duration(req, res, role) < 0 ||
	    (boundary && set_boundary(req, res, role, boundary) < 0) ||
	    (tags->child && merge_tags(req, res, role, tags) < 0))
		return;
	save(req, role);
	answer_role(req, res, role);
}

void iam_get_role(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (role)
		answer_role(req, res, role);
}

void iam_delete_role(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (!role)
		return;
	if (cJSON_GetArraySize(rn_json_get(role, "_attached")) > 0) {
		answer_error(req, res, 409, "DeleteConflict",
			     "Cannot delete entity, must detach all policies first.");
		return;
	}
	if (cJSON_GetArraySize(rn_json_get(role, "_inline")) > 0) {
		answer_error(req, res, 409, "DeleteConflict",
			     "Cannot delete entity, must delete policies first.");
		return;
	}
	RN_AUTO(rn_freep) char *id = role_id(rn_json_str(role, "RoleName"));
	store_remove(req->cloud->store, ROLE, "", id, NULL);
	answer_query(req, res, NULL);
}

void iam_list_roles(struct request *req, struct response *res)
{
	const char *prefix = request_form(req, "PathPrefix");
	RN_AUTO(rn_json_freep) cJSON *all = store_list(req->cloud->store, ROLE, "", NULL, 0);
	cJSON *roles = cJSON_CreateArray();
	for (const cJSON *role = all->child; role; role = role->next)
		if (!prefix || rn_starts(rn_json_str(role, "Path"), prefix)) {
			cJSON *one = shown(role, true);
			RN_AUTO(rn_freep) char *id = role_id(rn_json_str(role, "RoleName"));
			cJSON_AddStringToObject(one, "_id", id);
			cJSON_AddItemToArray(roles, one);
		}
	iam_answer_page(req, res, "Roles", roles, "_id");
}

void iam_update_role(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (!role || check_description(req, res) < 0 || set_duration(req, res, role) < 0)
		return;
	if (request_form(req, "Description"))
		set_string(role, "Description", request_form(req, "Description"));
	save(req, role);
	answer_query(req, res, cJSON_CreateObject());
}

void iam_update_role_description(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (!role || check_description(req, res) < 0)
		return;
	set_string(role, "Description", request_form(req, "Description"));
	save(req, role);
	answer_role(req, res, role);
}

void iam_update_trust(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	const char *document = role ? iam_form_name(req, res, "PolicyDocument", 131072, true)
				    : NULL;
	if (!document || check_trust(req, res, document) < 0)
		return;
	set_string(role, "AssumeRolePolicyDocument", document);
	save(req, role);
	answer_query(req, res, NULL);
}

void iam_put_boundary(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	const char *arn = role ? iam_form_name(req, res, "PermissionsBoundary", 2048, true) : NULL;
	if (!arn || set_boundary(req, res, role, arn) < 0)
		return;
	save(req, role);
	answer_query(req, res, NULL);
}

void iam_delete_boundary(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (!role)
		return;
	if (!rn_json_get(role, "PermissionsBoundary")) {
		answer_error(req, res, 404, "NoSuchEntity",
			     "Role %s does not have a permission boundary.",
			     rn_json_str(role, "RoleName"));
		return;
	}
	cJSON_DeleteItemFromObjectCaseSensitive(role, "PermissionsBoundary");
	save(req, role);
	answer_query(req, res, NULL);
}

void iam_tag_role(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	RN_AUTO(rn_json_freep) cJSON *tags = iam_form_tags(req, "Tags");
	if (!role || merge_tags(req, res, role, tags) < 0)
		return;
	save(req, role);
	answer_query(req, res, NULL);
}

void iam_untag_role(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (!role)
		return;
	RN_AUTO(rn_json_freep) cJSON *keys = iam_form_list(req, "TagKeys");
	cJSON *tags = rn_json_get(role, "Tags");
	for (const cJSON *key = keys->child; key && tags; key = key->next)
		for (cJSON *tag = tags->child, *next; tag; tag = next) {
			next = tag->next;
			if (!strcasecmp(rn_json_str(tag, "Key"), key->valuestring))
				cJSON_Delete(cJSON_DetachItemViaPointer(tags, tag));
		}
	save(req, role);
	answer_query(req, res, NULL);
}

void iam_list_role_tags(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (!role)
		return;
	cJSON *tags = cJSON_DetachItemFromObjectCaseSensitive(role, "Tags");
	iam_answer_page(req, res, "Tags", tags ? tags : cJSON_CreateArray(), "Key");
}

void iam_list_instance_profiles(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (role)
		iam_answer_page(req, res, "InstanceProfiles", cJSON_CreateArray(),
				"InstanceProfileName");
}

/* ---- managed policies of a role ---- */

static cJSON *find_member(cJSON *list, const char *key, const char *value)
{
	cJSON *item = list ? list->child : NULL;
	while (item && !rn_streq(rn_json_str(item, key), value))
		item = item->next;
	return item;
}

void iam_attach(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	const char *arn = role ? iam_form_name(req, res, "PolicyArn", 2048, true) : NULL;
	if (!arn)
		return;
	if (!rn_starts(arn, "arn:")) {
		answer_error(req, res, 400, "InvalidInput", "ARN %s is not valid.", arn);
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *policy = iam_policy_by_arn(req->cloud, arn);
	if (!policy) {
		answer_error(req, res, 404, "NoSuchEntity",
			     "Policy %s does not exist or is not attachable.", arn);
		return;
	}
	cJSON *attached = rn_json_get(role, "_attached");
	if (!find_member(attached, "PolicyArn", arn)) {
		if (cJSON_GetArraySize(attached) >= ATTACHED_MAX) {
			answer_error(req, res, 409, "LimitExceeded",
				     "Cannot exceed quota for PoliciesPerRole: %d", ATTACHED_MAX);
			return;
		}
		cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "PolicyName", rn_json_str(policy, "PolicyName"));
		cJSON_AddStringToObject(one, "PolicyArn", arn);
		cJSON_AddItemToArray(attached, one);
		save(req, role);
	}
	answer_query(req, res, NULL);
}

void iam_detach(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	const char *arn = role ? iam_form_name(req, res, "PolicyArn", 2048, true) : NULL;
	if (!arn)
		return;
	cJSON *attached = rn_json_get(role, "_attached");
	cJSON *one = find_member(attached, "PolicyArn", arn);
	if (!one) {
		answer_error(req, res, 404, "NoSuchEntity", "Policy %s was not found.", arn);
		return;
	}
	cJSON_Delete(cJSON_DetachItemViaPointer(attached, one));
	save(req, role);
	answer_query(req, res, NULL);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(rn_json_str(*(cJSON *const *)a, "PolicyName"),
		      rn_json_str(*(cJSON *const *)b, "PolicyName"));
}

/* The list's items ordered by PolicyName; takes them out of `list`. */
static cJSON *sorted(cJSON *list)
{
	size_t n = (size_t)cJSON_GetArraySize(list), i = 0;
	RN_AUTO(rn_freep) cJSON **items = rn_alloc((n + 1) * sizeof(cJSON *));
	while (list && list->child)
		items[i++] = cJSON_DetachItemFromArray(list, 0);
	qsort(items, n, sizeof(cJSON *), by_name);
	cJSON *out = cJSON_CreateArray();
	for (i = 0; i < n; i++)
		cJSON_AddItemToArray(out, items[i]);
	return out;
}

void iam_list_attached(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (role)
		iam_answer_page(req, res, "AttachedPolicies",
				sorted(rn_json_get(role, "_attached")), "PolicyName");
}

/* ---- inline policies of a role ---- */

void iam_put_inline(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	const char *name = role ? iam_form_name(req, res, "PolicyName", 128, false) : NULL;
	const char *document = name ? iam_form_name(req, res, "PolicyDocument", 131072, true)
				    : NULL;
	if (!document)
		return;
	struct rn_error err = { 0 };
	if (iam_document_check(document, false, &err) < 0) {
		answer_error(req, res, 400, "MalformedPolicyDocument", "%s", err.msg);
		return;
	}
	if (strlen(document) > 10240) {
		answer_error(req, res, 409, "LimitExceeded",
			     "Maximum policy size of 10240 bytes exceeded for role %s",
			     rn_json_str(role, "RoleName"));
		return;
	}
	cJSON *list = rn_json_get(role, "_inline");
	cJSON *old = find_member(list, "PolicyName", name);
	if (old)
		cJSON_Delete(cJSON_DetachItemViaPointer(list, old));
	cJSON *one = cJSON_CreateObject();
	cJSON_AddStringToObject(one, "PolicyName", name);
	cJSON_AddStringToObject(one, "PolicyDocument", document);
	cJSON_AddItemToArray(list, one);
	save(req, role);
	answer_query(req, res, NULL);
}

/* The inline policy that the request names; borrowed from `role`; NULL: answered. */
static cJSON *named_inline(struct request *req, struct response *res, cJSON *role)
{
	const char *name = iam_form_name(req, res, "PolicyName", 128, false);
	cJSON *one = name ? find_member(rn_json_get(role, "_inline"), "PolicyName", name) : NULL;
	if (name && !one)
		answer_error(req, res, 404, "NoSuchEntity",
			     "The role policy with name %s cannot be found.", name);
	return one;
}

void iam_get_inline(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	cJSON *one = role ? named_inline(req, res, role) : NULL;
	if (!one)
		return;
	RN_AUTO(rn_freep) char *document = rn_percent(rn_json_str(one, "PolicyDocument"), "");
	cJSON *result = cJSON_CreateObject();
	cJSON_AddStringToObject(result, "RoleName", rn_json_str(role, "RoleName"));
	cJSON_AddStringToObject(result, "PolicyName", rn_json_str(one, "PolicyName"));
	cJSON_AddStringToObject(result, "PolicyDocument", document);
	answer_query(req, res, result);
}

void iam_delete_inline(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	cJSON *one = role ? named_inline(req, res, role) : NULL;
	if (!one)
		return;
	cJSON_Delete(cJSON_DetachItemViaPointer(rn_json_get(role, "_inline"), one));
	save(req, role);
	answer_query(req, res, NULL);
}

void iam_list_inline(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *role = named_role(req, res);
	if (!role)
		return;
	RN_AUTO(rn_json_freep) cJSON *list = sorted(rn_json_get(role, "_inline"));
	cJSON *names = cJSON_CreateArray();
	for (const cJSON *one = list->child; one; one = one->next)
		cJSON_AddItemToArray(names, cJSON_CreateString(rn_json_str(one, "PolicyName")));
	iam_answer_page(req, res, "PolicyNames", names, NULL);
}
