/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the role found to the role wanted. A role that this stage did not make
 * is brought up to date but keeps policies that the pipeline does not name,
 * gets no ownership tags, and is never removed.
 */
#include "role.h"

#include "base/mem.h"
#include "base/str.h"
#include "found.h"
#include "policy.h"

#include <string.h>

/* One converging of one role. */
struct work {
	struct stage *s;
	struct aws_client *iam;
	const struct role_wish *w;
	struct aws_session *session;
	struct role_found found;
	struct stage_diff diff;
};

#define TRUST_PATIENCE_MS 20000

static void work_clear(struct work *k)
{
	role_found_clear(&k->found);
	stage_diff_clear(&k->diff);
}

static bool planning(const struct work *k)
{
	return k->s->mode == STAGE_PLAN;
}

/* A writing call about the role; `params` is consumed. In plan nothing is sent. */
static int write_call(struct work *k, const char *operation, cJSON *params, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *owned = params;
	if (planning(k))
		return 0;
	if (stage_may_write(k->s, operation, err) < 0)
		return -1;
	return aws_query(k->iam, operation, owned, NULL, NULL, err);
}

/*
 * A writing call that takes something from the role. When it is gone already (a try whose answer
 * was lost, somebody else) all is well.
 */
static int remove_call(struct work *k, const char *operation, cJSON *params, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *owned = params;
	struct aws_error aerr = { 0 };
	if (planning(k))
		return 0;
	if (stage_may_write(k->s, operation, err) < 0)
		return -1;
	if (aws_query(k->iam, operation, owned, NULL, &aerr, err) == 0)
		return 0;
	if (!aws_error_is(&aerr, "NoSuchEntity"))
		return -1;
	rn_error_clear(err);
	return 0;
}

/* One call with the trust policy in it, sent again while IAM does not know a principal yet. */
struct trusting {
	struct work *k;
	const char *operation;
	const cJSON *params;
	struct aws_error aerr;
	struct rn_error err;
	int rc;
};

static int try_trust(void *ctx, struct rn_error *err)
{
	struct trusting *t = ctx;
	(void)err;
	rn_error_clear(&t->err);
	t->rc = aws_query(t->k->iam, t->operation, t->params, NULL, &t->aerr, &t->err);
	bool unknown = t->rc < 0 && aws_error_is(&t->aerr, "MalformedPolicyDocument") &&
		       strstr(t->aerr.message, "Invalid principal");
	return !unknown; /* anything else is an answer, good or bad */
}

static void tell_trust(void *ctx, int64_t elapsed_ms, int64_t left_ms)
{
	const struct trusting *t = ctx;
	(void)left_ms;
	if (elapsed_ms < 1000)
		stage_info(t->k->s, "a principal of the trust policy is not known to IAM (yet): %s",
			   t->aerr.message);
}

/*
 * A role or user that was made a moment ago is not yet a valid principal everywhere, so a refusal
 * for that reason counts only when it lasts.
 */
static int trust_call(struct work *k, const char *operation, const cJSON *params,
		      struct aws_error *aerr, struct rn_error *err)
{
	struct trusting t = { .k = k, .operation = operation, .params = params };
	struct aws_waiter waiter = { .what = "IAM to know the principals of the trust policy",
				     .delay_ms = 1000,
				     .max_delay_ms = 4000,
				     .timeout_ms = TRUST_PATIENCE_MS,
				     .tick = tell_trust };
	if (stage_may_write(k->s, operation, err) < 0)
		return -1;
	if (aws_wait(k->session, &waiter, try_trust, &t, err) < 0 && err->code == RN_ECANCELLED)
		return -1;
	if (aerr)
		*aerr = t.aerr;
	*err = t.err;
	if (t.rc < 0 && aws_error_is(&t.aerr, "MalformedPolicyDocument"))
		stage_blame(k->s, "trust");
	return t.rc;
}

static void add_text(cJSON *params, const char *name, const cJSON *doc)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	cJSON_AddStringToObject(params, name, text);
}

/* ---- a new role ------------------------------------------------------------------------- */

static cJSON *creation(const struct role_wish *w)
{
	cJSON *p = role_named(w->name);
	add_text(p, "AssumeRolePolicyDocument", w->trust);
	cJSON_AddStringToObject(p, "Path", w->path ? w->path : "/");
	if (w->description && *w->description)
		cJSON_AddStringToObject(p, "Description", w->description);
	if (w->session_s)
		cJSON_AddNumberToObject(p, "MaxSessionDuration", (double)w->session_s);
	if (w->boundary && *w->boundary)
		cJSON_AddStringToObject(p, "PermissionsBoundary", w->boundary);
	cJSON_AddItemToObject(p, "Tags", stage_tags_list(w->tags, "Key", "Value"));
	return p;
}

static int look_again(void *ctx, struct rn_error *err)
{
	struct work *k = ctx;
	role_found_clear(&k->found);
	if (role_read(k->s, k->iam, k->w->name, true, true, &k->found, err) < 0)
		return -1;
	return k->found.role ? 1 : 0;
}

/* IAM is eventually consistent: the role counts as made once it can be read. */
static int wait_until_readable(struct work *k, struct aws_session *session, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *what = rn_asprintf("role %s to be readable", k->w->name);
	struct aws_waiter waiter = {
		.what = what, .delay_ms = 500, .max_delay_ms = 2000, .timeout_ms = 30000
	};
	return aws_wait(session, &waiter, look_again, k, err);
}

/* 1: made; 0: it exists after all (another run, or an answer that got lost); -1 */
static int create(struct work *k, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *params = creation(k->w);
	struct aws_error aerr = { 0 };
	if (trust_call(k, "CreateRole", params, &aerr, err) == 0)
		return 1;
	if (!aws_error_is(&aerr, "EntityAlreadyExists"))
		return -1;
	rn_error_clear(err);
	return 0;
}

/* ---- settings of an existing role --------------------------------------------------------- */

static int converge_path(struct work *k, struct rn_error *err)
{
	const char *have = rn_json_str(k->found.role, "Path");
	if (!k->w->path || rn_streq(have, k->w->path))
		return 0;
	stage_blame(k->s, "path");
	rn_fail(err, RN_EINVAL, "role %s has the path %s, and IAM cannot move it to %s", k->w->name,
		have, k->w->path);
	return rn_hint(err, "set path: %s, choose another role_name, or remove the role first",
		       have);
}

static int converge_trust(struct work *k, struct rn_error *err)
{
	const char *text = rn_json_str(k->found.role, "AssumeRolePolicyDocument");
	RN_AUTO(rn_json_freep) cJSON *have = policy_decode(text ? text : "{}", NULL);
	if (!k->w->trust || (have && policy_equal(have, k->w->trust)))
		return 0;
	RN_AUTO(rn_freep) char *before = have ? policy_principals(have) : rn_strdup("unreadable");
	RN_AUTO(rn_freep) char *after = policy_principals(k->w->trust);
	if (!stage_diff_str(&k->diff, "trust", before, after))
		stage_diff_note(&k->diff, "trust: the document differs");
	RN_AUTO(rn_json_freep) cJSON *p = role_named(k->w->name);
	add_text(p, "PolicyDocument", k->w->trust);
	return planning(k) ? 0 : trust_call(k, "UpdateAssumeRolePolicy", p, NULL, err);
}

/* UpdateRole resets what it is not given, so both go along. */
static int converge_settings(struct work *k, struct rn_error *err)
{
	const char *text = rn_json_str(k->found.role, "Description");
	const char *seconds = rn_json_str(k->found.role, "MaxSessionDuration");
	int64_t have = 3600;
	if (seconds)
		rn_parse_int(seconds, 0, INT64_MAX, &have, NULL);
	if (!text)
		text = "";
	const char *want_text = k->w->description ? k->w->description : text;
	int64_t want = k->w->session_s ? k->w->session_s : have;
	bool differs = stage_diff_str(&k->diff, "description", text, want_text);
	differs |= stage_diff_int(&k->diff, "max_session_duration", have, want);
	if (!differs)
		return 0;
	cJSON *p = role_named(k->w->name);
	cJSON_AddStringToObject(p, "Description", want_text);
	cJSON_AddNumberToObject(p, "MaxSessionDuration", (double)want);
	return write_call(k, "UpdateRole", p, err);
}

static int converge_boundary(struct work *k, struct rn_error *err)
{
	const char *have = rn_json_str(rn_json_get(k->found.role, "PermissionsBoundary"),
				       "PermissionsBoundaryArn");
	const char *want = k->w->boundary;
	if (!want || !stage_diff_str(&k->diff, "permissions_boundary", have ? have : "", want))
		return 0;
	cJSON *p = role_named(k->w->name);
	if (!*want)
		return remove_call(k, "DeleteRolePermissionsBoundary", p, err);
	cJSON_AddStringToObject(p, "PermissionsBoundary", want);
	return write_call(k, "PutRolePermissionsBoundary", p, err);
}

static int converge_tags(struct work *k, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *want = cJSON_Duplicate(k->w->tags, true);
	if (!k->found.ours) {
		cJSON_DeleteItemFromObjectCaseSensitive(want, STAGE_TAG_PIPELINE);
		cJSON_DeleteItemFromObjectCaseSensitive(want, STAGE_TAG_STAGE);
	}
	RN_AUTO(rn_json_freep) cJSON *have = stage_tags_object(rn_json_get(k->found.role, "Tags"));
	RN_AUTO(rn_json_freep) cJSON *missing = stage_tags_missing(want, have);
	if (!missing->child)
		return 0;
	for (const cJSON *t = missing->child; t; t = t->next) {
		RN_AUTO(rn_freep) char *field = rn_asprintf("tag %s", t->string);
		stage_diff_str(&k->diff, field, rn_json_str(have, t->string), t->valuestring);
	}
	cJSON *p = role_named(k->w->name);
	cJSON_AddItemToObject(p, "Tags", stage_tags_list(missing, "Key", "Value"));
	return write_call(k, "TagRole", p, err);
}

/* ---- policies -------------------------------------------------------------------------------- */

static bool is_attached(const cJSON *attached, const char *arn)
{
	const cJSON *a;
	cJSON_ArrayForEach(a, attached) if (rn_streq(rn_json_str(a, "PolicyArn"), arn)) return true;
	return false;
}

static int attach(struct work *k, const char *arn, bool on, struct rn_error *err)
{
	cJSON *p = role_named(k->w->name);
	cJSON_AddStringToObject(p, "PolicyArn", arn);
	int rc = on ? write_call(k, "AttachRolePolicy", p, err)
		    : remove_call(k, "DetachRolePolicy", p, err);
	if (rc < 0) {
		stage_blame(k->s, "managed_policies");
		return rn_wrap(err, "policy %s", arn);
	}
	return 0;
}

static int converge_managed(struct work *k, struct rn_error *err)
{
	for (size_t i = 0; i < k->w->managed.n; i++) {
		const char *arn = k->w->managed.v[i];
		if (is_attached(k->found.attached, arn))
			continue;
		stage_diff_note(&k->diff, "attach %s", arn);
		if (attach(k, arn, true, err) < 0)
			return -1;
	}
	if (!k->w->manages_managed)
		return 0;
	const cJSON *a;
	cJSON_ArrayForEach(a, k->found.attached)
	{
		const char *arn = rn_json_str(a, "PolicyArn");
		if (!arn || rn_strv_has(&k->w->managed, arn))
			continue;
		if (!k->found.ours) {
			stage_info(k->s,
				   "policy %s stays attached: this stage did not make the role",
				   arn);
			continue;
		}
		stage_diff_note(&k->diff, "detach %s", arn);
		if (attach(k, arn, false, err) < 0)
			return -1;
	}
	return 0;
}

static int put_inline(struct work *k, const cJSON *doc, struct rn_error *err)
{
	cJSON *p = role_named(k->w->name);
	cJSON_AddStringToObject(p, "PolicyName", doc->string);
	add_text(p, "PolicyDocument", doc);
	if (write_call(k, "PutRolePolicy", p, err) < 0) {
		stage_blame(k->s, "inline_policies");
		return rn_wrap(err, "inline policy %s", doc->string);
	}
	return 0;
}

static int delete_inline(struct work *k, const char *policy, struct rn_error *err)
{
	cJSON *p = role_named(k->w->name);
	cJSON_AddStringToObject(p, "PolicyName", policy);
	return remove_call(k, "DeleteRolePolicy", p, err);
}

static int converge_inline(struct work *k, struct rn_error *err)
{
	const cJSON *want = k->w->inline_policies;
	for (const cJSON *doc = want ? want->child : NULL; doc; doc = doc->next) {
		const cJSON *have = rn_json_get(k->found.inline_policies, doc->string);
		if (have && policy_equal(have, doc))
			continue;
		stage_diff_note(&k->diff, "%s inline policy %s", have ? "change" : "add",
				doc->string);
		if (put_inline(k, doc, err) < 0)
			return -1;
	}
	const cJSON *have = k->found.inline_policies;
	for (const cJSON *doc = want && have ? have->child : NULL; doc; doc = doc->next) {
		if (rn_json_get(want, doc->string))
			continue;
		if (!k->found.ours) {
			stage_info(k->s, "inline policy %s stays: this stage did not make the role",
				   doc->string);
			continue;
		}
		stage_diff_note(&k->diff, "remove inline policy %s", doc->string);
		if (delete_inline(k, doc->string, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void note_unknown(struct work *k)
{
	for (size_t i = 0; i < k->w->unknown.n; i++)
		stage_info(k->s,
			   "%s depends on what another stage makes; it is compared in the run",
			   k->w->unknown.v[i]);
}

static int publish(struct work *k, struct rn_error *err)
{
	const char *arn = rn_json_str(k->found.role, "Arn"),
		   *id = rn_json_str(k->found.role, "RoleId");
	if (stage_output(k->s, "name", k->w->name, err) < 0)
		return -1;
	if (arn && stage_output(k->s, "arn", arn, err) < 0)
		return -1;
	return id ? stage_output(k->s, "id", id, err) : 0;
}

static int make(struct work *k, bool *ret_made, struct rn_error *err)
{
	RN_AUTO(rn_freep)
	char *who = k->w->trust ? policy_principals(k->w->trust) : rn_strdup("(known later)");
	RN_AUTO(rn_freep) char *detail = rn_asprintf("for %s", who);
	*ret_made = planning(k);
	if (!planning(k)) {
		int rc = create(k, err);
		if (rc < 0)
			return -1;
		*ret_made = rc > 0;
	}
	if (*ret_made)
		stage_change(k->s, RUNNER_CREATED, detail, "role %s", k->w->name);
	return 0;
}

static int settle(struct work *k, struct rn_error *err)
{
	int (*const steps[])(struct work *, struct rn_error *) = {
		converge_path, converge_trust,   converge_settings, converge_boundary,
		converge_tags, converge_managed, converge_inline,
	};
	if (!k->found.ours)
		stage_warn(k->s,
			   "role %s was not made by this stage: it is updated, but policies and "
			   "tags of others stay, and "
			   "destroy will leave it",
			   k->w->name);
	for (size_t i = 0; i < RN_LEN(steps); i++)
		if (steps[i](k, err) < 0)
			return -1;
	return 0;
}

static void tell_plan_of_new_role(struct work *k)
{
	for (size_t i = 0; i < k->w->managed.n; i++)
		stage_info(k->s, "would attach %s", k->w->managed.v[i]);
	const cJSON *policies = k->w->inline_policies;
	for (const cJSON *p = policies ? policies->child : NULL; p; p = p->next)
		stage_info(k->s, "would add the inline policy %s", p->string);
}

int role_converge(struct stage *s, struct aws_client *iam, struct aws_session *session,
		  const struct role_wish *w, struct rn_error *err)
{
	RN_AUTO(work_clear) struct work k = { .s = s, .iam = iam, .w = w, .session = session };
	bool made = false;
	note_unknown(&k);
	if (role_read(s, iam, w->name, w->manages_managed, w->inline_policies != NULL, &k.found,
		      err) < 0)
		return -1;
	if (!k.found.role) {
		if (make(&k, &made, err) < 0)
			return -1;
		if (planning(&k)) {
			tell_plan_of_new_role(&k);
			return publish(&k, err);
		}
		if (wait_until_readable(&k, session, err) < 0)
			return -1;
	}
	if (settle(&k, err) < 0)
		return -1;
	if (made)
		for (size_t i = 0; i < k.diff.lines.n; i++)
			stage_info(s, "%s", k.diff.lines.v[i]);
	else
		stage_change_diff(s, &k.diff, "role %s", w->name);
	return publish(&k, err);
}
