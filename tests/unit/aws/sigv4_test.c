/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sigv4.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* "get-vanilla" of AWS's published test suite */
static const struct sigv4_header vanilla_headers[] = {
	{ "Host", "example.amazonaws.com" },
	{ "X-Amz-Date", "20150830T123600Z" },
};
static const struct sigv4_key vanilla_key = { "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service",
					      "20150830T123600Z" };

static struct sigv4_request vanilla(void)
{
	return (struct sigv4_request){ .method = "GET", .path = "/", .headers = vanilla_headers, .n_headers = 2,
				       .payload_hash = SIGV4_EMPTY_HASH };
}

static void published_case(void **state)
{
	(void)state;
	struct sigv4_request q = vanilla();
	RN_AUTO(sigv4_result_clear) struct sigv4_result r = { 0 };
	assert_int_equal(sigv4_sign(&q, &vanilla_key, &r, NULL), 0);
	assert_string_equal(r.signature, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	assert_string_equal(r.signed_headers, "host;x-amz-date");
}

static void paths_are_normalised_and_encoded_once_more(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "/a%3Ab/c", "/a%253Ab/c" }, { "/a/./b/../c", "/a/c" }, { "//a//b/", "/a/b/" },
		{ "", "/" },		      { "/..", "/" },		 { "/a b~", "/a%20b~" },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct sigv4_request q = vanilla();
		RN_AUTO(rn_freep) char *text = NULL;
		q.path = cases[i][0];
		assert_int_equal(sigv4_canonical_request(&q, &text, NULL, NULL), 0);
		assert_memory_equal(text + 4, cases[i][1], strlen(cases[i][1]));
		assert_int_equal(text[4 + strlen(cases[i][1])], '\n');
	}
	struct sigv4_request q = vanilla();
	RN_AUTO(rn_freep) char *text = NULL;
	q.path = "/a%3Ab//c";
	q.single_encode = true;
	assert_int_equal(sigv4_canonical_request(&q, &text, NULL, NULL), 0);
	assert_memory_equal(text, "GET\n/a%3Ab//c\n", 14);
}

static void queries_are_sorted_by_name_then_value(void **state)
{
	(void)state;
	struct sigv4_request q = vanilla();
	RN_AUTO(rn_freep) char *text = NULL;
	q.query = "b=2&a=2&a=1&a-b=x&flag&e=%c3%a9";
	assert_int_equal(sigv4_canonical_request(&q, &text, NULL, NULL), 0);
	const char *want = "GET\n/\na=1&a=2&a-b=x&b=2&e=%C3%A9&flag=\n";
	assert_memory_equal(text, want, strlen(want));
}

static void values_are_squeezed_and_repeated_names_joined(void **state)
{
	(void)state;
	const struct sigv4_header headers[] = { { "X-B", "  a   b " }, { "host", "h" }, { "x-b", "c" }, { "User-Agent", "me" } };
	struct sigv4_request q = vanilla();
	RN_AUTO(rn_freep) char *text = NULL;
	RN_AUTO(rn_freep) char *names = NULL;
	q.headers = headers;
	q.n_headers = 4;
	assert_int_equal(sigv4_canonical_request(&q, &text, &names, NULL), 0);
	assert_string_equal(names, "host;x-b");
	assert_non_null(strstr(text, "\nhost:h\nx-b:a b,c\n\nhost;x-b\n"));
}

static void a_signed_header_that_is_missing_is_an_error(void **state)
{
	(void)state;
	struct sigv4_request q = vanilla();
	char *text = NULL;
	q.signed_headers = "host;x-other";
	assert_int_equal(sigv4_canonical_request(&q, &text, NULL, NULL), -1);
	q.signed_headers = "x-amz-date"; /* the host must be signed */
	assert_int_equal(sigv4_canonical_request(&q, &text, NULL, NULL), -1);
	assert_null(text);
}

static void what_was_signed_can_be_read_and_checked(void **state)
{
	(void)state;
	struct sigv4_request q = vanilla();
	RN_AUTO(sigv4_result_clear) struct sigv4_result r = { 0 };
	RN_AUTO(sigv4_result_clear) struct sigv4_result again = { 0 };
	RN_AUTO(sigv4_authorization_clear) struct sigv4_authorization a = { 0 };
	assert_int_equal(sigv4_sign(&q, &vanilla_key, &r, NULL), 0);
	assert_int_equal(sigv4_parse_authorization(r.authorization, &a, NULL), 0);
	assert_string_equal(a.access_key, "AKIDEXAMPLE");
	assert_string_equal(a.date, "20150830");
	assert_string_equal(a.region, "us-east-1");
	assert_string_equal(a.service, "service");
	q.signed_headers = a.signed_headers;
	assert_int_equal(sigv4_sign(&q, &vanilla_key, &again, NULL), 0);
	assert_true(sigv4_equal(a.signature, again.signature));
	assert_false(sigv4_equal(a.signature, "5f"));
}

static void malformed_authorizations_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "Basic x", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00",
		"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_other, SignedHeaders=host, "
		"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
	};
	for (size_t i = 0; i < RN_LEN(texts); i++) {
		struct sigv4_authorization a = { 0 };
		assert_int_equal(sigv4_parse_authorization(texts[i], &a, NULL), -1);
	}
	assert_int_equal(sigv4_parse_authorization(NULL, NULL, NULL), -1);
}

static void time_stamps_go_both_ways(void **state)
{
	(void)state;
	char text[17];
	int64_t ms = 0;
	assert_string_equal(sigv4_timestamp(1440938160000, text), "20150830T123600Z");
	assert_int_equal(sigv4_parse_timestamp(text, &ms), 0);
	assert_int_equal(ms, 1440938160000);
	static const char *const bad[] = { "", "20150830", "20150830T1236000", "20151330T123600Z", "2015083OT123600Z" };
	for (size_t i = 0; i < RN_LEN(bad); i++)
		assert_int_equal(sigv4_parse_timestamp(bad[i], &ms), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_case),
		cmocka_unit_test(paths_are_normalised_and_encoded_once_more),
		cmocka_unit_test(queries_are_sorted_by_name_then_value),
		cmocka_unit_test(values_are_squeezed_and_repeated_names_joined),
		cmocka_unit_test(a_signed_header_that_is_missing_is_an_error),
		cmocka_unit_test(what_was_signed_can_be_read_and_checked),
		cmocka_unit_test(malformed_authorizations_are_refused),
		cmocka_unit_test(time_stamps_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
