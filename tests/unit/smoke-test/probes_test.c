/* SPDX-License-Identifier: Apache-2.0 */
/* How the parameters of smoke-test become requests. */
#include "tests/unit/mock_host.h"

#include "plugins/smoke-test/probe.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

static int make(struct smoke_params p, const char *set, struct probes *ps, struct runner_stage *rs, struct rn_error *err,
		struct stage *s)
{
	*rs = (struct runner_stage){ .set = set };
	stage_init(s, rs, &mock_host, STAGE_RUN);
	return probes_init(ps, s, &p, err);
}

static void refused(struct smoke_params p, const char *param, const char *words)
{
	struct probes ps = { 0 };
	struct runner_stage rs;
	struct stage s;
	struct rn_error err = { 0 };
	assert_int_equal(make(p, NULL, &ps, &rs, &err, &s), -1);
	assert_int_equal(err.code, RN_EINVAL);
	assert_non_null(strstr(err.msg, words));
	if (param)
		assert_string_equal(s.param, param);
	assert_null(ps.v);
}

static void one_request_from_the_parameters(void **state)
{
	(void)state;
	const struct runner_pair pairs[] = { { "x-api-key", "k" } };
	struct smoke_params p = { .url = "http://h/x?q=secret", .json = { "[1, 2]" }, .headers = { pairs, 1 } };
	RN_AUTO(probes_clear) struct probes ps = { 0 };
	struct runner_stage rs;
	struct stage s;
	assert_int_equal(make(p, NULL, &ps, &rs, NULL, &s), 0);
	assert_int_equal(ps.n, 1);
	assert_string_equal(ps.v[0].method, "POST");
	assert_string_equal(ps.v[0].body, "[1,2]");
	assert_string_equal(ps.v[0].name, "POST http://h/x");
	assert_string_equal(http_headers_get(&ps.v[0].headers, "content-type"), "application/json");
	assert_string_equal(http_headers_get(&ps.v[0].headers, "x-api-key"), "k");
	assert_int_equal(ps.v[0].retry_ms, 30000);
	assert_false(ps.v[0].retry_given);
}

static void entries_inherit_what_they_lack(void **state)
{
	(void)state;
	const struct runner_pair pairs[] = { { "A", "1" }, { "B", "2" } };
	struct smoke_params p = {
		.url = "http://h/base/",
		.headers = { pairs, 2 },
		.expect = { "{\"status\":201}" },
		.retry_for = { 5000 },
		.requests = { "[{\"name\":\"first\",\"url\":\"health\",\"headers\":{\"B\":\"3\"}},"
			      "{\"url\":\"/x\",\"json\":{\"a\":1},\"expect\":{\"status\":404},\"retry_for\":\"0s\"},"
			      "{\"url\":\"https://other/y\",\"method\":\"DELETE\",\"body\":\"text\"},{}]" },
	};
	RN_AUTO(probes_clear) struct probes ps = { 0 };
	struct runner_stage rs;
	struct stage s;
	assert_int_equal(make(p, " retry_for ", &ps, &rs, NULL, &s), 0);
	assert_int_equal(ps.n, 4);
	assert_string_equal(ps.v[0].name, "first (GET http://h/base/health)");
	assert_string_equal(http_headers_get(&ps.v[0].headers, "B"), "3");
	assert_string_equal(http_headers_get(&ps.v[0].headers, "A"), "1");
	assert_int_equal(rn_json_int(ps.v[0].expect, "status", 0), 201);
	assert_int_equal(ps.v[0].retry_ms, 5000);
	assert_string_equal(ps.v[1].url, "http://h/x");
	assert_string_equal(ps.v[1].method, "POST");
	assert_int_equal(rn_json_int(ps.v[1].expect, "status", 0), 404);
	assert_int_equal(ps.v[1].retry_ms, 0);
	assert_string_equal(ps.v[2].url, "https://other/y");
	assert_string_equal(ps.v[2].method, "DELETE");
	assert_null(http_headers_get(&ps.v[2].headers, "Content-Type"));
	assert_string_equal(ps.v[3].url, "http://h/base/");
}

static void what_cannot_work_is_refused_with_its_place(void **state)
{
	(void)state;
	refused((struct smoke_params){ 0 }, NULL, "neither url nor requests");
	refused((struct smoke_params){ .url = "h/x" }, "url", "http://");
	refused((struct smoke_params){ .url = "http://h", .method = "get" }, "method", "capitals");
	refused((struct smoke_params){ .url = "http://h", .body = "a", .json = { "1" } }, "body", "one body");
	refused((struct smoke_params){ .url = "http://h", .expect = { "{\"x\":1}" } }, "expect", "\"x\"");
	static const char *const lists[][2] = {
		{ "[]", "a list" }, { "{}", "a list" }, { "[1]", "requests[0]" }, { "[{},{\"ulr\":\"x\"}]", "requests[1] has no key \"ulr\"" },
		{ "[{\"url\":5}]", "requests[0].url" }, { "[{\"json\":1,\"body\":\"x\"}]", "both" },
		{ "[{\"expect\":{\"status\":1}}]", "requests[0].expect.status" }, { "[{\"retry_for\":\"x\"}]", "retry_for" },
		{ "[{\"headers\":{\"a\":[]}}]", "requests[0].headers.a" }, { "[{\"method\":\"x\"}]", "method" },
	};
	for (size_t i = 0; i < RN_LEN(lists); i++)
		refused((struct smoke_params){ .url = "http://h", .requests = { lists[i][0] } }, "requests", lists[i][1]);
	refused((struct smoke_params){ .requests = { "[{\"url\":\"/x\"}]" } }, "requests", "http://");
	refused((struct smoke_params){ .url = "http://h", .body = "x", .requests = { "[{}]" } }, "requests", "its own");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request_from_the_parameters),
		cmocka_unit_test(entries_inherit_what_they_lack),
		cmocka_unit_test(what_cannot_work_is_refused_with_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
