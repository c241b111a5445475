/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer must be like: read from the `expect` parameter, and compared. Pure. */
#ifndef SMOKE_EXPECT_H
#define SMOKE_EXPECT_H

#include "base/json.h"
#include "http/http.h"

/** Checks the form of an `expect` value (NULL: none given). `where` is for messages. */
int expect_validate(const cJSON *expect, const char *where, struct rn_error *err);

/**
 * Compares an answer with a checked `expect`; without `status` any 2xx will do. Each
 * difference is a line "what: expected X, got Y" in `ret`; none: all is as expected.
 */
void expect_compare(const cJSON *expect, const struct http_response *answer, struct rn_strv *ret);

/** True when the status alone is as expected. */
bool expect_status(const cJSON *expect, int status);

#endif
