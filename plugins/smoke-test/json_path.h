/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places in a JSON value: $.a[0]["b.c"] or, shorter, a.0.b. A subset of RFC 9535 that names one
 * place: no wildcards, slices, filters or negative indices. Pure.
 */
#ifndef SMOKE_JSON_PATH_H
#define SMOKE_JSON_PATH_H

#include "base/json.h"

/** Checks the form; RN_EINVAL says what is not understood. */
int json_path_check(const char *path, struct rn_error *err);
/** The value at a checked path; NULL when there is none. Borrowed. */
const cJSON *json_path_find(const cJSON *root, const char *path);

#endif
