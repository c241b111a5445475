/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of paths, and the names of images and digests. */
#include "localcloud/images.h"
#include "localcloud/route.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_patterns(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *path, *name, *value; /* value NULL: does not fit */
	} CASES[] = {
		{ "/restapis", "/restapis", NULL, "" },
		{ "/restapis", "/restapis/", NULL, "" },
		{ "/restapis", "/restapi", NULL, NULL },
		{ "/restapis", "/restapis/x", NULL, NULL },
		{ "/restapis/{id}", "/restapis", NULL, NULL },
		{ "/restapis/{id}", "/restapis/ab", "id", "ab" },
		{ "/tags/{arn}", "/tags/arn%3Aaws%3A%2Fx", "arn", "arn:aws:/x" },
		{ "/f/{name}/x", "/f/n/x", "name", "n" },
		{ "/f/{name}/x", "/f//x", NULL, NULL },
		{ "/{proxy+}", "/a/b%20c/d", "proxy", "a/b c/d" },
		{ "/{proxy+}", "/", NULL, NULL },
		{ "/a/{rest+}", "/a/b/", "rest", "b/" },
		{ "/", "/", NULL, "" },
		{ "/", "/x", NULL, NULL },
	};
	for (size_t i = 0; i < RN_LEN(CASES); i++) {
		RN_AUTO(pairs_clear) struct pairs found = { 0 };
		bool fits = route_match(CASES[i].pattern, CASES[i].path, &found);
		if (fits != (CASES[i].value != NULL))
			fail_msg("%s and %s: %d", CASES[i].pattern, CASES[i].path, fits);
		if (CASES[i].name)
			assert_string_equal(pairs_get(&found, CASES[i].name, false), CASES[i].value);
		if (!fits)
			assert_int_equal(found.n, 0);
	}
}

static void test_queries(void **state)
{
	(void)state;
	RN_AUTO(pairs_clear) struct pairs found = { 0 };
	pairs_parse(&found, "a=1&b=x%20y+z&&c&a=2&=v");
	assert_int_equal(found.n, 5);
	assert_string_equal(pairs_get(&found, "a", false), "1");
	assert_string_equal(pairs_get(&found, "b", false), "x y z");
	assert_string_equal(pairs_get(&found, "c", false), "");
	assert_null(pairs_get(&found, "A", false));
	assert_string_equal(pairs_get(&found, "A", true), "1");
}

#define SHA256 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_digests_and_tags(void **state)
{
	(void)state;
	char text[IMAGES_DIGEST_MAX];
	images_digest("", 0, NULL, text);
	assert_string_equal(text, SHA256);
	assert_true(images_is_digest(text));
	images_digest("", 0, "sha512:", text);
	assert_true(images_is_digest(text));
	static const char *const BAD[] = { "", "sha256:", "sha256:E3B0", "md5:d41d8cd98f00b204e9800998ecf8427e", SHA256 "0", "../../etc/passwd" };
	for (size_t i = 0; i < RN_LEN(BAD); i++)
		assert_false(images_is_digest(BAD[i]));
	assert_false(images_is_digest(NULL));
	assert_true(images_is_tag("v1.0_x-y"));
	assert_false(images_is_tag("-v"));
	assert_false(images_is_tag("a/b"));
	assert_false(images_is_tag(""));
}

static void test_image_addresses(void **state)
{
	(void)state;
	char host[] = "127.0.0.1:4566";
	const struct cloud c = { .host = host, .port = 4566 };
	static const struct {
		const char *uri, *repository, *reference; /* repository NULL: refused */
	} CASES[] = {
		{ "127.0.0.1:4566/app", "app", "latest" },
		{ "127.0.0.1:4566/team/app:v1", "team/app", "v1" },
		{ "localhost:4566/app:v1", "app", "v1" },
		{ "127.0.0.1:4566/app@" SHA256, "app", SHA256 },
		{ "127.0.0.1:4566/app:v1@" SHA256, "app", SHA256 },
		{ "000000000000.dkr.ecr.us-east-1.amazonaws.com/app:v1", "app", "v1" },
		{ "111111111111.dkr.ecr.us-east-1.amazonaws.com/app:v1", NULL, NULL },
		{ "docker.io/library/app", NULL, NULL },
		{ "127.0.0.1:4567/app", NULL, NULL },
		{ "app", NULL, NULL },
		{ "127.0.0.1:4566/", NULL, NULL },
		{ "127.0.0.1:4566/app@sha256:12", NULL, NULL },
		{ "127.0.0.1:4566/app:-x", NULL, NULL },
	};
	for (size_t i = 0; i < RN_LEN(CASES); i++) {
		RN_AUTO(rn_freep) char *repository = NULL;
		RN_AUTO(rn_freep) char *reference = NULL;
		int rc = images_parse_uri(&c, CASES[i].uri, &repository, &reference, NULL);
		if ((rc == 0) != (CASES[i].repository != NULL))
			fail_msg("%s: %d", CASES[i].uri, rc);
		if (rc == 0) {
			assert_string_equal(repository, CASES[i].repository);
			assert_string_equal(reference, CASES[i].reference);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_digests_and_tags),
		cmocka_unit_test(test_image_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
