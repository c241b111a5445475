/* SPDX-License-Identifier: Apache-2.0 */
/* The event of a Lambda proxy integration, and which answers make which response. */
#include "localcloud/apigw_event.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
	struct cloud cloud;
	struct request req;
	struct response res;
	struct gateway_call call;
	cJSON *resource, *method, *snapshot;
};

static cJSON *json(const char *text)
{
	cJSON *doc = rn_json_parse_str(text, NULL);
	assert_non_null(doc);
	return doc;
}

static int set_up(void **state)
{
	struct fixture *f = rn_alloc(sizeof(*f));
	f->cloud = (struct cloud){ .quiet = true, .port = 4566, .host = rn_strdup("127.0.0.1:4566") };
	f->req.cloud = &f->cloud;
	f->req.protocol = PROTOCOL_GATEWAY;
	cloud_uuid(f->req.id);
	response_init(&f->res);
	f->resource = json("{\"id\":\"r1\",\"path\":\"/pets/{id}\"}");
	f->method = json("{\"httpMethod\":\"ANY\"}");
	f->snapshot = json("{\"api\":{\"binaryMediaTypes\":[\"image/png\",\"application/x-*\"]}}");
	f->call = (struct gateway_call){ .req = &f->req, .res = &f->res, .api_id = rn_strdup("abc"), .stage_name = rn_strdup("test"),
					 .path = rn_strdup("/pets/a%20b"), .stage = json("{\"variables\":{\"v\":\"1\"}}"),
					 .snapshot = f->snapshot, .resource = f->resource, .method = f->method, .verb = "POST" };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	gateway_call_clear(&f->call);
	response_clear(&f->res);
	pairs_clear(&f->req.headers);
	pairs_clear(&f->req.args);
	rn_buf_clear(&f->req.body);
	cJSON_Delete(f->resource);
	cJSON_Delete(f->method);
	cJSON_Delete(f->snapshot);
	free(f->cloud.host);
	free(f);
	return 0;
}

static cJSON *build(struct fixture *f)
{
	RN_AUTO(rn_freep) char *text = event_build(&f->call);
	return json(text);
}

static void expect(const cJSON *doc, const char *path, const char *text)
{
	RN_AUTO(rn_freep) char *have = rn_json_print(rn_json_path(doc, path));
	if (strcmp(have, text) != 0)
		fail_msg("%s is %s, not %s", path, have, text);
}

static void test_an_event_has_what_aws_gives(void **state)
{
	struct fixture *f = *state;
	pairs_add(&f->req.headers, "X-A", "1");
	pairs_add(&f->req.headers, "X-A", "2");
	pairs_parse(&f->req.args, "q=1&q=2&e=");
	pairs_add(&f->call.path_params, "id", "a b");
	rn_buf_adds(&f->req.body, "text \"quoted\"");
	RN_AUTO(rn_json_freep) cJSON *event = build(f);
	expect(event, "resource", "\"/pets/{id}\"");
	expect(event, "path", "\"/pets/a b\"");
	expect(event, "httpMethod", "\"POST\"");
	expect(event, "headers.X-A", "\"2\"");
	expect(event, "multiValueHeaders.X-A", "[\"1\",\"2\"]");
	expect(event, "queryStringParameters", "{\"q\":\"2\",\"e\":\"\"}");
	expect(event, "multiValueQueryStringParameters.q", "[\"1\",\"2\"]");
	expect(event, "pathParameters", "{\"id\":\"a b\"}");
	expect(event, "stageVariables", "{\"v\":\"1\"}");
	expect(event, "requestContext.path", "\"/test/pets/a b\"");
	expect(event, "requestContext.stage", "\"test\"");
	expect(event, "requestContext.apiId", "\"abc\"");
	expect(event, "requestContext.identity.cognitoIdentityId", "null");
	expect(event, "body", "\"text \\\"quoted\\\"\"");
	expect(event, "isBase64Encoded", "false");
}

static void test_what_is_empty_is_null(void **state)
{
	struct fixture *f = *state;
	RN_AUTO(rn_json_freep) cJSON *event = build(f);
	expect(event, "queryStringParameters", "null");
	expect(event, "multiValueQueryStringParameters", "null");
	expect(event, "pathParameters", "null");
	expect(event, "body", "null");
}

static void test_a_binary_body_is_base64(void **state)
{
	struct fixture *f = *state;
	rn_buf_add(&f->req.body, "\x89PNG\0", 5);
	pairs_add(&f->req.headers, "Content-Type", "image/png; x=y");
	RN_AUTO(rn_json_freep) cJSON *event = build(f);
	expect(event, "body", "\"iVBORwA=\"");
	expect(event, "isBase64Encoded", "true");
}

static void test_a_body_that_is_no_text_stays_valid_json(void **state)
{
	struct fixture *f = *state;
	rn_buf_add(&f->req.body, "a\xff" "b", 3);
	RN_AUTO(rn_json_freep) cJSON *event = build(f);
	expect(event, "body", "\"a\xef\xbf\xbd" "b\"");
}

static int answer(struct fixture *f, const char *payload)
{
	response_clear(&f->res);
	return event_answer(&f->call, payload, strlen(payload), NULL);
}

static void test_answers(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(answer(f, "{\"statusCode\":201,\"headers\":{\"Content-Type\":\"text/plain\",\"X-N\":5,\"Date\":\"now\"},"
				   "\"multiValueHeaders\":{\"Set-Cookie\":[\"a=1\",\"b=2\"]},\"body\":\"hi\"}"), 0);
	assert_int_equal(f->res.status, 201);
	assert_string_equal(rn_buf_str(&f->res.body), "hi");
	assert_string_equal(pairs_get(&f->res.headers, "content-type", true), "text/plain");
	assert_string_equal(pairs_get(&f->res.headers, "X-N", true), "5");
	assert_string_equal(pairs_get(&f->res.headers, "x-amzn-Remapped-Date", true), "now");
	size_t cookies = 0;
	for (size_t i = 0; i < f->res.headers.n; i++)
		cookies += !strcmp(f->res.headers.v[i].name, "Set-Cookie");
	assert_int_equal(cookies, 2);

	assert_int_equal(answer(f, "{\"statusCode\":\"204\"}"), 0);
	assert_int_equal(f->res.status, 204);
	assert_int_equal(f->res.body.len, 0);
	assert_int_equal(answer(f, "{\"body\":null}"), 0);
	assert_int_equal(f->res.status, 200);
	assert_string_equal(pairs_get(&f->res.headers, "Content-Type", true), "application/json");
}

static void test_malformed_answers(void **state)
{
	struct fixture *f = *state;
	static const char *const BAD[] = { "", "null", "[1]", "\"text\"", "{\"statusCode\":200,\"body\":{\"a\":1}}", "{\"answer\":42}",
					   "{\"statusCode\":\"ok\"}", "{\"statusCode\":200.5}", "{\"statusCode\":99}", "{\"statusCode\":150}", "{\"statusCode\":1000}",
					   "{\"statusCode\":200,\"headers\":{\"a\":{}}}" };
	for (size_t i = 0; i < RN_LEN(BAD); i++)
		if (answer(f, BAD[i]) == 0)
			fail_msg("accepted: %s", BAD[i]);
}

static void test_base64_is_decoded_for_who_accepts_it_first(void **state)
{
	struct fixture *f = *state;
	const char *payload = "{\"statusCode\":200,\"isBase64Encoded\":true,\"body\":\"aGk=\"}";
	answer(f, payload);
	assert_string_equal(rn_buf_str(&f->res.body), "aGk=");
	pairs_add(&f->req.headers, "Accept", "image/png, text/html");
	answer(f, payload);
	assert_string_equal(rn_buf_str(&f->res.body), "hi");
	pairs_clear(&f->req.headers);
	pairs_add(&f->req.headers, "Accept", "text/html, image/png");
	answer(f, payload);
	assert_string_equal(rn_buf_str(&f->res.body), "aGk=");
	pairs_clear(&f->req.headers);
	pairs_add(&f->req.headers, "Accept", "image/png");
	assert_int_equal(answer(f, "{\"isBase64Encoded\":true,\"body\":\"*\"}"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_event_has_what_aws_gives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_empty_is_null, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_binary_body_is_base64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_body_that_is_no_text_stays_valid_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_malformed_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_base64_is_decoded_for_who_accepts_it_first, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
