/* SPDX-License-Identifier: Apache-2.0 */
/* Words that ADD takes for git repositories, and what git ls-remote says. */
#include "plugins/oci-build/git_url.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER "89abcdef0123456789abcdef0123456789abcdef"

static void check(const char *text, const char *remote, const char *ref, const char *subdir, const char *checksum)
{
	struct rn_error err = { 0 };
	RN_AUTO(git_url_clear) struct git_url u = { 0 };
	if (git_url_parse(text, &u, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal(u.remote, remote);
	if (!rn_streq(u.ref, ref) || !rn_streq(u.subdir, subdir) || !rn_streq(u.checksum, checksum))
		fail_msg("%s: ref %s, subdir %s, checksum %s", text, u.ref, u.subdir, u.checksum);
}

static void parts_are_told_apart(void **state)
{
	(void)state;
	check("https://h/a.git", "https://h/a.git", NULL, NULL, NULL);
	check("https://h/a.git#", "https://h/a.git", NULL, NULL, NULL);
	check("https://h/a.git#v1", "https://h/a.git", "v1", NULL, NULL);
	check("https://h/a.git#v1:sub/dir", "https://h/a.git", "v1", "sub/dir", NULL);
	check("https://h/a.git#:sub", "https://h/a.git", NULL, "sub", NULL);
	check("https://h/a.git#feature/x", "https://h/a.git", "feature/x", NULL, NULL);
	check("https://h/a.git?tag=v1", "https://h/a.git", "refs/tags/v1", NULL, NULL);
	check("https://h/a.git?tag=refs/tags/v1", "https://h/a.git", "refs/tags/v1", NULL, NULL);
	check("https://h/a.git?branch=b%2Fc&subdir=x%20y", "https://h/a.git", "refs/heads/b/c", "x y", NULL);
	check("https://h/a.git?ref=pull/42/head", "https://h/a.git", "pull/42/head", NULL, NULL);
	check("https://h/a.git?branch=m&checksum=0123456", "https://h/a.git", "refs/heads/m", NULL, "0123456");
	check("https://h/a.git?commit=" COMMIT, "https://h/a.git", COMMIT, NULL, COMMIT);
	check("https://h/a.git?subdir=s#v1", "https://h/a.git", "v1", "s", NULL);
	check("git@h:team/a.git#v1:s", "git@h:team/a.git", "v1", "s", NULL);
	check("ssh://git@h:22/a#v1", "ssh://git@h:22/a", "v1", NULL, NULL);
	check("git://h/a", "git://h/a", NULL, NULL, NULL);
}

static void options_are_read(void **state)
{
	(void)state;
	RN_AUTO(git_url_clear) struct git_url u = { 0 };
	assert_int_equal(git_url_parse("https://h/a.git?keep-git-dir&submodules=false", &u, NULL), 0);
	assert_int_equal(u.keep_git_dir, 1);
	assert_int_equal(u.submodules, 0);
	assert_int_equal(git_url_check(&u, COMMIT, NULL), 0);
	assert_string_equal(u.ref, COMMIT);
	assert_int_equal(git_url_check(&u, OTHER, NULL), -1);
}

static void repositories_are_recognised(void **state)
{
	(void)state;
	static const char *const yes[] = { "https://h/a.git", "http://h/a.git#x", "https://h/a.git?x=y", "git://h/a", "ssh://h/a", "git@h:a",
					   "me@h.example:a/b.git" };
	static const char *const no[] = { "https://h/a", "https://h/a.git/", "https://h/a?x=.git", "a.git", "./a@b:c", "a/b@c:d", "@h:a", "a@h:",
					  "ftp://h/a.git", "a:b@c" };
	for (size_t i = 0; i < RN_LEN(yes); i++)
		if (!git_url_is(yes[i]))
			fail_msg("%s is one", yes[i]);
	for (size_t i = 0; i < RN_LEN(no); i++)
		if (git_url_is(no[i]))
			fail_msg("%s is none", no[i]);
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{ "https://h/a.git?tag=v1&branch=b", "given twice" },
		{ "https://h/a.git?ref=a#b", "given twice" },
		{ "https://h/a.git?colour=red", "no option \"colour\"" },
		{ "https://h/a.git?tag=", "no value" },
		{ "https://h/a.git?keep-git-dir=maybe", "true or false" },
		{ "https://h/a.git#-x", "not a git reference" },
		{ "https://h/a.git#a..b", "not a git reference" },
		{ "https://h/a.git?checksum=xyz", "not a commit" },
		{ "https://h/a.git?checksum=012345", "not a commit" },
		{ "https://me:pw@h/a.git", "user or a password" },
		{ "https://token@h/a.git", "user or a password" },
		{ "ssh://me:pw@h/a.git", "user or a password" },
		{ "ssh://-oProxyCommand=x/a", "begin with '-'" },
	};
	for (size_t i = 0; i < RN_LEN(bad); i++) {
		struct rn_error err = { 0 };
		RN_AUTO(git_url_clear) struct git_url u = { 0 };
		if (git_url_parse(bad[i][0], &u, &err) == 0)
			fail_msg("%s was accepted", bad[i][0]);
		if (!strstr(err.msg, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], err.msg);
		assert_null(strstr(err.msg, "pw"));
	}
}

static void the_commit_is_picked_in_the_order_of_git(void **state)
{
	(void)state;
	static const char listing[] = COMMIT "\tHEAD\n" COMMIT "\trefs/heads/main\n" OTHER "\trefs/heads/both\n" COMMIT "\trefs/pull/1/head\n"
				      COMMIT "\trefs/tags/both\n" OTHER "\trefs/tags/signed\n" COMMIT "\trefs/tags/signed^{}\n";
	static const struct { const char *ref, *commit, *tag; } cases[] = {
		{ NULL, COMMIT, NULL }, { "main", COMMIT, NULL }, { "both", COMMIT, NULL }, { "refs/heads/both", OTHER, NULL },
		{ "heads/both", OTHER, NULL }, { "pull/1/head", COMMIT, NULL }, { "signed", COMMIT, OTHER },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(rn_freep) char *commit = NULL, *tag = NULL;
		assert_int_equal(git_pick_commit(listing, cases[i].ref, &commit, &tag, NULL), 0);
		assert_string_equal(commit, cases[i].commit);
		assert_true(rn_streq(tag, cases[i].tag));
	}
	RN_AUTO(rn_freep) char *commit = NULL, *tag = NULL;
	struct rn_error err = { 0 };
	assert_int_equal(git_pick_commit(listing, "mai", &commit, &tag, &err), -1);
	assert_int_equal(err.code, RN_ENOTFOUND);
	assert_int_equal(git_pick_commit("junk\n\tx\n" COMMIT " HEAD\n", NULL, &commit, &tag, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_told_apart),		cmocka_unit_test(options_are_read),
		cmocka_unit_test(repositories_are_recognised),	cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(the_commit_is_picked_in_the_order_of_git),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
