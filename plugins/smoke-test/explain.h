/* SPDX-License-Identifier: Apache-2.0 */
/* What an unexpected answer usually means. Pure. */
#ifndef SMOKE_EXPLAIN_H
#define SMOKE_EXPLAIN_H

#include "http/http.h"

#include <stdbool.h>

/**
 * The likely cause and what to do, for the answers that API Gateway gives; NULL when nothing is
 * known. A literal.
 */
const char *explain_answer(const struct http_response *r, bool sent_key);
/** True when API Gateway (or something like it) wrote the answer: 403, 404, 429 or 5xx with its headers. */
bool explain_is_gateway(const struct http_response *r);
/** True for answers that a thing just deployed gives until it has spread: 403, 404, 429, 5xx. */
bool explain_may_settle(int status);

#endif
