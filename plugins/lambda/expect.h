/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is an answer what the pipeline expects? Members of an expected map must be
 * there (others may be too), lists item by item, and a string that is itself
 * JSON is compared as JSON, so that blanks inside a body do not matter. Pure.
 */
#ifndef LAMBDA_EXPECT_H
#define LAMBDA_EXPECT_H

#include "base/json.h"

/** True when `have` meets `want`; else `why` gets the first place that differs: "body[2]: expected 9, got 10". */
bool expect_match(const cJSON *want, const cJSON *have, struct rn_buf *why);

#endif
