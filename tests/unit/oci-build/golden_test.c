/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/golden/dockerfile/CASE/Dockerfile parses to CASE/expected. Adding a case is adding a folder; with
 * GOLDEN_UPDATE=1 in the environment missing and different results are written, to be read in the diff.
 */
#include "dump.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GOLDEN RUNNER_SOURCE "/tests/golden/dockerfile"

static void a_dockerfile_parses_as_expected(void **state)
{
	const char *name = *state;
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *path = rn_asprintf(GOLDEN "/%s/Dockerfile", name);
	RN_AUTO(rn_freep) char *expected = rn_asprintf(GOLDEN "/%s/expected", name);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(rn_buf_clear) struct rn_buf want = RN_BUF_INIT;
	if (rn_read_file(path, DF_TEXT_MAX, &text, &err) < 0)
		fail_msg("%s", err.msg);
	RN_AUTO(rn_freep) char *have = dump_dockerfile(rn_buf_str(&text), text.len);
	rn_read_file(expected, DF_TEXT_MAX, &want, NULL);
	if (strcmp(rn_buf_str(&want), have) != 0 && getenv("GOLDEN_UPDATE"))
		assert_int_equal(rn_write_file(expected, have, strlen(have), 0644, &err), 0);
	else
		assert_string_equal(have, rn_buf_str(&want));
}

int main(void)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	struct rn_error err = { 0 };
	if (rn_list_dir(GOLDEN, &names, &err) < 0 || names.n == 0) {
		fprintf(stderr, "no golden cases: %s\n", err.msg);
		return 1;
	}
	RN_AUTO(rn_freep) struct CMUnitTest *tests = rn_alloc(names.n * sizeof(*tests));
	for (size_t i = 0; i < names.n; i++)
		tests[i] = (struct CMUnitTest){ names.v[i], a_dockerfile_parses_as_expected, NULL, NULL, names.v[i] };
	return _cmocka_run_group_tests("dockerfile", tests, names.n, NULL, NULL);
}
