/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values as YAML, and back. */
#include "yaml/print.h"

#include "yaml/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void what_is_printed_reads_as_the_same_value(void **state)
{
	(void)state;
	static const char *const values[] = {
		"{}", "[]", "1", "\"a\"", "null", "[1,\"x\",null,true]",
		"{\"a\":{\"b\":[{\"c\":1,\"d\":{\"e\":[]}},{\"f\":{}},[1,[2]],\"x\"]},\"g\":\"\"}",
		"{\"200\":{\"x\":\"two\\nlines \\\"quoted\\\" \\\\ \\u00e9\"},\"/a/{b+}\":{\"$ref\":\"#/c\"},\"no\":false,\"\":0,\"a: b\":1,\"- c\":2}",
		"[{\"a\":[{\"b\":1},{\"c\":2}]},{\"d\":{\"e\":{\"f\":\"g\"}}}]",
	};
	for (size_t i = 0; i < RN_LEN(values); i++) {
		RN_AUTO(rn_json_freep) cJSON *value = rn_json_parse_str(values[i], NULL);
		RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
		struct diags d;
		yaml_print(value, &text);
		diags_init(&d, "x", rn_buf_str(&text));
		RN_AUTO(doc_freep) struct doc_node *root = document_parse(rn_buf_str(&text), text.len, &d);
		RN_AUTO(rn_json_freep) cJSON *again = doc_to_json(root);
		if (d.errors || !rn_json_equal(value, again))
			fail_msg("%s became %s", values[i], rn_buf_str(&text));
		diags_clear(&d);
	}
}

static void maps_and_lists_stand_in_blocks(void **state)
{
	(void)state;
	RN_AUTO(rn_json_freep) cJSON *value = rn_json_parse_str("{\"openapi\":\"3.0.1\",\"paths\":{\"/a\":{\"get\":{\"responses\":{\"200\":{}}}}},"
								"\"servers\":[{\"url\":\"u\",\"v\":{\"w\":1}}]}", NULL);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	yaml_print(value, &text);
	assert_string_equal(rn_buf_str(&text), "---\n"
					       "openapi: \"3.0.1\"\n"
					       "paths:\n"
					       "  /a:\n"
					       "    get:\n"
					       "      responses:\n"
					       "        \"200\": {}\n"
					       "servers:\n"
					       "- url: \"u\"\n"
					       "  v:\n"
					       "    w: 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_reads_as_the_same_value),
		cmocka_unit_test(maps_and_lists_stand_in_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
