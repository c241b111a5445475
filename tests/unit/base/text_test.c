/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, buffers, units and encodings of lib/base. */
#include "base/encode.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void errors_carry_context_and_hint(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	assert_int_equal(rn_fail(&err, RN_ENOTFOUND, "no file %s", "x"), -1);
	rn_hint(&err, "make it");
	rn_wrap(&err, "stage %d", 3);
	assert_string_equal(err.msg, "stage 3: no file x");
	assert_string_equal(err.hint, "make it");
	assert_int_equal(err.code, RN_ENOTFOUND);
	assert_int_equal(rn_at(&err, 7, 3), -1);
	rn_wrap(&err, "and");
	assert_int_equal(err.line, 7);
	assert_int_equal(err.column, 3);
	rn_fail(&err, RN_EIO, "another");
	assert_int_equal(err.line, 0);
	assert_int_equal(rn_fail(NULL, RN_EIO, "nobody listens"), -1);
}

static void a_long_error_is_cut_and_stays_terminated(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	char big[2 * RN_ERROR_MSG_MAX];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	rn_fail(&err, RN_EIO, "%s", big);
	rn_wrap(&err, "context");
	assert_int_equal(strlen(err.msg), RN_ERROR_MSG_MAX - 1);
	assert_true(rn_starts(err.msg, "context: xxx"));
	rn_wrap(&err, "%s", big);
	assert_int_equal(strlen(err.msg), RN_ERROR_MSG_MAX - 1);
}

static void a_buffer_keeps_its_content_over_the_ceiling(void **state)
{
	(void)state;
	struct rn_buf b;
	rn_buf_init(&b, 8);
	assert_int_equal(rn_buf_adds(&b, "12345"), 0);
	assert_int_equal(rn_buf_adds(&b, "6789"), -1);
	assert_string_equal(rn_buf_str(&b), "12345");
	struct rn_error err = { 0 };
	assert_int_equal(rn_buf_check(&b, "the reply", &err), -1);
	assert_string_equal(err.msg, "the reply is larger than the limit of 8 bytes");
	rn_buf_reset(&b);
	assert_int_equal(rn_buf_addf(&b, "%d-%s", 12, "ab"), 0);
	rn_buf_drop(&b, 3);
	assert_string_equal(rn_buf_str(&b), "ab");
	assert_int_equal(rn_buf_addf(&b, "%s", "1234567"), -1); /* beyond the ceiling, and beyond the room that it has already */
	assert_int_equal(rn_buf_addf(&b, "%s", "123456789012345678901234567890"), -1);
	assert_string_equal(rn_buf_str(&b), "ab");
	assert_int_equal(rn_buf_addf(&b, "%s", "123456"), 0);
	assert_string_equal(rn_buf_str(&b), "ab123456");
	rn_buf_clear(&b);
	rn_buf_init(&b, 0);
	for (int i = 0; i < 1000; i++) /* over every end of its room */
		assert_int_equal(rn_buf_addf(&b, "%0*d", i % 37 + 1, i % 9), 0);
	for (size_t i = 0, at = 0; i < 1000; i++, at += (i - 1) % 37 + 1)
		assert_int_equal(b.p[at + i % 37], '0' + (int)(i % 9));
	assert_int_equal(strlen(b.p), b.len);
	rn_buf_clear(&b);
	assert_string_equal(rn_buf_str(&b), "");
}

static void durations_are_read_and_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "250ms", 250 }, { "10s", 10000 }, { "10", 10000 }, { "1.5s", 1500 }, { "1h30m", 5400000 }, { "2d", 172800000 } };
	static const char *const bad[] = { "", "s", "-1s", "10x", "1m1h", "1s 2", "9e9d", "1h30", "nan" };
	int64_t ms;
	for (size_t i = 0; i < RN_LEN(good); i++) {
		assert_int_equal(rn_parse_duration(good[i].text, &ms, NULL), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < RN_LEN(bad); i++)
		assert_int_equal(rn_parse_duration(bad[i], &ms, NULL), -1);
}

static void sizes_are_read_and_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "512", 512 }, { "64k", 65536 }, { "64KiB", 65536 }, { "10MB", 10000000 }, { "1.5GiB", 1610612736 }, { "3 B", 3 } };
	static const char *const bad[] = { "", "B", "-1", "1 x", "1e3", "10 MB ", "99999999TB" };
	uint64_t n;
	for (size_t i = 0; i < RN_LEN(good); i++) {
		assert_int_equal(rn_parse_size(good[i].text, &n, NULL), 0);
		assert_int_equal(n, good[i].bytes);
	}
	for (size_t i = 0; i < RN_LEN(bad); i++)
		assert_int_equal(rn_parse_size(bad[i], &n, NULL), -1);
}

static void integers_are_whole_and_within_bounds(void **state)
{
	(void)state;
	int64_t v;
	assert_int_equal(rn_parse_int("-9223372036854775808", INT64_MIN, INT64_MAX, &v, NULL), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(rn_parse_int("9223372036854775808", INT64_MIN, INT64_MAX, &v, NULL), -1);
	assert_int_equal(rn_parse_int("12x", 0, 99, &v, NULL), -1);
	assert_int_equal(rn_parse_int(" 1", 0, 99, &v, NULL), -1);
	assert_int_equal(rn_parse_int("100", 0, 99, &v, NULL), -1);
}

static void figures_for_people(void **state)
{
	(void)state;
	char to[32];
	assert_string_equal(rn_format_duration(950, to, sizeof(to)), "950ms");
	assert_string_equal(rn_format_duration(1234, to, sizeof(to)), "1.2s");
	assert_string_equal(rn_format_duration(184000, to, sizeof(to)), "3m04s");
	assert_string_equal(rn_format_size(999, to, sizeof(to)), "999 B");
	assert_string_equal(rn_format_size(12345678, to, sizeof(to)), "12.3 MB");
}

static void the_nearest_name_is_found_or_none(void **state)
{
	(void)state;
	static const char *const names[] = { "context", "dockerfile", "target", "build_args" };
	assert_string_equal(rn_nearest("contxt", names, 4), "context");
	assert_string_equal(rn_nearest("dokcerfile", names, 4), "dockerfile");
	assert_string_equal(rn_nearest("build_arg", names, 4), "build_args");
	assert_null(rn_nearest("zzzz", names, 4));
}

static void utf8_follows_rfc_3629(void **state)
{
	(void)state;
	static const char *const bad[] = { "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80", "\xf4\x90\x80\x80" };
	assert_true(rn_utf8_valid("gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80", 13));
	for (size_t i = 0; i < RN_LEN(bad); i++)
		assert_false(rn_utf8_valid(bad[i], strlen(bad[i])));
}

static void base64_goes_both_ways(void **state)
{
	(void)state;
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" } };
	for (size_t i = 0; i < RN_LEN(pairs); i++) {
		RN_AUTO(rn_freep) char *text = rn_base64(pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(text, pairs[i][1]);
		RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
		assert_int_equal(rn_base64_decode(text, &b, NULL), 0);
		assert_string_equal(rn_buf_str(&b), pairs[i][0]);
	}
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	assert_int_equal(rn_base64_decode("_-8", &b, NULL), 0); /* URL alphabet, no padding */
	assert_memory_equal(b.p, "\xff\xef", 2);
	assert_int_equal(rn_base64_decode("a*b=", &b, NULL), -1);
	assert_int_equal(rn_base64_decode("abcde", &b, NULL), -1);
}

static void percent_encoding_keeps_the_unreserved(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *all = rn_percent("a b/c~:\xc3\xa9", NULL);
	assert_string_equal(all, "a%20b%2Fc~%3A%C3%A9");
	RN_AUTO(rn_freep) char *path = rn_percent("a b/c", "/");
	assert_string_equal(path, "a%20b/c");
	RN_AUTO(rn_freep) char *back = rn_percent_decode("a%20b%2fc+%zz%4", true);
	assert_string_equal(back, "a b/c %zz%4");
}

static void a_map_survives_growth_and_removal(void **state)
{
	(void)state;
	struct rn_map m;
	char key[16];
	rn_map_init(&m, free);
	assert_null(rn_map_get(&m, "none"));
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		rn_map_set(&m, key, rn_strdup(key));
	}
	for (int i = 0; i < 1000; i += 2) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_true(rn_map_remove(&m, key));
		assert_false(rn_map_remove(&m, key));
	}
	for (int i = 1000; i < 3000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		rn_map_set(&m, key, rn_strdup(key));
	}
	assert_int_equal(m.live, 2500);
	assert_null(rn_map_get(&m, "k4"));
	assert_string_equal(rn_map_get(&m, "k5"), "k5");
	assert_string_equal(rn_map_get(&m, "k2999"), "k2999");
	size_t seen = 0;
	RN_MAP_EACH(&m, it)
		seen++;
	assert_int_equal(seen, 2500);
	rn_map_clear(&m);
}

static void times_go_both_ways(void **state)
{
	(void)state;
	char to[32];
	int64_t ms;
	assert_string_equal(rn_iso8601(1795489507123, true, to), "2026-11-24T03:05:07.123Z");
	assert_int_equal(rn_parse_iso8601("2026-11-24T03:05:07.123Z", &ms, NULL), 0);
	assert_true(ms == 1795489507123);
	assert_int_equal(rn_parse_iso8601("2026-11-24T05:05:07+02:00", &ms, NULL), 0);
	assert_true(ms == 1795489507000);
	assert_int_equal(rn_parse_http_date(rn_http_date(1795489507000, to), &ms, NULL), 0);
	assert_true(ms == 1795489507000);
	assert_int_equal(rn_parse_iso8601("yesterday", &ms, NULL), -1);
	assert_int_equal(rn_parse_http_date("Tue, 24 Foo 2026 03:05:07 GMT", &ms, NULL), -1);
}

static void backoff_stays_below_its_cap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		int64_t ms = rn_backoff_ms(i, 100, 20000);
		assert_true(ms >= 0 && ms <= 20000);
		assert_true(i > 0 || ms <= 100);
	}
}

static void lists_split_and_join(void **state)
{
	(void)state;
	struct rn_strv l = { 0 };
	rn_strv_split(&l, "b,,a", ',');
	assert_int_equal(l.n, 3);
	rn_strv_sort(&l);
	RN_AUTO(rn_freep) char *joined = rn_strv_join(&l, "+");
	assert_string_equal(joined, "+a+b");
	rn_strv_clear(&l);
	RN_AUTO(rn_freep) char *r = rn_replace("aXbXX", "X", "--");
	assert_string_equal(r, "a--b----");
	char blank[] = " \t x y \n";
	assert_string_equal(rn_trim(blank), "x y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_carry_context_and_hint),
		cmocka_unit_test(a_long_error_is_cut_and_stays_terminated),
		cmocka_unit_test(a_buffer_keeps_its_content_over_the_ceiling),
		cmocka_unit_test(durations_are_read_and_refused),
		cmocka_unit_test(sizes_are_read_and_refused),
		cmocka_unit_test(integers_are_whole_and_within_bounds),
		cmocka_unit_test(figures_for_people),
		cmocka_unit_test(the_nearest_name_is_found_or_none),
		cmocka_unit_test(utf8_follows_rfc_3629),
		cmocka_unit_test(base64_goes_both_ways),
		cmocka_unit_test(percent_encoding_keeps_the_unreserved),
		cmocka_unit_test(a_map_survives_growth_and_removal),
		cmocka_unit_test(times_go_both_ways),
		cmocka_unit_test(backoff_stays_below_its_cap),
		cmocka_unit_test(lists_split_and_join),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
