/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 100

static const char *blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* Each skip_ returns what follows the value, NULL when it is malformed. */
static const char *skip(const char *p, int depth);

static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++) {
		if ((unsigned char)*p < ' ')
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'u') {
			if (strspn(p + 1, "0123456789abcdefABCDEF") < 4)
				return NULL;
			p += 4;
		} else if (!*p || !strchr("\"\\/bfnrt", *p)) {
			return NULL;
		}
	}
	return p + 1;
}

static const char *skip_digits(const char *p)
{
	size_t n = strspn(p, "0123456789");
	return n ? p + n : NULL;
}

static const char *skip_number(const char *p)
{
	p += *p == '-';
	p = *p == '0' ? p + 1 : skip_digits(p);
	if (p && *p == '.')
		p = skip_digits(p + 1);
	if (p && (*p == 'e' || *p == 'E')) {
		p++;
		p += *p == '+' || *p == '-';
		p = skip_digits(p);
	}
	return p;
}

static const char *skip_container(const char *p, int depth)
{
	char close = *p == '{' ? '}' : ']';
	p = blanks(p + 1);
	if (*p == close)
		return p + 1;
	for (;; p = blanks(p + 1)) {
		if (close == '}') {
			if (*p != '"' || !(p = skip_string(p)))
				return NULL;
			p = blanks(p);
			if (*p != ':')
				return NULL;
			p++;
		}
		p = skip(p, depth + 1);
		if (!p)
			return NULL;
		p = blanks(p);
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
	}
}

static const char *skip(const char *p, int depth)
{
	p = blanks(p);
	if (depth > DEPTH_MAX)
		return NULL;
	switch (*p) {
	case '{':
	case '[':
		return skip_container(p, depth);
	case '"':
		return skip_string(p);
	case 't':
		return strncmp(p, "true", 4) ? NULL : p + 4;
	case 'f':
		return strncmp(p, "false", 5) ? NULL : p + 5;
	case 'n':
		return strncmp(p, "null", 4) ? NULL : p + 4;
	default:
		return skip_number(p);
	}
}

bool json_valid(const char *text)
{
	const char *end = skip(text, 0);
	return end && !*blanks(end);
}

struct json json_parse(const char *text)
{
	struct json j = { .at = blanks(text) };
	switch (*j.at) {
	case '{':
	case '[':
		j.type = *j.at == '{' ? JSON_OBJECT : JSON_ARRAY;
		j.next = blanks(j.at + 1);
		break;
	case '"': j.type = JSON_STRING; break;
	case 't': j.type = JSON_TRUE; break;
	case 'f': j.type = JSON_FALSE; break;
	case 'n': j.type = JSON_NULL; break;
	default:
		j.type = JSON_NUMBER;
		j.number = strtod(j.at, NULL);
	}
	return j;
}

bool json_next(struct json *c, struct json *key, struct json *value)
{
	const char *p = blanks(c->next);
	if (*p == '}' || *p == ']')
		return false;
	if (*p == ',')
		p = blanks(p + 1);
	if (c->type == JSON_OBJECT) {
		*key = json_parse(p);
		p = blanks(skip_string(p)) + 1;
	}
	*value = json_parse(p);
	c->next = skip(p, 0);
	return true;
}

bool json_is(const struct json *s, const char *letters)
{
	size_t n = strlen(letters);
	return s->type == JSON_STRING && !strncmp(s->at + 1, letters, n) && s->at[n + 1] == '"';
}

static unsigned hex4(const char *p)
{
	char digits[5] = { p[0], p[1], p[2], p[3], 0 };
	return (unsigned)strtoul(digits, NULL, 16);
}

static char *put_utf8(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

char *json_string(const struct json *s)
{
	static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
	char *text = malloc((size_t)(skip_string(s->at) - s->at) + 1), *to = text;
	if (!text)
		abort();
	for (const char *p = s->at + 1; *p != '"'; p++) {
		if (*p != '\\') {
			*to++ = *p;
			continue;
		}
		if (*++p != 'u') {
			*to++ = TO[strchr(FROM, *p) - FROM];
			continue;
		}
		unsigned c = hex4(p + 1);
		p += 4;
		if (c >= 0xd800 && c < 0xdc00 && p[1] == '\\' && p[2] == 'u') { /* the first half of a pair */
			c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 3) - 0xdc00);
			p += 6;
		}
		to = put_utf8(to, c ? c & 0x1fffff : ' ');
	}
	*to = '\0';
	return text;
}

void text_add(struct text *t, const char *s)
{
	size_t n = strlen(s);
	if (t->n + n + 1 > t->cap) {
		t->cap = (t->n + n + 1) * 2;
		t->p = realloc(t->p, t->cap);
		if (!t->p)
			abort();
	}
	memcpy(t->p + t->n, s, n + 1);
	t->n += n;
}

void text_quote(struct text *t, const char *s)
{
	text_add(t, "\"");
	for (; *s; s++) {
		char one[8] = { *s, 0 };
		if (*s == '"' || *s == '\\')
			snprintf(one, sizeof(one), "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			snprintf(one, sizeof(one), "\\u%04x", (unsigned char)*s);
		text_add(t, one);
	}
	text_add(t, "\"");
}

bool base64_decode(char *s)
{
	static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, n = 0;
	char *to = s;
	for (; *s && *s != '='; s++) {
		const char *d = strchr(DIGITS, *s);
		if (!d)
			return false;
		bits = bits << 6 | (unsigned)(d - DIGITS);
		n += 6;
		if (n >= 8) {
			n -= 8;
			*to++ = (char)(bits >> n);
		}
	}
	if (strspn(s, "=") != strlen(s))
		return false;
	*to = '\0';
	return true;
}
