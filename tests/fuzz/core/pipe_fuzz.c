/* SPDX-License-Identifier: Apache-2.0 */
/* Pipeline text -> document -> model with names, order and cycles checked -> messages. */
#include "core/pipeline.h"

#include "base/json.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses its list of pieces of a scalar with many escapes (fy_atom_iter_chunk_next) */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diags diags;
	RN_AUTO(rn_freep) char *text = rn_strndup((const char *)data, size);
	diags_init(&diags, "fuzz.pipe", text);
	struct pipeline *p = pipeline_parse("fuzz.pipe", (const char *)data, size, NULL, &diags);
	if (p && !diags.errors) {
		RN_AUTO(rn_freep) size_t *order = rn_alloc((p->n_stages + 1) * sizeof(*order));
		RN_AUTO(rn_json_freep) cJSON *j = doc_to_json(p->document);
		RN_AUTO(rn_freep) char *printed = rn_json_print(j);
		pipeline_order(p, order);
		pipeline_depends(p, p->n_stages - 1, 0);
	}
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	diags_print(&diags, true, &b);
	pipeline_free(p);
	diags_clear(&diags);
	return 0;
}
