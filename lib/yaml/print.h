/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON value as a YAML 1.2 text. */
#ifndef RN_YAML_PRINT_H
#define RN_YAML_PRINT_H

#include "base/json.h"

/**
 * Appends `value` as one document ("---" first): maps and lists in block form, strings in double
 * quotes, keys plain where they may be. document_parse gives the same value again.
 */
void yaml_print(const cJSON *value, struct rn_buf *to);

#endif
