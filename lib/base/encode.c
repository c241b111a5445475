/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *rn_base64(const void *data, size_t n)
{
	const unsigned char *s = data;
	char *out = rn_alloc((n + 2) / 3 * 4 + 1), *w = out;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) |
			     (left > 2 ? s[i + 2] : 0u);
		*w++ = alphabet[v >> 18];
		*w++ = alphabet[v >> 12 & 63];
		*w++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*w++ = left > 2 ? alphabet[v & 63] : '=';
	}
	return out;
}

static int sextet(char c)
{
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

int rn_base64_decode(const char *text, struct rn_buf *ret, struct rn_error *err)
{
	uint32_t v = 0;
	unsigned bits = 0, digits = 0;
	const char *p = text;
	for (; *p && *p != '='; p++) {
		if (strchr(" \t\r\n", *p))
			continue;
		int d = sextet(*p);
		if (d < 0)
			return rn_fail(err, RN_EINVAL, "not base64: byte 0x%02x at offset %zu",
				       (unsigned char)*p, (size_t)(p - text));
		v = v << 6 | (uint32_t)d;
		bits += 6;
		digits++;
		if (bits >= 8) {
			bits -= 8;
			if (rn_buf_addc(ret, (char)(v >> bits & 0xff)) < 0)
				return rn_buf_check(ret, "base64 value", err);
		}
	}
	if (digits % 4 == 1 || p[strspn(p, "= \t\r\n")])
		return rn_fail(err, RN_EINVAL, "not base64: wrong length or padding");
	return 0;
}

char *rn_hex(const void *data, size_t n, char *to)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *s = data;
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[s[i] >> 4];
		to[2 * i + 1] = digits[s[i] & 15];
	}
	to[2 * n] = '\0';
	return to;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int rn_unhex(const char *hex, void *to, size_t n)
{
	unsigned char *out = to;
	if (strnlen(hex, 2 * n + 1) != 2 * n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return -1;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

static bool unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

char *rn_percent(const char *s, const char *keep)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = rn_alloc(strlen(s) * 3 + 1), *w = out;
	for (; *s; s++) {
		if (unreserved(*s) || (keep && strchr(keep, *s))) {
			*w++ = *s;
			continue;
		}
		*w++ = '%';
		*w++ = digits[(unsigned char)*s >> 4];
		*w++ = digits[(unsigned char)*s & 15];
	}
	return out;
}

char *rn_percent_decode(const char *s, bool plus)
{
	char *out = rn_alloc(strlen(s) + 1), *w = out;
	while (*s) {
		int hi = *s == '%' ? nibble(s[1]) : -1;
		int lo = hi >= 0 ? nibble(s[2]) : -1;
		if (lo >= 0) {
			*w++ = (char)(hi << 4 | lo);
			s += 3;
		} else {
			*w++ = plus && *s == '+' ? ' ' : *s;
			s++;
		}
	}
	return out;
}
