/* SPDX-License-Identifier: Apache-2.0 */
/* Variables in words, path patterns, .dockerignore, modes and names of users: tables of cases. */
#include "plugins/oci-build/dockerfile_expand.h"
#include "plugins/oci-build/dockerignore.h"
#include "plugins/oci-build/file_mode.h"
#include "plugins/oci-build/passwd.h"
#include "plugins/oci-build/path_match.h"
#include "plugins/oci-build/path_resolve.h"
#include "plugins/oci-build/shell_pattern.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *value(void *ctx, const char *name)
{
	static const char *const vars[][2] = {
		{ "a", "A" },		 { "empty", "" },	     { "foo", "foobarfoo" },  { "p", "a/b/c.tar.gz" },
		{ "sp", " x  y " },	 { "_u1", "under" },	     { "star", "a*b" },	      { "uni", "äöü" },
		{ "nested", "${a}" },	 { "back", "x\\y" },	     { "slash", "a/b" },      { "brace", "a}b" },
	};
	(void)ctx;
	for (size_t i = 0; i < RN_LEN(vars); i++)
		if (strcmp(vars[i][0], name) == 0)
			return vars[i][1];
	return NULL;
}

static void words_are_expanded(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "x", "x" }, { "$a", "A" }, { "${a}", "A" }, { "$a$a", "AA" }, { "x${a}y", "xAy" }, { "$none", "" }, { "${none}", "" },
		{ "$_u1", "under" }, { "$a.b", "A.b" }, { "$", "$" }, { "a$", "a$" }, { "$ a", "$ a" }, { "$1x", "x" }, { "${nested}", "${a}" },
		/* quotes and escapes */
		{ "'$a'", "$a" }, { "\"$a\"", "A" }, { "\\$a", "$a" }, { "\"\\$a\"", "$a" }, { "'\\$a'", "\\$a" }, { "\\\\$a", "\\A" },
		{ "\"x\\y\"", "x\\y" }, { "x\\y", "xy" }, { "\"\\\\\"", "\\" }, { "a\\", "a" }, { "\"'\"", "'" }, { "'\"'", "\"" }, { "a' 'b", "a b" }, { "\"\"", "" },
		/* default, alternative, error */
		{ "${none:-w}", "w" }, { "${none-w}", "w" }, { "${empty:-w}", "w" }, { "${empty-w}", "" }, { "${a:-w}", "A" }, { "${a-w}", "A" },
		{ "${none:+w}", "" }, { "${none+w}", "" }, { "${empty:+w}", "" }, { "${empty+w}", "w" }, { "${a:+w}", "w" }, { "${a+w}", "w" },
		{ "${a:?no}", "A" }, { "${a?no}", "A" }, { "${empty?no}", "" }, { "${none:-$a}", "A" }, { "${none:-${none2:-deep}}", "deep" },
		{ "${none:-a b}", "a b" }, { "${none:-'$a'}", "$a" }, { "${none:-\\}}", "}" }, { "${none:-}", "" },
		/* prefixes and suffixes */
		{ "${foo#foo}", "barfoo" }, { "${foo##foo}", "barfoo" }, { "${foo%foo}", "foobar" }, { "${foo#f*o}", "obarfoo" }, { "${foo##f*o}", "" },
		{ "${foo%o*}", "foobarfo" }, { "${foo%%o*}", "f" }, { "${p##*/}", "c.tar.gz" }, { "${p#*/}", "b/c.tar.gz" }, { "${p%%.*}", "a/b/c" }, { "${p%.*}", "a/b/c.tar" },
		{ "${foo#x}", "foobarfoo" }, { "${foo#?}", "oobarfoo" }, { "${foo##*}", "" }, { "${foo#*}", "foobarfoo" }, { "${uni#?}", "öü" }, { "${uni%?}", "äö" },
		{ "${star#a\\*}", "b" }, { "${none#x}", "" }, { "${foo#$a}", "foobarfoo" }, { "${back#x\\\\}", "y" }, { "${brace#a\\}}", "b" },
		/* replacements */
		{ "${foo/foo/x}", "xbarfoo" }, { "${foo//foo/x}", "xbarx" }, { "${foo/o*r/X}", "fXfoo" }, { "${foo//o/0}", "f00barf00" }, { "${foo/bar/}", "foofoo" },
		{ "${p//\\//-}", "a-b-c.tar.gz" }, { "${foo/zz/x}", "foobarfoo" }, { "${none/a/b}", "" }, { "${foo/?/}", "oobarfoo" }, { "${uni/ö/o}", "äoü" }, { "${foo//foo/$a}", "AbarA" },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct df_expander x = { .escape = '\\', .get = value };
		struct rn_error err = { 0 };
		char *out = NULL;
		if (df_expand(&x, cases[i][0], &out, &err) < 0)
			fail_msg("%s: %s", cases[i][0], err.msg);
		if (strcmp(out, cases[i][1]) != 0)
			fail_msg("%s gives \"%s\", not \"%s\"", cases[i][0], out, cases[i][1]);
		free(out);
		rn_strv_clear(&x.unset);
	}
}

static void malformed_words_are_refused_at_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *word, *text;
		size_t fault;
	} cases[] = {
		{ "'x", "single quote", 0 },	{ "a\"x", "double quote", 1 },	    { "x${a", "missing '}'", 1 },
		{ "${", "missing '}'", 0 },	{ "${}", "has no name", 0 },	    { "${:-x}", "has no name", 0 },
		{ "${{a}}", "has no name", 0 }, { "${a:x}", "unknown form", 0 },    { "${a!}", "unknown form", 0 },
		{ "${a:", "unknown form", 0 },	{ "${a:-x", "missing '}'", 5 },	    { "${a/x}", "missing '/'", 4 },
		{ "${a/x/y", "missing '}'", 6 }, { "ab${none:?is needed}", "none: is needed", 2 },
		{ "${none?}", "none: is not allowed to be unset", 0 }, { "${empty:?}", "empty: is not allowed to be empty", 0 },
		{ "${foo#\\x}", "bad escape", 0 }, { "${foo^^}", "unknown form", 0 }, { "${foo,}", "unknown form", 0 },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct df_expander x = { .escape = '\\', .get = value };
		struct rn_error err = { 0 };
		char *out = NULL;
		if (df_expand(&x, cases[i].word, &out, &err) == 0)
			fail_msg("%s gives \"%s\"", cases[i].word, out);
		if (!strstr(err.msg, cases[i].text) || x.fault != cases[i].fault)
			fail_msg("%s: at %zu: %s", cases[i].word, x.fault, err.msg);
		rn_strv_clear(&x.unset);
	}
}

static void the_escape_character_can_be_a_backtick(void **state)
{
	(void)state;
	struct df_expander x = { .escape = '`', .get = value };
	char *out = NULL;
	assert_int_equal(df_expand(&x, "C:\\dir\\`$a-$a\"`\"\"", &out, NULL), 0);
	assert_string_equal(out, "C:\\dir\\$a-A\"");
	free(out);
}

static void heredoc_bodies_keep_their_quotes(void **state)
{
	(void)state;
	struct df_expander x = { .escape = '\\', .get = value, .plain_quotes = true };
	char *out = NULL;
	assert_int_equal(df_expand(&x, "it's \"$a\" \\$a ${none:-'d'}\n", &out, NULL), 0);
	assert_string_equal(out, "it's \"A\" $a 'd'\n");
	free(out);
	rn_strv_clear(&x.unset);
}

static void values_are_split_but_quotes_are_not(void **state)
{
	(void)state;
	struct df_expander x = { .escape = '\\', .get = value };
	struct rn_strv words = { 0 };
	assert_int_equal(df_expand_split(&x, "a$sp\"$sp\" b\\ c '' d", &words, NULL), 0);
	char *joined = rn_strv_join(&words, "|");
	assert_string_equal(joined, "a|x|y| x  y |b c|d");
	free(joined);
	rn_strv_clear(&words);
}

static void deep_nesting_and_long_results_have_limits(void **state)
{
	(void)state;
	struct rn_buf b = RN_BUF_INIT;
	for (int i = 0; i < 100; i++)
		rn_buf_adds(&b, "${none:-");
	for (int i = 0; i < 100; i++)
		rn_buf_addc(&b, '}');
	struct df_expander x = { .escape = '\\', .get = value };
	char *out = NULL;
	struct rn_error err = { 0 };
	assert_int_equal(df_expand(&x, rn_buf_str(&b), &out, &err), -1);
	assert_non_null(strstr(err.msg, "too deeply"));
	rn_strv_clear(&x.unset);
	rn_buf_clear(&b);
}

static void many_stars_take_no_exponential_time(void **state)
{
	(void)state;
	char text[5001], pattern[401];
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < sizeof(pattern) - 1; i++)
		pattern[i] = i % 2 ? '*' : 'a';
	memcpy(pattern + 398, "b", 2);
	char *out = NULL;
	assert_int_equal(shell_pattern_trim(pattern, text, SHELL_PREFIX, true, &out, NULL), 0);
	assert_int_equal(strlen(out), sizeof(text) - 1);
	free(out);
	assert_false(path_match(pattern, text));
}

static void patterns_match_as_gos_filepath_does(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *name;
		bool match;
	} cases[] = {
		{ "abc", "abc", true }, { "*", "abc", true }, { "*c", "abc", true }, { "a*", "a", true }, { "a*", "ab/c", false }, { "a*/b", "abc/b", true },
		{ "a*/b", "a/c/b", false }, { "a*b*c*d*e*/f", "axbxcxdxe/f", true }, { "a*b*c*d*e*/f", "axbxcxdxexxx/f", true }, { "a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false },
		{ "a*b?c*x", "abxbbxdbxebxczzx", true }, { "a*b?c*x", "abxbbxdbxebxczzy", false }, { "ab[c]", "abc", true }, { "ab[b-d]", "abc", true }, { "ab[e-g]", "abc", false },
		{ "ab[^c]", "abc", false }, { "ab[^b-d]", "abc", false }, { "ab[^e-g]", "abc", true }, { "a\\*b", "a*b", true }, { "a\\*b", "ab", false }, { "a?b", "a☺b", true },
		{ "a[^a]b", "a☺b", true }, { "a???b", "a☺b", false }, { "a[^a][^a][^a]b", "a☺b", false }, { "[a-ζ]*", "α", true }, { "*[a-ζ]", "A", false }, { "a?b", "a/b", false },
		{ "a*b", "a/b", false }, { "[\\]a]", "]", true }, { "[\\-]", "-", true }, { "[x\\-]", "x", true }, { "[x\\-]", "z", false }, { "[\\-x]", "-", true }, { "[]a]", "]", false },
		{ "[-]", "-", false }, { "[x-]", "x", false }, { "[a-b-c]", "a", false }, { "[", "a", false }, { "[^", "a", false }, { "a[", "a", false }, { "*x", "xxx", true }, { "[[]", "[", true },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++)
		if (path_match(cases[i].pattern, cases[i].name) != cases[i].match)
			fail_msg("%s on %s", cases[i].pattern, cases[i].name);
	assert_false(path_pattern_valid("[]a]"));
	assert_false(path_pattern_valid("a\\"));
	assert_true(path_pattern_valid("a[b]*"));
	assert_true(path_has_wildcard("a[[]b"));
	assert_false(path_has_wildcard("a\\*b"));
}

static void deep_patterns_cross_levels(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
		{ "**", "file", true }, { "**", "dir/file", true }, { "**/", "file", true }, { "**/", "dir/file", true }, { "**/**", "dir/file", true }, { "dir/**", "dir/file", true },
		{ "dir/**", "dir/dir2/file", true }, { "dir/**", "dir", false }, { "**/dir2/*", "dir/dir2/file", true }, { "**/dir2/*", "dir/dir2/dir2/file", true }, { "**/dir2/**", "dir/dir2/dir2/file", true },
		{ "**/foo", "foo", true }, { "**/foo", "a/foo", true }, { "**/foo", "afoo", false }, { "a/**/b", "a/b", true }, { "a/**/b", "a/x/y/b", true }, { "a/**/b", "a/xb", false },
		{ "a**b", "ab", true }, { "a**b", "ax/b", true }, { "a**b", "axb", false }, { "*.txt", "a/b.txt", false }, { "**/*.txt", "a/b.txt", true }, { "**/*.txt", "b.txt", true }, { "abc/**", "abcd", false },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++)
		if (path_match_deep(cases[i].pattern, cases[i].path) != cases[i].match)
			fail_msg("%s on %s: not %d", cases[i].pattern, cases[i].path, cases[i].match);
}

static void the_last_pattern_that_matches_decides(void **state)
{
	(void)state;
	static const struct {
		const char *text, *path;
		bool ignored;
	} cases[] = {
		{ "a", "a", true }, { "a", "a/b", true }, { "a", "ab", false }, { "a", "x/a", false }, { "/a", "a", true }, { "a/", "a/b", true }, { "./a", "a", true }, { "a/../b", "b", true },
		{ "*.txt", "x.txt", true }, { "*.txt", "d/x.txt", false }, { "**/*.txt", "d/x.txt", true }, { "*.txt\n!b.txt", "b.txt", false }, { "!b.txt\n*.txt", "b.txt", true },
		{ "d\n!d/keep", "d/keep", false }, { "d\n!d/keep", "d/other", true }, { "*\n!d/keep", "d/keep", false }, { "# a\n  b  \n\n", "b", true }, { "# a", "a", false }, { " # a", "# a", true },
		{ "a\r\nb\r\n", "b", true }, { "*\n!d\nd/x", "d/x", true }, { "*\n!d\nd/x", "d/y", false }, { "**", "any/thing", true }, { "a?c", "abc", true }, { "! a\n", "a", false },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct ignore_list l = { 0 };
		struct rn_error err = { 0 };
		if (ignore_parse(&l, ".dockerignore", cases[i].text, strlen(cases[i].text), &err) < 0)
			fail_msg("%s", err.msg);
		if (ignore_matches(&l, cases[i].path) != cases[i].ignored)
			fail_msg("\"%s\" on %s: not %d", cases[i].text, cases[i].path, cases[i].ignored);
		ignore_clear(&l);
	}
}

static void folders_are_entered_only_for_what_can_come_back(void **state)
{
	(void)state;
	struct ignore_list l = { 0 };
	const char *text = "node_modules\nsrc\n!src/deep/keep.c\n";
	assert_int_equal(ignore_parse(&l, "i", text, strlen(text), NULL), 0);
	assert_false(ignore_may_keep_below(&l, "node_modules"));
	assert_true(ignore_may_keep_below(&l, "src"));
	assert_true(ignore_may_keep_below(&l, "src/deep"));
	assert_false(ignore_may_keep_below(&l, "src/other"));
	ignore_add(&l, "!**/x", NULL);
	assert_true(ignore_may_keep_below(&l, "node_modules/any"));
	ignore_clear(&l);
	struct rn_error err = { 0 };
	assert_int_equal(ignore_parse(&l, "i", "a\n[\n", 4, &err), -1);
	assert_int_equal(err.line, 2);
	ignore_clear(&l);
}

static void modes_are_octal_or_symbolic(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		mode_t old, file, dir;
	} cases[] = {
		{ "755", 0600, 0755, 0755 }, { "0", 0777, 0, 0 }, { "4711", 0644, 04711, 04711 }, { "u=rwX,go=rX", 0600, 0644, 0755 }, { "u=rwX,go=rX", 0700, 0755, 0755 }, { "+x", 0644, 0755, 0755 },
		{ "a-w", 0666, 0444, 0444 }, { "go=", 0777, 0700, 0700 }, { "u+s", 0755, 04755, 04755 }, { "g=u", 0640, 0660, 0660 }, { "o+t", 0777, 01777, 01777 }, { "u=rwx,g=rx,o=", 0, 0750, 0750 }, { "a+X", 0644, 0644, 0755 }, { "ug+rw,o-rwx", 0107, 0760, 0760 },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		assert_int_equal(file_mode_check(cases[i].text, NULL), 0);
		if (file_mode_apply(cases[i].text, cases[i].old, false) != cases[i].file)
			fail_msg("%s on a file gives %o", cases[i].text, file_mode_apply(cases[i].text, cases[i].old, false));
		if (file_mode_apply(cases[i].text, cases[i].old, true) != cases[i].dir)
			fail_msg("%s on a folder gives %o", cases[i].text, file_mode_apply(cases[i].text, cases[i].old, true));
	}
	static const char *const bad[] = { "", "999", "78", "10000", "u", "u=q", "x+u", "u+r,", "-", "u=r;g=r", "777777777777" };
	for (size_t i = 0; i < RN_LEN(bad); i++)
		if (file_mode_check(bad[i], NULL) == 0 && strcmp(bad[i], "-") != 0)
			fail_msg("\"%s\" is taken", bad[i]);
}

static void users_resolve_by_the_images_files(void **state)
{
	(void)state;
	struct passwd p = { .users = (char *)"root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001::/home/app:/bin/sh",
			    .groups = (char *)"root:x:0:\nweb:x:33:app,root\nother:x:34:x,app\nown:x:1001:app\n" };
	static const struct {
		const char *who;
		enum passwd_use use;
		uint32_t uid, gid;
		size_t groups;
	} cases[] = {
		{ "app", PASSWD_CHOWN, 1000, 1001, 0 }, { "app", PASSWD_USER, 1000, 1001, 2 }, { "app:web", PASSWD_USER, 1000, 33, 0 }, { "app:7", PASSWD_CHOWN, 1000, 7, 0 },
		{ "5", PASSWD_CHOWN, 5, 5, 0 }, { "5", PASSWD_USER, 5, 0, 0 }, { "1000", PASSWD_CHOWN, 1000, 1000, 0 }, { "1000", PASSWD_USER, 1000, 1001, 2 }, { "5:6", PASSWD_CHOWN, 5, 6, 0 }, { "7:web", PASSWD_CHOWN, 7, 33, 0 }, { "app:", PASSWD_CHOWN, 1000, 1001, 0 },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		struct passwd_user u = { 0 };
		assert_int_equal(passwd_find(&p, cases[i].who, cases[i].use, &u, NULL), 0);
		if (u.uid != cases[i].uid || u.gid != cases[i].gid || u.n_groups != cases[i].groups)
			fail_msg("%s: %u:%u and %zu groups", cases[i].who, u.uid, u.gid, u.n_groups);
		passwd_user_clear(&u);
	}
	struct passwd_user u = { 0 };
	struct rn_error err = { 0 };
	assert_int_equal(passwd_find(&p, "nobody", PASSWD_USER, &u, &err), -1);
	assert_non_null(strstr(err.msg, "nobody"));
	assert_int_equal(passwd_find(&p, "app:nogroup", PASSWD_USER, &u, &err), -1);
	assert_int_equal(passwd_find(&p, "", PASSWD_USER, &u, &err), -1);
	assert_int_equal(passwd_find(&(struct passwd){ 0 }, "root", PASSWD_USER, &u, &err), -1);
	assert_non_null(strstr(err.hint, "give a number"));
}

/* a -> b/c (folder), loop -> loop, up -> ../../etc, abs -> /b, f: a file */
static int look(void *ctx, const char *path, enum layer_type *ret_type, char **ret_link, struct rn_error *err)
{
	static const struct {
		const char *path;
		enum layer_type type;
		const char *link;
	} tree[] = { { "a", LAYER_SYMLINK, "b/c" }, { "b", LAYER_DIR, NULL }, { "b/c", LAYER_DIR, NULL }, { "b/c/d", LAYER_DIR, NULL }, { "loop", LAYER_SYMLINK, "loop" },
		     { "etc", LAYER_DIR, NULL }, { "b/up", LAYER_SYMLINK, "../../etc" }, { "abs", LAYER_SYMLINK, "/b" }, { "f", LAYER_FILE, NULL }, { "gone", LAYER_SYMLINK, "no/where" } };
	(void)ctx;
	(void)err;
	for (size_t i = 0; i < RN_LEN(tree); i++) {
		if (strcmp(tree[i].path, path) != 0)
			continue;
		*ret_type = tree[i].type;
		*ret_link = rn_strdup(tree[i].link);
		return 1;
	}
	return 0;
}

static void links_are_followed_inside_the_root(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		bool follow;
		const char *want; /* NULL: error */
		enum layer_type type;
	} cases[] = {
		{ "/", true, "", LAYER_DIR }, { "a", true, "b/c", LAYER_DIR }, { "a", false, "a", LAYER_SYMLINK }, { "a/d", false, "b/c/d", LAYER_DIR }, { "b/up/x/y", true, "etc/x/y", 0 },
		{ "abs/c", true, "b/c", LAYER_DIR }, { "loop", true, NULL, 0 }, { "loop", false, "loop", LAYER_SYMLINK }, { "f/x", true, NULL, 0 }, { "new/x", true, "new/x", 0 }, { "gone", true, "no/where", 0 },
		{ "../../b", true, "b", LAYER_DIR }, { "a/..", true, "b", LAYER_DIR }, { "new/../b", true, "b", LAYER_DIR }, { "b//c/.", true, "b/c", LAYER_DIR },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		char *real = NULL;
		enum layer_type type = 0;
		int rc = path_resolve(cases[i].path, cases[i].follow, look, NULL, &real, &type, NULL);
		if (!cases[i].want)
			assert_int_equal(rc, -1);
		else if (rc < 0 || strcmp(real, cases[i].want) != 0 || type != cases[i].type)
			fail_msg("%s: %s, type %d", cases[i].path, real ? real : "(error)", type);
		free(real);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_expanded),
		cmocka_unit_test(malformed_words_are_refused_at_their_place),
		cmocka_unit_test(the_escape_character_can_be_a_backtick),
		cmocka_unit_test(heredoc_bodies_keep_their_quotes),
		cmocka_unit_test(values_are_split_but_quotes_are_not),
		cmocka_unit_test(deep_nesting_and_long_results_have_limits),
		cmocka_unit_test(many_stars_take_no_exponential_time),
		cmocka_unit_test(patterns_match_as_gos_filepath_does),
		cmocka_unit_test(deep_patterns_cross_levels),
		cmocka_unit_test(the_last_pattern_that_matches_decides),
		cmocka_unit_test(folders_are_entered_only_for_what_can_come_back),
		cmocka_unit_test(modes_are_octal_or_symbolic),
		cmocka_unit_test(users_resolve_by_the_images_files),
		cmocka_unit_test(links_are_followed_inside_the_root),
	};
	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
