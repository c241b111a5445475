/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a role: GetRole, then its policies side by side. */
#include "found.h"

#include "base/mem.h"
#include "policy.h"

void role_found_clear(struct role_found *f)
{
	cJSON_Delete(f->role);
	cJSON_Delete(f->attached);
	cJSON_Delete(f->inline_policies);
	*f = (struct role_found){ 0 };
}

cJSON *role_named(const char *name)
{
	cJSON *p = cJSON_CreateObject();
	cJSON_AddStringToObject(p, "RoleName", name);
	return p;
}

struct reading {
	struct aws_client *iam;
	const char *name;
	cJSON *ret;
};

static int read_attached(void *arg, struct rn_error *err)
{
	static const struct aws_pages pages = { "AttachedPolicies", "Marker", NULL };
	struct reading *r = arg;
	RN_AUTO(rn_json_freep) cJSON *params = role_named(r->name);
	return aws_query_pages(r->iam, "ListAttachedRolePolicies", params, &pages, &r->ret, NULL,
			       err);
}

static int read_document(struct reading *r, const char *policy, cJSON *into, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *params = role_named(r->name);
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	cJSON_AddStringToObject(params, "PolicyName", policy);
	if (aws_query(r->iam, "GetRolePolicy", params, &answer, NULL, err) < 0)
		return -1;
	const char *text = rn_json_str(answer, "PolicyDocument");
	cJSON *doc = policy_decode(text ? text : "{}", err);
	if (!doc)
		return rn_wrap(err, "inline policy %s of role %s", policy, r->name);
	cJSON_AddItemToObject(into, policy, doc);
	return 0;
}

static int read_inline(void *arg, struct rn_error *err)
{
	static const struct aws_pages pages = { "PolicyNames", "Marker", NULL };
	struct reading *r = arg;
	RN_AUTO(rn_json_freep) cJSON *params = role_named(r->name);
	RN_AUTO(rn_json_freep) cJSON *names = NULL;
	RN_AUTO(rn_json_freep) cJSON *documents = cJSON_CreateObject();
	if (aws_query_pages(r->iam, "ListRolePolicies", params, &pages, &names, NULL, err) < 0)
		return -1;
	const cJSON *name;
	cJSON_ArrayForEach(name, names) if (cJSON_IsString(name) &&
					    read_document(r, name->valuestring, documents, err) <
						    0) return -1;
	r->ret = rn_take(&documents);
	return 0;
}

static int read_role(struct aws_client *iam, const char *name, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *params = role_named(name);
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	struct aws_error aerr = { 0 };
	if (aws_query(iam, "GetRole", params, &answer, &aerr, err) < 0) {
		if (!aws_error_is(&aerr, "NoSuchEntity"))
			return -1;
		rn_error_clear(err);
		return 0;
	}
	*ret = cJSON_DetachItemFromObjectCaseSensitive(answer, "Role");
	return *ret ? 0 : rn_fail(err, RN_EREMOTE, "IAM GetRole answered without a role");
}

int role_read(struct stage *s, struct aws_client *iam, const char *name, bool attached,
	      bool inline_policies, struct role_found *ret, struct rn_error *err)
{
	struct role_found f = { 0 };
	if (read_role(iam, name, &f.role, err) < 0)
		return -1;
	struct reading managed = { .iam = iam, .name = name },
		       documents = { .iam = iam, .name = name };
	struct stage_task tasks[2];
	size_t n = 0;
	if (f.role && attached)
		tasks[n++] = (struct stage_task){ read_attached, &managed };
	if (f.role && inline_policies)
		tasks[n++] = (struct stage_task){ read_inline, &documents };
	int rc = n ? stage_parallel(tasks, n, err) : 0;
	f.attached = managed.ret;
	f.inline_policies = documents.ret;
	f.ours = f.role && stage_owns(s, rn_json_get(f.role, "Tags"));
	if (rc < 0)
		role_found_clear(&f);
	else
		*ret = f;
	return rc;
}
