/* SPDX-License-Identifier: Apache-2.0 */
#include "apigw_limits.h"

#include "apigw.h"
#include "store.h"

#include "base/map.h"
#include "base/time.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUCKETS_MAX 10000
#define DAYS_KEPT 90
#define DAY 86400

struct bucket {
	double tokens;
	int64_t filled_ms;
};

struct limits {
	pthread_mutex_t lock;
	struct rn_map buckets;
};

struct limits *limits_new(void)
{
	struct limits *l = rn_alloc(sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	rn_map_init(&l->buckets, free);
	return l;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	rn_map_clear(&l->buckets);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

bool limits_take(struct limits *l, const char *key, double rate, double burst)
{
	int64_t now = rn_now_ms();
	pthread_mutex_lock(&l->lock);
	if (l->buckets.live > BUCKETS_MAX) {
		rn_map_clear(&l->buckets); /* everyone starts full again: better than growing */
		rn_map_init(&l->buckets, free);
	}
	struct bucket *b = rn_map_get(&l->buckets, key);
	if (!b) {
		b = rn_alloc(sizeof(*b));
		*b = (struct bucket){ .tokens = burst, .filled_ms = now };
		rn_map_set(&l->buckets, key, b);
	}
	b->tokens += (double)(now - b->filled_ms) * rate / 1000.0;
	b->filled_ms = now;
	if (b->tokens > burst)
		b->tokens = burst;
	bool taken = b->tokens >= 1;
	if (taken)
		b->tokens -= 1;
	pthread_mutex_unlock(&l->lock);
	return taken;
}

/* ---- quotas ---- */

char *quota_day(int64_t seconds, char *to)
{
	struct tm tm;
	time_t t = (time_t)seconds;
	gmtime_r(&t, &tm);
	strftime(to, 16, "%Y-%m-%d", &tm);
	return to;
}

/* First day of the period that `now` is in, as seconds since 1970. */
static int64_t period_start(const cJSON *quota, int64_t now)
{
	const char *period = rn_json_str(quota, "period");
	int64_t offset = rn_json_int(quota, "offset", 0), today = now - now % DAY;
	struct tm tm;
	time_t t = (time_t)now;
	gmtime_r(&t, &tm);
	if (rn_streq(period, "WEEK")) {
		int64_t since = (tm.tm_wday - offset) % 7;
		return today - (since < 0 ? since + 7 : since) * DAY;
	}
	if (rn_streq(period, "MONTH")) {
		int64_t first = today - (tm.tm_mday - 1) * DAY + offset * DAY;
		if (first <= now)
			return first;
		int64_t last_month = today - (tm.tm_mday - 1) * DAY -
				     DAY; /* a day of the month before */
		t = (time_t)last_month;
		gmtime_r(&t, &tm);
		return last_month - (tm.tm_mday - 1) * DAY + offset * DAY;
	}
	return today;
}

int64_t quota_used_on(const cJSON *usage, const char *day)
{
	return rn_json_int(rn_json_get(usage, "days"), day, 0);
}

int64_t quota_left(const cJSON *plan, const cJSON *usage)
{
	const cJSON *quota = rn_json_get(plan, "quota");
	int64_t limit = rn_json_int(quota, "limit", -1), now = rn_wall_ms() / 1000, used = 0;
	char day[16];
	if (limit < 0)
		return -1;
	int64_t start = period_start(quota, now);
	for (int64_t at = start; at <= now; at += DAY)
		used += quota_used_on(usage, quota_day(at, day));
	if (rn_streq(rn_json_str(usage, "adjusted"), quota_day(start, day)))
		limit += rn_json_int(usage, "extra", 0);
	return limit > used ? limit - used : 0;
}

void quota_set_left(const cJSON *plan, cJSON *usage, int64_t left)
{
	char day[16];
	int64_t start = period_start(rn_json_get(plan, "quota"), rn_wall_ms() / 1000), limit,
		used = 0;
	limit = rn_json_int(rn_json_get(plan, "quota"), "limit", 0);
	for (int64_t at = start; at <= rn_wall_ms() / 1000; at += DAY)
		used += quota_used_on(usage, quota_day(at, day));
	apigw_set(usage, "adjusted", cJSON_CreateString(quota_day(start, day)));
	apigw_set(usage, "extra", cJSON_CreateNumber((double)(left + used - limit)));
}

/* One more call today; days of long ago go. */
static void count(cJSON *usage)
{
	char today[16], oldest[16];
	int64_t now = rn_wall_ms() / 1000;
	cJSON *days = apigw_object(usage, "days");
	quota_day(now - DAYS_KEPT * DAY, oldest);
	for (cJSON *day = days->child, *next; day; day = next) {
		next = day->next;
		if (strcmp(day->string, oldest) < 0)
			cJSON_Delete(cJSON_DetachItemViaPointer(days, day));
	}
	quota_day(now, today);
	apigw_set(days, today, cJSON_CreateNumber((double)rn_json_int(days, today, 0) + 1));
}

bool quota_take(struct cloud *c, const cJSON *plan, const char *key_id)
{
	const char *plan_id = rn_json_str(plan, "id");
	store_begin_relaxed(c->store);
	RN_AUTO(rn_json_freep) cJSON *usage = store_get(c->store, USAGE, plan_id, key_id);
	if (!usage)
		usage = cJSON_CreateObject();
	bool left = quota_left(plan, usage) != 0;
	if (left) {
		count(usage);
		store_put(c->store, USAGE, plan_id, key_id, usage, NULL);
	}
	return store_end(c->store, true, NULL) == 0 && left;
}
