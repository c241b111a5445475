/* SPDX-License-Identifier: Apache-2.0 */
/* Fault rules: which calls they hit, and which rules are refused. */
#include "localcloud/faults.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static int set_up(void **state)
{
	struct rn_strv names = { 0 };
	rn_strv_add(&names, "iam.ListRoles");
	rn_strv_add(&names, "lambda.CreateFunction");
	rn_strv_add(&names, "registry.get-blob");
	*state = faults_new(&names);
	return 0;
}

static int tear_down(void **state)
{
	faults_free(*state);
	return 0;
}

static int add(struct faults *f, const char *rule, struct rn_error *err)
{
	char id[33];
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str(rule, NULL);
	assert_non_null(doc);
	return faults_add(f, doc, id, err);
}

static enum fault_effect effect(struct faults *f)
{
	struct fault got;
	faults_pick(f, "iam", "ListRoles", &got);
	enum fault_effect e = got.effect;
	fault_clear(&got);
	return e;
}

static void test_no_rule_means_no_fault(void **state)
{
	struct fault got;
	faults_pick(*state, "iam", "ListRoles", &got);
	assert_int_equal(got.effect, FAULT_NONE);
	assert_int_equal(got.delay_ms, 0);
	assert_string_equal(got.id, "");
}

static void test_skip_and_times_choose_the_calls(void **state)
{
	assert_int_equal(add(*state, "{\"match\":\"iam.*\",\"effect\":\"throttle\",\"skip\":2,\"times\":2}", NULL), 0);
	const enum fault_effect wanted[] = { FAULT_NONE, FAULT_NONE, FAULT_THROTTLE, FAULT_THROTTLE, FAULT_NONE };
	for (size_t i = 0; i < RN_LEN(wanted); i++)
		assert_int_equal(effect(*state), wanted[i]);
}

static void test_nth_is_one_call_alone(void **state)
{
	assert_int_equal(add(*state, "{\"match\":\"iam.ListRoles\",\"effect\":\"reset-after\",\"nth\":2}", NULL), 0);
	assert_int_equal(effect(*state), FAULT_NONE);
	assert_int_equal(effect(*state), FAULT_RESET_AFTER);
	assert_int_equal(effect(*state), FAULT_NONE);
}

static void test_other_calls_are_not_counted(void **state)
{
	struct fault got;
	assert_int_equal(add(*state, "{\"match\":\"iam.*\",\"effect\":\"throttle\",\"nth\":1}", NULL), 0);
	faults_pick(*state, "lambda", "CreateFunction", &got);
	assert_int_equal(got.effect, FAULT_NONE);
	assert_int_equal(effect(*state), FAULT_THROTTLE);
}

static void test_delays_add_up_before_the_first_other_effect(void **state)
{
	struct fault got;
	assert_int_equal(add(*state, "{\"match\":\"*\",\"effect\":\"delay\",\"time\":\"100ms\"}", NULL), 0);
	assert_int_equal(add(*state, "{\"match\":\"*\",\"effect\":\"delay\",\"time\":0.05}", NULL), 0);
	assert_int_equal(add(*state, "{\"match\":\"iam.*\",\"effect\":\"error\",\"status\":503,\"code\":\"X\"}", NULL), 0);
	assert_int_equal(add(*state, "{\"match\":\"iam.*\",\"effect\":\"throttle\"}", NULL), 0);
	faults_pick(*state, "iam", "ListRoles", &got);
	assert_int_equal(got.delay_ms, 150);
	assert_int_equal(got.effect, FAULT_ERROR);
	assert_int_equal(got.status, 503);
	assert_string_equal(got.code, "X");
	fault_clear(&got);
}

static void test_the_same_seed_hits_the_same_calls(void **state)
{
	char seen[2][101] = { { 0 } };
	for (int round = 0; round < 2; round++) {
		assert_int_equal(add(*state, "{\"id\":\"a\",\"match\":\"iam.*\",\"effect\":\"throttle\",\"probability\":0.3,\"seed\":9}", NULL), 0);
		for (int i = 0; i < 100; i++)
			seen[round][i] = effect(*state) == FAULT_THROTTLE ? 'x' : '.';
	}
	assert_string_equal(seen[0], seen[1]);
	size_t hits = 0;
	for (int i = 0; i < 100; i++)
		hits += seen[0][i] == 'x';
	assert_in_range(hits, 15, 45);
}

static void test_times_of_roles_and_updates_are_asked_apart(void **state)
{
	assert_int_equal(add(*state, "{\"match\":\"lambda.*\",\"effect\":\"role-not-ready\",\"time\":\"3s\",\"times\":1}", NULL), 0);
	struct fault got;
	faults_pick(*state, "lambda", "CreateFunction", &got);
	assert_int_equal(got.effect, FAULT_NONE);
	assert_int_equal(faults_time(*state, FAULT_SLOW, "lambda", "CreateFunction"), 0);
	assert_int_equal(faults_time(*state, FAULT_ROLE, "lambda", "CreateFunction"), 3000);
	assert_int_equal(faults_time(*state, FAULT_ROLE, "lambda", "CreateFunction"), 0);
}

static void test_a_rule_of_the_same_id_replaces_and_all_can_be_removed(void **state)
{
	assert_int_equal(add(*state, "{\"id\":\"a\",\"match\":\"iam.*\",\"effect\":\"throttle\"}", NULL), 0);
	assert_int_equal(add(*state, "{\"id\":\"a\",\"match\":\"iam.*\",\"effect\":\"reset-before\"}", NULL), 0);
	assert_int_equal(add(*state, "{\"match\":\"registry.get-blob\",\"effect\":\"throttle\"}", NULL), 0);
	assert_int_equal(effect(*state), FAULT_RESET_BEFORE);
	RN_AUTO(rn_json_freep) cJSON *list = faults_list(*state);
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_int_equal(rn_json_int(list->child, "fired", 0), 1);
	assert_int_equal(faults_remove(*state, "nobody"), 0);
	assert_int_equal(faults_remove(*state, NULL), 2);
	assert_int_equal(effect(*state), FAULT_NONE);
}

static void test_a_wrong_rule_is_refused_with_what_is_wrong(void **state)
{
	static const char *const WRONG[][2] = {
		{ "{\"match\":\"iam.*\"}", "needs an \"effect\"" },
		{ "{\"effect\":\"throttle\"}", "needs a \"match\"" },
		{ "{\"match\":\"s3.*\",\"effect\":\"throttle\"}", "no call of this cloud" },
		{ "{\"match\":\"iam.*\",\"effect\":\"throttle\",\"time\":\"1s\"}", "\"time\" means nothing to throttle" },
		{ "{\"match\":\"iam.*\",\"effect\":\"delay\",\"time\":\"2h\"}", "an hour at most" },
		{ "{\"match\":\"iam.*\",\"effect\":\"error\",\"status\":200}", "\"status\" must be a whole number from 400" },
		{ "{\"match\":\"iam.*\",\"effect\":\"throttle\",\"nth\":0}", "\"nth\" must be a whole number from 1" },
		{ "{\"match\":\"iam.*\",\"effect\":\"throttle\",\"id\":\"a b\"}", "\"id\" must be" },
		{ "{\"match\":\"iam.*\",\"effect\":\"throttle\",\"x\":1}", "no member \"x\"" },
		{ "[]", "must be an object" },
	};
	for (size_t i = 0; i < RN_LEN(WRONG); i++) {
		struct rn_error err = { 0 };
		assert_int_equal(add(*state, WRONG[i][0], &err), -1);
		if (!strstr(err.msg, WRONG[i][1]))
			fail_msg("%s: %s", WRONG[i][0], err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_rule_means_no_fault, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_skip_and_times_choose_the_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nth_is_one_call_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_calls_are_not_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_delays_add_up_before_the_first_other_effect, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_same_seed_hits_the_same_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_times_of_roles_and_updates_are_asked_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_rule_of_the_same_id_replaces_and_all_can_be_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_wrong_rule_is_refused_with_what_is_wrong, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
