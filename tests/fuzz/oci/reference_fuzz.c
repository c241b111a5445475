/* SPDX-License-Identifier: Apache-2.0 */
/* Image names: what parses must print and parse to the same again. */
#include "oci/reference.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *text = rn_strndup((const char *)data, size);
	RN_AUTO(reference_clear) struct reference a = { 0 }, b = { 0 };
	if (reference_parse(text, &a, &err) < 0)
		return 0;
	RN_AUTO(rn_freep) char *once = reference_format(&a);
	if (reference_parse(once, &b, &err) < 0)
		abort();
	RN_AUTO(rn_freep) char *twice = reference_format(&b);
	if (strcmp(once, twice) != 0)
		abort();
	return 0;
}
