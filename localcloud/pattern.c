/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_MAX = 4096, NEST_MAX = 32, REPEAT_MAX = 1000 };
#define SIZE_MAX_UNFOLDED 10000 /* states; the C library makes that many copies of what repeats */

struct reader {
	const char *p;
	struct rn_buf *to;
	double size[NEST_MAX + 1]; /* of each open group */
	double last;               /* of what a repetition would be about; 0: nothing */
	int depth;
};

/* ---- sets -------------------------------------------------------------------------------- */

static void add_class(bool *has, char name)
{
	static const char *const members[][2] = { { "d", "0123456789" },
						  { "w", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_" },
						  { "s", " \t\r\n\f\v" } };
	bool inverse = strchr("DWS", name) != NULL;
	for (size_t i = 0; i < RN_LEN(members); i++)
		for (int c = 1; *members[i][0] == (name | 0x20) && c < 256; c++)
			has[c] |= (strchr(members[i][1], c) != NULL) != inverse;
}

/* The character of an escape; -1: none that is known, -2: a class (of *p). */
static int escaped(char c)
{
	static const char *const controls = "n\nt\tr\rf\fv\v";
	for (const char *k = controls; *k; k += 2)
		if (*k == c)
			return k[1];
	if (c && strchr("dwsDWS", c))
		return -2;
	return !c || strchr("bBuxck0123456789pP", c) ? -1 : (unsigned char)c;
}

/* Adds a set as POSIX wants it: "]" first, "^" not first, "-" first or last; bytes one by one. */
static void emit_set(struct rn_buf *to, const bool *has, bool negated)
{
	RN_AUTO(rn_buf_clear) struct rn_buf all = RN_BUF_INIT;
	if (has[']'])
		rn_buf_addc(&all, ']');
	for (int c = 1; c < 256; c++)
		if (has[c] && !strchr("]^-[", c))
			rn_buf_addc(&all, (char)c);
	if (has['['])
		rn_buf_addc(&all, '[');
	bool leads = all.len == 0 && !negated; /* what comes now is the first */
	if (has['-'] && leads)
		rn_buf_addc(&all, '-');
	if (has['^'])
		rn_buf_addc(&all, '^');
	if (has['-'] && !leads)
		rn_buf_addc(&all, '-');
	if (leads && has['^'] && !has['-'])
		rn_buf_adds(to, "\\^");
	else
		rn_buf_addf(to, negated ? "[^%s]" : "[%s]", rn_buf_str(&all));
}

/* One character of a set; as `escaped`. */
static int set_char(struct reader *r)
{
	int c = (unsigned char)*r->p++;
	if (c != '\\')
		return c;
	return *r->p ? escaped(*r->p++) : -1;
}

/* Behind "[". */
static bool read_set(struct reader *r)
{
	bool has[256] = { false }, negated = *r->p == '^', any = false;
	r->p += negated;
	while (*r->p && *r->p != ']') {
		int c = set_char(r);
		if (c == -1)
			return false;
		if (c == -2) {
			add_class(has, r->p[-1]);
		} else if (r->p[0] == '-' && r->p[1] && r->p[1] != ']') {
			r->p++;
			int to = set_char(r);
			if (to < c)
				return false;
			for (; c <= to; c++)
				has[c] = true;
		} else {
			has[c] = true;
		}
		any = true;
	}
	if (!any || !*r->p)
		return false;
	r->p++;
	emit_set(r->to, has, negated);
	return true;
}

/* ---- the rest ------------------------------------------------------------------------------ */

/* What comes before is there `times` as often when it is compiled. */
static bool repeat(struct reader *r, double times)
{
	if (r->last <= 0 || *r->p == '?') /* nothing to repeat; or not greedy */
		return false;
	r->size[r->depth] += r->last * (times - 1);
	r->last = 0;
	return r->size[r->depth] <= SIZE_MAX_UNFOLDED;
}

/* Behind "{". */
static bool read_bounds(struct reader *r)
{
	const char *begin = r->p, *end = begin + strspn(begin, "0123456789");
	if (end == begin)
		return false;
	long low = strtol(begin, NULL, 10), high = low;
	if (*end == ',') {
		const char *second = end + 1;
		end = second + strspn(second, "0123456789");
		high = end > second ? strtol(second, NULL, 10) : low + 1;
	}
	if (*end != '}' || low > REPEAT_MAX || high > REPEAT_MAX + 1 || high < low)
		return false;
	rn_buf_addc(r->to, '{');
	rn_buf_add(r->to, begin, (size_t)(end + 1 - begin));
	r->p = end + 1;
	return repeat(r, (double)(high > 0 ? high : 1));
}

static void atom(struct reader *r, double size)
{
	r->size[r->depth] += size;
	r->last = size;
}

static bool read_group(struct reader *r, bool opens)
{
	if (opens) {
		if (r->depth == NEST_MAX || (*r->p == '?' && r->p[1] != ':'))
			return false;
		r->p += *r->p == '?' ? 2 : 0;
		r->size[++r->depth] = 1;
		r->last = 0;
	} else if (r->depth == 0) {
		return false;
	} else {
		double size = r->size[r->depth--];
		atom(r, size);
	}
	rn_buf_addc(r->to, opens ? '(' : ')');
	return r->size[r->depth] <= SIZE_MAX_UNFOLDED;
}

static bool read_escape(struct reader *r)
{
	int c = *r->p ? escaped(*r->p++) : -1;
	if (c == -1)
		return false;
	if (c == -2) {
		bool has[256] = { false };
		add_class(has, r->p[-1]);
		emit_set(r->to, has, false);
	} else {
		rn_buf_addf(r->to, strchr(".[]()*+?{}|^$\\", c) ? "\\%c" : "%c", c);
	}
	atom(r, 1);
	return true;
}

static bool read_one(struct reader *r)
{
	char c = *r->p++;
	switch (c) {
	case '\\':
		return read_escape(r);
	case '[':
		atom(r, 1);
		return read_set(r);
	case '(':
	case ')':
		return read_group(r, c == '(');
	case '{':
		return read_bounds(r);
	case '*':
	case '+':
	case '?':
		rn_buf_addc(r->to, c);
		return repeat(r, c == '+' ? 2 : 1);
	case '|':
	case '^':
	case '$':
		rn_buf_addc(r->to, c);
		r->last = 0;
		return true;
	default:
		rn_buf_addc(r->to, c);
		atom(r, 1);
		return true;
	}
}

static bool to_posix(const char *pattern, struct rn_buf *to)
{
	struct reader r = { .p = pattern, .to = to };
	if (strlen(pattern) > LENGTH_MAX)
		return false;
	while (*r.p)
		if (!read_one(&r) || r.size[r.depth] > SIZE_MAX_UNFOLDED)
			return false;
	return r.depth == 0;
}

int pattern_matches(const char *pattern, const char *text)
{
	RN_AUTO(rn_buf_clear) struct rn_buf posix = RN_BUF_INIT;
	regex_t re;
	if (!to_posix(pattern, &posix) || regcomp(&re, rn_buf_str(&posix), REG_EXTENDED | REG_NOSUB) != 0)
		return -1;
	int rc = regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return rc == 0;
}

bool glob_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *mark = NULL;
	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			mark = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
