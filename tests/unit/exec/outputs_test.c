/* SPDX-License-Identifier: Apache-2.0 */
/* The file named by $RUNNER_OUTPUT. */
#include "plugins/exec/outputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, size_t n, const char *const *want)
{
	struct outputs o = { 0 };
	struct rn_error err = { 0 };
	assert_int_equal(outputs_parse(text, &o, &err), 0);
	assert_int_equal(o.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(o.v[i].name, want[2 * i]);
		assert_string_equal(o.v[i].value, want[2 * i + 1]);
	}
	outputs_clear(&o);
}

static void refuse(const char *text, const char *words)
{
	struct outputs o = { 0 };
	struct rn_error err = { 0 };
	assert_int_equal(outputs_parse(text, &o, &err), -1);
	assert_non_null(strstr(err.msg, words));
	assert_null(o.v);
}

static void names_and_values(void **state)
{
	(void)state;
	expect("", 0, NULL);
	expect("a=1\n\nb=x=y \r\nc=", 3, (const char *[]){ "a", "1", "b", "x=y ", "c", "" });
	expect("url=http://x/<<y\n", 1, (const char *[]){ "url", "http://x/<<y" });
}

static void values_of_several_lines(void **state)
{
	(void)state;
	expect("a<<END\none\n\n two\nEND\nb=2\n", 2, (const char *[]){ "a", "one\n\n two", "b", "2" });
	expect("a<<E\nE", 1, (const char *[]){ "a", "" });
	expect("a<<E\nx=1\nb<<F\nEE\nE\n", 1, (const char *[]){ "a", "x=1\nb<<F\nEE" });
	expect("a<<E\r\nx\r\nE\r\n", 1, (const char *[]){ "a", "x" });
}

static void what_is_malformed_is_refused_with_its_line(void **state)
{
	(void)state;
	refuse("a=1\nnonsense\n", "line 2");
	refuse("=1\n", "line 1");
	refuse("a=1\nb<<END\nx\n", "line 2: the value has no end (\"END\"");
	refuse("a<<\nx\n", "line 1");
	refuse("a<b\n", "line 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_values),
		cmocka_unit_test(values_of_several_lines),
		cmocka_unit_test(what_is_malformed_is_refused_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
