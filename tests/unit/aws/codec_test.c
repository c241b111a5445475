/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/codec.h"

#include "aws/sts.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void decode(const char *type, const char *body, struct aws_error *ret)
{
	struct http_response r = { .status = 400 };
	*ret = (struct aws_error){ 0 };
	if (type)
		http_headers_add(&r.headers, "x-amzn-errortype", type);
	rn_buf_adds(&r.body, body);
	RN_AUTO(rn_json_freep) cJSON *j = aws_decode(&r.body, NULL);
	aws_decode_error(&r, j, ret);
	http_response_clear(&r);
}

static void error_codes_in_all_their_forms(void **state)
{
	(void)state;
	static const char *const cases[][4] = {
		{ "NotFoundException", "{\"message\":\"m\"}", "NotFoundException", "m" },
		{ "aws.x#BadException:http://internal.amazon.com/a#b", "{\"Message\":\"m\"}", "BadException", "m" },
		{ NULL, "{\"__type\":\"com.amazonaws.ecr#XException\",\"message\":\"m\"}", "XException", "m" },
		{ NULL, "{\"code\":\"YException\"}", "YException", "" },
		{ NULL, "<ErrorResponse><Error><Code>Z</Code><Message>m</Message></Error></ErrorResponse>", "Z", "m" },
		{ NULL, "<Response><Errors><Error><Code>W</Code><Message>m</Message></Error></Errors></Response>", "W", "m" },
		{ NULL, "Bad Gateway", "", "Bad Gateway" },
		{ NULL, "", "", "" },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct aws_error e;
		decode(cases[i][0], cases[i][1], &e);
		assert_string_equal(e.code, cases[i][2]);
		assert_string_equal(e.message, cases[i][3]);
	}
}

static struct aws_error error(int status, const char *code)
{
	struct aws_error e = { .http_status = status };
	snprintf(e.code, sizeof(e.code), "%s", code);
	return e;
}

static void verdicts(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *code;
		enum aws_verdict verdict;
	} cases[] = {
		{ 400, "Throttling", AWS_THROTTLED },	    { 400, "ThrottlingException", AWS_THROTTLED },
		{ 429, "TooManyRequestsException", AWS_THROTTLED }, { 429, "", AWS_THROTTLED },
		{ 500, "ServiceException", AWS_TRANSIENT }, { 503, "", AWS_TRANSIENT },
		{ 0, "", AWS_TRANSIENT },		    { 400, "IDPCommunicationError", AWS_THROTTLED },
		{ 403, "SignatureDoesNotMatch", AWS_SKEWED }, { 403, "ExpiredToken", AWS_EXPIRED },
		{ 403, "AccessDenied", AWS_FATAL },	    { 404, "NoSuchEntity", AWS_FATAL },
		{ 409, "ResourceConflictException", AWS_FATAL }, { 400, "LimitExceededException", AWS_THROTTLED },
		{ 501, "", AWS_FATAL },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct aws_error e = error(cases[i].status, cases[i].code);
		assert_int_equal(aws_judge(&e), cases[i].verdict);
	}
}

static void codes_compare_without_their_tails(void **state)
{
	(void)state;
	struct aws_error e = error(404, "ResourceNotFoundException");
	assert_true(aws_error_is(&e, "ResourceNotFoundException"));
	assert_true(aws_error_is(&e, "ResourceNotFound"));
	assert_false(aws_error_is(&e, "Resource"));
	assert_int_equal(aws_error_class(&e), RN_ENOTFOUND);
	e = error(409, "EntityAlreadyExists");
	assert_true(aws_error_is(&e, "EntityAlreadyExistsException"));
	assert_int_equal(aws_error_class(&e), RN_EEXISTS);
	e = error(403, "AccessDenied");
	assert_int_equal(aws_error_class(&e), RN_EAUTH);
	e = error(0, "");
	assert_false(aws_error_is(&e, ""));
}

static void paths_encode_their_labels(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *p = aws_path("/tags/{}/x/{}", "arn:aws:lambda:r:1:function/f", "a b");
	assert_string_equal(p, "/tags/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%2Ff/x/a%20b");
}

static void claims_of_a_token_are_shown(void **state)
{
	(void)state;
	/* {"iss":"i","aud":["a"],"sub":"s"} */
	RN_AUTO(rn_freep) char *text = aws_jwt_claims("e30.eyJpc3MiOiJpIiwiYXVkIjpbImEiXSwic3ViIjoicyJ9.x");
	assert_string_equal(text, "iss=i, aud=[\"a\"], sub=s");
	static const char *const bad[] = { "", "x", "a.b", "a.!!.c", "a.e30.c.d" };
	for (size_t i = 0; i < RN_LEN(bad); i++) {
		RN_AUTO(rn_freep) char *t = aws_jwt_claims(bad[i]);
		assert_non_null(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_codes_in_all_their_forms),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(codes_compare_without_their_tails),
		cmocka_unit_test(paths_encode_their_labels),
		cmocka_unit_test(claims_of_a_token_are_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
