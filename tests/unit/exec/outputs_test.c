/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/exec/outputs.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int note(void *ctx, const char *name, const char *value, struct rn_error *err)
{
	if (strcmp(name, "refused") == 0)
		return rn_fail(err, RN_EINVAL, "no");
	return rn_buf_addf(ctx, "%s=[%s];", name, value);
}

static void check(const char *text, const char *want)
{
	RN_AUTO(rn_buf_clear) struct rn_buf got = RN_BUF_INIT;
	struct rn_error err = { 0 };
	int rc = outputs_parse(text, strlen(text), note, &got, &err);
	if (!want) {
		assert_int_equal(rc, -1);
		assert_non_null(strstr(err.msg, "line"));
		return;
	}
	assert_int_equal(rc, 0);
	assert_string_equal(rn_buf_str(&got), want);
}

static void lines_give_names_and_values(void **state)
{
	(void)state;
	check("a=1\n\nb = \nc_d-2=x=y\n", NULL); /* "b " is no name */
	check("a=1\n\nb=\r\nc_d-2=x=y", "a=[1];b=[];c_d-2=[x=y];");
	check("", "");
	check("a=1\na=2\n", "a=[1];a=[2];");
	check("a=<<x\n", "a=[<<x];");
}

static void blocks_keep_their_lines(void **state)
{
	(void)state;
	check("a<<END\none\n\n two\nEND\nb=1\n", "a=[one\n\n two];b=[1];");
	check("a<<END\nEND\n", "a=[];");
	check("a<<END\nx=1\nEND", "a=[x=1];");
}

static void malformed_files_are_refused(void **state)
{
	(void)state;
	check("a\n", NULL);
	check("=1\n", NULL);
	check("1a=1\n", NULL);
	check("a<<\nx\n", NULL);
	check("a<<END\nx\n", NULL);
	check("refused=1\n", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_give_names_and_values),
		cmocka_unit_test(blocks_keep_their_lines),
		cmocka_unit_test(malformed_files_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
