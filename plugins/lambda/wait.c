/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a creation or update to end, and what its reason codes mean. */
#include "function.h"

#include <string.h>

static const char *const cures[][2] = {
	{ "ImageDeleted", "the image is gone from the repository: push it again (a lifecycle rule may have removed it)" },
	{ "ImageAccessDenied", "let lambda.amazonaws.com call ecr:BatchGetImage and ecr:GetDownloadUrlForLayer in the "
			       "repository's policy" },
	{ "InvalidImage", "Lambda takes a single image manifest (no index, no attestations) with gzip layers for one "
			  "architecture: build with `profile: lambda`" },
	{ "InsufficientRolePermissions", "give the role the permissions that the message names" },
	{ "InvalidConfiguration", "correct the setting that the message names" },
	{ "InvalidSubnet", "the subnet does not exist (any more): correct vpc.subnets" },
	{ "InvalidSecurityGroup", "the security group does not exist (any more): correct vpc.security_groups" },
	{ "SubnetOutOfIPAddresses", "the subnets have no free address: use larger or more subnets" },
	{ "EniLimitExceeded", "the account has no network interface left in this VPC: ask for a higher limit" },
	{ "EFSIOError", "the file system gave errors: look at its metrics and its throughput mode" },
	{ "EFSMountConnectivityError", "the subnets must reach a mount target of the file system, and the security groups allow TCP 2049" },
	{ "EFSMountFailure", "the access point must exist, and the role have elasticfilesystem:ClientMount and ClientWrite" },
	{ "EFSMountTimeout", "the file system did not answer: its security group must allow TCP 2049 from the function's" },
	{ "VcpuLimitExceeded", "the account has no virtual CPUs left: ask for a higher limit" },
	{ "InternalError", "a fault of Lambda: run again" },
	{ "DisabledKMSKey", "enable the key that kms_key names" },
	{ "KMSKeyNotFound", "correct kms_key" },
	{ "InvalidStateKMSKey", "the key that kms_key names is being deleted or has no material: bring it back, or name another" },
	{ "KMSKeyAccessDenied", "let the role use the key that kms_key names" },
	{ "Idle", "nothing is wrong: the first call wakes the function up" },
	{ "ServiceQuotaExceededException", "a quota of the account is used up: the message names it; ask AWS for more, or remove what "
					   "is not needed" },
	{ "EC2RequestLimitExceeded", "AWS is throttling the account's network set-up: run again" },
	{ "InsufficientCapacity", "AWS has no capacity in this zone now: run again, or add subnets in other zones" },
	{ "DependencyError", "a service that Lambda depends on failed: run again" },
	{ "DisallowedByVpcEncryptionControl", "the VPC's encryption control does not let Lambda in: ask the network's owner" },
	{ "FunctionError", "the program failed at its start: see its log" },
	{ "FunctionError.InitTimeout", "the program must ask the Runtime API for work within 10 s of its start" },
	{ "FunctionError.RuntimeInitError", "the program ended before it asked for work: see its log" },
	{ "FunctionError.ExtensionInitError", "an extension in /opt/extensions did not start: see its log" },
	{ "FunctionError.InvalidEntryPoint", "the entry point does not exist in the image or is not executable for the "
					     "function's architecture" },
	{ "FunctionError.InvalidWorkingDirectory", "the working directory does not exist in the image" },
	{ "FunctionError.PermissionDenied", "files must be readable, and the entry point executable, by every user" },
	{ "FunctionError.TooManyExtensions", "at most 10 extensions are allowed" },
	{ "FunctionError.InitResourceExhausted", "the start needs more memory or file descriptors: raise `memory`" },
};

const char *function_cure(const char *reason_code)
{
	for (size_t i = 0; reason_code && i < RN_LEN(cures); i++)
		if (strcmp(cures[i][0], reason_code) == 0)
			return cures[i][1];
	return NULL;
}

static int state_failed(const cJSON *c, const char *what, const char *prefix, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *code_name = rn_asprintf("%sReasonCode", prefix);
	RN_AUTO(rn_freep) char *text_name = rn_asprintf("%sReason", prefix);
	const char *code = rn_json_str(c, code_name), *text = rn_json_str(c, text_name), *cure = function_cure(code);
	const char *name = rn_json_str(c, "FunctionName");
	rn_fail(err, RN_EREMOTE, "the %s of function %s failed: %s%s%s", what, name ? name : "", code ? code : "no reason",
		text ? ": " : "", text ? text : "");
	return cure ? rn_hint(err, "%s", cure) : -1;
}

int function_check_state(const cJSON *c, struct rn_error *err)
{
	if (rn_streq(rn_json_str(c, "State"), "Failed"))
		return state_failed(c, "creation", "State", err);
	if (rn_streq(rn_json_str(c, "LastUpdateStatus"), "Failed"))
		return state_failed(c, "update", "LastUpdateStatus", err);
	return 0;
}

static int poll(void *ctx, struct rn_error *err)
{
	struct function *f = ctx;
	if (function_read(f, err) < 0)
		return -1;
	if (!f->found)
		return rn_fail(err, RN_ENOTFOUND, "function %s was deleted while it was being set up", f->p->function_name);
	const cJSON *c = function_configuration(f);
	return !rn_streq(rn_json_str(c, "State"), "Pending") && !rn_streq(rn_json_str(c, "LastUpdateStatus"), "InProgress");
}

int function_settle(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *what = rn_asprintf("function %s to be ready", f->p->function_name);
	const struct aws_waiter w = { .what = what, .delay_ms = 100, .max_delay_ms = 2000, .timeout_ms = 600000 };
	return aws_wait(f->session, &w, poll, f, err);
}
