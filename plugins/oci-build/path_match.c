/* SPDX-License-Identifier: Apache-2.0 */
#include "path_match.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdint.h>
#include <string.h>

/* One item of a compiled pattern. */
enum item_kind {
	ITEM_BYTE,   /* that character                          */
	ITEM_ONE,    /* ? : any but '/'                         */
	ITEM_CLASS,  /* [..] : one of it, but '/'               */
	ITEM_STAR,   /* * : any text without '/'                */
	ITEM_DEEP,   /* "**" at the end : any text              */
	ITEM_LEVELS, /* "**" or "**" + '/' : nothing, or text that ends in '/' */
};

struct item {
	enum item_kind kind;
	const char *text; /* the character, or the class behind its '[' */
	size_t n;         /* its bytes                                  */
};

static size_t char_length(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

static uint32_t char_value(const char *s, size_t n)
{
	if (n == 1)
		return (unsigned char)*s;
	uint32_t value = (unsigned char)*s & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		value = value << 6 | ((unsigned char)s[i] & 0x3f);
	return value;
}

/* One end of a range in a class; 0: malformed. */
static size_t class_char(const char *s, uint32_t *ret)
{
	size_t skip = 0;
	if (*s == '\0' || *s == '-' || *s == ']')
		return 0;
	if (*s == '\\')
		skip = 1;
	if (!s[skip])
		return 0;
	size_t n = char_length(s + skip);
	*ret = char_value(s + skip, n);
	return skip + n;
}

/* The class that begins behind '[': its length with the closing ']', 0: malformed. *ret_hit: is `c` in it? */
static size_t read_class(const char *s, uint32_t c, bool *ret_hit)
{
	size_t at = 0;
	bool negated = s[0] == '^';
	at += negated;
	bool hit = false;
	for (bool first = true; s[at] != ']' || first; first = false) {
		uint32_t low, high;
		size_t n = class_char(s + at, &low);
		if (n == 0)
			return 0;
		at += n;
		high = low;
		if (s[at] == '-') {
			n = class_char(s + at + 1, &high);
			if (n == 0)
				return 0;
			at += n + 1;
		}
		hit |= low <= c && c <= high;
	}
	*ret_hit = hit != negated;
	return at + 1;
}

/* The pattern as items (NULL when malformed). */
static struct item *compile(const char *p, bool deep, size_t *ret_n)
{
	struct item *items = rn_alloc((strlen(p) + 1) * sizeof(*items));
	size_t n = 0;
	bool hit;
	while (*p) {
		struct item i = { ITEM_BYTE, p, char_length(p) };
		if (*p == '*' && deep && p[1] == '*') {
			i.n = p[2] == '/' ? 3 : 2;
			i.kind = p[i.n] ? ITEM_LEVELS : ITEM_DEEP;
		} else if (*p == '*') {
			i.kind = ITEM_STAR;
		} else if (*p == '?') {
			i.kind = ITEM_ONE;
		} else if (*p == '[') {
			size_t len = read_class(p + 1, 0, &hit);
			if (len == 0) {
				rn_freep(&items);
				return NULL;
			}
			i = (struct item){ ITEM_CLASS, p + 1, len + 1 };
		} else if (*p == '\\') {
			if (!p[1]) {
				rn_freep(&items);
				return NULL;
			}
			i = (struct item){ ITEM_BYTE, p + 1, char_length(p + 1) };
			p++;
		}
		p += i.n;
		items[n++] = i;
	}
	*ret_n = n;
	return items;
}

static bool item_takes(const struct item *i, const char *s, size_t n)
{
	bool hit = false;
	switch (i->kind) {
	case ITEM_BYTE:
		return i->n == n && memcmp(i->text, s, n) == 0;
	case ITEM_ONE:
		return *s != '/';
	case ITEM_CLASS:
		return *s != '/' && read_class(i->text, char_value(s, n), &hit) > 0 && hit;
	case ITEM_STAR:
	case ITEM_DEEP:
	case ITEM_LEVELS:
		break;
	}
	return false;
}

/* reach[j]: the items so far match the first j bytes. One item on. */
static void step(const struct item *i, const char *s, size_t len, const bool *reach, bool *next)
{
	memset(next, 0, (len + 1) * sizeof(*next));
	bool open = false; /* an unbounded item is running */
	for (size_t j = 0; j <= len;) {
		size_t n = j < len ? char_length(s + j) : 1;
		switch (i->kind) {
		case ITEM_STAR:
			open |= reach[j];
			next[j] |= open;
			open &= j < len && s[j] != '/';
			break;
		case ITEM_DEEP:
			open |= reach[j];
			next[j] |= open;
			break;
		case ITEM_LEVELS:
			next[j] |= reach[j] || (open && j > 0 && s[j - 1] == '/');
			open |= reach[j];
			break;
		case ITEM_BYTE:
		case ITEM_ONE:
		case ITEM_CLASS:
			if (j < len && reach[j] && item_takes(i, s + j, n))
				next[j + n] = true;
			break;
		}
		j += n;
	}
}

static bool match(const char *pattern, const char *name, bool deep)
{
	size_t n_items;
	RN_AUTO(rn_freep) struct item *items = compile(pattern, deep, &n_items);
	if (!items)
		return false;
	size_t len = strlen(name);
	RN_AUTO(rn_freep) bool *rows = rn_alloc(2 * (len + 1) * sizeof(bool));
	bool *reach = rows, *next = rows + len + 1;
	reach[0] = true;
	for (size_t i = 0; i < n_items; i++) {
		step(&items[i], name, len, reach, next);
		bool *swap = reach;
		reach = next;
		next = swap;
	}
	return reach[len];
}

bool path_match(const char *pattern, const char *name)
{
	return match(pattern, name, false);
}

bool path_match_deep(const char *pattern, const char *path)
{
	return match(pattern, path, true);
}

bool path_pattern_valid(const char *pattern)
{
	size_t n;
	RN_AUTO(rn_freep) struct item *items = compile(pattern, false, &n);
	return items != NULL;
}

bool path_has_wildcard(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '\\' && pattern[1])
			pattern++;
		else if (strchr("*?[", *pattern))
			return true;
	}
	return false;
}

char *path_unescape(const char *pattern)
{
	char *out = rn_strdup(pattern), *to = out;
	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		*to++ = *p;
	}
	*to = '\0';
	return out;
}
