/* SPDX-License-Identifier: Apache-2.0 */
/* Where two JSON values differ, in words. Pure. */
#ifndef SMOKE_JSON_DIFF_H
#define SMOKE_JSON_DIFF_H

#include "base/json.h"

/**
 * A line per difference, "json $.a[2]: expected 1, got 2", at most ten. With `subset`, members that
 * only `got` has do not count (lists are still compared item by item).
 */
void json_diff(const cJSON *want, const cJSON *got, bool subset, struct rn_strv *ret);

#endif
