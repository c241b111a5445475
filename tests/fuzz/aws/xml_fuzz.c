/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of IAM or STS -> JSON tree. */
#include "aws/xml.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rn_error err = { 0 };
	cJSON_Delete(xml_to_json((const char *)data, size, &err));
	return 0;
}
