/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a terminal: what a tree that is redrawn in place must count right. */
#include "core/columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void wide_and_combining_characters_count_as_they_show(void **state)
{
	(void)state;
	assert_int_equal(columns_of(""), 0);
	assert_int_equal(columns_of("plain"), 5);
	assert_int_equal(columns_of("äöü ✓"), 5);
	assert_int_equal(columns_of("漢字"), 4);
	assert_int_equal(columns_of("한국 ｆ"), 7);
	assert_int_equal(columns_of("e\xcc\x81"), 1); /* e with a combining acute accent */
	assert_int_equal(columns_of("🚀"), 2);
	assert_int_equal(columns_of("a\xe2\x80\x8b" "b"), 2); /* zero width space */
}

static void broken_text_is_counted_to_its_end(void **state)
{
	(void)state;
	assert_int_equal(columns_of("\xff\xc3"), 2);
	assert_int_equal(columns_of("\xf0\x9f\x9a"), 1);
	assert_int_equal(columns_of("\x80z"), 2);
	size_t wide;
	assert_int_equal(columns_next("\xe6\xbc\xa2z", &wide), 3);
	assert_int_equal(wide, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wide_and_combining_characters_count_as_they_show),
		cmocka_unit_test(broken_text_is_counted_to_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
