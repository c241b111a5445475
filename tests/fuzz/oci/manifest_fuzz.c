/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes of both dialects: what parses must print. */
#include "oci/manifest.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rn_error err = { 0 };
	struct manifest m = { 0 };
	if (manifest_parse(data, size, NULL, &m, &err) < 0)
		return 0;
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT;
	manifest_print(&m, &out);
	manifest_clear(&m);
	return 0;
}
