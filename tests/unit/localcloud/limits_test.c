/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets and quotas. */
#include "localcloud/apigw_limits.h"

#include "base/time.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_a_bucket_starts_full_and_empties(void **state)
{
	(void)state;
	struct limits *l = limits_new();
	assert_true(limits_take(l, "a", 0, 2));
	assert_true(limits_take(l, "a", 0, 2));
	assert_false(limits_take(l, "a", 0, 2));
	assert_true(limits_take(l, "b", 0, 1));  /* each key has its own */
	assert_false(limits_take(l, "c", 0, 0)); /* nothing allowed */
	limits_free(l);
	limits_free(NULL);
}

static void test_a_bucket_fills_again(void **state)
{
	(void)state;
	struct limits *l = limits_new();
	assert_true(limits_take(l, "a", 1000, 1));
	int64_t deadline = rn_now_ms() + 120000;
	bool taken = false;
	while (!taken && rn_now_ms() < deadline)
		taken = limits_take(l, "a", 1000, 1);
	assert_true(taken);
	limits_free(l);
}

/* A usage document with `n` calls today. */
static cJSON *usage_of(int n)
{
	char today[16];
	cJSON *usage = cJSON_CreateObject();
	cJSON_AddNumberToObject(cJSON_AddObjectToObject(usage, "days"), quota_day(rn_wall_ms() / 1000, today), n);
	return usage;
}

static void test_what_is_left_of_a_quota(void **state)
{
	(void)state;
	static const char *const PERIODS[] = { "DAY", "WEEK", "MONTH" };
	for (size_t i = 0; i < RN_LEN(PERIODS); i++) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("{\"quota\":{\"limit\":10,\"offset\":%d,\"period\":\"%s\"}}", i ? 3 : 0, PERIODS[i]);
		RN_AUTO(rn_json_freep) cJSON *plan = rn_json_parse_str(text, NULL);
		RN_AUTO(rn_json_freep) cJSON *usage = usage_of(4);
		assert_int_equal(quota_left(plan, NULL), 10);
		assert_int_equal(quota_left(plan, usage), 6);
		quota_set_left(plan, usage, 1);
		assert_int_equal(quota_left(plan, usage), 1);
		quota_set_left(plan, usage, 100);
		assert_int_equal(quota_left(plan, usage), 100);
	}
	RN_AUTO(rn_json_freep) cJSON *none = rn_json_parse_str("{}", NULL);
	assert_int_equal(quota_left(none, NULL), -1);
}

static void test_calls_before_the_period_do_not_count(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep) cJSON *plan = rn_json_parse_str("{\"quota\":{\"limit\":10,\"offset\":0,\"period\":\"DAY\"}}", NULL);
	char yesterday[16];
	RN_AUTO(rn_json_freep) cJSON *usage = cJSON_CreateObject();
	cJSON_AddNumberToObject(cJSON_AddObjectToObject(usage, "days"), quota_day(rn_wall_ms() / 1000 - 86400, yesterday), 10);
	assert_int_equal(quota_left(plan, usage), 10);
	assert_int_equal(quota_used_on(usage, yesterday), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bucket_starts_full_and_empties),
		cmocka_unit_test(test_a_bucket_fills_again),
		cmocka_unit_test(test_what_is_left_of_a_quota),
		cmocka_unit_test(test_calls_before_the_period_do_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
