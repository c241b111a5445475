/* SPDX-License-Identifier: Apache-2.0 */
/* A library is loaded when it is needed; what is missing is said. */
#include "base/library.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct {
	double (*fabs)(double);
	double (*floor)(double);
} lib;

static int begun;

static void begin(void)
{
	begun++;
}

static void functions_are_found(void **state)
{
	(void)state;
	static const char *const names[] = { "fabs", "floor" };
	static struct rn_library math = RN_LIBRARY("libm.so.6", names, &lib, begin);
	struct rn_error err = { 0 };
	assert_int_equal(rn_library_need(&math, &err), 0);
	assert_int_equal(rn_library_need(&math, NULL), 0);
	assert_int_equal(begun, 1);
	assert_true(lib.fabs(-2.0) == 2.0 && lib.floor(2.5) == 2.0);
}

static void what_is_missing_is_said(void **state)
{
	(void)state;
	static const char *const names[] = { "fabs", "no_such_function" };
	static struct rn_library math = RN_LIBRARY("libm.so.6", names, &lib, NULL), nowhere = RN_LIBRARY("libnowhere.so.1", names, &lib, NULL);
	struct rn_error err = { 0 };
	assert_int_equal(rn_library_need(&math, &err), -1);
	assert_int_equal(err.code, RN_EUNSUPPORTED);
	assert_string_equal(err.msg, "libm.so.6 has no function no_such_function");
	assert_int_equal(rn_library_need(&nowhere, &err), -1);
	assert_int_equal(rn_library_need(&nowhere, NULL), -1);
	assert_int_equal(err.code, RN_EUNSUPPORTED);
	assert_non_null(strstr(err.msg, "libnowhere.so.1 cannot be loaded"));
	assert_non_null(strstr(err.hint, "install"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found),
		cmocka_unit_test(what_is_missing_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
