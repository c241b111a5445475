/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, time stamps and waiting. */
#ifndef RN_TIME_H
#define RN_TIME_H

#include "error.h"

#include <stdint.h>

/** Milliseconds of the monotonic clock. */
int64_t rn_now_ms(void);
/** Milliseconds since 1970-01-01 UTC. */
int64_t rn_wall_ms(void);
/** "2026-11-24T03:15:07Z" or, with `millis`, "…07.123Z"; to[32]. */
char *rn_iso8601(int64_t wall_ms, bool millis, char *to);
/** Parses the same (offset ±hh:mm accepted). */
int rn_parse_iso8601(const char *s, int64_t *ret_wall_ms, struct rn_error *err);
/** HTTP-date of RFC 9110 §5.6.7 (IMF-fixdate). */
int rn_parse_http_date(const char *s, int64_t *ret_wall_ms, struct rn_error *err);
/** HTTP-date; to[32]. */
char *rn_http_date(int64_t wall_ms, char *to);
/** Sleeps; returns early with -1 when `cancel_fd` (or -1) becomes readable. */
int rn_sleep_ms(int64_t ms, int cancel_fd);
/** Exponential backoff with full jitter: a random time in [0, min(cap, base * 2^attempt)]; attempt from 0. */
int64_t rn_backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms);
/** Random bytes from the kernel; cannot fail. */
void rn_random(void *to, size_t n);
/** 2n random lower-case hexadecimal digits; to[2n + 1]. */
char *rn_random_hex(size_t n, char *to);

#endif
