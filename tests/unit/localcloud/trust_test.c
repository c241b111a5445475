/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a trust policy lets in. */
#include "localcloud/iam.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char ROOT[] = "arn:aws:iam::000000000000:root";

static bool asks(const char *statements, const char *kind, const char *who, const char *key, const char *value)
{
	RN_AUTO(rn_freep) char *document = rn_asprintf("{\"Version\":\"2012-10-17\",\"Statement\":%s}", statements);
	RN_AUTO(pairs_clear) struct pairs context = { 0 };
	if (key)
		pairs_add(&context, key, value);
	const struct iam_question q = { .action = "sts:AssumeRole", .kind = kind, .principals = &who, .n_principals = 1, .context = &context };
	return iam_trust_allows(document, &q);
}

#define ALLOW(principal, rest) "[{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\",\"Principal\":" principal rest "}]"

static void test_principals(void **state)
{
	(void)state;
	assert_true(asks(ALLOW("{\"AWS\":\"arn:aws:iam::000000000000:root\"}", ""), "AWS", ROOT, NULL, NULL));
	assert_true(asks(ALLOW("{\"AWS\":[\"x\",\"arn:aws:iam::000000000000:root\"]}", ""), "AWS", ROOT, NULL, NULL));
	assert_true(asks(ALLOW("\"*\"", ""), "AWS", ROOT, NULL, NULL));
	assert_true(asks(ALLOW("{\"AWS\":\"*\"}", ""), "AWS", ROOT, NULL, NULL));
	assert_false(asks(ALLOW("{\"AWS\":\"arn:aws:iam::1:root\"}", ""), "AWS", ROOT, NULL, NULL));
	assert_false(asks(ALLOW("{\"Service\":\"lambda.amazonaws.com\"}", ""), "AWS", ROOT, NULL, NULL));
	assert_true(asks(ALLOW("{\"Service\":\"lambda.amazonaws.com\"}", ""), "Service", "lambda.amazonaws.com", NULL, NULL));
	assert_false(asks("[]", "AWS", ROOT, NULL, NULL));
}

static void test_actions_and_denials(void **state)
{
	(void)state;
	assert_true(asks("{\"Effect\":\"Allow\",\"Action\":[\"x:y\",\"sts:*\"],\"Principal\":\"*\"}", "AWS", ROOT, NULL, NULL));
	assert_false(asks("{\"Effect\":\"Allow\",\"Action\":\"sts:TagSession\",\"Principal\":\"*\"}", "AWS", ROOT, NULL, NULL));
	assert_false(asks("[{\"Effect\":\"Allow\",\"Action\":\"sts:*\",\"Principal\":\"*\"},"
			  "{\"Effect\":\"Deny\",\"Action\":\"sts:AssumeRole\",\"Principal\":\"*\"}]", "AWS", ROOT, NULL, NULL));
}

static void test_conditions(void **state)
{
	(void)state;
	const char *exact = ALLOW("\"*\"", ",\"Condition\":{\"StringEquals\":{\"sts:ExternalId\":[\"a\",\"b\"]}}");
	assert_true(asks(exact, "AWS", ROOT, "sts:ExternalId", "b"));
	assert_false(asks(exact, "AWS", ROOT, "sts:ExternalId", "c"));
	assert_false(asks(exact, "AWS", ROOT, NULL, NULL));
	const char *like = ALLOW("\"*\"", ",\"Condition\":{\"StringLike\":{\"k\":\"repo:o/r:*\"}}");
	assert_true(asks(like, "AWS", ROOT, "k", "repo:o/r:ref:refs/heads/main"));
	assert_false(asks(like, "AWS", ROOT, "k", "repo:o/other:x"));
	const char *negated = ALLOW("\"*\"", ",\"Condition\":{\"StringNotEquals\":{\"k\":\"bad\"}}");
	assert_true(asks(negated, "AWS", ROOT, "k", "good"));
	assert_false(asks(negated, "AWS", ROOT, "k", "bad"));
	assert_true(asks(negated, "AWS", ROOT, NULL, NULL));
	const char *unknown = ALLOW("\"*\"", ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"0.0.0.0/0\"}}");
	assert_false(asks(unknown, "AWS", ROOT, "aws:SourceIp", "127.0.0.1")); /* what is not understood does not hold */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_principals),
		cmocka_unit_test(test_actions_and_denials),
		cmocka_unit_test(test_conditions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
