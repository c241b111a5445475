/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a Dockerfile -> instructions. */
#include "plugins/oci-build/dockerfile_parser.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rn_error err = { 0 };
	struct df_source source;
	if (df_source_init(&source, "Dockerfile", (const char *)data, size, &err) < 0)
		return 0;
	dockerfile_free(dockerfile_parse(&source, &err));
	df_source_clear(&source);
	return 0;
}
