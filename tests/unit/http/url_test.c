/* SPDX-License-Identifier: Apache-2.0 */
#include "http/url.h"

#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void parses_all_parts(void **state)
{
	(void)state;
	RN_AUTO(url_clear) struct url u = { 0 };
	assert_int_equal(url_parse("HTTPS://me:p%40ss@Example.COM:8443/a%2Fb/../c?x=1&y#top", &u, NULL), 0);
	assert_string_equal(u.scheme, "https");
	assert_string_equal(u.user, "me");
	assert_string_equal(u.password, "p@ss");
	assert_string_equal(u.host, "example.com");
	assert_int_equal(u.port, 8443);
	assert_string_equal(u.path, "/a%2Fb/../c");
	assert_string_equal(u.query, "x=1&y");
	RN_AUTO(rn_freep) char *text = url_format(&u);
	assert_string_equal(text, "https://example.com:8443/a%2Fb/../c?x=1&y");
}

static void a_path_is_never_empty(void **state)
{
	(void)state;
	static const char *const texts[] = { "http://h", "http://h?q", "http://h#f", "http://h:80" };
	for (size_t i = 0; i < RN_LEN(texts); i++) {
		RN_AUTO(url_clear) struct url u = { 0 };
		assert_int_equal(url_parse(texts[i], &u, NULL), 0);
		assert_string_equal(u.path, "/");
		assert_string_equal(u.host, "h");
	}
}

static void refuses_what_is_no_url(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "h", "/a", "ftp://h/", "http://", "http:///a", "http://h:0/", "http://h:x/",
					     "http://h:70000/", "http://a b/", "http://h/\n", "http://[::1/", "http://[::1]x/",
					     "http://h\\@evil/", "http://a<b/" };
	for (size_t i = 0; i < RN_LEN(texts); i++) {
		struct url u = { 0 };
		struct rn_error err = { 0 };
		assert_int_equal(url_parse(texts[i], &u, &err), -1);
		assert_int_equal(err.code, RN_EINVAL);
		assert_null(u.host);
	}
}

static void authority_leaves_the_usual_port_out(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "http://h:80/", "h" }, { "https://h:443/", "h" }, { "http://h:443/", "h:443" },
		{ "http://[::1]:5000/", "[::1]:5000" }, { "https://h/", "h" },
	};
	for (size_t i = 0; i < RN_LEN(pairs); i++) {
		RN_AUTO(url_clear) struct url u = { 0 };
		assert_int_equal(url_parse(pairs[i][0], &u, NULL), 0);
		RN_AUTO(rn_freep) char *text = url_authority(&u);
		assert_string_equal(text, pairs[i][1]);
	}
}

/* RFC 3986 §5.4, the cases that HTTP meets */
static void resolves_references(void **state)
{
	(void)state;
	static const char *const base = "http://a/b/c/d;p?q";
	static const char *const cases[][2] = {
		{ "g", "http://a/b/c/g" },	  { "./g", "http://a/b/c/g" },	    { "g/", "http://a/b/c/g/" },
		{ "/g", "http://a/g" },		  { "//g", "http://g/" },	    { "?y", "http://a/b/c/d;p?y" },
		{ "g?y", "http://a/b/c/g?y" },	  { "#s", "http://a/b/c/d;p?q" },   { "g#s", "http://a/b/c/g" },
		{ "", "http://a/b/c/d;p?q" },	  { ".", "http://a/b/c/" },	    { "..", "http://a/b/" },
		{ "../g", "http://a/b/g" },	  { "../..", "http://a/" },	    { "../../g", "http://a/g" },
		{ "../../../g", "http://a/g" },	  { "/./g", "http://a/g" },	    { "/../g", "http://a/g" },
		{ "g.", "http://a/b/c/g." },	  { "./g/.", "http://a/b/c/g/" },   { "g/../h", "http://a/b/c/h" },
		{ "https://x:1/y?z", "https://x:1/y?z" }, { "g?y/../x", "http://a/b/c/g?y/../x" },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(rn_freep) char *text = url_resolve(base, cases[i][0], NULL);
		assert_non_null(text);
		assert_string_equal(text, cases[i][1]);
	}
	assert_null(url_resolve(base, "mailto:x", NULL));
}

static void origins_and_loopback(void **state)
{
	(void)state;
	struct url a = { 0 }, b = { 0 }, c = { 0 };
	url_parse("http://H/x", &a, NULL);
	url_parse("http://h:80/y", &b, NULL);
	url_parse("https://h/y", &c, NULL);
	assert_true(url_same_origin(&a, &b));
	assert_false(url_same_origin(&a, &c));
	assert_false(url_is_loopback(&a));
	url_clear(&a);
	url_clear(&b);
	url_clear(&c);
	static const char *const local[] = { "http://127.0.0.1/", "http://127.9.9.9:1/", "http://localhost/", "http://[::1]/" };
	for (size_t i = 0; i < RN_LEN(local); i++) {
		url_parse(local[i], &a, NULL);
		assert_true(url_is_loopback(&a));
		url_clear(&a);
	}
	url_parse("http://127.0.0.1.evil.com/", &a, NULL);
	assert_false(url_is_loopback(&a));
	url_clear(&a);
}

static void shown_urls_hold_no_secrets(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *text = url_for_display("https://me:pw@h/p?token=1");
	assert_string_equal(text, "https://h/p");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_all_parts),
		cmocka_unit_test(a_path_is_never_empty),
		cmocka_unit_test(refuses_what_is_no_url),
		cmocka_unit_test(authority_leaves_the_usual_port_out),
		cmocka_unit_test(resolves_references),
		cmocka_unit_test(origins_and_loopback),
		cmocka_unit_test(shown_urls_hold_no_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
