/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: formatting, lists of strings, numbers with units, and the nearest name. */
#ifndef RN_STR_H
#define RN_STR_H

#include "error.h"
#include "mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** New string by format; the caller frees. */
char *rn_asprintf(const char *fmt, ...) RN_PRINTF(1, 2);
bool rn_starts(const char *s, const char *prefix);
bool rn_ends(const char *s, const char *suffix);
/** True for equal strings; NULL equals NULL only. */
bool rn_streq(const char *a, const char *b);
/** Cuts ASCII blanks at both ends in place; returns the first kept character. */
char *rn_trim(char *s);
/** Lowers ASCII letters in place, whatever the locale; returns s. */
char *rn_lower(char *s);
/** New string with each `from` replaced by `to`. */
char *rn_replace(const char *s, const char *from, const char *to);
/** True when s[0..n) is valid UTF-8 (RFC 3629). */
bool rn_utf8_valid(const char *s, size_t n);
/** How many of the bytes at the beginning are valid UTF-8: n, or where the first fault is. */
size_t rn_utf8_prefix(const char *s, size_t n);

/** A list of owned strings; `v` is NULL-terminated once anything was added. */
struct rn_strv {
	char **v;
	size_t n;
	size_t cap;
};
void rn_strv_add(struct rn_strv *l, const char *s);       /* copies */
void rn_strv_take(struct rn_strv *l, char *s);            /* owns s */
void rn_strv_addf(struct rn_strv *l, const char *fmt, ...) RN_PRINTF(2, 3);
void rn_strv_clear(struct rn_strv *l);
bool rn_strv_has(const struct rn_strv *l, const char *s);
void rn_strv_sort(struct rn_strv *l);                     /* bytewise */
char *rn_strv_join(const struct rn_strv *l, const char *sep);
/** Splits at `sep`; keeps empty pieces; "" gives one empty piece. */
void rn_strv_split(struct rn_strv *l, const char *s, char sep);

/** Decimal integer, whole string, within [min, max]. */
int rn_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct rn_error *err);
int rn_parse_double(const char *s, double *ret, struct rn_error *err); /* C locale, finite */
/** "true" / "false" only. */
int rn_parse_bool(const char *s, bool *ret, struct rn_error *err);
/** "250ms", "10s", "15m", "1h30m", "2d"; a bare number is seconds. Milliseconds, >= 0. */
int rn_parse_duration(const char *s, int64_t *ret_ms, struct rn_error *err);
/** The duration in a variable of the environment, `without` (milliseconds) when it is not set or empty. RN_EINVAL also when it is not from `least` to `most`, durations as text. */
int rn_env_duration(const char *name, const char *least, const char *most, int64_t without, int64_t *ret_ms, struct rn_error *err);
/** "512", "64k", "64KiB", "10MB", "1.5GiB": KB = 1000, K / KiB = 1024. Bytes. */
int rn_parse_size(const char *s, uint64_t *ret, struct rn_error *err);
/** "1.2s", "3m04s": for people. Writes at most n bytes, returns `to`. */
const char *rn_format_duration(int64_t ms, char *to, size_t n);
/** "12.3 MB" (powers of 1000): for people. */
const char *rn_format_size(uint64_t bytes, char *to, size_t n);

/** The candidate that looks most like `s` (edit distance), or NULL when none is near. Borrowed. */
const char *rn_nearest(const char *s, const char *const *names, size_t n);

#endif
