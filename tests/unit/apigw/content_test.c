/* SPDX-License-Identifier: Apache-2.0 */
/* Routes, settings, documents, policies and patches of the apigw stage. */
#include "plugins/apigw/api.h"
#include "plugins/apigw/openapi.h"
#include "plugins/apigw/settings.h"

#include "base/fs.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct content_place here = { "aws", "eu-west-1", "123456789012" };

static void sources_are_as_narrow_as_the_route(void **state)
{
	(void)state;
	static const char *const cases[][3] = { { "POST", "/predict", "POST/predict" },
						{ "ANY", "/", "*/" },
						{ "GET", "/a/{id}/b", "GET/a/*/b" },
						{ "GET", "/a/{rest+}", "GET/a/*" } };
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(rn_freep) char *s = policy_source(&here, "ab12", "test", cases[i][0], cases[i][1]);
		RN_AUTO(rn_freep) char *want = rn_asprintf("arn:aws:execute-api:eu-west-1:123456789012:ab12/test/%s", cases[i][2]);
		assert_string_equal(s, want);
	}
}

static void a_function_may_be_a_name_or_an_arn_with_a_qualifier(void **state)
{
	(void)state;
	struct function_ref r = { 0 };
	RN_AUTO(rn_freep) char *arn = content_function_arn("fn", &here);
	assert_string_equal(arn, "arn:aws:lambda:eu-west-1:123456789012:function:fn");
	function_ref_parse("arn:aws:lambda:eu-west-1:123456789012:function:fn:live", &r);
	assert_string_equal(r.arn, arn);
	assert_string_equal(r.qualifier, "live");
	function_ref_clear(&r);
}

/* The patch from one stage's methodSettings to what the parameters want: "op path value|…". */
static char *settings(const char *have, const char *throttle, const char *level, struct throttle route, const struct throttle *account)
{
	struct apigw_params p = { .throttle = { throttle }, .log_level = level };
	RN_AUTO(routes_clear) struct routes r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *stage = cJSON_CreateObject(), *ops = cJSON_CreateArray();
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	const cJSON *op;
	assert_int_equal(routes_add(&r, "/a/{id}", "GET", "fn", "NONE", false, NULL), 0);
	r.v[0].throttle = route;
	cJSON_AddItemToObject(stage, "methodSettings", rn_json_parse_str(have, NULL));
	RN_AUTO(rn_json_freep) cJSON *present = settings_have(stage), *want = settings_want(&r, &p);
	settings_patch(ops, present, want, account, &d);
	assert_int_equal(cJSON_GetArraySize(ops), d.lines.n);
	cJSON_ArrayForEach(op, ops)
	{
		const char *value = rn_json_str(op, "value");
		rn_strv_addf(&lines, "%s %s%s%s", rn_json_str(op, "op"), rn_json_str(op, "path"), value ? " " : "", value ? value : "");
	}
	return lines.n ? rn_strv_join(&lines, "|") : rn_strdup("");
}

static void settings_of_a_stage_and_of_one_method(void **state)
{
	(void)state;
	const struct throttle none = { 0 }, account = { 10000, 5000 }, route = { 3, 4 };
	RN_AUTO(rn_freep) char *nothing = settings("{}", NULL, "OFF", none, &none);
	assert_string_equal(nothing, "");
	RN_AUTO(rn_freep) char *all = settings("{}", "{\"rate\":5,\"burst\":6}", "ERROR", none, &none);
	assert_string_equal(all, "replace /*/*/throttling/rateLimit 5|replace /*/*/throttling/burstLimit 6|replace /*/*/logging/loglevel ERROR");
	RN_AUTO(rn_freep)
	char *filled = settings("{\"*/*\":{\"throttlingRateLimit\":10000,\"throttlingBurstLimit\":5000,\"loggingLevel\":\"ERROR\"}}", NULL, "ERROR", none,
				&account);
	assert_string_equal(filled, "");
	RN_AUTO(rn_freep) char *drift = settings("{\"*/*\":{\"throttlingRateLimit\":7,\"throttlingBurstLimit\":5000}}", NULL, "OFF", none, &account);
	assert_string_equal(drift, "replace /*/*/throttling/rateLimit -1|replace /*/*/throttling/burstLimit -1");
	RN_AUTO(rn_freep) char *one = settings("{}", NULL, "OFF", route, &none);
	assert_string_equal(one, "replace /a~1{id}/GET/throttling/rateLimit 3|replace /a~1{id}/GET/throttling/burstLimit 4");
}

static void keys_of_settings_are_the_same_however_they_are_escaped(void **state)
{
	(void)state;
	const struct throttle none = { 0 }, route = { 3, 4 };
	static const char *const names[] = { "a/{id}/GET", "a~1{id}/GET", "~1a~1{id}/GET" };
	for (size_t i = 0; i < RN_LEN(names); i++) {
		RN_AUTO(rn_freep) char *have = rn_asprintf("{\"%s\":{\"throttlingRateLimit\":3,\"throttlingBurstLimit\":4}}", names[i]);
		RN_AUTO(rn_freep) char *patch = settings(have, NULL, "OFF", route, &none);
		assert_string_equal(patch, "");
	}
	RN_AUTO(rn_freep) char *root = settings("{\"~1/GET\":{\"throttlingRateLimit\":3}}", NULL, "OFF", none, &none);
	assert_string_equal(root, "remove /~1/GET");
}

/* ---- documents -------------------------------------------------------------------------------- */

#define PATHS(inner) "{\"openapi\":\"3.0.1\",\"paths\":{" inner "},\"components\":{\"securitySchemes\":{" \
	"\"k\":{\"type\":\"apiKey\",\"name\":\"X-API-Key\",\"in\":\"header\"},\"o\":{\"type\":\"oauth2\"}}}}"

static cJSON *read_text(const char *text, const char *name, struct rn_error *err)
{
	char folder[] = "/tmp/openapi-XXXXXX";
	assert_non_null(mkdtemp(folder));
	RN_AUTO(rn_freep) char *path = rn_path_join(folder, name);
	assert_int_equal(rn_write_file(path, text, strlen(text), 0600, err), 0);
	cJSON *doc = openapi_read(path, err);
	unlink(path);
	rmdir(folder);
	return doc;
}

static void a_document_is_completed_and_seen_as_routes(void **state)
{
	(void)state;
	struct rn_error err = { 0 };
	RN_AUTO(routes_clear) struct routes r = { 0 };
	struct apigw_params p = { .api_name = "squares", .function = "fn", .integration_timeout = { 5000 } };
	RN_AUTO(rn_json_freep)
	cJSON *doc = read_text(PATHS("\"/b/{id}\":{\"get\":{\"security\":[{\"k\":[]}]},\"parameters\":[]},"
				     "\"/a\":{\"x-amazon-apigateway-any-method\":{\"x-amazon-apigateway-integration\":{\"type\":\"http_proxy\","
				     "\"httpMethod\":\"GET\",\"uri\":\"https://example.org\"}},\"post\":{\"security\":[{\"o\":[]}]}}"),
			       "api.json", &err);
	assert_non_null(doc);
	assert_int_equal(openapi_complete(doc, &p, &here, true, &err), 0);
	assert_string_equal(rn_json_str(rn_json_get(doc, "info"), "title"), "squares");
	assert_int_equal(openapi_routes(doc, &r, &err), 0);
	assert_int_equal(r.n, 3);
	assert_string_equal(r.v[0].method, "ANY");
	assert_null(r.v[0].function);
	assert_string_equal(r.v[2].path, "/b/{id}");
	assert_true(r.v[2].key_required);
	assert_string_equal(r.v[2].function, "arn:aws:lambda:eu-west-1:123456789012:function:fn");
	RN_AUTO(rn_json_freep) cJSON *content = openapi_content(doc);
	const cJSON *get = rn_json_get(rn_json_get(content, "/b/{id}"), "GET"), *post = rn_json_get(rn_json_get(content, "/a"), "POST");
	assert_string_equal(rn_json_str(get, "authorizationType"), "NONE");
	assert_null(rn_json_str(post, "authorizationType")); /* API Gateway works it out of the scheme */
	assert_string_equal(rn_json_str(rn_json_get(get, "integration"), "type"), "AWS_PROXY");
}

static void documents_that_cannot_be_imported_are_refused(void **state)
{
	(void)state;
	static const char *const bad[][3] = { { "{\"openapi\":\"3.1.0\",\"paths\":{\"/a\":{\"get\":{}}}}", "a.json", "3.1.0" },
					      { "{\"paths\":{}}", "a.json", "swagger" },
					      { "{\"swagger\":\"2.0\",\"paths\":{}}", "a.json", "no operation" },
					      { "openapi: 3.0.1", "a.yaml", "no operation" },
					      { "{", "a.json", "a.json" } };
	for (size_t i = 0; i < RN_LEN(bad); i++) {
		struct rn_error err = { 0 };
		assert_null(read_text(bad[i][0], bad[i][1], &err));
		assert_non_null(strstr(err.msg, bad[i][2]));
	}
}

static void a_label_changes_with_the_content_alone(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep) cJSON *a = rn_json_parse_str("{\"x\":1,\"y\":2}", NULL), *b = rn_json_parse_str("{\"y\":2,\"x\":1}", NULL);
	RN_AUTO(rn_json_freep) cJSON *types = rn_json_parse_str("[\"b/b\",\"a/a\"]", NULL), *same = rn_json_parse_str("[\"a/a\",\"b/b\"]", NULL);
	RN_AUTO(rn_json_freep) cJSON *none = cJSON_CreateArray();
	RN_AUTO(rn_freep) char *one = content_label(a, types);
	RN_AUTO(rn_freep) char *two = content_label(b, same);
	RN_AUTO(rn_freep) char *three = content_label(b, none);
	assert_string_equal(one, two);
	assert_string_not_equal(one, three);
	assert_true(rn_starts(one, CONTENT_LABEL_PREFIX));
}

static void a_plan_limits_single_methods(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep) cJSON *ops = cJSON_CreateArray();
	RN_AUTO(rn_json_freep) cJSON *have = rn_json_parse_str("{\"/a/GET\":{\"rateLimit\":1,\"burstLimit\":2},\"/b/c/PUT\":{\"rateLimit\":1,\"burstLimit\":1}}", NULL);
	RN_AUTO(rn_json_freep) cJSON *want = rn_json_parse_str("{\"/a/GET\":{\"rateLimit\":1,\"burstLimit\":3},\"//GET\":{\"rateLimit\":1.5,\"burstLimit\":1}}", NULL);
	patch_plan_methods(ops, "x:test", have, want);
	RN_AUTO(rn_freep) char *text = rn_json_print(ops);
	assert_string_equal(text, "[{\"op\":\"replace\",\"path\":\"/apiStages/x:test/throttle/~1a/GET/burstLimit\",\"value\":\"3\"},"
				  "{\"op\":\"replace\",\"path\":\"/apiStages/x:test/throttle/~1/GET/rateLimit\",\"value\":\"1.5\"},"
				  "{\"op\":\"replace\",\"path\":\"/apiStages/x:test/throttle/~1/GET/burstLimit\",\"value\":\"1\"},"
				  "{\"op\":\"remove\",\"path\":\"/apiStages/x:test/throttle/~1b~1c/PUT\"}]");
}

static void quotas_of_the_control_plane(void **state)
{
	(void)state;
	assert_int_equal(api_pace_interval("CreateRestApi", false), 3000);
	assert_int_equal(api_pace_interval("CreateRestApi", true), 30000);
	assert_int_equal(api_pace_interval("CreateDeployment", false), 5000);
	assert_int_equal(api_pace_interval("GetRestApis", false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_as_narrow_as_the_route),
		cmocka_unit_test(a_function_may_be_a_name_or_an_arn_with_a_qualifier),
		cmocka_unit_test(settings_of_a_stage_and_of_one_method),
		cmocka_unit_test(keys_of_settings_are_the_same_however_they_are_escaped),
		cmocka_unit_test(a_document_is_completed_and_seen_as_routes),
		cmocka_unit_test(documents_that_cannot_be_imported_are_refused),
		cmocka_unit_test(a_label_changes_with_the_content_alone),
		cmocka_unit_test(a_plan_limits_single_methods),
		cmocka_unit_test(quotas_of_the_control_plane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
