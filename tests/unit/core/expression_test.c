/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: grammar, values, secrets and the unknown; text with expressions in it. */
#include "core/expression.h"

#include "base/json.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int var(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	static const struct {
		const char *name, *json;
	} vars[] = {
		{ "one", "1" }, { "name", "\"app\"" }, { "empty", "\"\"" }, { "yes", "true" }, { "no", "false" },
		{ "nothing", "null" }, { "list", "[\"a\",{\"b\":\"deep\"}]" }, { "text", "\"{\\\"k\\\": [7]}\"" },
	};
	(void)ctx;
	for (size_t i = 0; i < RN_LEN(vars); i++)
		if (strcmp(vars[i].name, name) == 0) {
			ret->json = cJSON_Parse(vars[i].json);
			return 0;
		}
	return rn_fail(err, RN_EINVAL, "no variable %s", name);
}

static int env(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx;
	if (strcmp(name, "SET") != 0)
		return rn_fail(err, RN_ENOTFOUND, "%s is not set", name);
	ret->json = cJSON_CreateString("5");
	return 0;
}

static int secret(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx, (void)err;
	ret->json = cJSON_CreateString(name);
	return 0;
}

static int output(void *ctx, const char *stage, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx, (void)err;
	if (strcmp(stage, "later") == 0)
		ret->unknown = true;
	else
		ret->json = cJSON_CreateString(name);
	return 0;
}

static bool status(void *ctx, enum scope_status what)
{
	(void)ctx;
	return what == SCOPE_FAILURE;
}

static const struct scope scope = { .var = var, .env = env, .secret = secret, .output = output, .status = status };

/* JSON of a value; "UNKNOWN", or "ERROR: text". */
static char *evaluated(const char *text)
{
	struct value v = { 0 };
	struct rn_error err = { 0 };
	size_t at = 0;
	struct expression *e = expression_parse(text, strlen(text), &at, &err);
	char *s;
	if (!e)
		return rn_asprintf("%zu: %s", at, err.msg);
	if (expression_eval(e, &scope, &v, &err) < 0)
		s = rn_asprintf("ERROR: %s", err.msg);
	else
		s = v.unknown ? rn_strdup("UNKNOWN") : rn_json_print(v.json);
	value_clear(&v);
	expression_free(e);
	return s;
}

struct pair {
	const char *text, *expected;
};

static void check_pairs(const struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		RN_AUTO(rn_freep) char *s = evaluated(pairs[i].text);
		if (strcmp(s, pairs[i].expected) != 0)
			fail_msg("%s gives %s, not %s", pairs[i].text, s, pairs[i].expected);
	}
}

static void operators_bind_as_in_c(void **state)
{
	static const struct pair pairs[] = {
		{ "1", "1" }, { "-2.5", "-2.5" }, { "'it''s'", "\"it's\"" }, { "\"a\\\"b\"", "\"a\\\"b\"" },
		{ "true", "true" }, { "null", "null" }, { " vars.name ", "\"app\"" },
		{ "vars.one == 1 && vars.name != 'x'", "true" }, { "false && false || true", "true" },
		{ "false && (false || true)", "false" }, { "!false == true", "true" }, { "!(1 == 1)", "false" },
		{ "!!vars.name", "true" }, { "1 == 1 == true", "true" }, { "'a' || 'b'", "\"a\"" },
		{ "vars.empty || 'b'", "\"b\"" }, { "vars.name && 'b'", "\"b\"" }, { "vars.no && 'b'", "false" },
		{ "((((1))))", "1" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void text_equals_the_number_that_it_writes(void **state)
{
	static const struct pair pairs[] = {
		{ "env.SET == 5", "true" }, { "env.SET == '5'", "true" }, { "env.SET == 6", "false" },
		{ "'true' == vars.yes", "true" }, { "null == ''", "false" }, { "vars.list == vars.list", "true" },
		{ "vars.nothing == null", "true" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void what_has_no_value_is_null_in_operators_and_an_error_alone(void **state)
{
	static const struct pair pairs[] = {
		{ "default(env.UNSET, 'x')", "\"x\"" }, { "default(vars.empty, 'x')", "\"x\"" },
		{ "default(vars.nothing, 'x')", "\"x\"" }, { "default(vars.no, 'x')", "false" },
		{ "default(vars.name, env.UNSET)", "\"app\"" }, { "env.UNSET || 'x'", "\"x\"" }, { "!env.UNSET", "true" },
		{ "env.UNSET == null", "true" }, { "env.UNSET", "ERROR: UNSET is not set" },
		{ "default(env.UNSET, env.UNSET)", "ERROR: UNSET is not set" },
		{ "vars.wrong || 'x'", "ERROR: no variable wrong" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void paths_lead_into_json(void **state)
{
	static const struct pair pairs[] = {
		{ "vars.list[0]", "\"a\"" }, { "vars.list.0", "\"a\"" }, { "vars.list[1].b", "\"deep\"" },
		{ "vars.list[1]['b']", "\"deep\"" }, { "vars.text.k[0]", "7" }, { "stages.my-stage.out", "\"out\"" },
		{ "vars.list[2]", "ERROR: list has no \"2\"" }, { "default(vars.list.9, 'x')", "\"x\"" },
		{ "vars.name.x", "ERROR: name has no \"x\"" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void the_unknown_spreads(void **state)
{
	static const struct pair pairs[] = {
		{ "stages.later.x", "UNKNOWN" }, { "stages.later.x.a.b", "UNKNOWN" }, { "stages.later.x == 1", "UNKNOWN" },
		{ "!stages.later.x", "UNKNOWN" }, { "default(stages.later.x, 1)", "UNKNOWN" },
		{ "false && stages.later.x", "false" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void status_functions_answer(void **state)
{
	static const struct pair pairs[] = {
		{ "success()", "false" }, { "failure()", "true" }, { "always()", "true" },
		{ "success() || failure() && vars.yes", "true" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void faults_are_placed(void **state)
{
	static const struct pair pairs[] = {
		{ "", "0: the expression is empty" }, { "  ", "2: the expression is empty" },
		{ "vars.a = 1", "7: \"=\" is not expected here" }, { "1 +", "2: \"+\" is not expected here" },
		{ "(1", "0: a parenthesis is never closed" }, { "1 ==", "4: a value is missing at the end" },
		{ "'open", "0: a string without its closing quote" }, { "foo", "0: unknown name \"foo\"" },
		{ "f(1)", "0: unknown function f()" }, { "vars", "0: \"vars\" must be written vars.NAME" },
		{ "stages.a", "0: \"stages\" must be written stages.ID.OUTPUT" },
		{ "default(1)", "9: default() takes two arguments: default(value, otherwise)" },
		{ "success(1)", "8: success() takes no arguments: success()" },
		{ "vars.a[x]", "6: an index is written [0] or ['name']" },
	};
	(void)state;
	check_pairs(pairs, RN_LEN(pairs));
}

static void nesting_has_an_end(void **state)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	(void)state;
	for (int i = 0; i < 10000; i++)
		rn_buf_adds(&b, i % 2 ? "!" : "(");
	rn_buf_adds(&b, "1");
	RN_AUTO(rn_freep) char *s = evaluated(rn_buf_str(&b));
	assert_non_null(strstr(s, "nested too deep"));
	rn_buf_reset(&b);
	rn_buf_adds(&b, "1");
	for (int i = 0; i < 5000; i++)
		rn_buf_adds(&b, "||1");
	RN_AUTO(rn_freep) char *t = evaluated(rn_buf_str(&b));
	assert_non_null(strstr(t, "too many operators"));
}

static void check_template(const char *text, const char *expected, bool is_secret)
{
	struct value v = { 0 };
	struct rn_error err = { 0 };
	if (template_expand(text, &scope, &v, &err) < 0) {
		assert_string_equal(err.msg, expected);
		return;
	}
	RN_AUTO(rn_freep) char *s = rn_json_print(v.json);
	assert_string_equal(s, expected);
	assert_int_equal(v.secret, is_secret);
	value_clear(&v);
}

static void text_around_makes_text_and_alone_keeps_the_type(void **state)
{
	(void)state;
	check_template("${{ vars.one }}", "1", false);
	check_template("${{vars.list}}", "[\"a\",{\"b\":\"deep\"}]", false);
	check_template("v${{ vars.one }}-${{ vars.name }}", "\"v1-app\"", false);
	check_template("${{ vars.one }} ", "\"1 \"", false);
	check_template("no expression", "\"no expression\"", false);
	check_template("${{ '}}' }}x${{ \"${{\" }}", "\"}}x${{\"", false);
	check_template("x ${{ vars.one", "\"${{\" without its \"}}\"", false);
}

static void what_is_computed_from_a_secret_is_secret(void **state)
{
	(void)state;
	check_template("${{ secrets.s }}", "\"s\"", true);
	check_template("Bearer ${{ secrets.s }}", "\"Bearer s\"", true);
	check_template("${{ default(env.UNSET, secrets.s) }}", "\"s\"", true);
	check_template("${{ vars.empty || secrets.s }}", "\"s\"", true);
	check_template("${{ secrets.s == 's' }}", "true", false); /* a yes or no is no secret to mask */
}

struct seen {
	struct rn_buf b;
};

static void note(void *ctx, const struct reference *r)
{
	struct seen *s = ctx;
	rn_buf_addf(&s->b, "%d:%s%s%s@%zu%s ", (int)r->kind, r->name, r->output ? "." : "", r->output ? r->output : "",
		    r->name_at, r->optional ? "?" : "");
}

static void mentions_are_listed_with_their_places(void **state)
{
	static const char text[] = "default(env.A, stages.b.c) == vars.d";
	struct seen s = { 0 };
	struct rn_error err = { 0 };
	size_t at;
	(void)state;
	RN_AUTO(expression_freep) struct expression *e = expression_parse(text, strlen(text), &at, &err);
	assert_non_null(e);
	expression_references(e, note, &s);
	assert_string_equal(rn_buf_str(&s.b), "1:A@12? 3:b.c@22? 0:d@35? ");
	rn_buf_reset(&s.b);
	RN_AUTO(expression_freep) struct expression *plain = expression_parse("secrets.x", 9, &at, &err);
	expression_references(plain, note, &s);
	assert_string_equal(rn_buf_str(&s.b), "2:x@8 ");
	rn_buf_clear(&s.b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(operators_bind_as_in_c),
		cmocka_unit_test(text_equals_the_number_that_it_writes),
		cmocka_unit_test(what_has_no_value_is_null_in_operators_and_an_error_alone),
		cmocka_unit_test(paths_lead_into_json),
		cmocka_unit_test(the_unknown_spreads),
		cmocka_unit_test(status_functions_answer),
		cmocka_unit_test(faults_are_placed),
		cmocka_unit_test(nesting_has_an_end),
		cmocka_unit_test(text_around_makes_text_and_alone_keeps_the_type),
		cmocka_unit_test(what_is_computed_from_a_secret_is_secret),
		cmocka_unit_test(mentions_are_listed_with_their_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
