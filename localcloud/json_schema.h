/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schema draft 4, the part that API Gateway's request validation is used for: type, enum, properties,
 * required, additionalProperties, min/maxProperties, items, min/maxItems, uniqueItems, minimum, maximum,
 * exclusiveMinimum/Maximum (booleans), multipleOf, min/maxLength, pattern (as in pattern.h), allOf, anyOf, oneOf, not, definitions and $ref. title, description, default, format, id and
 * $schema say nothing about a value. Any other keyword is refused when the schema is taken in.
 */
#ifndef JSON_SCHEMA_H
#define JSON_SCHEMA_H

#include "base/json.h"

/** The schema that a $ref names which is not in its own document; a "#…" in it is of it. NULL: there is none. Borrowed. */
typedef const cJSON *schema_find_fn(void *ctx, const char *ref);

/** -1: `err` says in a few words what is wrong; *ret_keywords (may be NULL) gets the keywords that are not known. */
int schema_check(const cJSON *schema, struct rn_strv *ret_keywords, struct rn_error *err);

/** Is `value` valid? -1: `err` says why, in one line. Depth and steps are bounded; beyond is invalid. */
int schema_validate(const cJSON *schema, const cJSON *value, schema_find_fn *find, void *ctx, struct rn_error *err);

#endif
