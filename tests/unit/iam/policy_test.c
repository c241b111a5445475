/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/iam/policy.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void trust_is(const char *given, const char *want)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = policy_trust(given, &err);
	if (!want) {
		assert_null(doc);
		assert_int_equal(err.code, RN_EINVAL);
		return;
	}
	assert_non_null(doc);
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	assert_string_equal(text, want);
}

static void trust_in_its_short_forms(void **state)
{
	(void)state;
#define TRUST(principal) \
	"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{" principal "},\"Action\":\"sts:AssumeRole\"}]}"
	trust_is("[\"lambda.amazonaws.com\"]", TRUST("\"Service\":[\"lambda.amazonaws.com\"]"));
	trust_is("\"lambda.amazonaws.com\"", TRUST("\"Service\":[\"lambda.amazonaws.com\"]"));
	trust_is("[\"a.amazonaws.com\",\"123456789012\",\"arn:aws:iam::1:role/x\"]",
		 TRUST("\"Service\":[\"a.amazonaws.com\"],\"AWS\":[\"123456789012\",\"arn:aws:iam::1:role/x\"]"));
}

static void trust_as_a_document(void **state)
{
	(void)state;
	trust_is("{\"Statement\":{\"Effect\":\"Allow\"}}", "{\"Statement\":{\"Effect\":\"Allow\"},\"Version\":\"2012-10-17\"}");
	trust_is("\" {\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":[]}\"", "{\"Version\":\"2012-10-17\",\"Statement\":[]}");
}

static void trust_that_cannot_work_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "[]", "null", "5", "[5]", "[\"lambda\"]", "\"*\"", "{}", "{\"Statement\":5}",
					   "{\"Statement\":[{\"Effect\":\"Maybe\"}]}", "{\"Statement\":[],\"Extra\":1}", "\"{\"",
					   "[\"arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com\"]" };
	for (size_t i = 0; i < RN_LEN(bad); i++)
		trust_is(bad[i], NULL);
}

static bool same(const char *a, const char *b)
{
	RN_AUTO(rn_json_freep) cJSON *x = rn_json_parse_str(a, NULL);
	RN_AUTO(rn_json_freep) cJSON *y = rn_json_parse_str(b, NULL);
	assert_non_null(x);
	assert_non_null(y);
	assert_int_equal(policy_equal(x, y), policy_equal(y, x));
	return policy_equal(x, y);
}

static void documents_compare_by_meaning(void **state)
{
	(void)state;
	assert_true(same("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\"}]}",
			 "{\"Statement\":{\"Action\":[\"S3:*\"],\"Effect\":\"Allow\"},\"Version\":\"2012-10-17\"}"));
	assert_true(same("{\"Statement\":[{\"Principal\":{\"AWS\":\"123456789012\"}}]}",
			 "{\"Statement\":[{\"Principal\":{\"AWS\":[\"arn:aws:iam::123456789012:root\"]}}]}"));
	assert_true(same("{\"Statement\":[{\"Resource\":[\"b\",\"a\",\"a\"]},{\"Sid\":\"x\"}]}",
			 "{\"Statement\":[{\"Sid\":\"x\"},{\"Resource\":[\"a\",\"b\"]}]}"));
	assert_true(same("{\"Statement\":[{\"Condition\":{\"StringEquals\":{\"k\":\"v\"}}}]}",
			 "{\"Statement\":[{\"Condition\":{\"StringEquals\":{\"k\":[\"v\"]}}}]}"));
	assert_true(same("{\"Statement\":[{\"Condition\":{\"Bool\":{\"k\":true}}}]}",
			 "{\"Statement\":[{\"Condition\":{\"Bool\":{\"k\":\"true\"}}}]}"));
}

static void differences_are_seen(void **state)
{
	(void)state;
	assert_false(same("{\"Statement\":[{\"Effect\":\"Allow\"}]}", "{\"Statement\":[{\"Effect\":\"Deny\"}]}"));
	assert_false(same("{\"Version\":\"2012-10-17\",\"Statement\":[]}", "{\"Statement\":[]}")); /* IAM's default is the old one */
	assert_false(same("{\"Statement\":[{\"Resource\":\"a\"}]}", "{\"Statement\":[{\"Resource\":\"A\"}]}"));
	assert_false(same("{\"Statement\":[{\"Action\":\"a:b\"}]}", "{\"Statement\":[{\"NotAction\":\"a:b\"}]}"));
	assert_false(same("{\"Statement\":[{\"Sid\":\"x\"}]}", "{\"Statement\":[{\"Sid\":\"x\"},{\"Sid\":\"y\"}]}"));
	assert_false(same("{\"Statement\":[{\"Condition\":{\"StringEquals\":{\"k\":\"v\"}}}]}",
			  "{\"Statement\":[{\"Condition\":{\"StringLike\":{\"k\":\"v\"}}}]}"));
}

static void what_iam_hands_out_is_decoded(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep) cJSON *a = policy_decode("%7B%22Statement%22%3A%5B%5D%7D", NULL);
	RN_AUTO(rn_json_freep) cJSON *b = policy_decode("{\"Statement\":[]}", NULL);
	assert_true(rn_json_equal(a, b));
	assert_null(policy_decode("%7B", NULL));
}

static void principals_are_listed_for_people(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str(
		"{\"Statement\":[{\"Principal\":{\"Service\":[\"b\",\"a\"]}},{\"Principal\":\"*\"}]}", NULL);
	RN_AUTO(rn_freep) char *text = policy_principals(doc);
	assert_string_equal(text, "a, b, *");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_in_its_short_forms),
		cmocka_unit_test(trust_as_a_document),
		cmocka_unit_test(trust_that_cannot_work_is_refused),
		cmocka_unit_test(documents_compare_by_meaning),
		cmocka_unit_test(differences_are_seen),
		cmocka_unit_test(what_iam_hands_out_is_decoded),
		cmocka_unit_test(principals_are_listed_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
