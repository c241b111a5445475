/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a program become lines that are safe to show. */
#include "core/lines.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void collect(void *ctx, const char *text, bool partial)
{
	rn_buf_addf(ctx, "%s%s|", text, partial ? "+" : "");
}

static void expect(const char *text, size_t n, const char *want)
{
	for (size_t step = 1; step <= n; step++) {
		struct lines l = { 0 };
		struct rn_buf seen = RN_BUF_INIT;
		for (size_t i = 0; i < n; i += step)
			lines_feed(&l, text + i, n - i < step ? n - i : step, collect, &seen);
		lines_flush(&l, collect, &seen);
		assert_string_equal(rn_buf_str(&seen), want);
		lines_clear(&l);
		rn_buf_clear(&seen);
	}
}

#define EXPECT(text, want) expect(text, sizeof(text) - 1, want)

static void lines_end_at_newlines_and_at_the_end(void **state)
{
	(void)state;
	EXPECT("one\ntwo\n\nthree", "one|two||three|");
	EXPECT("dos\r\nunix\n", "dos|unix|");
}

static void a_redrawn_line_shows_its_last_state(void **state)
{
	(void)state;
	EXPECT("10%\r50%\r100%\ndone\n", "100%|done|");
	EXPECT("10%\r\r\n", "10%|");
}

static void control_sequences_and_broken_text_are_taken_out(void **state)
{
	(void)state;
	EXPECT("\033[1;31mred\033[0m \033]8;;http://x\033\\link\033]0;t\a\033(Bx\n", "red link" "Bx|");
	EXPECT("tab\there\x01\x7f\n", "tab\there|");
	EXPECT("\xff\xc3\xa4\xc3\n", "\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd|");
	EXPECT("\xed\xa0\x80\n", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|");
}

static void a_long_line_is_cut_between_characters(void **state)
{
	(void)state;
	struct rn_buf text = RN_BUF_INIT, seen = RN_BUF_INIT;
	rn_buf_adds(&text, "x");
	for (int i = 0; i < LINES_MAX; i++)
		rn_buf_adds(&text, "\xc3\xa4");
	rn_buf_adds(&text, "\nend\n");
	struct lines l = { 0 };
	lines_feed(&l, text.p, text.len, collect, &seen);
	assert_null(strstr(seen.p, "\xef\xbf\xbd"));
	assert_true(rn_ends(seen.p, "|end|"));
	RN_AUTO(rn_freep) char *joined = rn_replace(seen.p, "+|", "");
	assert_int_equal(strlen(joined), 1 + 2 * LINES_MAX + strlen("|end|"));
	lines_clear(&l);
	rn_buf_clear(&text);
	rn_buf_clear(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_at_newlines_and_at_the_end),
		cmocka_unit_test(a_redrawn_line_shows_its_last_state),
		cmocka_unit_test(control_sequences_and_broken_text_are_taken_out),
		cmocka_unit_test(a_long_line_is_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
