/* SPDX-License-Identifier: Apache-2.0 */
/* Removing a role: what hangs on it first, and only when this stage of this pipeline made it. */
#include "role.h"

#include "base/mem.h"
#include "base/str.h"
#include "found.h"

/* A writing call about the role; what is gone already is fine. `params` is consumed. */
static int remove_call(struct stage *s, struct aws_client *iam, const char *operation,
		       cJSON *params, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *owned = params;
	struct aws_error aerr = { 0 };
	if (stage_may_write(s, operation, err) < 0)
		return -1;
	if (aws_query(iam, operation, owned, NULL, &aerr, err) == 0)
		return 0;
	if (!aws_error_is(&aerr, "NoSuchEntity"))
		return -1;
	rn_error_clear(err);
	return 0;
}

static cJSON *about(const char *role, const char *name, const char *value)
{
	cJSON *p = role_named(role);
	cJSON_AddStringToObject(p, name, value);
	return p;
}

static int detach_policies(struct stage *s, struct aws_client *iam, const char *name,
			   const struct role_found *f, struct rn_error *err)
{
	const cJSON *a;
	cJSON_ArrayForEach(a, f->attached)
	{
		const char *arn = rn_json_str(a, "PolicyArn");
		if (arn &&
		    remove_call(s, iam, "DetachRolePolicy", about(name, "PolicyArn", arn), err) < 0)
			return -1;
	}
	for (const cJSON *p = f->inline_policies ? f->inline_policies->child : NULL; p; p = p->next)
		if (remove_call(s, iam, "DeleteRolePolicy", about(name, "PolicyName", p->string),
				err) < 0)
			return -1;
	return 0;
}

/* Somebody may have put the role into instance profiles; IAM removes no role that is in one. */
static int leave_profiles(struct stage *s, struct aws_client *iam, const char *name,
			  struct rn_error *err)
{
	static const struct aws_pages pages = { "InstanceProfiles", "Marker", NULL };
	RN_AUTO(rn_json_freep) cJSON *params = role_named(name);
	RN_AUTO(rn_json_freep) cJSON *profiles = NULL;
	if (aws_query_pages(iam, "ListInstanceProfilesForRole", params, &pages, &profiles, NULL,
			    err) < 0)
		return -1;
	const cJSON *profile;
	cJSON_ArrayForEach(profile, profiles)
	{
		const char *of = rn_json_str(profile, "InstanceProfileName");
		if (of && remove_call(s, iam, "RemoveRoleFromInstanceProfile",
				      about(name, "InstanceProfileName", of), err) < 0)
			return -1;
	}
	return 0;
}

int role_destroy(struct stage *s, struct aws_client *iam, const char *name, struct rn_error *err)
{
	RN_AUTO(role_found_clear) struct role_found f = { 0 };
	if (role_read(s, iam, name, true, true, &f, err) < 0)
		return -1;
	if (!f.role) {
		stage_info(s, "role %s does not exist", name);
		return 0;
	}
	if (!f.ours) {
		stage_warn(s, "role %s stays: this stage of this pipeline did not make it", name);
		return 0;
	}
	if (leave_profiles(s, iam, name, err) < 0 || detach_policies(s, iam, name, &f, err) < 0 ||
	    remove_call(s, iam, "DeleteRole", role_named(name), err) < 0)
		return rn_wrap(err, "remove role %s", name);
	stage_change(s, RUNNER_DELETED, NULL, "role %s", name);
	return 0;
}
