/* SPDX-License-Identifier: Apache-2.0 */
/* What is written of a run can be read back, also when it was torn; what changed is told in words. */
#include "core/journal.h"
#include "core/record.h"
#include "core/resume.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct run {
	struct journal *journal;
	struct bus bus;
};

static void begin(struct run *r, const char *root, const char *command)
{
	struct journal_head head = { command, "demo", "/x/demo.pipe", NULL };
	r->journal = journal_create(root, &head, NULL);
	assert_non_null(r->journal);
	bus_stage(&r->bus, "a", "exec", NULL);
	bus_stage(&r->bus, "b", "exec", NULL);
	bus_add(&r->bus, journal_reporter(r->journal));
}

static void end(struct run *r)
{
	bus_clear(&r->bus);
	journal_free(r->journal);
	*r = (struct run){ 0 };
}

static void finish_a(struct run *r, enum event_status status)
{
	cJSON *key = cJSON_CreateObject();
	cJSON_AddStringToObject(key, "uses", "exec");
	journal_key(r->journal, "a", key);
	bus_emit(&r->bus, &(struct event){ .kind = EVENT_STAGE_START, .stage = "a", .attempt = 1 });
	bus_emit(&r->bus, &(struct event){ .kind = EVENT_LOG, .stage = "a", .text = "a line of the log" });
	bus_emit(&r->bus, &(struct event){ .kind = EVENT_OUTPUT, .stage = "a", .name = "v", .text = "1" });
	bus_emit(&r->bus, &(struct event){ .kind = EVENT_OUTPUT, .stage = "a", .name = "s", .text = "***", .secret = true });
	bus_emit(&r->bus, &(struct event){ .kind = EVENT_STAGE_END, .stage = "a", .status = status });
}

static void a_run_is_read_back(void **state)
{
	struct run r = { 0 };
	begin(&r, *state, "run");
	finish_a(&r, EVENT_OK);
	bus_emit(&r.bus, &(struct event){ .kind = EVENT_STAGE_START, .stage = "b", .index = 1, .attempt = 1 });
	struct record_list list = { 0 };
	record_list_read(*state, "/x/demo.pipe", 0, &list);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.v[0]->id, journal_run_id(r.journal));
	assert_false(list.v[0]->ended);
	const struct record *run = NULL;
	const struct record_stage *a = record_find(&list, "a", &run), *b = record_find(&list, "b", &run);
	assert_true(a->ended);
	assert_int_equal(a->status, EVENT_OK);
	assert_string_equal(rn_json_str(a->outputs, "v"), "1");
	assert_null(rn_json_get(a->outputs, "s"));
	assert_string_equal(a->secrets.v[0], "s");
	assert_string_equal(rn_json_str(a->key, "uses"), "exec");
	assert_false(b->ended);
	record_list_clear(&list);
	RN_AUTO(rn_freep) char *path = rn_path_join(journal_dir(r.journal), "journal");
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	assert_int_equal(rn_read_file(path, 1 << 20, &text, NULL), 0);
	assert_null(strstr(text.p, "a line of the log"));
	end(&r);
}

static void the_newest_run_of_a_stage_counts_and_a_destroy_ends_all(void **state)
{
	struct run r = { 0 };
	struct record_list list = { 0 };
	const struct record *run = NULL;
	begin(&r, *state, "run");
	finish_a(&r, EVENT_OK);
	end(&r);
	begin(&r, *state, "run"); /* `a` does not begin in this one */
	end(&r);
	record_list_read(*state, NULL, 0, &list);
	assert_int_equal(record_find(&list, "a", &run)->status, EVENT_OK);
	record_list_clear(&list);
	begin(&r, *state, "run");
	finish_a(&r, EVENT_FAILED);
	end(&r);
	record_list_read(*state, NULL, 0, &list);
	assert_int_equal(record_find(&list, "a", &run)->status, EVENT_FAILED);
	record_list_clear(&list);
	begin(&r, *state, "destroy");
	end(&r);
	record_list_read(*state, NULL, 0, &list);
	assert_null(record_find(&list, "a", &run));
	record_list_clear(&list);
}

static void remember(struct run *r, const char *key, const char *json)
{
	RN_AUTO(rn_json_freep) cJSON *record = rn_json_parse_str(json, NULL);
	assert_int_equal(journal_remember(r->journal, "a", key, record, NULL), 0);
}

static void end_with(struct run *r, enum event_status status)
{
	bus_emit(&r->bus, &(struct event){ .kind = EVENT_RUN_END, .status = status });
	end(r);
}

/* Whether stage a of the newest run waits for a decision. */
static bool is_open(const char *root)
{
	struct record_list list = { 0 };
	record_list_read(root, "/x/demo.pipe", 1, &list);
	const struct record *run = record_changed(&list);
	bool open = run && record_open(run, record_stage(run, "a"));
	record_list_clear(&list);
	return open;
}

static void what_was_there_before_waits_for_a_decision_after_a_kill_only(void **state)
{
	static const struct {
		bool ends;
		enum event_status status;
		bool open;
	} cases[] = { { true, EVENT_OK, false }, { true, EVENT_FAILED, false }, { true, EVENT_CANCELLED, true }, { false, EVENT_OK, true } };
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct run r = { 0 };
		begin(&r, *state, "run");
		remember(&r, "image", "\"one\"");
		finish_a(&r, EVENT_OK);
		if (cases[i].ends)
			end_with(&r, cases[i].status);
		else
			end(&r);
		assert_int_equal(is_open(*state), cases[i].open);
	}
}

static void the_first_record_of_a_key_counts(void **state)
{
	struct run r = { 0 };
	struct record_list list = { 0 };
	begin(&r, *state, "run");
	remember(&r, "image", "\"one\"");
	remember(&r, "alias", "null");
	remember(&r, "image", "\"two\"");
	end(&r);
	record_list_read(*state, NULL, 0, &list);
	const struct record_stage *a = record_stage(record_changed(&list), "a");
	assert_string_equal(rn_json_str(a->records, "image"), "one");
	assert_true(cJSON_IsNull(rn_json_get(a->records, "alias")));
	assert_string_equal(cJSON_GetArrayItem(a->records, 0)->string, "image");
	record_list_clear(&list);
}

static void a_rollback_is_a_fact_about_the_run_that_it_put_back(void **state)
{
	struct run r = { 0 };
	struct record_list list = { 0 };
	const struct record *run = NULL;
	begin(&r, *state, "run");
	remember(&r, "image", "\"one\"");
	finish_a(&r, EVENT_OK);
	RN_AUTO(rn_freep) char *id = rn_strdup(journal_run_id(r.journal));
	end(&r); /* killed */
	for (int good = 0; good < 2; good++) {
		struct journal_head head = { "rollback", "demo", "/x/demo.pipe", id };
		r.journal = journal_create(*state, &head, NULL);
		bus_stage(&r.bus, "a", "exec", NULL);
		bus_add(&r.bus, journal_reporter(r.journal));
		bus_emit(&r.bus, &(struct event){ .kind = EVENT_STAGE_START, .stage = "a", .attempt = 1 });
		bus_emit(&r.bus, &(struct event){ .kind = EVENT_STAGE_END, .stage = "a", .status = good ? EVENT_OK : EVENT_FAILED });
		end_with(&r, good ? EVENT_OK : EVENT_FAILED);
		assert_int_equal(is_open(*state), !good);
	}
	record_list_read(*state, "/x/demo.pipe", 1, &list);
	assert_int_equal(list.n, 3); /* rollbacks do not count */
	assert_true(record_find(&list, "a", &run)->put_back);
	assert_string_equal(run->id, id);
	record_list_clear(&list);
	record_list_read(*state, "/another", 0, &list);
	assert_int_equal(list.n, 0);
	begin(&r, *state, "destroy");
	end(&r);
	record_list_read(*state, NULL, 0, &list);
	assert_null(record_changed(&list));
	record_list_clear(&list);
}

static char *oldest_run(const char *root)
{
	RN_AUTO(rn_freep) char *runs = rn_path_join(root, "runs");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	assert_int_equal(rn_list_dir(runs, &names, NULL), 0);
	assert_int_equal(names.n, JOURNAL_KEEP_RUNS + 1);
	return rn_path_join(runs, names.v[0]);
}

static void old_runs_go_but_not_one_that_goes_on(void **state)
{
	struct run long_one = { 0 }, r = { 0 };
	begin(&long_one, *state, "run");
	RN_AUTO(rn_freep) char *dir = rn_strdup(journal_dir(long_one.journal));
	for (int i = 0; i <= JOURNAL_KEEP_RUNS; i++) {
		begin(&r, *state, "run");
		end(&r);
	}
	assert_true(rn_exists(dir));
	end(&long_one);
	begin(&r, *state, "run");
	assert_true(rn_exists(dir));
	journal_settle(r.journal); /* once stages are under way ... */
	assert_false(rn_exists(dir));
	end(&r); /* ... or at the end, when none was */
	begin(&r, *state, "run");
	RN_AUTO(rn_freep) char *oldest = oldest_run(*state);
	end(&r);
	assert_false(rn_exists(oldest));
}

static void a_pipeline_that_runs_seldom_keeps_its_runs(void **state)
{
	struct run r = { 0 };
	RN_AUTO(rn_freep) char *runs = rn_path_join(*state, "runs");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	for (int i = 0; i < 3 + 2 * JOURNAL_KEEP_RUNS; i++) {
		struct journal_head head = { "run", "p", i < 3 ? "/seldom" : i % 2 ? "/often" : "/also", NULL };
		r.journal = journal_create(*state, &head, NULL);
		assert_non_null(r.journal);
		journal_free(r.journal);
	}
	struct journal_head head = { "run", "p", "/often", NULL };
	r.journal = journal_create(*state, &head, NULL);
	journal_free(r.journal);
	assert_int_equal(rn_list_dir(runs, &names, NULL), 0);
	size_t seldom = 0, often = 0, also = 0;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *dir = rn_path_join(runs, names.v[i]);
		RN_AUTO(rn_freep) char *file = record_file(dir);
		seldom += rn_streq(file, "/seldom");
		often += rn_streq(file, "/often");
		also += rn_streq(file, "/also");
	}
	assert_int_equal(seldom, 3);
	assert_int_equal(often, JOURNAL_KEEP_RUNS);
	assert_int_equal(also, JOURNAL_KEEP_RUNS);
}

static void a_journal_cut_anywhere_is_readable(void **state)
{
	struct run r = { 0 };
	begin(&r, *state, "run");
	finish_a(&r, EVENT_OK);
	RN_AUTO(rn_freep) char *path = rn_path_join(journal_dir(r.journal), "journal");
	RN_AUTO(rn_freep) char *dir = rn_strdup(journal_dir(r.journal));
	end(&r);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	assert_int_equal(rn_read_file(path, 1 << 20, &text, NULL), 0);
	size_t head = strcspn(text.p, "\n") + 1;
	for (size_t n = 0; n <= text.len; n++) {
		assert_int_equal(rn_write_file(path, text.p, n, 0644, NULL), 0);
		struct record *record = record_read(dir, NULL);
		if (n < head) {
			assert_null(record);
			continue;
		}
		const struct record_stage *a = record_stage(record, "a");
		assert_true(!a || a->ended == (n == text.len));
		record_free(record);
	}
}

static cJSON *key_of(const char *tag, const char *token, const char *env)
{
	cJSON *params = cJSON_CreateObject(), *vars = cJSON_CreateObject();
	cJSON *p = cJSON_AddObjectToObject(params, "tag");
	cJSON_AddStringToObject(p, "value", tag);
	p = cJSON_AddObjectToObject(params, "token");
	cJSON_AddStringToObject(p, "value", token);
	cJSON_AddTrueToObject(p, "secret");
	if (env)
		cJSON_AddStringToObject(vars, "E", env);
	struct plugin_info plugin = { .name = (char *)"exec", .digest = (char *)"00" };
	struct redact *redact = redact_new();
	redact_add(redact, "a-secret-value");
	cJSON *key = resume_key(&plugin, params, vars, redact, NULL);
	redact_free(redact);
	cJSON_Delete(params);
	cJSON_Delete(vars);
	return key;
}

static void expect_difference(cJSON *before, cJSON *now, const char *want)
{
	RN_AUTO(rn_freep) char *text = resume_difference(before, now);
	if (want)
		assert_string_equal(text, want);
	else
		assert_null(text);
	cJSON_Delete(before);
	cJSON_Delete(now);
}

static void what_changed_is_told_in_words(void **state)
{
	(void)state;
	expect_difference(key_of("a", "t", "1"), key_of("a", "t", "1"), NULL);
	expect_difference(key_of("a", "t", "1"), key_of("b", "t", "1"), "parameter `tag` changed: \"a\" -> \"b\"");
	expect_difference(key_of("a", "t", NULL), key_of("a", "t", "1"), "variable `E` is new");
	expect_difference(key_of("a", "t", "1"), key_of("a", "t", NULL), "variable `E` is gone");
}

static void secrets_have_no_part_in_a_key(void **state)
{
	(void)state;
	cJSON *key = key_of("x-a-secret-value", "t", "a-secret-value");
	RN_AUTO(rn_freep) char *text = rn_json_print(key);
	assert_null(strstr(text, "tag"));
	assert_null(strstr(text, "token"));
	assert_null(strstr(text, "\"E\""));
	expect_difference(key, key_of("y-a-secret-value", "u", "z-a-secret-value"), NULL);
}

static int in_folder(void **state)
{
	*state = rn_temp_dir("/tmp", "journal-", NULL);
	return *state ? 0 : -1;
}

static int out_of_folder(void **state)
{
	rn_remove_tree(*state, NULL);
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run_is_read_back, in_folder, out_of_folder),
		cmocka_unit_test_setup_teardown(the_newest_run_of_a_stage_counts_and_a_destroy_ends_all, in_folder, out_of_folder),
		cmocka_unit_test_setup_teardown(what_was_there_before_waits_for_a_decision_after_a_kill_only, in_folder, out_of_folder),
		cmocka_unit_test_setup_teardown(the_first_record_of_a_key_counts, in_folder, out_of_folder),
		cmocka_unit_test_setup_teardown(a_rollback_is_a_fact_about_the_run_that_it_put_back, in_folder, out_of_folder),
		cmocka_unit_test_setup_teardown(old_runs_go_but_not_one_that_goes_on, in_folder, out_of_folder),
		cmocka_unit_test_setup_teardown(a_pipeline_that_runs_seldom_keeps_its_runs, in_folder, out_of_folder),
		cmocka_unit_test_setup_teardown(a_journal_cut_anywhere_is_readable, in_folder, out_of_folder),
		cmocka_unit_test(what_changed_is_told_in_words),
		cmocka_unit_test(secrets_have_no_part_in_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
