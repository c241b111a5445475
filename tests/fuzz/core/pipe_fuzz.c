/* SPDX-License-Identifier: Apache-2.0 */
/* Pipeline text -> document. */
#include "core/document.h"

#include "base/json.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diags diags;
	RN_AUTO(rn_freep) char *text = rn_strndup((const char *)data, size);
	diags_init(&diags, "fuzz.pipe", text);
	struct doc_node *doc = document_parse((const char *)data, size, &diags);
	if (doc) {
		RN_AUTO(rn_json_freep) cJSON *j = doc_to_json(doc);
		RN_AUTO(rn_freep) char *printed = rn_json_print(j);
	}
	doc_free(doc);
	diags_clear(&diags);
	return 0;
}
