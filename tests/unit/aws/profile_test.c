/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/profile.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char config[] = "\xef\xbb\xbf# comment\n"
			     "[default]\r\n"
			     "region = eu-west-1\r\n"
			     "; another\n"
			     "s3 =\n"
			     "  max_concurrent_requests = 20\n"
			     "  addressing_style=path\n"
			     "output=json\n"
			     "[profile \"with blank\"]\n"
			     "role_arn = arn:aws:iam::1:role/x = y\n"
			     "empty =\n"
			     "[ profile  spaced ]\n"
			     "REGION=us-east-2\n"
			     "[sso-session corp]\n"
			     "sso_region = eu-central-1\n"
			     "[services mine]\n"
			     "lambda =\n"
			     "\tendpoint_url = http://x\n"
			     "[plugins]\n"
			     "foo = bar\n"
			     "[default]\n"
			     "region = eu-west-2\n";

static void reads_sections_and_nested_keys(void **state)
{
	(void)state;
	RN_AUTO(aws_profiles_clear) struct aws_profiles p = { 0 };
	assert_int_equal(aws_profiles_parse(&p, config, "config", AWS_FILE_CONFIG, NULL), 0);
	assert_string_equal(aws_profile_get(&p, AWS_FILE_ANY, "default", "region"), "eu-west-2"); /* the later one */
	assert_string_equal(aws_profile_get(&p, AWS_FILE_ANY, "default", "s3.addressing_style"), "path");
	assert_string_equal(aws_profile_get(&p, AWS_FILE_ANY, "default", "output"), "json");
	assert_string_equal(aws_profile_get(&p, AWS_FILE_ANY, "with blank", "role_arn"), "arn:aws:iam::1:role/x = y");
	assert_null(aws_profile_get(&p, AWS_FILE_ANY, "with blank", "empty"));
	assert_string_equal(aws_profile_get(&p, AWS_FILE_ANY, "spaced", "region"), "us-east-2");
	assert_string_equal(aws_section_get(&p, "sso-session", "corp", "sso_region"), "eu-central-1");
	assert_string_equal(aws_section_get(&p, "services", "mine", "lambda.endpoint_url"), "http://x");
	assert_false(aws_profile_exists(&p, "corp"));
	assert_false(aws_profile_exists(&p, "plugins"));
}

static void credentials_win_over_config(void **state)
{
	(void)state;
	RN_AUTO(aws_profiles_clear) struct aws_profiles p = { 0 };
	aws_profiles_parse(&p, "[profile a]\nk = conf\nonly = c\n[b]\nk = not-a-profile\n", "config", AWS_FILE_CONFIG, NULL);
	aws_profiles_parse(&p, "[a]\nk = cred\n[profile c]\nk = x\n", "credentials", AWS_FILE_CREDENTIALS, NULL);
	assert_string_equal(aws_profile_get(&p, AWS_FILE_ANY, "a", "k"), "cred");
	assert_string_equal(aws_profile_get(&p, AWS_FILE_CONFIG, "a", "k"), "conf");
	assert_string_equal(aws_profile_get(&p, AWS_FILE_ANY, "a", "only"), "c");
	assert_null(aws_profile_get(&p, AWS_FILE_CREDENTIALS, "a", "only"));
	assert_false(aws_profile_exists(&p, "b"));
	assert_true(aws_profile_exists(&p, "profile c")); /* in that file the name is the whole text */
}

static void malformed_lines_are_named(void **state)
{
	(void)state;
	RN_AUTO(aws_profiles_clear) struct aws_profiles p = { 0 };
	struct rn_error err = { 0 };
	assert_int_equal(aws_profiles_parse(&p, "[a]\nk = v\nwhat\n", "F", AWS_FILE_CREDENTIALS, &err), -1);
	assert_non_null(strstr(err.msg, "F:3"));
	assert_int_equal(aws_profiles_parse(&p, "[a\n", "F", AWS_FILE_CREDENTIALS, &err), -1);
	assert_non_null(strstr(err.msg, "F:1"));
}

static void a_missing_file_adds_nothing(void **state)
{
	(void)state;
	struct aws_profiles p = { 0 };
	assert_int_equal(aws_profiles_load(&p, "/nonexistent/aws", AWS_FILE_CONFIG, NULL), 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(aws_profiles_load(&p, "/", AWS_FILE_CONFIG, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sections_and_nested_keys),
		cmocka_unit_test(credentials_win_over_config),
		cmocka_unit_test(malformed_lines_are_named),
		cmocka_unit_test(a_missing_file_adds_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
