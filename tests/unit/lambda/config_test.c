/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration as documents, the shift, cures, and what meets an expectation. */
#include "plugins/lambda/config.h"
#include "plugins/lambda/expect.h"
#include "plugins/lambda/extra.h"
#include "plugins/lambda/fields.h"
#include "plugins/lambda/function.h"
#include "plugins/lambda/shift.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct lambda_params usual(void)
{
	return (struct lambda_params){ .function_name = "fn",
				       .role = "arn:aws:iam::1:role/r",
				       .timeout = { 3000 },
				       .memory = 128,
				       .ephemeral_storage = 512,
				       .reserved_concurrency = -1 };
}

/* Names of the settings that differ between the parameters and what Lambda answers, in their order. */
static char *differing(const struct lambda_params *p, const char *answer)
{
	RN_AUTO(rn_json_freep) cJSON *c = rn_json_parse_str(answer, NULL);
	RN_AUTO(rn_json_freep) cJSON *have = config_have(c), *want = config_want(p);
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *update = config_difference(have, want, &d);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	const cJSON *item;
	cJSON_ArrayForEach(item, update)
		rn_strv_add(&names, item->string);
	assert_int_equal(names.n, d.lines.n);
	return names.n ? rn_strv_join(&names, " ") : rn_strdup("");
}

#define BARE "\"FunctionName\":\"fn\",\"Role\":\"arn:aws:iam::1:role/r\""

static void what_lambda_leaves_out_is_its_default(void **state)
{
	(void)state;
	struct lambda_params p = usual();
	RN_AUTO(rn_freep) char *none = differing(&p, "{" BARE "}");
	assert_string_equal(none, "");
	RN_AUTO(rn_freep)
	char *empty = differing(&p, "{" BARE ",\"KMSKeyArn\":null,\"VpcConfig\":{\"SubnetIds\":[],\"SecurityGroupIds\":[],\"VpcId\":\"\"},"
				    "\"ImageConfigResponse\":{},\"LoggingConfig\":{\"LogFormat\":\"Text\",\"LogGroup\":\"/aws/lambda/fn\"}}");
	assert_string_equal(empty, "");
	p.memory = 256;
	p.dead_letter = "arn:q";
	RN_AUTO(rn_freep) char *two = differing(&p, "{" BARE "}");
	assert_string_equal(two, "MemorySize DeadLetterConfig");
}

static void the_order_of_subnets_does_not_matter_and_that_of_a_command_does(void **state)
{
	(void)state;
	struct lambda_params p = usual();
	p.vpc.text = "{\"subnets\":[\"b\",\"a\"],\"security_groups\":[\"s\"]}";
	p.image_config.text = "{\"command\":[\"x\",\"y\"]}";
	RN_AUTO(rn_freep)
	char *d = differing(&p, "{" BARE ",\"VpcConfig\":{\"SubnetIds\":[\"a\",\"b\"],\"SecurityGroupIds\":[\"s\"]},"
				"\"ImageConfigResponse\":{\"ImageConfig\":{\"Command\":[\"y\",\"x\"]}}}");
	assert_string_equal(d, "ImageConfig");
}

static void a_file_system_is_a_list_of_one(void **state)
{
	(void)state;
	struct lambda_params p = usual();
	p.file_system.text = "{\"access_point\":\"arn:a\",\"path\":\"/mnt/x\"}";
	RN_AUTO(rn_freep) char *same = differing(&p, "{" BARE ",\"FileSystemConfigs\":[{\"Arn\":\"arn:a\",\"LocalMountPath\":\"/mnt/x\"}]}");
	assert_string_equal(same, "");
	RN_AUTO(rn_freep) char *other = differing(&p, "{" BARE ",\"FileSystemConfigs\":[{\"Arn\":\"arn:b\",\"LocalMountPath\":\"/mnt/x\"}]}");
	assert_string_equal(other, "FileSystemConfigs");
	p.file_system.text = "{\"access_point\":\"arn:a\",\"path\":\"/mnt/x\",\"direct_read\":\"AUTO\"}"; /* what there is without saying so */
	RN_AUTO(rn_freep) char *automatic = differing(&p, "{" BARE ",\"FileSystemConfigs\":[{\"Arn\":\"arn:a\",\"LocalMountPath\":\"/mnt/x\"}]}");
	assert_string_equal(automatic, "");
	p.file_system.text = NULL;
	RN_AUTO(rn_freep) char *none = differing(&p, "{" BARE ",\"FileSystemConfigs\":[]}");
	assert_string_equal(none, "");
}

static void extra_is(enum extra e, const struct lambda_params *p, const char *answer, bool same)
{
	RN_AUTO(rn_json_freep) cJSON *a = rn_json_parse_str(answer, NULL), *have = extra_have(e, a), *want = extra_want(e, p);
	cJSON_DeleteItemFromObjectCaseSensitive(want, "Public");
	assert_int_equal(rn_json_equal(have, want), same);
}

static void settings_beside_the_configuration_are_compared_as_documents(void **state)
{
	(void)state;
	struct lambda_params p = usual();
	p.async.text = "{\"max_age\":\"6h\"}";
	extra_is(EXTRA_ASYNC, &p, "{\"DestinationConfig\":{\"OnSuccess\":{},\"OnFailure\":{}}}", true);
	extra_is(EXTRA_ASYNC, &p, "{\"MaximumRetryAttempts\":2,\"MaximumEventAgeInSeconds\":21600,\"LastModified\":1}", true);
	extra_is(EXTRA_ASYNC, &p, "{\"MaximumRetryAttempts\":0}", false);
	extra_is(EXTRA_ASYNC, &p, "null", false);
	p.async.text = "false";
	extra_is(EXTRA_ASYNC, &p, "null", true);
	p.url.text = "{\"auth\":\"NONE\",\"cors\":{\"origins\":[\"b\",\"a\"],\"headers\":[\"X-A\"],\"max_age\":\"1m\"}}";
	extra_is(EXTRA_URL, &p, "{\"AuthType\":\"NONE\",\"Cors\":{\"AllowOrigins\":[\"a\",\"b\"],\"AllowHeaders\":[\"x-a\"],\"MaxAge\":60},\"FunctionUrl\":\"u\"}", true);
	extra_is(EXTRA_URL, &p, "{\"AuthType\":\"NONE\",\"Cors\":{\"AllowOrigins\":[\"a\"]}}", false);
	p.provisioned_concurrency = 2;
	extra_is(EXTRA_PROVISIONED, &p, "{\"RequestedProvisionedConcurrentExecutions\":2,\"Status\":\"IN_PROGRESS\"}", true);
	extra_is(EXTRA_PROVISIONED, &p, "{\"RequestedProvisionedConcurrentExecutions\":2,\"Status\":\"FAILED\"}", false);
	p.provisioned_concurrency = 0;
	extra_is(EXTRA_PROVISIONED, &p, "null", true);
}

static void public_is(const char *policy, const char *expected)
{
	RN_AUTO(rn_json_freep) cJSON *p = rn_json_parse_str(policy, NULL), *names = extra_public(p);
	RN_AUTO(rn_freep) char *text = rn_json_print(names);
	assert_string_equal(text, expected);
}

static void a_statement_that_was_changed_is_not_ours_any_more(void **state)
{
	(void)state;
#define FIRST(principal, auth)                                                                                                      \
	"{\"Statement\":[{\"Sid\":\"FunctionURLAllowPublicAccess\",\"Effect\":\"Allow\",\"Principal\":" principal                         \
	",\"Action\":\"lambda:InvokeFunctionUrl\",\"Condition\":{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"" auth "\"}}}]}"
	public_is("{}", "[]");
	public_is(FIRST("\"*\"", "NONE"), "[\"FunctionURLAllowPublicAccess\"]");
	public_is(FIRST("{\"AWS\":\"*\"}", "NONE"), "[\"FunctionURLAllowPublicAccess\"]");
	public_is(FIRST("\"*\"", "AWS_IAM"), "[\"FunctionURLAllowPublicAccess (changed)\"]");
	public_is(FIRST("{\"AWS\":\"1\"}", "NONE"), "[\"FunctionURLAllowPublicAccess (changed)\"]");
	public_is("{\"Statement\":[{\"Sid\":\"FunctionURLAllowInvokeAction\",\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"lambda:InvokeFunction\","
		  "\"Condition\":{\"Bool\":{\"lambda:InvokedViaFunctionUrl\":\"true\"}}},{\"Sid\":\"other\"}]}",
		  "[\"FunctionURLAllowInvokeAction\"]");
}

static void a_value_of_the_environment_is_never_in_the_words(void **state)
{
	(void)state;
	struct lambda_params p = usual();
	const struct runner_pair pairs[] = { { "TOKEN", "hush-new" }, { "B", "same" } };
	p.environment = (struct runner_map){ pairs, 2 };
	RN_AUTO(rn_json_freep)
	cJSON *c = rn_json_parse_str("{" BARE ",\"Environment\":{\"Variables\":{\"TOKEN\":\"hush-old\",\"B\":\"same\",\"GONE\":\"hush\"}}}", NULL);
	RN_AUTO(rn_json_freep) cJSON *have = config_have(c), *want = config_want(&p);
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_json_freep) cJSON *update = config_difference(have, want, &d);
	RN_AUTO(rn_freep) char *fields = rn_json_print(d.fields);
	assert_string_equal(d.lines.v[0], "environment: TOKEN -GONE");
	assert_null(strstr(fields, "hush"));
	assert_non_null(rn_json_get(update, "Environment"));
}

static void shift_is(const char *text, double weight, int64_t ms)
{
	struct lambda_params p = usual();
	struct shift s;
	p.alias = "live";
	p.shift.text = text;
	int rc = shift_parse(&p, &s, NULL);
	assert_int_equal(rc, weight > 0 ? 0 : -1);
	if (rc == 0) {
		assert_true(s.weight > weight - 1e-9 && s.weight < weight + 1e-9);
		assert_int_equal(s.for_ms, ms);
	}
}

static void a_shift_is_a_part_and_a_time(void **state)
{
	(void)state;
	shift_is("{\"weight\":0.1,\"for\":\"1m\"}", 0.1, 60000);
	shift_is("{\"weight\":\"25%\",\"for\":90}", 0.25, 90000);
	shift_is("{\"weight\":\"5%\"}", 0.05, 0);
	static const char *const bad[] = { "{\"weight\":1}", "{\"weight\":0}", "{\"weight\":\"10\"}", "{\"for\":\"1m\"}", "{\"weight\":0.1,\"for\":\"x\"}",
					   "[0.1]", "{\"weight\":0.1,\"four\":1}", "{\"weight\":0.1,\"for\":\"2d\"}" };
	for (size_t i = 0; i < RN_LEN(bad); i++)
		shift_is(bad[i], 0, 0);
}

static void every_reason_that_a_release_meets_has_a_cure(void **state)
{
	(void)state;
	static const char *const codes[] = { "ImageDeleted", "ImageAccessDenied", "InvalidImage", "InsufficientRolePermissions", "InvalidConfiguration",
					     "InternalError", "SubnetOutOfIPAddresses", "InvalidSubnet", "InvalidSecurityGroup", "EniLimitExceeded",
					     "KMSKeyAccessDenied", "KMSKeyNotFound", "InvalidStateKMSKey", "DisabledKMSKey", "FunctionError",
					     "FunctionError.InitTimeout", "FunctionError.RuntimeInitError", "FunctionError.ExtensionInitError",
					     "FunctionError.InvalidEntryPoint", "FunctionError.InvalidWorkingDirectory", "FunctionError.PermissionDenied",
					     "FunctionError.TooManyExtensions", "FunctionError.InitResourceExhausted", "ServiceQuotaExceededException",
					     "InsufficientCapacity", "EC2RequestLimitExceeded", "EFSIOError", "EFSMountConnectivityError", "EFSMountFailure",
					     "EFSMountTimeout", "VcpuLimitExceeded", "DependencyError", "DisallowedByVpcEncryptionControl" };
	for (size_t i = 0; i < RN_LEN(codes); i++)
		assert_non_null(function_cure(codes[i]));
	assert_null(function_cure("NeverHeardOf"));
}

static void meets(const char *want, const char *have, const char *why)
{
	RN_AUTO(rn_json_freep) cJSON *w = rn_json_parse_str(want, NULL), *h = rn_json_parse_str(have, NULL);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	assert_int_equal(expect_match(w, h, &b), !*why);
	assert_string_equal(rn_buf_str(&b), why);
}

static void an_answer_may_have_more_members_and_json_in_strings(void **state)
{
	(void)state;
	meets("{\"a\":1}", "{\"a\":1,\"b\":2}", "");
	meets("{\"body\":\"[1, 4]\"}", "{\"body\":\"[1,4]\"}", "");
	meets("{\"body\":[1]}", "{\"body\":[1,2]}", "body: expected [1], got [1,2]");
	meets("{\"a\":{\"b\":[1,2]}}", "{\"a\":{\"b\":[1,3]}}", "a.b[1]: expected 2, got 3");
	meets("\"1\"", "\"1.0\"", "expected \"1\", got \"1.0\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lambda_leaves_out_is_its_default),
		cmocka_unit_test(the_order_of_subnets_does_not_matter_and_that_of_a_command_does),
		cmocka_unit_test(a_file_system_is_a_list_of_one),
		cmocka_unit_test(settings_beside_the_configuration_are_compared_as_documents),
		cmocka_unit_test(a_statement_that_was_changed_is_not_ours_any_more),
		cmocka_unit_test(a_value_of_the_environment_is_never_in_the_words),
		cmocka_unit_test(a_shift_is_a_part_and_a_time),
		cmocka_unit_test(every_reason_that_a_release_meets_has_a_cure),
		cmocka_unit_test(an_answer_may_have_more_members_and_json_in_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
