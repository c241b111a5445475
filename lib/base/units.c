/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, read and printed; the declarations are in str.h. */
#include "str.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int rn_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct rn_error *err)
{
	const char *p = s + (*s == '-' || *s == '+');
	if (*p < '0' || *p > '9')
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a whole number", s);
	char *end;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	if (*end)
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a whole number", s);
	if (errno == ERANGE || v < min || v > max)
		return rn_fail(err, RN_EINVAL, "%s is not between %lld and %lld", s, (long long)min,
			       (long long)max);
	*ret = v;
	return 0;
}

static locale_t c_locale(void)
{
	static locale_t c;
	if (!c)
		c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	return c;
}

int rn_parse_double(const char *s, double *ret, struct rn_error *err)
{
	char *end;
	const char *p = s + (*s == '-' || *s == '+');
	bool digit = (*p >= '0' && *p <= '9') || *p == '.';
	double v = digit ? strtod_l(s, &end, c_locale()) : 0;
	if (!digit || *end || !isfinite(v))
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a number", s);
	*ret = v;
	return 0;
}

int rn_parse_bool(const char *s, bool *ret, struct rn_error *err)
{
	if (strcmp(s, "true") == 0)
		*ret = true;
	else if (strcmp(s, "false") == 0)
		*ret = false;
	else
		return rn_fail(err, RN_EINVAL, "\"%s\" is not true or false", s);
	return 0;
}

struct unit {
	const char *name;
	double factor;
};

static const struct unit durations[] = {
	{ "ms", 1 }, { "s", 1e3 }, { "m", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 },
};

static const struct unit sizes[] = {
	{ "", 1 },      { "b", 1 },
	{ "k", 0x1p10 }, { "kib", 0x1p10 }, { "kb", 1e3 },
	{ "m", 0x1p20 }, { "mib", 0x1p20 }, { "mb", 1e6 },
	{ "g", 0x1p30 }, { "gib", 0x1p30 }, { "gb", 1e9 },
	{ "t", 0x1p40 }, { "tib", 0x1p40 }, { "tb", 1e12 },
};

static const struct unit *find_unit(const struct unit *units, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(units[i].name) == len && strncasecmp(units[i].name, name, len) == 0)
			return &units[i];
	return NULL;
}

/* One unsigned "12.5" at *p; moves *p behind it. -1 when there is no digit. */
static int take_number(const char **p, double *ret)
{
	if (**p < '0' || **p > '9')
		return -1;
	size_t n = strspn(*p, "0123456789.");
	char text[32];
	if (n >= sizeof(text))
		return -1;
	memcpy(text, *p, n);
	text[n] = '\0';
	*p += n;
	return rn_parse_double(text, ret, NULL);
}

int rn_parse_duration(const char *s, int64_t *ret_ms, struct rn_error *err)
{
	const char *p = s;
	double total = 0, last = INFINITY;
	bool bare = s[strspn(s, "0123456789.")] == '\0';
	do {
		double v = 0;
		if (take_number(&p, &v) < 0)
			goto bad;
		size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz");
		const struct unit *u = bare ? &durations[1] : find_unit(durations, RN_LEN(durations), p, n);
		if (!u || u->factor >= last)
			goto bad;
		last = u->factor;
		total += v * u->factor;
		p += n;
	} while (*p);
	if (total > 1e15)
		goto bad;
	*ret_ms = (int64_t)(total + 0.5);
	return 0;
bad:
	rn_fail(err, RN_EINVAL, "\"%s\" is not a duration", s);
	return rn_hint(err, "write it like 250ms, 10s, 15m, 1h30m or 2d");
}

int rn_parse_size(const char *s, uint64_t *ret, struct rn_error *err)
{
	const char *p = s;
	double v = 0;
	const struct unit *u = NULL;
	if (take_number(&p, &v) == 0) {
		p += *p == ' ';
		u = find_unit(sizes, RN_LEN(sizes), p, strlen(p));
	}
	if (!u || v * u->factor > 0x1p62) {
		rn_fail(err, RN_EINVAL, "\"%s\" is not a size", s);
		return rn_hint(err, "write it in bytes or like 64KiB, 10MB, 1.5GiB");
	}
	*ret = (uint64_t)(v * u->factor + 0.5);
	return 0;
}

int rn_env_duration(const char *name, const char *least, const char *most, int64_t without, int64_t *ret_ms, struct rn_error *err)
{
	const char *text = getenv(name);
	int64_t from, to;
	*ret_ms = without;
	if (!text || !*text)
		return 0;
	if (rn_parse_duration(least, &from, err) < 0 || rn_parse_duration(most, &to, err) < 0 || rn_parse_duration(text, ret_ms, err) < 0)
		return rn_wrap(err, "%s", name);
	if (*ret_ms < from || *ret_ms > to)
		return rn_fail(err, RN_EINVAL, "%s is from %s to %s, not %s", name, least, most, text);
	return 0;
}

const char *rn_format_duration(int64_t ms, char *to, size_t n)
{
	long long s = ms / 1000;
	if (ms < 1000)
		snprintf(to, n, "%lldms", (long long)ms);
	else if (ms < 60000)
		snprintf(to, n, "%lld.%llds", s, (long long)(ms % 1000 / 100));
	else if (s < 3600)
		snprintf(to, n, "%lldm%02llds", s / 60, s % 60);
	else
		snprintf(to, n, "%lldh%02lldm", s / 3600, s / 60 % 60);
	return to;
}

const char *rn_format_size(uint64_t bytes, char *to, size_t n)
{
	static const char *const names[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	double v = (double)bytes;
	size_t i = 0;
	for (; v >= 999.95 && i + 1 < RN_LEN(names); i++)
		v /= 1000;
	snprintf(to, n, i ? "%.1f %s" : "%.0f %s", v, names[i]);
	return to;
}
