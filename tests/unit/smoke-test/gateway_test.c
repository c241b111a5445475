/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and routes of API Gateway; places in a JSON value. */
#include "plugins/smoke-test/gateway.h"
#include "plugins/smoke-test/json_path.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void addresses_of_aws_and_of_a_local_endpoint(void **state)
{
	(void)state;
	RN_AUTO(gateway_address_clear) struct gateway_address a = { 0 };
	assert_true(gateway_address_parse("https://ab12.execute-api.eu-west-1.amazonaws.com/test/a/b?x=1", &a));
	assert_string_equal(a.api, "ab12");
	assert_string_equal(a.region, "eu-west-1");
	assert_string_equal(a.stage, "test");
	assert_string_equal(a.path, "/a/b");
	assert_null(a.endpoint);
	gateway_address_clear(&a);
	assert_true(gateway_address_parse("http://127.0.0.1:4566/restapis/ab12/test/_user_request_/predict", &a));
	assert_string_equal(a.endpoint, "http://127.0.0.1:4566");
	assert_string_equal(a.api, "ab12");
	assert_string_equal(a.stage, "test");
	assert_string_equal(a.path, "/predict");
}

static void other_addresses_are_nobodys(void **state)
{
	(void)state;
	static const char *const others[] = { "https://example.org/test", "http://h/restapis/x/y", "nonsense",
					      "https://ab12.execute-api.eu-west-1.amazonaws.com/", "http://h/restapis/a/b/c/_user_request_/x" };
	for (size_t i = 0; i < RN_LEN(others); i++) {
		struct gateway_address a = { 0 };
		assert_false(gateway_address_parse(others[i], &a));
	}
}

static void a_literal_part_beats_a_variable_and_that_the_rest(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep)
	cJSON *paths = rn_json_parse_str("{\"/\":{},\"/{rest+}\":{},\"/items/{id}\":{},\"/items/new\":{},\"/items/{id}/x\":{}}", NULL);
	static const char *const cases[][2] = { { "/", "/" },
						{ "/items/new", "/items/new" },
						{ "/items/7", "/items/{id}" },
						{ "/items/7/", "/items/{id}" },
						{ "/items/7/x", "/items/{id}/x" },
						{ "/items/7/y", "/{rest+}" },
						{ "/other", "/{rest+}" } };
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		const cJSON *r = gateway_route(paths, cases[i][0]);
		assert_non_null(r);
		assert_string_equal(r->string, cases[i][1]);
	}
	cJSON_DeleteItemFromObjectCaseSensitive(paths, "/{rest+}");
	assert_null(gateway_route(paths, "/items"));
	assert_null(gateway_route(paths, "/items/7/y"));
}

static void patterns_of_permissions(void **state)
{
	(void)state;
	assert_true(gateway_covers(":a/test/*/items/*", ":a/test/GET/items/7"));
	assert_true(gateway_covers("*", ""));
	assert_false(gateway_covers(":a/test/POST/items", ":a/test/GET/items"));
	assert_false(gateway_covers(":a/test/GET", ":a/test/GET/items"));
}

static void finds(const char *path, const char *expected)
{
	RN_AUTO(rn_json_freep) cJSON *root = rn_json_parse_str("{\"a\":[{\"b.c\":1,\"d\":[2,3]},4],\"0\":5}", NULL);
	assert_int_equal(json_path_check(path, NULL), 0);
	RN_AUTO(rn_freep) char *text = json_path_find(root, path) ? rn_json_print(json_path_find(root, path)) : rn_strdup("none");
	assert_string_equal(text, expected);
}

static void places_in_a_value(void **state)
{
	(void)state;
	finds("$.a[0].d[1]", "3");
	finds("a.0.d.1", "3");
	finds("$['a'][0][\"b.c\"]", "1");
	finds("$", "{\"a\":[{\"b.c\":1,\"d\":[2,3]},4],\"0\":5}");
	finds("$.a[2]", "none");
	finds("$[\"0\"]", "5");
	finds("a.x", "none");
}

static void what_names_more_than_one_place_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "$.a[*]", "$.a[-1]", "$..a", "$.a[0", "a[0]b", "$.", "a[]", "$.*", "a['x]" };
	for (size_t i = 0; i < RN_LEN(bad); i++) {
		struct rn_error err = { 0 };
		assert_int_equal(json_path_check(bad[i], &err), -1);
		assert_non_null(strstr(err.msg, bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_aws_and_of_a_local_endpoint),
		cmocka_unit_test(other_addresses_are_nobodys),
		cmocka_unit_test(a_literal_part_beats_a_variable_and_that_the_rest),
		cmocka_unit_test(patterns_of_permissions),
		cmocka_unit_test(places_in_a_value),
		cmocka_unit_test(what_names_more_than_one_place_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
