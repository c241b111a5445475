/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/xml.h"

#include "base/json.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void becomes(const char *xml, const char *json)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *tree = xml_to_json(xml, strlen(xml), &err);
	if (!json) {
		assert_null(tree);
		assert_int_equal(err.code, RN_EINVAL);
		return;
	}
	assert_non_null(tree);
	RN_AUTO(rn_freep) char *text = rn_json_print(tree);
	assert_string_equal(text, json);
}

static void elements_become_objects_and_texts(void **state)
{
	(void)state;
	becomes("<a><b>1</b><c/></a>", "{\"b\":\"1\",\"c\":\"\"}");
	becomes("<?xml version=\"1.0\"?>\n<!-- x -->\n<n:a xmlns:n='u' k=\"<\">\n <n:b> x </n:b>\n</n:a>\n", "{\"b\":\" x \"}");
	becomes("<a>t</a>", "\"t\"");
}

static void repeated_and_member_elements_become_lists(void **state)
{
	(void)state;
	becomes("<a><b>1</b><b>2</b><c>3</c></a>", "{\"b\":[\"1\",\"2\"],\"c\":\"3\"}");
	becomes("<a><L><member>1</member></L></a>", "{\"L\":[\"1\"]}");
	becomes("<a><L><member><x>1</x></member><member><x>2</x></member></L></a>", "{\"L\":[{\"x\":\"1\"},{\"x\":\"2\"}]}");
	becomes("<a><L><member><member>1</member></member><member><member>2</member></member></L></a>", "{\"L\":[[\"1\"],[\"2\"]]}");
}

static void entities_and_cdata_are_decoded(void **state)
{
	(void)state;
	becomes("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x20AC;</a>", "\"<&>\\\"'A€\"");
	becomes("<a>x<![CDATA[<&]]>y</a>", "\"x<&y\"");
}

static void malformed_documents_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "text", "<a>", "<a></b>", "<a><b></a></b>", "</a>", "<a/><b/>", "<a b></a>", "<a b=c/>", "<a b='>", "<a",
		"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a>&x;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#;</a>", "<a>&amp</a>",
		"<a><![CDATA[x</a>", "<!-- <a/>", "<></>", "<a>&lt",
	};
	for (size_t i = 0; i < RN_LEN(bad); i++)
		becomes(bad[i], NULL);
}

static void depth_has_a_ceiling(void **state)
{
	(void)state;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	for (int i = 0; i < 100000; i++)
		rn_buf_adds(&b, "<a>");
	becomes(rn_buf_str(&b), NULL);
}

/* Every prefix of a document ends in an error, none in a crash or an endless loop. */
static void any_cut_is_an_error(void **state)
{
	(void)state;
	const char *whole = "<?xml v?><a x='1'><b>&lt;<![CDATA[z]]></b><!-- c --><L><member>1</member></L></a>";
	for (size_t n = 0; n < strlen(whole); n++) {
		RN_AUTO(rn_freep) char *part = rn_memdup(whole, n + 1); /* exact size, for the sanitizer */
		assert_null(xml_to_json(part, n, NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_become_objects_and_texts),
		cmocka_unit_test(repeated_and_member_elements_become_lists),
		cmocka_unit_test(entities_and_cdata_are_decoded),
		cmocka_unit_test(malformed_documents_are_refused),
		cmocka_unit_test(depth_has_a_ceiling),
		cmocka_unit_test(any_cut_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
