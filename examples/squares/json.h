/* SPDX-License-Identifier: Apache-2.0 */
/* As much JSON as the example needs: walking a text that was checked once, and writing strings. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>

enum json_type { JSON_NONE, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

/* A value in a text; borrowed from it. */
struct json {
	enum json_type type;
	const char *at;   /* where it starts                       */
	const char *next; /* where json_next goes on               */
	double number;
};

/** True when the whole text is one JSON value (RFC 8259). */
bool json_valid(const char *text);
/** The value at the start of a valid text. */
struct json json_parse(const char *text);
/** Next item of an array, or next member of an object (then `key` is set); false at the end. */
bool json_next(struct json *container, struct json *key, struct json *value);
/** Is a string value these ASCII letters? */
bool json_is(const struct json *string, const char *letters);
/** Content of a string value, escapes resolved; new. */
char *json_string(const struct json *string);

/* A text that grows; `p` is NULL while empty. */
struct text {
	char *p;
	unsigned long n, cap;
};
void text_add(struct text *t, const char *s);
/** Adds `s` as a JSON string. */
void text_quote(struct text *t, const char *s);

/** Decodes base64 in place; false when it is none. */
bool base64_decode(char *s);

#endif
