/* SPDX-License-Identifier: Apache-2.0 */
/* What the iam stage says to its parameters before anything is asked. */
#include "tests/unit/mock_host.h"

#include "plugins/iam/role.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

extern const struct runner_plugin runner_plugin_v1;

#define GOOD { .role_name = "r", .trust = { "[\"lambda.amazonaws.com\"]" } }

static void refused(struct iam_params p, const char *set, const char *param, const char *words)
{
	struct runner_stage rs = { .set = set };
	assert_int_equal(runner_plugin_v1.check(&rs, &mock_host, &p), -1);
	assert_true(rs.failed);
	assert_int_equal(rs.cls, RUNNER_FAIL_CONFIG);
	assert_string_equal(rs.param, param);
	assert_non_null(strstr(rs.message, words));
}

static void good_parameters_pass(void **state)
{
	(void)state;
	struct iam_params p = GOOD;
	struct runner_stage rs = { .set = " role_name trust " };
	assert_int_equal(runner_plugin_v1.check(&rs, &mock_host, &p), 0);
	assert_false(rs.failed);
}

static void bad_parameters_are_refused_each_with_its_name(void **state)
{
	(void)state;
	struct iam_params p = GOOD;
	p.role_name = "a b";
	refused(p, " role_name trust ", "role_name", "a b");
	p = (struct iam_params)GOOD;
	p.trust.text = "[]";
	refused(p, " role_name trust ", "trust", "empty");
	p = (struct iam_params)GOOD;
	p.path = "service";
	refused(p, " role_name trust path ", "path", "begin and end");
	p = (struct iam_params)GOOD;
	p.max_session_duration.ms = 60000;
	refused(p, " role_name trust max_session_duration ", "max_session_duration", "1h to 12h");
	p = (struct iam_params)GOOD;
	p.permissions_boundary = "boundary";
	refused(p, " role_name trust permissions_boundary ", "permissions_boundary", "ARN");
	p = (struct iam_params)GOOD;
	p.inline_policies.text = "{\"x\":{\"Statement\":5}}";
	refused(p, " role_name trust inline_policies ", "inline_policies", "inline policy x");
	p = (struct iam_params)GOOD;
	p.inline_policies.text = "[]";
	refused(p, " role_name trust inline_policies ", "inline_policies", "map");
	const char *spaced[] = { "a b" };
	p = (struct iam_params)GOOD;
	p.managed_policies = (struct runner_list){ spaced, 1 };
	refused(p, " role_name trust managed_policies ", "managed_policies", "neither an ARN");
	const struct runner_pair tags[] = { { "runner:pipeline", "x" } };
	p = (struct iam_params)GOOD;
	p.tags = (struct runner_map){ tags, 1 };
	refused(p, " role_name trust tags ", "tags", "runner:");
}

static void what_is_not_known_yet_is_not_judged(void **state)
{
	(void)state;
	struct iam_params p = { .role_name = NULL };
	struct runner_stage rs = { .set = " role_name trust inline_policies ", .unknown = " role_name trust inline_policies " };
	assert_int_equal(runner_plugin_v1.check(&rs, &mock_host, &p), 0);
}

static void short_policy_names_become_arns_of_the_partition(void **state)
{
	(void)state;
	const char *names[] = { "service-role/AWSLambdaBasicExecutionRole", "arn:aws-cn:iam::1:policy/x",
				"service-role/AWSLambdaBasicExecutionRole" };
	struct iam_params p = GOOD;
	p.managed_policies = (struct runner_list){ names, 3 };
	struct runner_stage rs = { .set = " role_name trust managed_policies " };
	struct stage s;
	stage_init(&s, &rs, &mock_host, STAGE_RUN);
	RN_AUTO(role_wish_clear) struct role_wish w = { 0 };
	assert_int_equal(role_wish_init(&w, &s, &p, "aws-cn", NULL), 0);
	assert_int_equal(w.managed.n, 2);
	assert_string_equal(w.managed.v[0], "arn:aws-cn:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole");
	assert_string_equal(w.managed.v[1], "arn:aws-cn:iam::1:policy/x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_parameters_pass),
		cmocka_unit_test(bad_parameters_are_refused_each_with_its_name),
		cmocka_unit_test(what_is_not_known_yet_is_not_judged),
		cmocka_unit_test(short_policy_names_become_arns_of_the_partition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
