/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as a tree: types, places, aliases, merge keys, limits. */
#include "yaml/document.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* JSON of a text, or its first message. */
static char *parsed(const char *text)
{
	struct diags d;
	char *s;
	diags_init(&d, "t", text);
	RN_AUTO(doc_freep) struct doc_node *n = document_parse(text, strlen(text), &d);
	if (d.errors) {
		diags_sort(&d);
		s = rn_asprintf("%d:%d %s", d.v[0].at.line, d.v[0].at.column, d.v[0].message);
	} else {
		RN_AUTO(rn_json_freep) cJSON *j = doc_to_json(n);
		s = rn_json_print(j);
	}
	diags_clear(&d);
	return s;
}

struct pair {
	const char *text, *expected;
};

static void check_pairs(const struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		RN_AUTO(rn_freep) char *s = parsed(pairs[i].text);
		if (strcmp(s, pairs[i].expected) != 0)
			fail_msg("%s gives %s, not %s", pairs[i].text, s, pairs[i].expected);
	}
}

static void plain_scalars_have_types(void **state)
{
	static const struct pair pairs[] = {
		{ "[1, -2, 1.5, 1e3, 0x1F, 0o17]", "[1,-2,1.5,1000,31,15]" },
		{ "[true, False, null, ~, yes, no, on]", "[true,false,null,null,\"yes\",\"no\",\"on\"]" },
		{ "['1', \"true\", !!str 5]", "[\"1\",\"true\",\"5\"]" },
		{ "[000123456789, 1.2.3, 1_000, +5, 2024-01-02]",
		  "[\"000123456789\",\"1.2.3\",\"1_000\",\"+5\",\"2024-01-02\"]" },
		{ "a:", "{\"a\":null}" }, { "a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}" },
		{ "a: >-\n  x\n  y\n", "{\"a\":\"x y\"}" },
		{ "a: 'x ''it''''s'' y'", "{\"a\":\"x 'it''s' y\"}" }, /* libfyaml 0.7.12 gets this one wrong */
		{ "a: 'x ''''\n  y\n\n  z'", "{\"a\":\"x '' y\\nz\"}" },
		{ "{\"a\": [1, {\"b\": \"\\u00e9\\n\"}]}", "{\"a\":[1,{\"b\":\"\xc3\xa9\\n\"}]}" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void aliases_and_merge_keys_are_spelled_out(void **state)
{
	static const struct pair pairs[] = {
		{ "a: &x {p: 1}\nb: *x", "{\"a\":{\"p\":1},\"b\":{\"p\":1}}" },
		{ "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}" },
		{ "a: &x {p: 1}\nb: &y {p: 2, r: 3}\nc: {<<: [*x, *y]}",
		  "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"r\":3},\"c\":{\"p\":1,\"r\":3}}" },
		{ "b: *nope", "1:4 alias *nope: no anchor &nope before it" },
		{ "a: &x [*x]", "1:8 alias *x: no anchor &x before it" },
		{ "a: {<<: 5}", "1:9 a merge key (<<) needs a map or a list of maps" },
		{ "a: !include x", "1:13 the tag \"!include\" means nothing here" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void faults_have_places(void **state)
{
	static const struct pair pairs[] = {
		{ "a: 1\nb: 2\na: 3\n", "3:1 duplicate key \"a\"" }, { "a: {b: 1, b: 2}", "1:11 duplicate key \"b\"" },
		{ "[a]: 1", "1:1 a key must be a plain word or a string" },
		{ "a: 1\n---\nb: 1\n", "2:1 a second document in one file" },
		{ "a: \"caf\xc3\xa9\"\nb: \"\xff\"", "2:5 not valid UTF-8 text" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void a_short_text_cannot_become_a_large_tree(void **state)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	(void)state;
	rn_buf_adds(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 9; i++) {
		rn_buf_addf(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			rn_buf_addf(&b, "%s*a%d", k ? ", " : "", i - 1);
		rn_buf_adds(&b, "]\n");
	}
	RN_AUTO(rn_freep) char *s = parsed(rn_buf_str(&b));
	assert_non_null(strstr(s, "too many values"));
	rn_buf_reset(&b);
	for (int i = 0; i < 500; i++)
		rn_buf_addc(&b, '[');
	for (int i = 0; i < 500; i++)
		rn_buf_addc(&b, ']');
	RN_AUTO(rn_freep) char *t = parsed(rn_buf_str(&b));
	assert_non_null(strstr(t, "1:"));
}

static void values_know_where_they_stand(void **state)
{
	static const char text[] = "a:\n  - x\n  - \"q\xc3\xa9\"\nb: {c: 5,\n  d: yes}\n";
	struct diags d;
	(void)state;
	diags_init(&d, "t", text);
	RN_AUTO(doc_freep) struct doc_node *n = document_parse(text, strlen(text), &d);
	const struct doc_node *quoted = doc_get(n, "a")->items[1].value;
	assert_int_equal(quoted->at.line, 3);
	assert_int_equal(quoted->at.column, 5);
	assert_int_equal(quoted->at.length, 4);
	const struct doc_item *last = doc_item(doc_get(n, "b"), "d");
	assert_int_equal(last->key_at.line, 5);
	assert_int_equal(last->key_at.column, 3);
	assert_int_equal(last->value->at.column, 6);
	assert_null(doc_get(n, "z"));
	assert_null(doc_get(NULL, "z"));
	diags_clear(&d);
}

static void messages_come_in_the_order_of_the_file(void **state)
{
	struct diags d;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	char summary[64];
	(void)state;
	diags_init(&d, "f.pipe", "one\n\ttwo \x1b[31m\nthree\n");
	diags_warn(&d, (struct diag_at){ 3, 1, 5 }, NULL, "last");
	diags_error(&d, (struct diag_at){ 2, 2, 3 }, "do this", "first");
	diags_error(&d, (struct diag_at){ 2, 2, 3 }, "do this", "first"); /* said once */
	diags_error(&d, (struct diag_at){ 0 }, NULL, "nowhere");
	diags_print(&d, false, &b);
	assert_string_equal(rn_buf_str(&b), "f.pipe: error: nowhere\n"
		"f.pipe:2:2: error: first\n     2 | \ttwo ?[31m\n       | \t^~~\n  hint: do this\n"
		"f.pipe:3:1: warning: last\n     3 | three\n       | ^~~~~\n");
	assert_string_equal(diags_summary(&d, summary), "2 errors, 1 warning");
	assert_int_equal(diags_exit_code(&d), 2);
	diags_clear(&d);
}

static void a_flood_of_messages_is_cut(void **state)
{
	struct diags d;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	(void)state;
	diags_init(&d, "f", NULL);
	for (int i = 1; i <= 500; i++)
		diags_error(&d, (struct diag_at){ i, 1, 1 }, NULL, "wrong");
	diags_print(&d, false, &b);
	assert_int_equal(d.n, DIAGS_MAX);
	assert_int_equal(d.errors, 500);
	assert_non_null(strstr(rn_buf_str(&b), "f: 300 more not shown\n"));
	diags_clear(&d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_scalars_have_types),
		cmocka_unit_test(aliases_and_merge_keys_are_spelled_out),
		cmocka_unit_test(faults_have_places),
		cmocka_unit_test(a_short_text_cannot_become_a_large_tree),
		cmocka_unit_test(values_know_where_they_stand),
		cmocka_unit_test(messages_come_in_the_order_of_the_file),
		cmocka_unit_test(a_flood_of_messages_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
