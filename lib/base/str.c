/* SPDX-License-Identifier: Apache-2.0 */
#include "str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *rn_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		rn_die("out of memory");
	return s;
}

bool rn_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool rn_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool rn_streq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

char *rn_trim(char *s)
{
	while (is_blank(*s))
		s++;
	size_t n = strlen(s);
	while (n && is_blank(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

char *rn_lower(char *s)
{
	for (char *p = s; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	return s;
}

char *rn_replace(const char *s, const char *from, const char *to)
{
	size_t from_len = strlen(from), to_len = strlen(to), count = 0;
	if (!from_len)
		return rn_strdup(s);
	for (const char *p = s; (p = strstr(p, from)); p += from_len)
		count++;
	char *out = rn_alloc(strlen(s) + count * to_len + 1), *w = out;
	for (const char *p; (p = strstr(s, from)); s = p + from_len) {
		memcpy(w, s, (size_t)(p - s));
		w += p - s;
		memcpy(w, to, to_len);
		w += to_len;
	}
	memcpy(w, s, strlen(s) + 1);
	return out;
}

size_t rn_utf8_prefix(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + n;
	while (s < end) {
		size_t before = (size_t)(s - (const unsigned char *)text);
		unsigned char c = *s++;
		if (c < 0x80)
			continue;
		int more = c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
		if (!more || end - s < more)
			return before;
		unsigned char lo = 0x80, hi = 0xbf;
		if (c == 0xe0)
			lo = 0xa0;
		else if (c == 0xed)
			hi = 0x9f; /* no surrogates */
		else if (c == 0xf0)
			lo = 0x90;
		else if (c == 0xf4)
			hi = 0x8f;
		if (*s < lo || *s > hi)
			return before;
		for (int i = 1; i < more; i++)
			if ((s[i] & 0xc0) != 0x80)
				return before;
		s += more;
	}
	return n;
}

bool rn_utf8_valid(const char *text, size_t n)
{
	return rn_utf8_prefix(text, n) == n;
}

void rn_strv_take(struct rn_strv *l, char *s)
{
	l->v = rn_grow(l->v, &l->cap, l->n + 2, sizeof(*l->v));
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void rn_strv_add(struct rn_strv *l, const char *s)
{
	rn_strv_take(l, rn_strdup(s));
}

void rn_strv_addf(struct rn_strv *l, const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		rn_die("out of memory");
	rn_strv_take(l, s);
}

void rn_strv_clear(struct rn_strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct rn_strv){ 0 };
}

bool rn_strv_has(const struct rn_strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void rn_strv_sort(struct rn_strv *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), compare);
}

char *rn_strv_join(const struct rn_strv *l, const char *sep)
{
	size_t len = 1, sep_len = strlen(sep);
	for (size_t i = 0; i < l->n; i++)
		len += strlen(l->v[i]) + sep_len;
	char *out = rn_alloc(len), *w = out;
	for (size_t i = 0; i < l->n; i++) {
		if (i) {
			memcpy(w, sep, sep_len);
			w += sep_len;
		}
		size_t n = strlen(l->v[i]);
		memcpy(w, l->v[i], n);
		w += n;
	}
	*w = '\0';
	return out;
}

void rn_strv_split(struct rn_strv *l, const char *s, char sep)
{
	for (;;) {
		const char *end = strchr(s, sep);
		if (!end) {
			rn_strv_add(l, s);
			return;
		}
		rn_strv_take(l, rn_strndup(s, (size_t)(end - s)));
		s = end + 1;
	}
}

/* Edit distance with adjacent swaps (optimal string alignment), for names up to 64 bytes. */
static size_t distance(const char *a, const char *b)
{
	enum { MAX = 64 };
	size_t n = strlen(a), m = strlen(b);
	if (n > MAX || m > MAX)
		return MAX;
	size_t rows[3][MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= m; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
			size_t best = last[j - 1] + cost;
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		size_t *old = before;
		before = last;
		last = now;
		now = old;
	}
	return last[m];
}

const char *rn_nearest(const char *s, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t best_distance = strlen(s) / 3 + 1; /* about one slip for every three letters */
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(s, names[i]);
		if (d < strlen(s) + !*s && d <= best_distance && (!best || d < best_distance)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}
