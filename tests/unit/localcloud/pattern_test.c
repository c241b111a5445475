/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions from outside: what they mean, and what is too much. */
#include "localcloud/pattern.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void patterns_mean_what_ecma_says(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *text;
		int matches;
	} cases[] = {
		{ "^\\d+$", "123", 1 },		 { "^\\d+$", "ddd", 0 },
		{ "^[a\\]b]+$", "a]b", 1 },	 { "^[a\\]b]$", "ab]", 0 },
		{ "^[\\^a]$", "^", 1 },		 { "^[\\^a]$", "b", 0 },
		{ "^[\\^]$", "^", 1 },		 { "^[\\^]$", "a", 0 },
		{ "^[a\\-z]$", "-", 1 },	 { "^[a\\-z]$", "m", 0 },
		{ "^[\\w\\-.]+$", "a-b.c_1", 1 }, { "^[\\w\\-.]+$", "a b", 0 },
		{ "^[^\\]\\-]$", "a", 1 },	 { "^[^\\]\\-]$", "]", 0 },
		{ "^[^^]$", "^", 0 },		 { "^[^^]$", "x", 1 },
		{ "^[-^]$", "-", 1 },		 { "^[-^]$", "^", 1 },
		{ "^[-^]$", "x", 0 },		 { "^[\\-^]+$", "-^", 1 },
		{ "^[[:a]+$", ":[a", 1 },	 { "^[[:alpha:]]$", "q", 0 },
		{ "^\\D\\S\\W$", "ab!", 1 },	 { "^\\D$", "7", 0 },
		{ "^[^\\d]$", "7", 0 },		 { "^\\t\\n$", "\t\n", 1 },
		{ "^(?:ab|cd){2}$", "abcd", 1 }, { "^(?:ab|cd){2}$", "ab", 0 },
		{ "^a{2,}$", "aaa", 1 },	 { "^a{2,3}$", "aaaa", 0 },
		{ "a\\/b\\.", "a/b.", 1 },	 { "^\xc3\xa4$", "\xc3\xa4", 1 },
		{ "^[\xc3\xa4x]+$", "\xc3\xa4x", 1 }, { "", "x", 1 },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++)
		if (pattern_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
			fail_msg("%s on %s", cases[i].pattern, cases[i].text);
}

static void what_is_not_known_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "(", ")", "(?=a)", "(?<n>a)", "a*?", "a\\b", "\\1", "\\u0041", "\\", "[", "[]", "[a", "[z-a]", "[\\b]", "[a\\",
					   "*a", "a{", "a{,2}", "a{3,2}", "a**", "a|*" };
	for (size_t i = 0; i < RN_LEN(bad); i++)
		if (pattern_matches(bad[i], "a") != -1)
			fail_msg("%s is taken", bad[i]);
}

/* Unbounded, these take the stack or all memory of the process when they are compiled. */
static void what_unfolds_without_end_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "a{1001}", "(a{1000}){1000}", "(((((a{9}){9}){9}){9}){9}){9}", "((((a{1,99}){1,99}){1,99}){1,99})" };
	RN_AUTO(rn_buf_clear) struct rn_buf deep = RN_BUF_INIT, plus = RN_BUF_INIT;
	for (size_t i = 0; i < RN_LEN(bad); i++)
		assert_int_equal(pattern_matches(bad[i], "a"), -1);
	for (int i = 0; i < 2000; i++)
		rn_buf_addc(&deep, '(');
	for (int i = 0; i < 2000; i++)
		rn_buf_addc(&deep, ')');
	assert_int_equal(pattern_matches(rn_buf_str(&deep), ""), -1);
	for (int i = 0; i < 30; i++)
		rn_buf_addc(&plus, '(');
	rn_buf_addc(&plus, 'a');
	for (int i = 0; i < 30; i++)
		rn_buf_adds(&plus, "+)");
	assert_int_equal(pattern_matches(rn_buf_str(&plus), "a"), -1);
	assert_int_equal(pattern_matches("^(a{1,30}){1,30}$", "aaaa"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_mean_what_ecma_says),
		cmocka_unit_test(what_is_not_known_is_refused),
		cmocka_unit_test(what_unfolds_without_end_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
