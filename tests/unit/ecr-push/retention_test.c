/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/ecr-push/retention.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void chosen(const char *details, const char *children, int64_t keep, const char *pushed, bool coming, const char *want)
{
	RN_AUTO(rn_json_freep) cJSON *d = rn_json_parse_str(details, NULL), *c = rn_json_parse_str(children, NULL);
	RN_AUTO(rn_json_freep) cJSON *gone = retention_choose(d, c, keep, pushed, coming);
	RN_AUTO(rn_freep) char *text = rn_json_print(gone);
	assert_string_equal(text, want);
}

#define AT(digest, when) "{\"imageDigest\":\"" digest "\",\"imagePushedAt\":" when "}"
#define FOUR "[" AT("a", "1") "," AT("b", "2") "," AT("c", "3") "," AT("d", "4.5") "]"

static void the_oldest_go_first(void **state)
{
	(void)state;
	chosen(FOUR, "{}", 2, "d", false, "[\"a\",\"b\"]");
	chosen(FOUR, "{}", 4, "d", false, "[]");
	chosen(FOUR, "{}", 9, "d", false, "[]");
	chosen("[]", "{}", 1, "d", true, "[]");
}

static void the_image_of_this_run_has_a_place_whatever_its_age(void **state)
{
	(void)state;
	chosen(FOUR, "{}", 2, "a", false, "[\"b\",\"c\"]");
	chosen(FOUR, "{}", 1, "a", false, "[\"b\",\"c\",\"d\"]");
}

static void an_image_that_is_only_coming_takes_a_place(void **state)
{
	(void)state;
	chosen(FOUR, "{}", 2, "new", true, "[\"a\",\"b\",\"c\"]");
	chosen(FOUR, "{}", 2, "new", false, "[\"a\",\"b\"]"); /* pushed, but the list does not show it yet */
}

static void equals_are_chosen_by_digest(void **state)
{
	(void)state;
	chosen("[" AT("x", "1") "," AT("y", "1") "," AT("z", "1") "]", "{}", 2, "y", false, "[\"z\"]");
}

#define INDEXED "[" AT("idx", "1") "," AT("amd", "1") "," AT("arm", "1") "," AT("new", "9") ",{\"imageDigest\":\"sbom\",\"subjectManifestDigest\":\"idx\"}]"

static void children_and_artifacts_do_not_count(void **state)
{
	(void)state;
	chosen(INDEXED, "{\"idx\":[\"amd\",\"arm\"]}", 2, "new", false, "[]");
	chosen(INDEXED, "{\"idx\":[\"amd\",\"arm\"]}", 1, "new", false, "[\"idx\"]");
}

static void follow(const char *details, const char *children, const char *gone, const char *want)
{
	RN_AUTO(rn_json_freep) cJSON *d = rn_json_parse_str(details, NULL), *c = rn_json_parse_str(children, NULL);
	RN_AUTO(rn_json_freep) cJSON *g = rn_json_parse_str(gone, NULL), *out = retention_followers(d, c, g);
	RN_AUTO(rn_freep) char *text = rn_json_print(out);
	assert_string_equal(text, want);
}

static void what_hangs_on_an_image_follows_it(void **state)
{
	(void)state;
	follow(INDEXED, "{\"idx\":[\"amd\",\"arm\"]}", "[\"idx\"]", "[\"amd\",\"arm\",\"sbom\"]");
	follow(INDEXED, "{\"idx\":[\"amd\",\"arm\"],\"new\":[\"arm\"]}", "[\"idx\"]", "[\"amd\",\"sbom\"]"); /* arm has another index */
	follow(INDEXED, "{\"idx\":[\"amd\",\"arm\"]}", "[\"other\"]", "[]");
	follow("[{\"imageDigest\":\"amd\",\"imageTags\":[\"mine\"]}]", "{\"idx\":[\"amd\"]}", "[\"idx\"]", "[]"); /* somebody named it */
}

static void moves(const char *mode, const char *filter, const char *tag, bool want)
{
	struct repository r = { 0 };
	RN_AUTO(rn_freep) char *text = rn_asprintf("{\"imageTagMutability\":\"%s\",\"imageTagMutabilityExclusionFilters\":[{\"filter\":\"%s\"}]}", mode, filter);
	r.described = rn_json_parse_str(text, NULL);
	assert_int_equal(repository_tag_moves(&r, tag), want);
	rn_json_freep(&r.described);
}

static void tags_move_by_mode_and_exclusions(void **state)
{
	(void)state;
	moves("MUTABLE", "x", "x", true);
	moves("IMMUTABLE", "x", "x", false);
	moves("IMMUTABLE_WITH_EXCLUSION", "latest", "latest", true);
	moves("IMMUTABLE_WITH_EXCLUSION", "latest", "latest2", false);
	moves("IMMUTABLE_WITH_EXCLUSION", "dev-*", "dev-", true);
	moves("IMMUTABLE_WITH_EXCLUSION", "dev-*", "dev", false);
	moves("MUTABLE_WITH_EXCLUSION", "*.0", "v1.0", false);
	moves("MUTABLE_WITH_EXCLUSION", "*.0", "v1.0.1", true);
	moves("MUTABLE_WITH_EXCLUSION", "v*-*", "v1-rc-2", false);
	moves("MUTABLE_WITH_EXCLUSION", "*", "anything", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_go_first),
		cmocka_unit_test(the_image_of_this_run_has_a_place_whatever_its_age),
		cmocka_unit_test(an_image_that_is_only_coming_takes_a_place),
		cmocka_unit_test(equals_are_chosen_by_digest),
		cmocka_unit_test(children_and_artifacts_do_not_count),
		cmocka_unit_test(what_hangs_on_an_image_follows_it),
		cmocka_unit_test(tags_move_by_mode_and_exclusions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
