/* SPDX-License-Identifier: Apache-2.0 */
#include "time.h"

#include "encode.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_ms(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t rn_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t rn_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static void split_utc(int64_t wall_ms, struct tm *tm, int *ms)
{
	int64_t s = wall_ms / 1000, rest = wall_ms % 1000;
	if (rest < 0) {
		rest += 1000;
		s--;
	}
	time_t t = (time_t)s;
	gmtime_r(&t, tm);
	*ms = (int)rest;
}

char *rn_iso8601(int64_t wall_ms, bool millis, char *to)
{
	struct tm tm;
	int ms;
	split_utc(wall_ms, &tm, &ms);
	size_t n = strftime(to, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	if (millis)
		snprintf(to + n, 32 - n, ".%03dZ", ms);
	else
		snprintf(to + n, 32 - n, "Z");
	return to;
}

int rn_parse_iso8601(const char *s, int64_t *ret_wall_ms, struct rn_error *err)
{
	struct tm tm = { 0 };
	int used = 0;
	if (sscanf(s, "%4d-%2d-%2d%*[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec, &used) != 6 || !used)
		return rn_fail(err, RN_EINVAL, "\"%s\" is not an ISO 8601 time", s);
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	const char *p = s + used;
	int64_t ms = 0;
	if (*p == '.') {
		int64_t scale = 100;
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ms += (*p - '0') * scale;
	}
	int hours = 0, minutes = 0;
	if (*p == '+' || *p == '-') {
		if (sscanf(p + 1, "%2d:%2d", &hours, &minutes) < 1 && sscanf(p + 1, "%2d%2d", &hours, &minutes) < 1)
			return rn_fail(err, RN_EINVAL, "\"%s\" has a malformed offset", s);
	} else if (*p && *p != 'Z' && *p != 'z') {
		return rn_fail(err, RN_EINVAL, "\"%s\" is not an ISO 8601 time", s);
	}
	int64_t offset = (hours * 3600 + minutes * 60) * (*p == '-' ? -1 : 1);
	*ret_wall_ms = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
	return 0;
}

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

int rn_parse_http_date(const char *s, int64_t *ret_wall_ms, struct rn_error *err)
{
	struct tm tm = { .tm_mon = -1 };
	char month[4] = "";
	if (sscanf(s, "%*3c, %2d %3s %4d %2d:%2d:%2d GMT", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) == 6)
		for (int i = 0; i < 12; i++)
			if (strcmp(month, months[i]) == 0)
				tm.tm_mon = i;
	if (tm.tm_mon < 0)
		return rn_fail(err, RN_EINVAL, "\"%s\" is not an HTTP date", s);
	tm.tm_year -= 1900;
	*ret_wall_ms = (int64_t)timegm(&tm) * 1000;
	return 0;
}

char *rn_http_date(int64_t wall_ms, char *to)
{
	struct tm tm;
	int ms;
	split_utc(wall_ms, &tm, &ms);
	snprintf(to, 32, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7], tm.tm_mday % 100,
		 months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100,
		 tm.tm_sec % 100);
	return to;
}

int rn_sleep_ms(int64_t ms, int cancel_fd)
{
	int64_t end = rn_now_ms() + ms;
	for (;;) {
		int64_t left = end - rn_now_ms();
		struct pollfd p = { .fd = cancel_fd, .events = POLLIN };
		int n = poll(&p, 1, left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left);
		if (n > 0)
			return -1;
		if (n == 0 && left <= 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return 0;
	}
}

void rn_random(void *to, size_t n)
{
	char *p = to;
	while (n) {
		ssize_t k = getrandom(p, n > 256 ? 256 : n, 0);
		if (k < 0 && errno != EINTR)
			rn_die("getrandom: %m");
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
}

char *rn_random_hex(size_t n, char *to)
{
	unsigned char raw[64];
	if (n > sizeof(raw))
		rn_die("rn_random_hex: %zu bytes asked", n);
	rn_random(raw, n);
	return rn_hex(raw, n, to);
}

int64_t rn_backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms)
{
	int64_t most = base_ms;
	for (unsigned i = 0; i < attempt && most < cap_ms; i++)
		most *= 2;
	if (most > cap_ms)
		most = cap_ms;
	uint64_t r;
	rn_random(&r, sizeof(r));
	return most > 0 ? (int64_t)(r % ((uint64_t)most + 1)) : 0;
}
