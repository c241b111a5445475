/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throttling (token buckets, in memory) and quotas (counted per day in the store) of
 * usage plans and stages.
 */
#ifndef APIGW_LIMITS_H
#define APIGW_LIMITS_H

#include "cloud.h"

#include "base/json.h"

struct limits;
struct limits *limits_new(void);
void limits_free(struct limits *l);

/** Takes a token from the bucket `key`, which refills at `rate` a second up to `burst`; false: none left. */
bool limits_take(struct limits *l, const char *key, double rate, double burst);

/** Counts a call of the key; false when the plan's quota is used up. Never fails on a plan without quota. */
bool quota_take(struct cloud *c, const cJSON *plan, const char *key_id);
/** Calls left in the current period; -1: no quota. */
int64_t quota_left(const cJSON *plan, const cJSON *usage);
/** Sets what is left in the current period. */
void quota_set_left(const cJSON *plan, cJSON *usage, int64_t left);
/** Calls on a day, "2026-11-24". */
int64_t quota_used_on(const cJSON *usage, const char *day);

/** "2026-11-24" of a time in seconds since 1970 into to[16]; returns it. */
char *quota_day(int64_t seconds, char *to);

#endif
