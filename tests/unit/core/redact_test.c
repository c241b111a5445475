/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are masked in every form and across every chunk border. */
#include "core/redact.h"

#include "base/encode.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char secret[] = "s3cr3t/pass+\"word\"&<x>";

/* The text fed in pieces of `step` bytes. New string. */
static char *streamed(struct redact *r, const char *text, size_t step)
{
	struct redact_stream s = { 0 };
	struct rn_buf out = RN_BUF_INIT;
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i += step)
		redact_feed(r, &s, text + i, n - i < step ? n - i : step, false, &out);
	redact_feed(r, &s, NULL, 0, true, &out);
	redact_stream_clear(&s);
	return rn_buf_take(&out);
}

static void expect(struct redact *r, const char *text, const char *want)
{
	for (size_t step = 1; step <= strlen(text) + 1; step++) {
		RN_AUTO(rn_freep) char *got = streamed(r, text, step);
		assert_string_equal(got, want);
	}
	RN_AUTO(rn_freep) char *whole = redact_text(r, text);
	assert_string_equal(whole, want);
}

static void masks_the_secret_across_every_chunk_border(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	assert_true(redact_add(r, secret));
	RN_AUTO(rn_freep) char *text = rn_asprintf("a %s b%s%s s3cr3 s3cr3t/pass", secret, secret, secret);
	expect(r, text, "a *** b****** s3cr3 s3cr3t/pass");
}

static void masks_overlapping_secrets_as_one(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	redact_add(r, "abcdef");
	redact_add(r, "defghi");
	redact_add(r, "abc");
	expect(r, "xabcdefghiy abc abcdef", "x***y *** ***");
}

static void masks_base64_of_any_alignment(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	redact_add(r, secret);
	for (int before = 0; before < 7; before++)
		for (int after = 0; after < 4; after++) {
			RN_AUTO(rn_freep) char *text = rn_asprintf("%.*s%s%.*s", before, "1234567", secret, after, "abcd");
			RN_AUTO(rn_freep) char *b64 = rn_base64(text, strlen(text));
			RN_AUTO(rn_freep) char *got = redact_text(r, b64);
			assert_non_null(strstr(got, "***"));
			RN_AUTO(rn_freep) char *kept = rn_replace(got, "***", "");
			/* what is left are characters that also carry bits of other bytes */
			size_t other = (size_t)(before + after) * 8 / 6 + 4;
			assert_true(strlen(kept) <= other + 2);
		}
}

static void masks_base64_with_line_breaks(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	redact_add(r, secret);
	RN_AUTO(rn_freep) char *b64 = rn_base64(secret, strlen(secret));
	for (size_t cut = 1; cut + 1 < strlen(b64); cut++) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("[%.*s\r\n%s]\n", (int)cut, b64, b64 + cut);
		expect(r, text, "[***]\n");
	}
}

static void masks_percent_json_and_hex_forms(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	redact_add(r, "p\xc3\xa4ss w/rd\"\t<&>");
	static const char *const forms[] = {
		"p%C3%A4ss%20w%2Frd%22%09%3C%26%3E", "p%c3%a4ss+w%2frd%22%09%3c%26%3e",
		"p%C3%A4ss+w/rd%22%09%3C%26%3E",     "p\xc3\xa4ss w/rd\\\"\\t<&>",
		"p\\u00e4ss w/rd\\\"\\t<&>",	     "p\xc3\xa4ss w\\/rd\\\"\\t<&>",
		"p\xc3\xa4ss w/rd\\\"\\t\\u003c\\u0026\\u003e",
		"70c3a4737320772f726422093c263e",    "70C3A4737320772F726422093C263E",
	};
	for (size_t i = 0; i < RN_LEN(forms); i++)
		expect(r, forms[i], "***");
}

static void masks_each_line_of_a_secret_of_several(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	redact_add(r, "line number one\nline number two\n");
	expect(r, "x line number two y", "x *** y");
	expect(r, "line number one\nline number two\n", "***");
}

static void a_secret_learnt_in_the_middle_of_a_stream_is_masked(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	redact_add(r, "first-secret");
	struct redact_stream s = { 0 };
	struct rn_buf out = RN_BUF_INIT;
	redact_feed(r, &s, "first-secret first", 18, false, &out);
	redact_add(r, "later-secret");
	redact_feed(r, &s, "ly later-", 9, false, &out);
	redact_feed(r, &s, "secret.", 7, true, &out);
	assert_string_equal(rn_buf_str(&out), "*** firstly ***.");
	redact_stream_clear(&s);
	rn_buf_clear(&out);
}

static void refuses_what_is_too_short_to_be_masked(void **state)
{
	(void)state;
	RN_AUTO(redact_freep) struct redact *r = redact_new();
	assert_false(redact_add(r, "ab"));
	assert_true(redact_add(r, ""));
	expect(r, "ab", "ab");
	assert_false(redact_found(r, "ab abc"));
	redact_add(r, "abc");
	assert_true(redact_found(r, "ab abc"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_the_secret_across_every_chunk_border),
		cmocka_unit_test(masks_overlapping_secrets_as_one),
		cmocka_unit_test(masks_base64_of_any_alignment),
		cmocka_unit_test(masks_base64_with_line_breaks),
		cmocka_unit_test(masks_percent_json_and_hex_forms),
		cmocka_unit_test(masks_each_line_of_a_secret_of_several),
		cmocka_unit_test(a_secret_learnt_in_the_middle_of_a_stream_is_masked),
		cmocka_unit_test(refuses_what_is_too_short_to_be_masked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
