/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648), hexadecimal, percent-encoding (RFC 3986). Results are new strings. */
#ifndef RN_ENCODE_H
#define RN_ENCODE_H

#include "buf.h"

char *rn_base64(const void *data, size_t n);
/** Accepts the standard and the URL alphabet, padding optional, ASCII blanks skipped. */
int rn_base64_decode(const char *text, struct rn_buf *ret, struct rn_error *err);
/** Lower-case hexadecimal of n bytes into to[2n + 1]. */
char *rn_hex(const void *data, size_t n, char *to);
/** Exactly 2n hexadecimal digits to n bytes; -1 otherwise. */
int rn_unhex(const char *hex, void *to, size_t n);
/** Percent-encodes all but unreserved characters and those in `keep` (e.g. "/"). */
char *rn_percent(const char *s, const char *keep);
/** Decodes %XX (and + as blank when `plus`); malformed escapes stay as they are. */
char *rn_percent_decode(const char *s, bool plus);

#endif
