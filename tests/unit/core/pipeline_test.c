/* SPDX-License-Identifier: Apache-2.0 */
/* The model: order and needs, vars and --set, secrets, if, env; and parameters up to the plugin's struct. */
#include "core/params.h"
#include "core/pipeline.h"
#include "core/plugin.h"

#include "base/fs.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct diags diags;

static struct pipeline *parse_with(const char *text, const char *set)
{
	struct rn_strv sets = { 0 };
	if (set)
		rn_strv_add(&sets, set);
	diags_clear(&diags);
	diags_init(&diags, "t.pipe", text);
	struct pipeline *p = pipeline_parse("/dir/t.pipe", text, strlen(text), &sets, &diags);
	rn_strv_clear(&sets);
	return p;
}

static struct pipeline *parse(const char *text)
{
	struct pipeline *p = parse_with(text, NULL);
	if (diags.errors)
		fail_msg("%d:%d %s", diags.v[0].at.line, diags.v[0].at.column, diags.v[0].message);
	return p;
}

static int clear(void **state)
{
	(void)state;
	diags_clear(&diags);
	return 0;
}

/* "a: b c\n" for each stage. */
static char *waits(const struct pipeline *p)
{
	struct rn_buf b = RN_BUF_INIT;
	for (size_t i = 0; i < p->n_stages; i++) {
		rn_buf_addf(&b, "%s:", p->stages[i].id);
		for (size_t k = 0; k < p->stages[i].n_deps; k++)
			rn_buf_addf(&b, " %s", p->stages[p->stages[i].deps[k]].id);
		rn_buf_adds(&b, "; ");
	}
	return rn_buf_take(&b);
}

static void a_stage_waits_for_the_one_before_for_needs_and_for_what_it_uses(void **state)
{
	(void)state;
	RN_AUTO(pipeline_freep) struct pipeline *p = parse("stages:\n"
		"  - {id: a, uses: x}\n"
		"  - {id: b, uses: x}\n"
		"  - {id: c, uses: x, needs: []}\n"
		"  - {id: d, uses: x, needs: [a], with: {p: ['${{ stages.c.o }}']}}\n"
		"  - {id: e, uses: x, needs: b, if: stages.a.o == 1, env: {X: '${{ stages.d.o }}'}}\n"
		"  - {id: f, uses: x, with: {p: '${{ stages.a.o }}'}}\n");
	RN_AUTO(rn_freep) char *s = waits(p);
	assert_string_equal(s, "a:; b: a; c:; d: a c; e: a b d; f: a e; ");
	size_t order[6];
	pipeline_order(p, order);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(order[i], i);
	assert_true(pipeline_depends(p, 5, 2));
	assert_false(pipeline_depends(p, 1, 2));
}

static void a_stage_may_use_a_later_one_that_does_not_wait_for_it(void **state)
{
	size_t order[2];
	(void)state;
	RN_AUTO(pipeline_freep) struct pipeline *p = parse("stages:\n"
		"  - {id: a, uses: x, with: {p: '${{ stages.b.o }}'}}\n"
		"  - {id: b, uses: x, needs: []}\n");
	pipeline_order(p, order);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 0);
}

static void every_cycle_is_reported_once(void **state)
{
	(void)state;
	RN_AUTO(pipeline_freep) struct pipeline *p = parse_with("stages:\n"
		"  - {id: a, uses: x, needs: [b]}\n  - {id: b, uses: x, needs: [a]}\n"
		"  - {id: c, uses: x, needs: [e]}\n  - {id: d, uses: x, needs: [c]}\n  - {id: e, uses: x, needs: [d]}\n",
		NULL);
	assert_int_equal(diags.errors, 2);
	assert_string_equal(diags.v[0].message, "stages wait for each other: a -> b -> a");
	assert_string_equal(diags.v[1].message, "stages wait for each other: c -> e -> d -> c");
}

static void keys_of_a_stage_have_defaults(void **state)
{
	(void)state;
	RN_AUTO(pipeline_freep) struct pipeline *p = parse("defaults: {timeout: 15m, retry: {attempts: 3, backoff: 2s}, continue_on_error: true}\n"
		"vars: {t: 90}\n"
		"stages:\n"
		"  - {id: a, uses: x}\n"
		"  - {id: b, uses: x, timeout: '${{ vars.t }}', retry: 5, continue_on_error: false, description: hi}\n");
	assert_string_equal(p->name, "t");
	assert_string_equal(p->dir, "/dir");
	assert_int_equal(p->stages[0].timeout_ms, 900000);
	assert_int_equal(p->stages[0].retry_attempts, 3);
	assert_int_equal(p->stages[0].retry_backoff_ms, 2000);
	assert_true(p->stages[0].continue_on_error);
	assert_int_equal(p->stages[1].timeout_ms, 90000);
	assert_int_equal(p->stages[1].retry_attempts, 5);
	assert_false(p->stages[1].continue_on_error);
	assert_string_equal(p->stages[1].description, "hi");
}

static int known_output(void *ctx, const char *stage, const char *output, struct value *ret, struct rn_error *err)
{
	(void)ctx, (void)stage;
	if (strcmp(output, "missing") == 0)
		return rn_fail(err, RN_ENOTFOUND, "nothing");
	if (strcmp(output, "later") == 0)
		ret->unknown = true;
	else if (strcmp(output, "hidden") == 0)
		*ret = (struct value){ .json = cJSON_CreateString("hush-hush"), .secret = true };
	else if (strcmp(output, "object") == 0)
		ret->json = cJSON_Parse("{\"k\":[1,2],\"s\":\"t\"}");
	else
		ret->json = cJSON_CreateString(output);
	return 0;
}

static bool all_well(void *ctx, enum scope_status what)
{
	(void)ctx;
	return what == SCOPE_SUCCESS;
}

static void scope_of(struct pipeline *p, struct pipeline_binding *b, struct scope *ret)
{
	*b = (struct pipeline_binding){ .pipeline = p, .runtime = { .output = known_output, .status = all_well } };
	pipeline_scope(b, ret);
}

/* JSON of a variable as an expression sees it. */
static char *variable(struct pipeline *p, const char *text)
{
	struct pipeline_binding b;
	struct scope s;
	struct value v = { 0 };
	struct rn_error err = { 0 };
	scope_of(p, &b, &s);
	char *json = template_expand(text, &s, &v, &err) < 0 ? rn_strdup(err.msg) : rn_json_print(v.json);
	value_clear(&v);
	return json;
}

static void a_variable_may_use_earlier_ones_and_set_wins(void **state)
{
	static const char text[] = "vars: {a: 1, b: 'x${{ vars.a }}', list: [p], tag: latest, c: '${{ vars.b }}-${{ vars.tag }}'}\n"
				   "stages: [{id: s, uses: x}]\n";
	static const struct {
		const char *set, *expr, *expected;
	} cases[] = {
		{ NULL, "${{ vars.c }}", "\"x1-latest\"" },
		{ "a=2", "${{ vars.c }}", "\"x2-latest\"" },
		{ "a=2", "${{ vars.a }}", "2" },
		{ "tag=1.10", "${{ vars.tag }}", "\"1.10\"" }, /* text stays text */
		{ "tag=${{ vars.a }}", "${{ vars.tag }}", "\"${{ vars.a }}\"" },
		{ "list=[q, r]", "${{ vars.list }}", "[\"q\",\"r\"]" },
		{ "b=", "${{ vars.c }}", "\"-latest\"" },
	};
	(void)state;
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(pipeline_freep) struct pipeline *p = parse_with(text, cases[i].set);
		assert_int_equal(diags.errors, 0);
		RN_AUTO(rn_freep) char *s = variable(p, cases[i].expr);
		assert_string_equal(s, cases[i].expected);
	}
}

static void a_wrong_set_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "regio=x", "--set regio=x: the file has no variable \"regio\"" },
		{ "novalue", "--set novalue: write --set NAME=VALUE" },
		{ "list=x", "--set list: the variable is a list, \"x\" is not" },
	};
	(void)state;
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(pipeline_freep) struct pipeline *p =
			parse_with("vars: {region: x, list: []}\nstages: [{id: s, uses: x}]\n", cases[i][0]);
		assert_int_equal(diags.errors, 1);
		assert_string_equal(diags.v[0].message, cases[i][1]);
	}
}

static void secrets_are_read_when_needed(void **state)
{
	struct rn_error err = { 0 };
	(void)state;
	RN_AUTO(rn_freep) char *dir = rn_temp_dir("/tmp", "runner-core-", &err);
	RN_AUTO(rn_freep) char *file = rn_path_join(dir, "token");
	RN_AUTO(rn_freep) char *text = rn_asprintf("secrets: {e: {env: T_SECRET}, f: {file: %s}, n: {env: T_NONE}}\n"
						   "stages: [{id: s, uses: x}]\n", file);
	RN_AUTO(pipeline_freep) struct pipeline *p = parse(text);
	setenv("T_SECRET", "from-env", 1);
	unsetenv("T_NONE");
	assert_int_equal(rn_write_file(file, "from-file\n\n", 11, 0600, &err), 0);
	assert_string_equal(pipeline_secret_value(p, "e", &err), "from-env");
	assert_string_equal(pipeline_secret_value(p, "f", &err), "from-file");
	assert_null(pipeline_secret_value(p, "n", &err));
	assert_int_equal(err.code, RN_ENOTFOUND);
	assert_string_equal(err.msg, "the secret \"n\" has no value: the environment variable T_NONE is not set");
	setenv("T_NONE", "", 1);
	assert_null(pipeline_secret_value(p, "n", &err));
	assert_non_null(strstr(err.msg, "is empty"));
	rn_remove_tree(dir, NULL);
}

static void if_decides(void **state)
{
	static const struct {
		const char *text;
		int wanted;
	} cases[] = {
		{ "success()", 1 }, { "failure()", 0 }, { "always()", 1 }, { "false", 0 }, { "'false'", 0 }, { "0", 0 },
		{ "env.T_NOT_SET", 0 }, { "stages.a.missing", 0 }, { "stages.a.missing == null", 1 },
		{ "stages.a.later == 1", 1 }, { "stages.a.o == 'o'", 1 }, { "\"${{ stages.a.o != 'o' }}\"", 0 },
	};
	(void)state;
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("stages:\n  - {id: a, uses: x}\n  - id: b\n    uses: x\n    if: %s\n",
							   cases[i].text);
		RN_AUTO(pipeline_freep) struct pipeline *p = parse(text);
		struct pipeline_binding b;
		struct scope s;
		struct rn_error err = { 0 };
		scope_of(p, &b, &s);
		if (pipeline_stage_wanted(&p->stages[1], &s, &err) != cases[i].wanted)
			fail_msg("if: %s", cases[i].text);
		assert_int_equal(pipeline_stage_wanted(&p->stages[0], &s, &err), 1);
	}
}

static void the_environment_of_a_stage_adds_to_the_defaults(void **state)
{
	struct pipeline_binding b;
	struct scope s;
	struct rn_error err = { 0 };
	struct rn_strv secrets = { 0 };
	RN_AUTO(rn_json_freep) cJSON *env = NULL;
	(void)state;
	setenv("T_SECRET", "hush", 1);
	RN_AUTO(pipeline_freep) struct pipeline *p = parse("defaults: {env: {A: 1.10, B: x}}\nsecrets: {e: {env: T_SECRET}}\n"
		"stages: [{id: s, uses: x, env: {B: 'pre-${{ secrets.e }}', C: true}}]\n");
	scope_of(p, &b, &s);
	assert_int_equal(pipeline_stage_env(&p->stages[0], &s, &env, &secrets, &err), 0);
	RN_AUTO(rn_freep) char *json = rn_json_canonical(env);
	assert_string_equal(json, "{\"A\":\"1.10\",\"B\":\"pre-hush\",\"C\":\"true\"}");
	assert_true(rn_strv_has(&secrets, "hush"));
	assert_true(rn_strv_has(&secrets, "pre-hush"));
	rn_strv_clear(&secrets);
}

/* ---- parameters ----------------------------------------------------------------- */

struct all {
	const char *text, *place;
	int64_t count;
	double ratio;
	bool enabled;
	struct runner_duration wait;
	struct runner_size room;
	struct runner_list items;
	struct runner_map labels;
	struct runner_json data;
};

static const struct runner_param rows[] = {
	RUNNER_PARAM(struct all, text, .flags = RUNNER_REQUIRED),
	RUNNER_PARAM_PATH(struct all, place, .def = "here"),
	RUNNER_PARAM(struct all, count, .def = "3"),
	RUNNER_PARAM(struct all, ratio, .def = "0.5"),
	RUNNER_PARAM(struct all, enabled, .def = "true"),
	RUNNER_PARAM(struct all, wait, .def = "1m"),
	RUNNER_PARAM(struct all, room, .def = "64KiB"),
	RUNNER_PARAM(struct all, items, .def = "[a, b]"),
	RUNNER_PARAM(struct all, labels, .def = "{k: v}"),
	RUNNER_PARAM(struct all, data, .def = "{n: [1]}"),
	{ 0 },
};

static int fill(const char *with, struct params_block *block, struct rn_strv *secrets, char **ret_key)
{
	struct plugin_param params[RN_LEN(rows)] = { 0 };
	for (size_t i = 0; rows[i].name; i++)
		params[i] = (struct plugin_param){ .name = (char *)rows[i].name, .type = (enum runner_type)rows[i].type,
						   .flags = rows[i].flags, .def = (char *)rows[i].def,
						   .one_of = (char *)rows[i].one_of };
	struct plugin_info info = { .name = (char []){ "x" }, .params = params, .n_params = RN_LEN(rows) - 1 };
	struct runner_plugin plugin = { .param_size = sizeof(struct all), .row_size = sizeof(rows[0]), .params = rows };
	RN_AUTO(rn_freep) char *text = rn_asprintf("secrets: {e: {env: T_SECRET}}\nvars: {version: 1.10, list: [x, 2]}\n"
						   "stages:\n  - {id: a, uses: x}\n  - id: s\n    uses: x\n    with: {%s}\n", with);
	RN_AUTO(pipeline_freep) struct pipeline *p = parse(text);
	RN_AUTO(rn_json_freep) cJSON *resolved = NULL;
	struct pipeline_binding b;
	struct scope s;
	struct rn_error err = { 0 };
	scope_of(p, &b, &s);
	if (params_resolve(&p->stages[1], &info, p, &s, &resolved, secrets, &diags) < 0)
		return -1;
	if (ret_key)
		*ret_key = params_key(resolved);
	if (params_fill(resolved, &plugin, block, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static void defaults_are_converted(void **state)
{
	struct params_block block = { 0 };
	(void)state;
	assert_int_equal(fill("text: t", &block, NULL, NULL), 0);
	const struct all *a = block.params;
	assert_string_equal(a->text, "t");
	assert_string_equal(a->place, "/dir/here");
	assert_int_equal(a->count, 3);
	assert_true(a->ratio > 0.49 && a->ratio < 0.51);
	assert_true(a->enabled);
	assert_int_equal(a->wait.ms, 60000);
	assert_int_equal(a->room.bytes, 65536);
	assert_int_equal(a->items.n, 2);
	assert_string_equal(a->items.v[1], "b");
	assert_string_equal(a->labels.v[0].key, "k");
	assert_string_equal(a->labels.v[0].value, "v");
	assert_string_equal(a->data.text, "{\"n\":[1]}");
	params_block_clear(&block);
}

static void values_are_converted(void **state)
{
	struct params_block block = { 0 };
	(void)state;
	assert_int_equal(fill("text: '${{ vars.version }}', place: /abs/./x, count: 9007199254740993, ratio: 2, "
			      "enabled: 'false', wait: 90, room: 10MB, items: one, labels: {n: 1.10, b: yes, t: true}, data: null",
			      &block, NULL, NULL), 0);
	const struct all *a = block.params;
	assert_string_equal(a->text, "1.10");
	assert_string_equal(a->place, "/abs/x");
	assert_int_equal(a->count, 9007199254740993);
	assert_false(a->enabled);
	assert_int_equal(a->wait.ms, 90000);
	assert_int_equal(a->room.bytes, 10000000);
	assert_int_equal(a->items.n, 1);
	assert_string_equal(a->items.v[0], "one");
	assert_string_equal(a->labels.v[0].value, "1.10");
	assert_string_equal(a->labels.v[2].value, "true");
	assert_string_equal(a->data.text, "null");
	params_block_clear(&block);
}

static void expressions_keep_their_types(void **state)
{
	struct params_block block = { 0 };
	(void)state;
	assert_int_equal(fill("text: '${{ stages.a.object }}', items: '${{ vars.list }}', labels: {o: '${{ stages.a.o }}'}, "
			      "data: {in: ['${{ stages.a.object.k }}', 'x ${{ vars.version }}']}", &block, NULL, NULL), 0);
	const struct all *a = block.params;
	assert_string_equal(a->text, "{\"k\":[1,2],\"s\":\"t\"}");
	assert_int_equal(a->items.n, 2);
	assert_string_equal(a->items.v[1], "2");
	assert_string_equal(a->labels.v[0].value, "o");
	assert_string_equal(a->data.text, "{\"in\":[[1,2],\"x 1.10\"]}");
	params_block_clear(&block);
}

static void the_unknown_leaves_the_default(void **state)
{
	struct params_block block = { 0 };
	(void)state;
	assert_int_equal(fill("text: '${{ stages.a.later }}', count: '${{ stages.a.later }}', items: [x, '${{ stages.a.later }}']",
			      &block, NULL, NULL), 0);
	const struct all *a = block.params;
	assert_null(a->text);
	assert_int_equal(a->count, 3);
	assert_string_equal(a->items.v[0], "a");
	params_block_clear(&block);
}

static void secrets_are_collected_and_kept_out_of_the_key(void **state)
{
	struct params_block block = { 0 };
	struct rn_strv secrets = { 0 };
	RN_AUTO(rn_freep) char *key = NULL;
	(void)state;
	setenv("T_SECRET", "open-sesame", 1);
	assert_int_equal(fill("text: 'Bearer ${{ secrets.e }}', data: {t: '${{ stages.a.hidden }}', plain: hello}", &block, &secrets,
			      &key), 0);
	assert_true(rn_strv_has(&secrets, "open-sesame"));
	assert_true(rn_strv_has(&secrets, "Bearer open-sesame"));
	assert_true(rn_strv_has(&secrets, "hush-hush"));
	assert_false(rn_strv_has(&secrets, "hello"));
	assert_null(strstr(key, "sesame"));
	assert_null(strstr(key, "hush"));
	assert_non_null(strstr(key, "\"count\":3"));
	rn_strv_clear(&secrets);
	params_block_clear(&block);
}

static void what_goes_wrong_at_run_time_has_a_place(void **state)
{
	struct params_block block = { 0 };
	(void)state;
	assert_int_equal(fill("text: '${{ stages.a.missing }}'", &block, NULL, NULL), -1);
	assert_string_equal(diags.v[0].message, "text: nothing");
	assert_int_equal(diags.v[0].at.line, 7);
	assert_int_equal(fill("text: x, count: '${{ stages.a.o }}'", &block, NULL, NULL), -1);
	assert_string_equal(diags.v[0].message, "parameter \"count\" must be an integer: \"o\" is not a whole number");
	assert_int_equal(fill("text: ''", &block, NULL, NULL), -1);
	assert_string_equal(diags.v[0].message, "parameter \"text\" of \"x\" has no value");
}

static void a_table_that_points_outside_of_its_struct_is_refused(void **state)
{
	struct params_block block = { 0 };
	struct rn_error err = { 0 };
	struct runner_plugin plugin = { .param_size = 8, .row_size = sizeof(rows[0]), .params = rows };
	RN_AUTO(rn_json_freep) cJSON *none = cJSON_CreateObject();
	(void)state;
	assert_int_equal(params_fill(none, &plugin, &block, &err), -1);
	assert_non_null(strstr(err.msg, "outside of its struct"));
}

#define TEST(f) cmocka_unit_test_teardown(f, clear)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_stage_waits_for_the_one_before_for_needs_and_for_what_it_uses),
		TEST(a_stage_may_use_a_later_one_that_does_not_wait_for_it),
		TEST(every_cycle_is_reported_once),
		TEST(keys_of_a_stage_have_defaults),
		TEST(a_variable_may_use_earlier_ones_and_set_wins),
		TEST(a_wrong_set_is_refused),
		TEST(secrets_are_read_when_needed),
		TEST(if_decides),
		TEST(the_environment_of_a_stage_adds_to_the_defaults),
		TEST(defaults_are_converted),
		TEST(values_are_converted),
		TEST(expressions_keep_their_types),
		TEST(the_unknown_leaves_the_default),
		TEST(secrets_are_collected_and_kept_out_of_the_key),
		TEST(what_goes_wrong_at_run_time_has_a_place),
		TEST(a_table_that_points_outside_of_its_struct_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
