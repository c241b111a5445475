/* SPDX-License-Identifier: Apache-2.0 */
#include "file_mode.h"

#include <string.h>

static bool octal(const char *s, mode_t *ret)
{
	mode_t mode = 0;
	size_t n = strlen(s);
	if (n == 0 || s[strspn(s, "01234567")] || n > 8)
		return false;
	for (; *s; s++)
		mode = mode << 3 | (mode_t)(*s - '0');
	*ret = mode;
	return mode <= 07777;
}

/* Bits that a "who" letter stands for. */
static mode_t who_bits(char c)
{
	switch (c) {
	case 'u':
		return 04700;
	case 'g':
		return 02070;
	case 'o':
		return 01007;
	default:
		return 07777;
	}
}

static mode_t copied(char from, mode_t mode)
{
	mode_t bits = from == 'u' ? mode >> 6 : from == 'g' ? mode >> 3 : mode;
	bits &= 7;
	return bits << 6 | bits << 3 | bits;
}

static mode_t permission(char c, mode_t mode, bool is_dir)
{
	switch (c) {
	case 'r':
		return 0444;
	case 'w':
		return 0222;
	case 'x':
		return 0111;
	case 'X':
		return is_dir || (mode & 0111) ? 0111 : 0;
	case 's':
		return 06000;
	case 't':
		return 01000;
	default:
		return copied(c, mode);
	}
}

/* Applies one clause ("u=rwX+t"); moves *p behind it. False: malformed. */
static bool clause(const char **p, mode_t *mode, bool is_dir)
{
	const char *s = *p;
	size_t n = strspn(s, "ugoa");
	mode_t who = n ? 0 : 07777;
	for (size_t i = 0; i < n; i++)
		who |= who_bits(s[i]);
	s += n;
	if (!*s || !strchr("+-=", *s))
		return false;
	while (*s && strchr("+-=", *s)) {
		char op = *s++;
		mode_t bits = 0;
		size_t letters = strspn(s, "rwxXst");
		if (letters == 0 && *s && strchr("ugo", *s))
			letters = 1;
		for (size_t i = 0; i < letters; i++)
			bits |= permission(s[i], *mode, is_dir);
		s += letters;
		bits &= who;
		if (op == '+')
			*mode |= bits;
		else if (op == '-')
			*mode &= ~bits;
		else
			*mode = (*mode & ~(who & (is_dir ? 0777u : 07777u))) | bits;
	}
	*p = s;
	return true;
}

static bool apply(const char *text, mode_t *mode, bool is_dir)
{
	if (octal(text, mode))
		return true;
	if (!*text || strspn(text, "0123456789") == strlen(text))
		return false;
	for (;;) {
		if (!clause(&text, mode, is_dir))
			return false;
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
}

int file_mode_check(const char *text, struct rn_error *err)
{
	mode_t mode = 0;
	if (apply(text, &mode, false))
		return 0;
	rn_fail(err, RN_EINVAL, "\"%s\" is no mode for --chmod", text);
	return rn_hint(err, "octal between 0 and 7777, or symbolic as in u=rwX,go=rX");
}

mode_t file_mode_apply(const char *text, mode_t old, bool is_dir)
{
	mode_t mode = old & 07777;
	apply(text, &mode, is_dir);
	return mode;
}
