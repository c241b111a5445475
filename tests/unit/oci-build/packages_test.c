/* SPDX-License-Identifier: Apache-2.0 */
/* The books of package managers, and the SPDX document made of them. */
#include "plugins/oci-build/packages.h"
#include "plugins/oci-build/sbom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static const struct package *get(const char *purl)
{
	const struct package *k = rn_map_get(&p.by_purl, purl);
	if (k)
		return k;
	RN_MAP_EACH(&p.by_purl, it)
		print_message("there is %s\n", it->key);
	fail_msg("no %s", purl);
	return NULL;
}

static void dpkg_lists_what_is_installed(void **state)
{
	(void)state;
	distribution_read("NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n", &p.distribution);
	packages_read_dpkg(&p,
			   "Package: libc6\nStatus: install ok installed\nMaintainer: GNU Libc <x@example.com>\nArchitecture: amd64\n"
			   "Version: 2.36-9+deb12u4\nDescription: C library\n Version: not this one\n\n"
			   "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
			   "Package: half\nStatus: install ok half-installed\nVersion: 1\n\n"
			   "Package: last\nStatus: install ok installed\nVersion: 1:2",
			   "var/lib/dpkg/status");
	assert_int_equal(p.by_purl.live, 2);
	const struct package *k = get("pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12");
	assert_string_equal(k->name, "libc6");
	assert_string_equal(k->version, "2.36-9+deb12u4");
	assert_string_equal(k->supplier, "GNU Libc <x@example.com>");
	assert_string_equal(k->source, "var/lib/dpkg/status");
	get("pkg:deb/debian/last@1:2?distro=debian-12");
}

static void a_file_of_status_d_needs_no_status(void **state)
{
	(void)state;
	packages_read_dpkg(&p, "Package: tzdata\r\nVersion: 2024a\r\nArchitecture: all\r\n", "var/lib/dpkg/status.d/tzdata");
	get("pkg:deb/debian/tzdata@2024a?arch=all");
}

static void apk_tells_letters_apart(void **state)
{
	(void)state;
	distribution_read("ID='alpine'\nVERSION_ID=3.20.1\n", &p.distribution);
	packages_read_apk(&p,
			  "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\nm:Someone <s@example.com>\np:so:libc.musl\nF:lib\na:0:0:755\nM:0:0:1777\n\n"
			  "P:busybox\nV:1.36.1-r29\nA:x86_64\n",
			  "lib/apk/db/installed");
	const struct package *k = get("pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1");
	assert_string_equal(k->license, "MIT");
	assert_string_equal(k->supplier, "Someone <s@example.com>");
	get("pkg:apk/alpine/busybox@1.36.1-r29?arch=x86_64&distro=alpine-3.20.1");
}

static void python_names_are_those_of_the_index(void **state)
{
	(void)state;
	packages_read_python(&p, "Metadata-Version: 2.1\nName: Foo_Bar..Baz\nVersion: 1.0\nLicense: old\nLicense-Expression: MIT\n\nVersion: 9\n",
			     "x/METADATA");
	const struct package *k = get("pkg:pypi/foo-bar-baz@1.0");
	assert_string_equal(k->license, "MIT");
	packages_read_python(&p, "\nName: no\nVersion: 1\n", "y/METADATA");
	assert_int_equal(p.by_purl.live, 1);
}

static void npm_has_scopes(void **state)
{
	(void)state;
	static const char scoped[] = "{\"name\":\"@a/b\",\"version\":\"1.0.0\",\"license\":{\"type\":\"MIT\"},\"author\":{\"name\":\"me\"}}";
	assert_true(packages_read_npm(&p, scoped, strlen(scoped), "q"));
	assert_true(packages_read_npm(&p, scoped, strlen(scoped), "again"));
	assert_int_equal(p.by_purl.live, 1);
	const struct package *k = get("pkg:npm/%40a/b@1.0.0");
	assert_string_equal(k->license, "MIT");
	assert_string_equal(k->supplier, "me");
	assert_string_equal(k->source, "q");
	assert_false(packages_read_npm(&p, "{\"private\":true}", 16, "q"));
	assert_false(packages_read_npm(&p, "not json", 8, "q"));
}

static void junk_is_no_package(void **state)
{
	(void)state;
	packages_read_dpkg(&p, "\n\n:::\nPackage:\nVersion: 1\n\nPackage: \xff\xfe\nVersion: 1\n", "x");
	packages_read_apk(&p, "P:\nV:\n\n", "x");
	packages_read_python(&p, "", "x");
	assert_int_equal(p.by_purl.live, 0);
}

static void the_document_is_spdx_and_the_same_in_any_order(void **state)
{
	(void)state;
	struct packages q;
	struct digest d = digest_of("x", 1);
	RN_AUTO(rn_buf_clear) struct rn_buf one = RN_BUF_INIT, two = RN_BUF_INIT;
	packages_init(&q);
	packages_read_python(&p, "Name: a\nVersion: 1\n", "a/METADATA");
	packages_read_python(&p, "Name: b\nVersion: 1\nLicense: \"BSD\"\n", "b/METADATA");
	packages_read_python(&q, "Name: b\nVersion: 1\nLicense: \"BSD\"\n", "b/METADATA");
	packages_read_python(&q, "Name: a\nVersion: 1\n", "a/METADATA");
	sbom_print(&p, "app", &d, "1970-01-01T00:00:00Z", &one);
	sbom_print(&q, "app", &d, "1970-01-01T00:00:00Z", &two);
	assert_string_equal(rn_buf_str(&one), rn_buf_str(&two));
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_parse_str(rn_buf_str(&one), NULL);
	assert_string_equal(rn_json_str(doc, "spdxVersion"), "SPDX-2.3");
	assert_int_equal(cJSON_GetArraySize(rn_json_get(doc, "packages")), 3);
	assert_int_equal(cJSON_GetArraySize(rn_json_get(doc, "relationships")), 3);
	packages_clear(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dpkg_lists_what_is_installed, begin, end),
		cmocka_unit_test_setup_teardown(a_file_of_status_d_needs_no_status, begin, end),
		cmocka_unit_test_setup_teardown(apk_tells_letters_apart, begin, end),
		cmocka_unit_test_setup_teardown(python_names_are_those_of_the_index, begin, end),
		cmocka_unit_test_setup_teardown(npm_has_scopes, begin, end),
		cmocka_unit_test_setup_teardown(junk_is_no_package, begin, end),
		cmocka_unit_test_setup_teardown(the_document_is_spdx_and_the_same_in_any_order, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
