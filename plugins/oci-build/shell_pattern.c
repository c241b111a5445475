/* SPDX-License-Identifier: Apache-2.0 */
#include "shell_pattern.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#define ANY_TEXT (-1)
#define ANY_CHARACTER (-2)
#define STATES_MAX ((size_t)1 << 26) /* pattern length * value length */

/* A pattern or a value as code points (invalid UTF-8: bytes), patterns also with ANY_*. */
struct runes {
	int32_t *v;
	size_t *offset; /* of each in the text; one more at the end */
	size_t n;
};

static void runes_clear(struct runes *r)
{
	rn_freep(&r->v);
	rn_freep(&r->offset);
}

static size_t rune_length(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

static int32_t rune_at(const char *s, size_t n)
{
	uint32_t value = 0;
	for (size_t i = 0; i < n; i++)
		value = value << 8 | (unsigned char)s[i];
	return (int32_t)(value & 0x7fffffff);
}

static void runes_of(const char *s, struct runes *ret)
{
	size_t len = strlen(s);
	ret->v = rn_alloc((len + 1) * sizeof(*ret->v));
	ret->offset = rn_alloc((len + 1) * sizeof(*ret->offset));
	for (size_t at = 0; at < len;) {
		size_t n = rune_length(s + at);
		ret->v[ret->n] = rune_at(s + at, n);
		ret->offset[ret->n++] = at;
		at += n;
	}
	ret->offset[ret->n] = len;
}

static int compile(const char *pattern, struct runes *ret, struct rn_error *err)
{
	RN_AUTO(runes_clear) struct runes raw = { 0 };
	runes_of(pattern, &raw);
	struct runes out = { .v = rn_alloc((raw.n + 1) * sizeof(int32_t)) };
	for (size_t i = 0; i < raw.n; i++) {
		int32_t c = raw.v[i];
		if (c == '\\') {
			c = i + 1 < raw.n ? raw.v[++i] : 0;
			if (c != '*' && c != '?' && c != '\\' && c != '}' && c != '/') {
				runes_clear(&out);
				rn_fail(err, RN_EINVAL, "bad escape in the pattern \"%s\"", pattern);
				return rn_hint(err, "a backslash may stand before * ? \\ } / only");
			}
			out.v[out.n++] = c;
		} else {
			out.v[out.n++] = c == '*' ? ANY_TEXT : c == '?' ? ANY_CHARACTER : c;
		}
	}
	*ret = out;
	return 0;
}

static void reverse(struct runes *r)
{
	for (size_t i = 0; i < r->n / 2; i++) {
		int32_t c = r->v[i];
		r->v[i] = r->v[r->n - 1 - i];
		r->v[r->n - 1 - i] = c;
	}
}

/*
 * Where matches of the pattern that begin at `from` end: reach[j] is set when the
 * first i pattern items can match value[from .. j). One row at a time, so patterns
 * with many stars take no exponential time.
 */
static void match_ends(const struct runes *p, const struct runes *s, size_t from, bool *reach)
{
	memset(reach, 0, (s->n + 1) * sizeof(*reach));
	reach[from] = true;
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i] == ANY_TEXT) {
			for (size_t j = from; j < s->n; j++)
				reach[j + 1] |= reach[j] && s->v[j] != '\n';
			continue;
		}
		for (size_t j = s->n; j > from; j--)
			reach[j] = reach[j - 1] &&
				   (p->v[i] == ANY_CHARACTER ? s->v[j - 1] != '\n' : s->v[j - 1] == p->v[i]);
		reach[from] = false;
	}
}

/* End of the match that begins at `from`; SIZE_MAX: none. `reach` has room for s->n + 1. */
static size_t match_end(const struct runes *p, const struct runes *s, size_t from, bool longest, bool *reach)
{
	match_ends(p, s, from, reach);
	size_t found = SIZE_MAX;
	for (size_t j = from; j <= s->n; j++) {
		if (!reach[j])
			continue;
		found = j;
		if (!longest)
			break;
	}
	return found;
}

static int prepare(const char *pattern, const char *value, struct runes *ret_p, struct runes *ret_s, bool **ret_reach,
		   struct rn_error *err)
{
	if ((strlen(pattern) + 1) * (strlen(value) + 1) > STATES_MAX)
		return rn_fail(err, RN_ELIMIT, "the pattern or the value is too long");
	if (compile(pattern, ret_p, err) < 0)
		return -1;
	runes_of(value, ret_s);
	*ret_reach = rn_alloc((ret_s->n + 1) * sizeof(**ret_reach));
	return 0;
}

int shell_pattern_trim(const char *pattern, const char *value, enum shell_side side, bool longest, char **ret,
		       struct rn_error *err)
{
	RN_AUTO(runes_clear) struct runes p = { 0 };
	RN_AUTO(runes_clear) struct runes s = { 0 };
	RN_AUTO(rn_freep) bool *reach = NULL;
	if (prepare(pattern, value, &p, &s, &reach, err) < 0)
		return -1;
	if (side == SHELL_SUFFIX) {
		reverse(&p);
		reverse(&s);
	}
	size_t end = match_end(&p, &s, 0, longest, reach);
	if (end == SIZE_MAX)
		end = 0;
	*ret = side == SHELL_PREFIX ? rn_strdup(value + s.offset[end]) : rn_strndup(value, s.offset[s.n - end]);
	return 0;
}

int shell_pattern_replace(const char *pattern, const char *value, const char *with, bool all, char **ret,
			  struct rn_error *err)
{
	RN_AUTO(runes_clear) struct runes p = { 0 };
	RN_AUTO(runes_clear) struct runes s = { 0 };
	RN_AUTO(rn_freep) bool *reach = NULL;
	if (prepare(pattern, value, &p, &s, &reach, err) < 0)
		return -1;
	RN_AUTO(rn_buf_clear) struct rn_buf out;
	rn_buf_init(&out, (size_t)1 << 24);
	size_t at = 0;
	bool more = true;
	while (at < s.n) {
		size_t end = more ? match_end(&p, &s, at, true, reach) : SIZE_MAX;
		if (end != SIZE_MAX && end > at) {
			rn_buf_adds(&out, with);
			at = end;
			more = all;
			continue;
		}
		rn_buf_add(&out, value + s.offset[at], s.offset[at + 1] - s.offset[at]);
		at++;
	}
	if (rn_buf_check(&out, "the replaced text", err) < 0)
		return -1;
	*ret = rn_buf_take(&out);
	return 0;
}
