/* SPDX-License-Identifier: Apache-2.0 */
/* The iam stage: a role with its trust, its policies and its settings. */
#include "role.h"

#include "base/mem.h"
#include "base/str.h"

static const struct runner_param params[] = {
	RUNNER_PARAM(struct iam_params, role_name, .flags = RUNNER_REQUIRED,
		     .help = "Name of the role.", .example = "lambda-exec-role"),
	RUNNER_PARAM(struct iam_params, trust, .flags = RUNNER_REQUIRED,
		     .help = "Who may assume the role: a list of services, account ids and ARNs, "
			     "or a whole trust policy. "
			     "Compared as a document, so order and spelling do not matter.",
		     .example = "[lambda.amazonaws.com]"),
	RUNNER_PARAM(struct iam_params, description,
		     .help = "Description of the role; left as it is when not given."),
	RUNNER_PARAM(struct iam_params, managed_policies,
		     .help = "ARNs of the policies to attach; AWS's own also by name. Others are "
			     "detached from a role that this "
			     "stage made. Not given: policies are left alone; [] detaches all.",
		     .example = "[service-role/AWSLambdaBasicExecutionRole]"),
	RUNNER_PARAM(struct iam_params, inline_policies,
		     .help = "Inline policies: a map from name to document. Others are removed "
			     "from a role that this stage made. "
			     "Not given: they are left alone.",
		     .example = "{read-bucket: {Statement: [{Effect: Allow, Action: "
				"'s3:GetObject', Resource: 'arn:aws:s3:::my-bucket/*'}]}}"),
	RUNNER_PARAM(struct iam_params, path,
		     .help = "Path of the role, / for a new one. IAM cannot change it later.",
		     .example = "/service/"),
	RUNNER_PARAM(struct iam_params, permissions_boundary,
		     .help = "ARN of the policy that bounds the role's permissions; \"\" removes a "
			     "boundary.",
		     .example = "arn:aws:iam::123456789012:policy/boundary"),
	RUNNER_PARAM(struct iam_params, tags,
		     .help = "Tags to set. Tags that others set are left alone; runner adds two of "
			     "its own to a role that it makes.",
		     .example = "{team: data}"),
	RUNNER_PARAM(struct iam_params, max_session_duration,
		     .help = "Longest session with the role, 1h to 12h.", .example = "2h"),
	RUNNER_PARAM(struct iam_params, region,
		     .help = "Region whose partition counts (aws, aws-cn, aws-us-gov); IAM itself "
			     "is global.",
		     .example = "eu-central-1"),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "arn", .help = "ARN of the role." },
	{ .name = "name", .help = "Name of the role." },
	{ .name = "id",
	  .help = "Unique id of the role (AROA…), new when it is removed and made again." },
	{ 0 },
};

/* With and without a path before the name. */
#define ON_ROLE(action)                                                                            \
	"iam:" action " arn:*:iam::*:role/${role_name}\n"                                          \
	"iam:" action " arn:*:iam::*:role/*/${role_name}\n"

static const char permissions[] = ON_ROLE("GetRole") ON_ROLE("CreateRole") ON_ROLE("UpdateRole")
	ON_ROLE("UpdateAssumeRolePolicy") ON_ROLE("DeleteRole") ON_ROLE("TagRole")
	ON_ROLE("ListAttachedRolePolicies") ON_ROLE("AttachRolePolicy") ON_ROLE("DetachRolePolicy")
	ON_ROLE("ListRolePolicies") ON_ROLE("GetRolePolicy") ON_ROLE("PutRolePolicy")
	ON_ROLE("DeleteRolePolicy") ON_ROLE("PutRolePermissionsBoundary")
	ON_ROLE("DeleteRolePermissionsBoundary") ON_ROLE("ListInstanceProfilesForRole")
	"iam:RemoveRoleFromInstanceProfile";

static const char help[] = "Reads the role, compares, and writes only what differs; a second run "
			   "writes nothing. A role that exists but was not "
			   "made by this stage is brought up to date, keeps what others attached "
			   "to it, and is left in place by `destroy`.\n\n"
			   "A new role may take some seconds until other services accept it; the "
			   "`lambda` stage waits for that by itself.";

static int fail(const struct stage *s, const struct iam_params *p, struct rn_error *err)
{
	stage_about(err, "role", p->role_name);
	return stage_fail(s, err, NULL);
}

static int with_role(struct runner_stage *rs, const struct runner_host *host,
		     const struct iam_params *p, enum stage_mode mode)
{
	struct stage s;
	struct rn_error err = { 0 };
	stage_init(&s, rs, host, mode);
	if (!host->is_known(rs, "role_name")) {
		stage_info(&s,
			   "role_name depends on what another stage makes and is not known yet");
		return 0;
	}
	RN_AUTO(aws_session_freep) struct aws_session *session = stage_session(&s, p->region, &err);
	RN_AUTO(aws_client_freep)
	struct aws_client *iam = session ? aws_client_new(session, "iam", &err) : NULL;
	if (!iam)
		return stage_fail(&s, &err, NULL);
	if (mode == STAGE_DESTROY)
		return role_destroy(&s, iam, p->role_name, &err) < 0 ? fail(&s, p, &err) : 0;
	RN_AUTO(role_wish_clear) struct role_wish wish = { 0 };
	if (role_wish_init(&wish, &s, p, aws_session_partition(session), &err) < 0 ||
	    role_converge(&s, iam, session, &wish, &err) < 0)
		return fail(&s, p, &err);
	return 0;
}

static int check(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	struct stage s;
	struct rn_error err = { 0 };
	RN_AUTO(role_wish_clear) struct role_wish wish = { 0 };
	stage_init(&s, rs, host, STAGE_PLAN);
	return role_wish_init(&wish, &s, p, "aws", &err) < 0 ? stage_fail(&s, &err, NULL) : 0;
}

static int run(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_role(rs, host, p, STAGE_RUN);
}

static int plan(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_role(rs, host, p, STAGE_PLAN);
}

static int destroy(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_role(rs, host, p, STAGE_DESTROY);
}

RUNNER_PLUGIN(.name = "iam", .version = RUNNER_VERSION,
	      .summary = "Makes an IAM role and keeps it as described",
	      .param_size = sizeof(struct iam_params), .params = params, .outputs = outputs,
	      .check = check, .run = run, .plan = plan, .destroy = destroy, .help = help,
	      .permissions = permissions);
