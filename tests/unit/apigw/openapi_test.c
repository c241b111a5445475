/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI documents from JSON and YAML. */
#include "plugins/apigw/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char YAML[] =
	"openapi: 3.0.1\n"
	"info:\n"
	"  title: 7\n"
	"  version: 1.10\n"
	"paths:\n"
	"  /a:\n"
	"    get: &read\n"
	"      responses: {200: {description: yes}, default: {description: no}}\n"
	"      x-n: [1, 2.5, 0x10, ~, true, '7', 2024-01-01]\n"
	"    head:\n"
	"      <<: *read\n"
	"      summary: |\n"
	"        two\n"
	"        lines\n";

static const char JSON[] =
	"{\"openapi\":\"3.0.1\",\"info\":{\"title\":\"7\",\"version\":\"1.10\"},\"paths\":{\"/a\":{"
	"\"get\":{\"responses\":{\"200\":{\"description\":\"yes\"},\"default\":{\"description\":\"no\"}},"
	"\"x-n\":[1,2.5,16,null,true,\"7\",\"2024-01-01\"]},"
	"\"head\":{\"summary\":\"two\\nlines\\n\",\"responses\":{\"200\":{\"description\":\"yes\"},\"default\":{\"description\":\"no\"}},"
	"\"x-n\":[1,2.5,16,null,true,\"7\",\"2024-01-01\"]}}}}";

static void yaml_and_json_give_the_same_document(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *yaml = openapi_parse("api.yaml", YAML, strlen(YAML), &err);
	RN_AUTO(rn_json_freep) cJSON *json = openapi_parse("api.json", JSON, strlen(JSON), &err);
	assert_string_equal(err.msg, "");
	RN_AUTO(rn_freep) char *a = rn_json_canonical(yaml);
	RN_AUTO(rn_freep) char *b = rn_json_canonical(json);
	assert_string_equal(a, b);
	assert_int_equal(openapi_count(yaml), 2);
	RN_AUTO(rn_freep) char *label = content_label(yaml, NULL);
	RN_AUTO(rn_freep) char *same = content_label(json, NULL);
	assert_string_equal(label, same);
}

static void the_text_tells_the_notation_when_the_name_does_not(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *yaml = openapi_parse("api", YAML, strlen(YAML), &err);
	RN_AUTO(rn_json_freep) cJSON *json = openapi_parse("api", JSON, strlen(JSON), &err);
	RN_AUTO(rn_json_freep) cJSON *both = openapi_parse("api.yml", JSON, strlen(JSON), &err); /* JSON is YAML */
	assert_true(rn_json_equal(yaml, json));
	assert_true(rn_json_equal(both, json));
}

static void refused(const char *path, const char *text, int line, int column, const char *words, const char *hint)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = openapi_parse(path, text, strlen(text), &err);
	assert_null(doc);
	if (!strstr(err.msg, words) || !strstr(err.hint, hint))
		fail_msg("%s / %s", err.msg, err.hint);
	if (!line)
		return;
	RN_AUTO(rn_freep) char *place = rn_asprintf("%s:%d:%d: error: ", path, line, column);
	if (!strstr(err.msg, place) || !strstr(err.msg, "^"))
		fail_msg("no %s in %s", place, err.msg);
	assert_int_equal(err.line, line);
	assert_int_equal(err.column, column);
}

static void a_broken_document_is_refused_at_its_place(void **state)
{
	(void)state;
	refused("a.yaml", "openapi: 3.0.1\npaths:\n  /a: {get: |\n", 3, 13, "YAML syntax", "");
	refused("a.yaml", "openapi: 3.0.1\npaths:\n  /a: {get: {}}\n  /a: {put: {}}\n", 4, 3, "duplicate key \"/a\"", "");
	refused("a.yaml", "openapi: 3.0.1\npaths: {/a: {get: {responses: {200: {}, '200': {}}}}}\n", 2, 41, "duplicate key \"200\"", "");
	refused("a.yaml", "openapi: 3.0.1\npaths:\n  /a: *nope\n", 3, 7, "no anchor &nope", "");
	refused("a.yaml", "openapi: 3.0.1\nx:\n  uri: !Sub arn\n", 3, 13, "the tag \"!Sub\"", "CloudFormation");
	refused("a.yaml", "openapi: 3.0.1\n--- \nx: 1\n", 2, 1, "a second document", "");
	refused("a.yaml", "- 1\n", 0, 0, "a list", "");
	refused("a.yaml", "", 0, 0, "nothing", "");
	refused("a.yaml", "openapi: 3.1.0\npaths: {/a: {get: {}}}\n", 0, 0, "OpenAPI 3.1.0", "3.0");
	refused("a.json", "{\"openapi\": \"3.0.1\",}", 0, 0, "a.json", "");
	refused("a.json", "{\"openapi\":\"3.0.1\",\"paths\":{\"/a\":{\"get\":{\"x\":[{\"uri\":{\"Fn::Sub\":\"a\"}}]}}}}", 0, 0,
		"paths./a.get.x[0].uri.Fn::Sub", "CloudFormation");
}

static void aliases_cannot_grow_without_bound(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_adds(&b, "openapi: 3.0.1\nx0: &x0 [1,1,1,1,1,1,1,1,1]\n");
	for (int i = 1; i < 12; i++) {
		rn_buf_addf(&b, "x%d: &x%d [*x%d", i, i, i - 1);
		for (int k = 0; k < 8; k++)
			rn_buf_addf(&b, ",*x%d", i - 1);
		rn_buf_adds(&b, "]\n");
	}
	struct rn_error err = { 0 };
	assert_null(openapi_parse("a.yaml", rn_buf_str(&b), b.len, &err));
	assert_non_null(strstr(err.msg, "too many values"));
	assert_int_not_equal(err.line, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_and_json_give_the_same_document),
		cmocka_unit_test(the_text_tells_the_notation_when_the_name_does_not),
		cmocka_unit_test(a_broken_document_is_refused_at_its_place),
		cmocka_unit_test(aliases_cannot_grow_without_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
