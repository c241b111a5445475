/* SPDX-License-Identifier: Apache-2.0 */
/* The store: documents, order, transactions that fail as a whole, reopening. */
#include "localcloud/store.h"

#include "base/fs.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
	char *dir;
	struct store *store;
};

static int set_up(void **state)
{
	struct fixture *f = rn_alloc(sizeof(*f));
	f->dir = rn_temp_dir("/tmp", "store-", NULL);
	f->store = store_open(f->dir, NULL);
	*state = f;
	return f->store ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	store_close(f->store);
	rn_remove_tree(f->dir, NULL);
	free(f->dir);
	free(f);
	return 0;
}

static void put(struct store *s, const char *parent, const char *id, const char *text)
{
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str(text, NULL);
	assert_non_null(doc);
	assert_int_equal(store_put(s, "kind", parent, id, doc, NULL), 0);
}

static void test_documents(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	put(s, "p", "a", "{\"n\":1}");
	put(s, "p", "a", "{\"n\":2}");
	put(s, "q", "a", "{\"n\":3}");
	RN_AUTO(rn_json_freep) cJSON *doc = store_get(s, "kind", "p", "a");
	assert_int_equal(rn_json_int(doc, "n", 0), 2);
	assert_true(store_has(s, "kind", "q", "a"));
	assert_false(store_has(s, "other", "q", "a"));
	assert_null(store_get(s, "kind", "p", "b"));
	assert_int_equal(store_remove(s, "kind", "p", "a", NULL), 1);
	assert_int_equal(store_remove(s, "kind", "p", "a", NULL), 0);
	RN_AUTO(rn_freep) char *parent = NULL;
	RN_AUTO(rn_json_freep) cJSON *found = store_find(s, "kind", "a", &parent);
	assert_int_equal(rn_json_int(found, "n", 0), 3);
	assert_string_equal(parent, "q");
}

static void test_lists_are_ordered_and_cut(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	const char *const ids[] = { "c", "a", "b", "d" };
	for (size_t i = 0; i < RN_LEN(ids); i++)
		put(s, "p", ids[i], i == 1 ? "\"a\"" : i == 2 ? "\"b\"" : i == 0 ? "\"c\"" : "\"d\"");
	RN_AUTO(rn_json_freep) cJSON *list = store_list(s, "kind", "p", "a", 2);
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_string_equal(list->child->valuestring, "b");
	assert_string_equal(list->child->next->valuestring, "c");
	assert_int_equal(store_count(s, "kind", "p"), 4);
	assert_int_equal(store_remove_all(s, "kind", "p", NULL), 0);
	assert_int_equal(store_count(s, "kind", "p"), 0);
}

static void test_a_transaction_is_all_or_nothing(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	store_begin(s);
	put(s, "p", "a", "1");
	assert_int_equal(store_end(s, false, NULL), 0);
	assert_false(store_has(s, "kind", "p", "a"));

	struct rn_error err = { 0 };
	store_begin(s);
	put(s, "p", "a", "1");
	store_begin(s);
	put(s, "p", "b", "1");
	store_end(s, false, NULL); /* the inner one is given up: so is the whole */
	assert_int_equal(store_end(s, true, &err), -1);
	assert_int_equal(err.code, RN_EIO);
	assert_false(store_has(s, "kind", "p", "a"));

	store_begin(s);
	put(s, "p", "a", "1");
	assert_int_equal(store_exec(s, "no SQL at all", 0, NULL), -1);
	assert_null(store_query(s, "SELECT 1", 0, NULL)); /* nothing more happens in a failed one */
	assert_int_equal(store_end(s, true, &err), -1);
	assert_false(store_has(s, "kind", "p", "a"));

	store_begin(s);
	put(s, "p", "a", "1");
	assert_int_equal(store_end(s, true, &err), 0);
	assert_true(store_has(s, "kind", "p", "a"));
}

static void test_it_is_there_after_reopening(void **state)
{
	struct fixture *f = *state;
	put(f->store, "p", "a", "{\"n\":1}");
	store_close(f->store);
	f->store = store_open(f->dir, NULL);
	assert_non_null(f->store);
	assert_true(store_has(f->store, "kind", "p", "a"));
}

static void test_a_newer_format_is_refused(void **state)
{
	struct fixture *f = *state;
	struct rn_error err = { 0 };
	store_begin(f->store);
	store_exec(f->store, "PRAGMA user_version = 99", 0, NULL);
	assert_int_equal(store_end(f->store, true, NULL), 0);
	store_close(f->store);
	f->store = store_open(f->dir, &err);
	assert_null(f->store);
	assert_int_equal(err.code, RN_EUNSUPPORTED);
	assert_non_null(strstr(err.hint, "runner cloud reset"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_documents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lists_are_ordered_and_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_transaction_is_all_or_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_is_there_after_reopening, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_newer_format_is_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
