/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: every way to write an option, every way to get one wrong, and help from the table. */
#include "core/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct values {
	bool force, verbose;
	const char *output;
	struct rn_strv sets;
	int64_t jobs, timeout;
};

static const struct option_row rows[] = {
	{ .name = "force", .letter = 'f', .kind = OPTION_FLAG, .offset = offsetof(struct values, force), .help = "do it" },
	{ .name = "verbose", .letter = 'v', .kind = OPTION_FLAG, .offset = offsetof(struct values, verbose), .help = "say more" },
	{ .name = "output", .letter = 'o', .kind = OPTION_STRING, .offset = offsetof(struct values, output), .arg = "FORMAT",
	  .one_of = "text|json", .help = "how" },
	{ .name = "set", .kind = OPTION_LIST, .offset = offsetof(struct values, sets), .arg = "NAME=VALUE", .help = "a value" },
	{ .name = "jobs", .letter = 'j', .kind = OPTION_INTEGER, .offset = offsetof(struct values, jobs), .arg = "N", .min = 1,
	  .max = 64, .help = "how many, which is explained by a sentence that is long enough to be wrapped into a second line" },
	{ .name = "timeout", .kind = OPTION_DURATION, .offset = offsetof(struct values, timeout), .arg = "TIME", .help = "when" },
	{ 0 },
};

/* Splits at blanks and parses. */
static int parse(const char *line, struct values *v, struct rn_strv *args, struct rn_error *err)
{
	struct rn_strv words = { 0 };
	*v = (struct values){ 0 };
	rn_strv_clear(args);
	rn_strv_split(&words, line, ' ');
	int rc = options_parse(rows, v, (int)words.n, words.v, args, err);
	if (v->output)
		v->output = strcmp(v->output, "json") == 0 ? "json" : "text"; /* the words go away */
	rn_strv_clear(&words);
	return rc;
}

static void options_stand_anywhere(void **state)
{
	struct values v;
	struct rn_strv args = { 0 };
	struct rn_error err = { 0 };
	(void)state;
	assert_int_equal(parse("a --set x=1 -fvj4 b --output=json --set y=2 --timeout 1m30s -- --force", &v, &args, &err), 0);
	assert_true(v.force && v.verbose);
	assert_string_equal(v.output, "json");
	assert_int_equal(v.jobs, 4);
	assert_int_equal(v.timeout, 90000);
	assert_int_equal(v.sets.n, 2);
	assert_string_equal(v.sets.v[1], "y=2");
	assert_int_equal(args.n, 3);
	assert_string_equal(args.v[2], "--force");
	options_clear(rows, &v);
	assert_int_equal(parse("-j 8 - -o text", &v, &args, &err), 0);
	assert_int_equal(v.jobs, 8);
	assert_string_equal(args.v[0], "-");
	rn_strv_clear(&args);
}

static void wrong_ones_are_named(void **state)
{
	static const char *const cases[][3] = {
		{ "--forse", "unknown option --forse", "did you mean --force?" },
		{ "--hepl", "unknown option --hepl", "did you mean --help?" },
		{ "--otput=json", "unknown option --otput", "did you mean --output?" },
		{ "-x", "unknown option -x", "" },
		{ "--force=yes", "--force takes no value", "" },
		{ "--jobs", "--jobs needs a value: --jobs N", "" },
		{ "--jobs many", "--jobs: \"many\" is not a whole number", "" },
		{ "--jobs 65", "--jobs: 65 is not between 1 and 64", "" },
		{ "--output jsn", "--output must be one of text, json, not \"jsn\"", "did you mean json?" },
		{ "--timeout soon", "--timeout: \"soon\" is not a duration", "write it like 250ms, 10s, 15m, 1h30m or 2d" },
	};
	struct values v;
	struct rn_strv args = { 0 };
	(void)state;
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct rn_error err = { 0 };
		assert_int_equal(parse(cases[i][0], &v, &args, &err), -1);
		assert_string_equal(err.msg, cases[i][1]);
		assert_string_equal(err.hint, cases[i][2]);
	}
	rn_strv_clear(&args);
}

static void help_comes_from_the_table(void **state)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	(void)state;
	options_help(rows, &b);
	const char *s = rn_buf_str(&b);
	assert_non_null(strstr(s, "  -f, --force                 do it\n"));
	assert_non_null(strstr(s, "      --set NAME=VALUE        a value\n"));
	for (const char *line = s; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(wrong_ones_are_named),
		cmocka_unit_test(help_comes_from_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
