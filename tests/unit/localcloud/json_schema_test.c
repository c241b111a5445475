/* SPDX-License-Identifier: Apache-2.0 */
/* JSON schemas of request validation: what is taken, and what is valid. */
#include "localcloud/json_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool valid(const char *schema, const char *value)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *s = rn_json_parse_str(schema, NULL), *v = rn_json_parse_str(value, NULL);
	assert_non_null(s);
	assert_non_null(v);
	if (schema_check(s, NULL, &err) < 0)
		fail_msg("%s: %s", schema, err.msg);
	bool yes = schema_validate(s, v, NULL, NULL, &err) == 0;
	assert_int_equal(yes, err.msg[0] == '\0');
	return yes;
}

static void keywords_decide(void **state)
{
	(void)state;
	static const char *const cases[][3] = { /* schema, valid, not valid */
		{ "{}", "1", NULL },
		{ "{\"type\":\"integer\"}", "1.0", "1.5" },
		{ "{\"type\":[\"string\",\"null\"]}", "null", "1" },
		{ "{\"type\":\"number\"}", "1", "\"1\"" },
		{ "{\"enum\":[1,{\"a\":[]}]}", "{\"a\":[]}", "{\"a\":[1]}" },
		{ "{\"minimum\":1,\"exclusiveMinimum\":true}", "1.1", "1" },
		{ "{\"maximum\":1,\"exclusiveMaximum\":false}", "1", "1.1" },
		{ "{\"multipleOf\":0.1}", "0.3", "0.35" },
		{ "{\"minLength\":2,\"maxLength\":2}", "\"\xc3\xa4\xc3\xb6\"", "\"\xc3\xa4\"" },
		{ "{\"pattern\":\"\\\\d{2}-[\\\\w.]+\\\\.\"}", "\"a12-b.c.\"", "\"1-b.\"" },
		{ "{\"items\":{\"type\":\"string\"}}", "[\"a\"]", "[1]" },
		{ "{\"items\":[{\"type\":\"string\"}]}", "[\"a\",1]", "[1]" },
		{ "{\"minItems\":1,\"uniqueItems\":true}", "[1,2]", "[1,1]" },
		{ "{\"required\":[\"a\"]}", "{\"a\":null}", "{\"b\":1}" },
		{ "{\"properties\":{\"a\":{\"type\":\"string\"}},\"additionalProperties\":{\"type\":\"integer\"}}", "{\"a\":\"x\",\"b\":1}", "{\"b\":\"x\"}" },
		{ "{\"additionalProperties\":false}", "{}", "{\"a\":1}" },
		{ "{\"minProperties\":1,\"maxProperties\":1}", "{\"a\":1}", "{}" },
		{ "{\"allOf\":[{\"minimum\":1},{\"maximum\":2}]}", "2", "3" },
		{ "{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":2}]}", "\"a\"", "1" },
		{ "{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "1", "2" },
		{ "{\"not\":{\"type\":\"null\"}}", "1", "null" },
		{ "{\"definitions\":{\"n\":{\"properties\":{\"next\":{\"$ref\":\"#/definitions/n\"}},\"additionalProperties\":false}},\"$ref\":\"#/definitions/n\"}",
		  "{\"next\":{\"next\":{}}}", "{\"next\":{\"other\":1}}" },
		{ "{\"$ref\":\"#/definitions/gone\"}", NULL, "1" },
		{ "{\"$ref\":\"#\"}", NULL, "1" }, /* without end: it is not valid rather than slow */
		{ "{\"title\":\"t\",\"description\":\"d\",\"default\":1,\"format\":\"date\",\"id\":\"x\",\"$schema\":\"s\"}", "\"no date\"", NULL },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		if (cases[i][1] && !valid(cases[i][0], cases[i][1]))
			fail_msg("%s refuses %s", cases[i][0], cases[i][1]);
		if (cases[i][2] && valid(cases[i][0], cases[i][2]))
			fail_msg("%s takes %s", cases[i][0], cases[i][2]);
	}
}

static void many_items_can_be_unique(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	for (int i = 0; i < 5000; i++)
		rn_buf_addf(&b, "%c{\"n\":%d,\"m\":0}", i ? ',' : '[', i);
	RN_AUTO(rn_freep) char *unique = rn_asprintf("%s]", rn_buf_str(&b));
	RN_AUTO(rn_freep) char *twice = rn_asprintf("%s,{\"m\":0,\"n\":7}]", rn_buf_str(&b));
	assert_true(valid("{\"uniqueItems\":true}", unique));
	assert_false(valid("{\"uniqueItems\":true}", twice));
	RN_AUTO(rn_freep) char *choice = rn_asprintf("{\"enum\":%s}", unique);
	assert_true(valid(choice, "{\"n\":4999,\"m\":0}"));
}

static void what_cannot_be_enforced_is_refused(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{ "{\"nullable\":true}", "nullable" }, { "{\"properties\":{\"a\":{\"$id\":\"x\"}}}", "$id" }, { "[]", "object" },
		{ "{\"type\":\"text\"}", "text" }, { "{\"type\":[]}", "type" }, { "{\"required\":[]}", "required" },
		{ "{\"enum\":[1,1]}", "twice" }, { "{\"properties\":1}", "properties" }, { "{\"items\":true}", "object" },
		{ "{\"pattern\":\"(?=a)\"}", "pattern" }, { "{\"pattern\":\"a\\\\b\"}", "pattern" }, { "{\"pattern\":\"a*?\"}", "pattern" },
		{ "{\"minLength\":-1}", "minLength" }, { "{\"multipleOf\":0}", "multipleOf" }, { "{\"exclusiveMinimum\":1}", "exclusiveMinimum" },
		{ "{\"allOf\":[]}", "allOf" }, { "{\"not\":1}", "object" },
	};
	for (size_t i = 0; i < RN_LEN(bad); i++) {
		struct rn_error err = { 0 };
		RN_AUTO(rn_json_freep) cJSON *s = rn_json_parse_str(bad[i][0], NULL);
		assert_int_equal(schema_check(s, NULL, &err), -1);
		if (!strstr(err.msg, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keywords_decide),
		cmocka_unit_test(many_items_can_be_unique),
		cmocka_unit_test(what_cannot_be_enforced_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
