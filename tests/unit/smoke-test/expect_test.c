/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/smoke-test/expect.h"
#include "plugins/smoke-test/explain.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Differences of an answer {status, header X, body} from `expect`, joined by '|'; "" when there are none. */
static char *compare(const char *expect, int status, const char *x, const char *body, int64_t ms)
{
	RN_AUTO(rn_json_freep) cJSON *e = expect ? rn_json_parse_str(expect, NULL) : NULL;
	struct rn_error err = { 0 };
	struct http_response r = { .status = status, .total_ms = ms };
	struct rn_strv lines = { 0 };
	assert_int_equal(expect_validate(e, "expect", &err), 0);
	if (x)
		http_headers_add(&r.headers, "X", x);
	rn_buf_adds(&r.body, body);
	expect_compare(e, &r, &lines);
	char *text = lines.n ? rn_strv_join(&lines, "|") : rn_strdup("");
	rn_strv_clear(&lines);
	http_response_clear(&r);
	return text;
}

static void is(const char *expect, int status, const char *body, const char *want)
{
	RN_AUTO(rn_freep) char *text = compare(expect, status, "v", body, 100);
	assert_string_equal(text, want);
}

static void statuses(void **state)
{
	(void)state;
	is(NULL, 204, "", "");
	is(NULL, 404, "", "status: expected 2xx, got 404");
	is("{\"status\":404}", 404, "", "");
	is("{\"status\":\"404\"}", 404, "", "");
	is("{\"status\":\"4xx\"}", 404, "", "");
	is("{\"status\":[200,\"3xx\"]}", 302, "", "");
	is("{\"status\":[200,\"3xx\"]}", 403, "", "status: expected [200,\"3xx\"], got 403");
}

static void headers(void **state)
{
	(void)state;
	is("{\"headers\":{\"x\":\"v\"}}", 200, "", "");
	is("{\"headers\":{\"x\":true,\"y\":false}}", 200, "", "");
	is("{\"headers\":{\"x\":false}}", 200, "", "header x: expected none, got \"v\"");
	is("{\"headers\":{\"y\":\"v\"}}", 200, "", "header y: is missing");
	is("{\"headers\":{\"x\":\"w\"}}", 200, "", "header x: expected \"w\", got \"v\"");
	is("{\"headers\":{\"x\":{\"regex\":\"^[a-z]$\"}}}", 200, "", "");
}

static void json_whole_and_in_part(void **state)
{
	(void)state;
	is("{\"json\":[1,4,9]}", 200, " [1, 4.0, 9]", "");
	is("{\"json\":[1,4,9]}", 200, "[1,4]", "json $[2]: expected 9, got nothing");
	is("{\"json\":{\"a\":1}}", 200, "{\"a\":1,\"b\":2}", "json $.b: expected nothing, got 2");
	is("{\"json_subset\":{\"a\":1}}", 200, "{\"a\":1,\"b\":2}", "");
	is("{\"json_subset\":{\"a\":{\"c\":[1]}}}", 200, "{\"a\":{\"c\":[2]}}", "json $.a.c[0]: expected 1, got 2");
	is("{\"json_subset\":{\"c\":1}}", 200, "{\"a\":1}", "json $.c: expected 1, got nothing");
	is("{\"json_path\":{\"a.0.b\":true}}", 200, "{\"a\":[{\"b\":true}]}", "");
	is("{\"json_path\":{\"a.0.b\":true}}", 200, "{}", "json a.0.b: expected true, got nothing");
	is("{\"json\":null}", 200, "null", "");
	RN_AUTO(rn_freep) char *text = compare("{\"json\":1}", 200, NULL, "<html>", 1);
	assert_non_null(strstr(text, "the body is not JSON"));
	assert_non_null(strstr(text, "<html>"));
}

static void many_differences_are_cut(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *text = compare("{\"json\":[0,0,0,0,0,0,0,0,0,0,0,0]}", 200, NULL, "[1,1,1,1,1,1,1,1,1,1,1,1]", 1);
	assert_non_null(strstr(text, "json $[9]: "));
	assert_null(strstr(text, "json $[10]: "));
	assert_non_null(strstr(text, "json: and more"));
}

static void texts(void **state)
{
	(void)state;
	is("{\"body\":\"hello\"}", 200, "hello", "");
	is("{\"body\":\"hello\"}", 200, "bye", "body: expected \"hello\", got \"bye\"");
	is("{\"body\":{\"contains\":\"ell\",\"not_contains\":\"x\",\"regex\":\"^h.*o$\",\"equals\":\"hello\"}}", 200, "hello", "");
	is("{\"body\":{\"contains\":\"x\"}}", 200, "hello", "body: expected a text that contains \"x\", got \"hello\"");
	is("{\"body\":{\"not_contains\":\"h\"}}", 200, "hello", "body: expected a text without \"h\", got \"hello\"");
	is("{\"body\":{\"regex\":\"^x\"}}", 200, "hello", "body: expected a text that matches \"^x\", got \"hello\"");
}

static void latency(void **state)
{
	(void)state;
	is("{\"latency\":\"100ms\"}", 200, "", "");
	is("{\"latency\":\"99ms\"}", 200, "", "latency: expected at most 99 ms, got 100 ms");
	is("{\"latency\":0.05}", 200, "", "latency: expected at most 50 ms, got 100 ms");
}

static void malformed_expectations_are_refused(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{ "[]", "a map" },
		{ "{\"statsu\":1}", "statsu" },
		{ "{\"status\":99}", "expect.status" },
		{ "{\"status\":\"6xx\"}", "expect.status" },
		{ "{\"status\":[]}", "expect.status" },
		{ "{\"headers\":[]}", "expect.headers" },
		{ "{\"headers\":{\"a\":5}}", "expect.headers.a" },
		{ "{\"body\":true}", "expect.body" },
		{ "{\"body\":{}}", "expect.body" },
		{ "{\"body\":{\"contain\":\"x\"}}", "contain" },
		{ "{\"body\":{\"regex\":\"(\"}}", "regular expression" },
		{ "{\"latency\":\"fast\"}", "expect.latency" },
		{ "{\"json_path\":[]}", "expect.json_path" },
	};
	for (size_t i = 0; i < RN_LEN(bad); i++) {
		struct rn_error err = { 0 };
		RN_AUTO(rn_json_freep) cJSON *e = rn_json_parse_str(bad[i][0], NULL);
		assert_int_equal(expect_validate(e, "expect", &err), -1);
		assert_non_null(strstr(err.msg, bad[i][1]));
	}
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *e = rn_json_parse_str("{\"statsu\":1}", NULL);
	expect_validate(e, "expect", &err);
	assert_non_null(strstr(err.hint, "\"status\""));
}

static const char *explained(int status, const char *type, const char *body, bool key)
{
	struct http_response r = { .status = status };
	if (type)
		http_headers_add(&r.headers, "x-amzn-ErrorType", type);
	rn_buf_adds(&r.body, body);
	const char *text = explain_answer(&r, key);
	http_response_clear(&r);
	return text;
}

static void refusals_of_api_gateway_are_told_apart(void **state)
{
	(void)state;
	assert_non_null(strstr(explained(403, "MissingAuthenticationTokenException", "", true), "no such route"));
	assert_non_null(strstr(explained(403, "ForbiddenException", "{\"message\":\"Forbidden\"}", false), "none was sent"));
	assert_non_null(strstr(explained(403, "ForbiddenException", "{\"message\":\"Forbidden\"}", true), "does not accept the key"));
	assert_non_null(strstr(explained(429, "LimitExceededException", "{\"message\":\"Limit Exceeded\"}", true), "quota"));
	assert_non_null(strstr(explained(429, "TooManyRequestsException", "{\"message\":\"Too Many Requests\"}", true), "throttled"));
	assert_non_null(strstr(explained(502, "InternalServerErrorException", "", true), "function failed"));
	assert_null(explained(403, NULL, "{\"message\":\"Forbidden\"}", true)); /* not API Gateway */
	assert_null(explained(404, "x", "", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(headers),
		cmocka_unit_test(json_whole_and_in_part),
		cmocka_unit_test(many_differences_are_cut),
		cmocka_unit_test(texts),
		cmocka_unit_test(latency),
		cmocka_unit_test(malformed_expectations_are_refused),
		cmocka_unit_test(refusals_of_api_gateway_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
