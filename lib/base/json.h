/* SPDX-License-Identifier: Apache-2.0 */
/* JSON on top of cJSON: parsing with limits, typed access, comparing, canonical text. */
#ifndef RN_JSON_H
#define RN_JSON_H

#include "buf.h"
#include "str.h"

#include <cjson/cJSON.h>

void rn_json_freep(cJSON **j); /* for RN_AUTO */

/** Strict parse of the whole text (n bytes, depth <= 200, nothing behind it); the error names line and column. NULL on error. The caller deletes. */
cJSON *rn_json_parse(const char *text, size_t n, struct rn_error *err);
cJSON *rn_json_parse_str(const char *text, struct rn_error *err);
cJSON *rn_json_read_file(const char *path, size_t max, struct rn_error *err);

/** Member by name (case-sensitive), or NULL. Borrowed. */
cJSON *rn_json_get(const cJSON *obj, const char *name);
/** String member, or NULL when missing or of another type. Borrowed. */
const char *rn_json_str(const cJSON *obj, const char *name);
/** Number member, or `otherwise`. */
double rn_json_num(const cJSON *obj, const char *name, double otherwise);
int64_t rn_json_int(const cJSON *obj, const char *name, int64_t otherwise);
bool rn_json_bool(const cJSON *obj, const char *name, bool otherwise);
/** Member along a path of names and array indices, "a.b.0.c"; NULL when there is none. */
cJSON *rn_json_path(const cJSON *j, const char *path);

/** Compact text, members in their order, numbers shortest; new string. */
char *rn_json_print(const cJSON *j);
/** The same, with U+FFFD for bytes in its strings that are no UTF-8: paths and headers from outside. */
char *rn_json_print_utf8(const cJSON *j);
/** Compact text with members sorted bytewise: equal documents give equal text. U+FFFD as above. New string. */
char *rn_json_canonical(const cJSON *j);
/** Indented by two blanks, U+FFFD as above; new string. */
char *rn_json_pretty(const cJSON *j);
/** Deep equality; order of members does not matter, order of items does. */
bool rn_json_equal(const cJSON *a, const cJSON *b);
/** True when all of `want` is in `have`: members of objects may be more, arrays item by item of equal length. */
bool rn_json_subset(const cJSON *want, const cJSON *have);
/** Appends a quoted JSON string; invalid UTF-8 becomes U+FFFD. */
int rn_json_quote(struct rn_buf *b, const char *s, size_t n);

#endif
