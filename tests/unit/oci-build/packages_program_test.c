/* SPDX-License-Identifier: Apache-2.0 */
/* Packages within programs and archives, gems, and which licences are expressions. */
#include "plugins/oci-build/packages.h"
#include "plugins/oci-build/spdx_license.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

static struct packages p;

static int begin(void **state)
{
	(void)state;
	packages_init(&p);
	return 0;
}

static int end(void **state)
{
	(void)state;
	packages_clear(&p);
	return 0;
}

static void assert_packages(const char *const *purls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!rn_map_has(&p.by_purl, purls[i]))
			fail_msg("no %s", purls[i]);
	RN_MAP_EACH(&p.by_purl, it)
		if (p.by_purl.live != n)
			print_message("there is %s\n", it->key);
	assert_int_equal(p.by_purl.live, n);
}

/* ---- Go -------------------------------------------------------------------------------------- */

static void add_text(struct rn_buf *b, const char *s, size_t n)
{
	for (size_t rest = n; rest >= 0x80 || (rn_buf_addc(b, (char)rest), 0); rest >>= 7)
		rn_buf_addc(b, (char)(rest | 0x80));
	rn_buf_add(b, s, n);
}

/* Something like a program: the build information comes at 4096 (or elsewhere), after a text that looks like it. */
static void make_program(const char *modules, size_t at, struct rn_buf *ret)
{
	RN_AUTO(rn_buf_clear) struct rn_buf info = RN_BUF_INIT;
	char mark[16] = "0w\xaf\x0c\x92t\x08\x02""A\xe1\xc1\x07\xe6\xd6\x18";
	rn_buf_adds(ret, "\177ELF is followed by code \xff Go buildinf: as a constant");
	memset(rn_buf_reserve(ret, at), 0, at);
	ret->len = at;
	rn_buf_add(ret, "\xff Go buildinf:\x08\x02", 16);
	memset(rn_buf_reserve(ret, 16), 0, 16);
	ret->len += 16;
	add_text(ret, "go1.22.1 X:nocoverageredesign", 29);
	rn_buf_add(&info, mark, 16);
	rn_buf_adds(&info, modules);
	rn_buf_add(&info, mark, 16);
	add_text(ret, rn_buf_str(&info), info.len);
}

static void read_go(const char *modules, size_t at)
{
	RN_AUTO(rn_buf_clear) struct rn_buf program = RN_BUF_INIT;
	make_program(modules, at, &program);
	packages_read_go(&p, (struct bytes){ (const unsigned char *)program.p, program.len }, "app/server");
}

static const char modules[] = "path\texample.com/app/cmd/server\nmod\texample.com/app\t(devel)\t\n"
			      "dep\tgithub.com/BurntSushi/toml\tv1.3.2\th1:abc=\n"
			      "dep\tgolang.org/x/net\tv0.1.0\n=>\tgolang.org/x/net\tv0.2.0\th1:def=\n"
			      "dep\texample.com/local\tv0.0.0\n=>\t./local\t(devel)\t\n"
			      "dep\tk8s.io/api\tv0.0.0+incompatible\th1:x=\nbuild\tCGO_ENABLED=0\nbuild\tvcs.revision=0123abc\n";

static void go_programs_list_their_modules(void **state)
{
	(void)state;
	read_go(modules, 4096);
	const char *const want[] = { "pkg:golang/stdlib@1.22.1", "pkg:golang/example.com/app@0123abc", "pkg:golang/github.com/burntsushi/toml@v1.3.2",
				     "pkg:golang/golang.org/x/net@v0.2.0", "pkg:golang/k8s.io/api@v0.0.0%2Bincompatible" };
	assert_packages(want, RN_LEN(want));
}

static void build_information_is_aligned_and_whole(void **state)
{
	(void)state;
	read_go(modules, 4097);
	assert_int_equal(p.by_purl.live, 0);
	packages_read_go(&p, (struct bytes){ (const unsigned char *)"#!/bin/sh", 9 }, "x");
	RN_AUTO(rn_buf_clear) struct rn_buf program = RN_BUF_INIT;
	make_program(modules, 128, &program);
	for (size_t n = 0; n < program.len; n++) {
		RN_AUTO(rn_freep) void *copy = rn_memdup(program.p, n ? n : 1);
		packages_read_go(&p, (struct bytes){ copy, n }, "x");
		assert_int_equal(p.by_purl.live, 0);
	}
}

/* ---- Java --------------------------------------------------------------------------------------- */

static void make_jar(const char *const (*files)[2], size_t n, const struct rn_buf *inner, bool stored, struct rn_buf *ret)
{
	size_t used = 0, room = (size_t)8 << 20;
	char *to = rn_buf_reserve(ret, room);
	struct archive *a = archive_write_new();
	archive_write_set_format_zip(a);
	archive_write_set_format_option(a, "zip", "compression", stored ? "store" : "deflate");
	if (!stored)
		archive_write_set_format_option(a, "zip", "compression-level", "1");
	assert_int_equal(archive_write_open_memory(a, to, room, &used), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();
		const char *data = files[i][1] ? files[i][1] : rn_buf_str(inner);
		size_t len = files[i][1] ? strlen(files[i][1]) : inner->len;
		archive_entry_set_pathname(e, files[i][0]);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_size(e, (la_int64_t)len);
		archive_write_header(a, e);
		archive_write_data(a, data, len);
		archive_entry_free(e);
	}
	archive_write_free(a);
	ret->len = used;
}

static void jars_are_looked_into_also_within_jars(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf inner = RN_BUF_INIT, outer = RN_BUF_INIT;
	const char *const in[][2] = { { "a/B.class", "code" },
				      { "META-INF/maven/org.slf4j/slf4j-api/pom.properties", "#made\nversion=2.0.9\ngroupId=org.slf4j\r\nartifactId=slf4j-api\n" } };
	const char *const out[][2] = { { "BOOT-INF/lib/slf4j-api.jar", NULL },
				       { "META-INF/maven/com.example/app/pom.properties", "artifactId=app\ngroupId=com.example\nversion=1.0-SNAPSHOT\n" },
				       { "elsewhere/pom.properties", "artifactId=no\ngroupId=no\nversion=1\n" } };
	make_jar(in, RN_LEN(in), NULL, false, &inner);
	make_jar(out, RN_LEN(out), &inner, false, &outer);
	packages_read_jar(&p, (struct bytes){ (const unsigned char *)outer.p, outer.len }, "app.jar");
	const char *const want[] = { "pkg:maven/org.slf4j/slf4j-api@2.0.9", "pkg:maven/com.example/app@1.0-SNAPSHOT" };
	assert_packages(want, RN_LEN(want));
	for (size_t n = 0; n < outer.len; n += 7)
		packages_read_jar(&p, (struct bytes){ (const unsigned char *)outer.p, n }, "cut.jar");
	assert_packages(want, RN_LEN(want));
}

#define POM "META-INF/maven/g/a/pom.properties", "groupId=g\nartifactId=a\nversion=1\n"

static void a_jar_that_unpacks_to_too_much_is_left(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf large = { .max = SIZE_MAX }, jar = { .max = SIZE_MAX };
	const char *files[18][2];
	for (size_t i = 0; i < RN_LEN(files); i++)
		files[i][0] = "large.jar", files[i][1] = NULL;
	const char *const pom[] = { POM };
	files[1][0] = pom[0], files[1][1] = pom[1];
	char *to = rn_buf_reserve(&large, (size_t)33 << 20);
	memset(to, 0, (size_t)33 << 20);
	large.len = (size_t)33 << 20; /* each is longer than what is looked at, and costs that much nevertheless */
	make_jar(files, RN_LEN(files), &large, false, &jar);
	packages_read_jar(&p, (struct bytes){ (const unsigned char *)jar.p, jar.len }, "early.jar");
	assert_int_equal(p.by_purl.live, 1);
	packages_clear(&p);
	packages_init(&p);
	rn_buf_reset(&jar);
	memcpy(files[17], files[1], sizeof(files[1]));
	files[1][0] = "large.jar", files[1][1] = NULL;
	make_jar(files, RN_LEN(files), &large, false, &jar);
	packages_read_jar(&p, (struct bytes){ (const unsigned char *)jar.p, jar.len }, "late.jar");
	assert_int_equal(p.by_purl.live, 0);
}

static void a_list_of_a_million_names_is_left(void **state)
{
	(void)state;
	for (size_t n = (1U << 20) - 100; n < (1U << 20) + 100; n += 199) {
		RN_AUTO(rn_buf_clear) struct rn_buf marks = { .max = SIZE_MAX }, jar = { .max = SIZE_MAX };
		const char *const files[][2] = { { "marks", NULL }, { POM } };
		char *to = rn_buf_reserve(&marks, 4 * n);
		for (size_t i = 0; i < n; i++)
			memcpy(to + 4 * i, "PK\001\002", 4);
		marks.len = 4 * n;
		make_jar(files, RN_LEN(files), &marks, true, &jar);
		packages_clear(&p);
		packages_init(&p);
		packages_read_jar(&p, (struct bytes){ (const unsigned char *)jar.p, jar.len }, "x.jar");
		assert_int_equal(p.by_purl.live, n < 1U << 20);
	}
}

static void there_are_at_most_so_many_packages(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf text = { .max = SIZE_MAX };
	for (unsigned i = 0; i < 200002; i++)
		rn_buf_addf(&text, "P:p%u\nV:1\n\n", i);
	packages_read_apk(&p, rn_buf_str(&text), "x");
	assert_int_equal(p.by_purl.live, 200000);
	assert_int_equal(p.unread.n, 1);
	packages_read_apk(&p, "P:p0\nV:1\n", "x");
	assert_int_equal(p.unread.n, 1);
}

/* ---- Ruby ------------------------------------------------------------------------------------------ */

static void gems_have_platforms(void **state)
{
	(void)state;
	packages_read_gem(&p, "# -*- encoding: utf-8 -*-\n# stub: rake 13.0.6 ruby lib\n\nGem::Specification.new do |s|\n  s.name = \"rake\".freeze\n"
			      "  s.version = \"13.0.6\"\n\n  s.required_ruby_version = \"2\"\n  s.authors = [\"Hiroshi\".freeze, \"Eric\".freeze]\n"
			      "  s.licenses = [\"MIT\".freeze]\nend\n", "specifications/rake-13.0.6.gemspec");
	packages_read_gem(&p, "  s.name = %q{nokogiri}\n  s.name = 'nokogiri'\n  s.version = '1.15.4'\n  s.platform = 'x86_64-linux'\n", "x");
	packages_read_gem(&p, "s.name = \"open\ns.version = \"1\"", "x");
	const char *const want[] = { "pkg:gem/rake@13.0.6", "pkg:gem/nokogiri@1.15.4?platform=x86_64-linux" };
	assert_packages(want, RN_LEN(want));
	const struct package *k = rn_map_get(&p.by_purl, want[0]);
	assert_string_equal(k->license, "MIT");
	assert_string_equal(k->supplier, "Hiroshi");
}

/* ---- licences --------------------------------------------------------------------------------------- */

static void expressions_are_told_from_other_texts(void **state)
{
	(void)state;
	const char *const yes[] = { "MIT", " MIT ", "Apache-2.0 OR MIT", "(MIT AND (BSD-3-Clause OR ISC)) AND Zlib", "GPL-2.0-or-later WITH Classpath-exception-2.0" };
	const char *const no[] = { "", "GPLv2+ and BSD", "MIT License", "MIT OR", "(MIT", "MIT)", "MIT ISC", "OR MIT", "MIT WITH ISC", "mit", "MIT,ISC" };
	for (size_t i = 0; i < RN_LEN(yes); i++)
		assert_true(spdx_license_is_expression(yes[i]));
	for (size_t i = 0; i < RN_LEN(no); i++)
		if (spdx_license_is_expression(no[i]))
			fail_msg("\"%s\"", no[i]);
	char deep[4096];
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_false(spdx_license_is_expression(deep));
}

/* ---- distributions ------------------------------------------------------------------------------------ */

static void what_a_distribution_made_it_from_is_told(void **state)
{
	(void)state;
	packages_read_dpkg(&p, "Package: libgcc-s1\nStatus: install ok installed\nSource: gcc-12 (12.2.0-14)\nVersion: 12.2.0-14\n\n"
			       "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9\n", "x");
	packages_read_apk(&p, "P:libcrypto3\nV:3.1.4-r5\no:openssl\n\nP:musl\nV:1.2\no:musl\n", "x");
	const char *const want[] = { "pkg:deb/debian/libgcc-s1@12.2.0-14?upstream=gcc-12%4012.2.0-14", "pkg:deb/debian/libc6@2.36-9?upstream=glibc",
				     "pkg:apk/alpine/libcrypto3@3.1.4-r5?upstream=openssl", "pkg:apk/alpine/musl@1.2" };
	assert_packages(want, RN_LEN(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(go_programs_list_their_modules, begin, end),
		cmocka_unit_test_setup_teardown(build_information_is_aligned_and_whole, begin, end),
		cmocka_unit_test_setup_teardown(jars_are_looked_into_also_within_jars, begin, end),
		cmocka_unit_test_setup_teardown(a_jar_that_unpacks_to_too_much_is_left, begin, end),
		cmocka_unit_test_setup_teardown(a_list_of_a_million_names_is_left, begin, end),
		cmocka_unit_test_setup_teardown(there_are_at_most_so_many_packages, begin, end),
		cmocka_unit_test_setup_teardown(gems_have_platforms, begin, end),
		cmocka_unit_test_setup_teardown(expressions_are_told_from_other_texts, begin, end),
		cmocka_unit_test_setup_teardown(what_a_distribution_made_it_from_is_told, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
