/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --help is understood by the dispatcher before a table is consulted; it is a candidate like the others. */
static int unknown(const struct option_row *rows, const char *given, struct rn_error *err)
{
	const char *names[64] = { "help" };
	size_t n = 1;
	for (const struct option_row *r = rows; r && r->name && n < RN_LEN(names); r++)
		names[n++] = r->name;
	const char *name = given + strspn(given, "-");
	RN_AUTO(rn_freep) char *bare = rn_strndup(name, strcspn(name, "="));
	const char *near = given[1] == '-' ? rn_nearest(bare, names, n) : NULL;
	rn_fail(err, RN_EINVAL, "unknown option %.*s%s", (int)(name - given), given, bare);
	return near ? rn_hint(err, "did you mean --%s?", near) : -1;
}

static int check_choice(const struct option_row *r, const char *text, struct rn_error *err)
{
	struct rn_strv choices = { 0 };
	if (!r->one_of)
		return 0;
	rn_strv_split(&choices, r->one_of, '|');
	int rc = 0;
	if (!rn_strv_has(&choices, text)) {
		const char *near = rn_nearest(text, (const char *const *)choices.v, choices.n);
		RN_AUTO(rn_freep) char *list = rn_strv_join(&choices, ", ");
		rc = rn_fail(err, RN_EINVAL, "--%s must be one of %s, not \"%s\"", r->name, list, text);
		if (near)
			rn_hint(err, "did you mean %s?", near);
	}
	rn_strv_clear(&choices);
	return rc;
}

static int store(const struct option_row *r, void *values, const char *text, struct rn_error *err)
{
	char *to = (char *)values + r->offset;
	if (text && check_choice(r, text, err) < 0)
		return -1;
	switch (r->kind) {
	case OPTION_FLAG:
		*(bool *)to = true;
		return 0;
	case OPTION_STRING:
		*(const char **)to = text;
		return 0;
	case OPTION_LIST:
		rn_strv_add((struct rn_strv *)to, text);
		return 0;
	case OPTION_INTEGER:
		if (rn_parse_int(text, r->min || r->max ? r->min : INT64_MIN, r->min || r->max ? r->max : INT64_MAX,
				 (int64_t *)to, err) < 0)
			return rn_wrap(err, "--%s", r->name);
		return 0;
	case OPTION_DURATION:
		return rn_parse_duration(text, (int64_t *)to, err) < 0 ? rn_wrap(err, "--%s", r->name) : 0;
	}
	return 0;
}

struct cursor {
	int argc, i;
	char *const *argv;
};

/* The value behind an option: what is glued to it, else the next argument. */
static const char *value_of(const struct option_row *r, const char *glued, struct cursor *c,
			    struct rn_error *err)
{
	if (glued)
		return glued;
	if (c->i + 1 < c->argc)
		return c->argv[++c->i];
	rn_fail(err, RN_EINVAL, "--%s needs a value: --%s %s", r->name, r->name, r->arg ? r->arg : "VALUE");
	return NULL;
}

static int parse_long(const struct option_row *rows, void *values, struct cursor *c, struct rn_error *err)
{
	const char *given = c->argv[c->i] + 2, *eq = strchr(given, '=');
	size_t n = eq ? (size_t)(eq - given) : strlen(given);
	const struct option_row *r = rows;
	while (r && r->name && (strlen(r->name) != n || memcmp(r->name, given, n) != 0))
		r++;
	if (!r || !r->name)
		return unknown(rows, c->argv[c->i], err);
	if (r->kind == OPTION_FLAG)
		return eq ? rn_fail(err, RN_EINVAL, "--%s takes no value", r->name) : store(r, values, NULL, err);
	const char *text = value_of(r, eq ? eq + 1 : NULL, c, err);
	return text ? store(r, values, text, err) : -1;
}

/* "-vj4": flags in a bundle, the last one may take the rest as its value. */
static int parse_short(const struct option_row *rows, void *values, struct cursor *c, struct rn_error *err)
{
	for (const char *p = c->argv[c->i] + 1; *p; p++) {
		const struct option_row *r = rows;
		while (r && r->name && r->letter != *p)
			r++;
		if (!r || !r->name)
			return rn_fail(err, RN_EINVAL, "unknown option -%c", *p);
		if (r->kind != OPTION_FLAG) {
			const char *text = value_of(r, p[1] ? p + 1 : NULL, c, err);
			return text ? store(r, values, text, err) : -1;
		}
		store(r, values, NULL, err);
	}
	return 0;
}

int options_parse(const struct option_row *rows, void *values, int argc, char *const *argv,
		  struct rn_strv *args, struct rn_error *err)
{
	struct cursor c = { .argc = argc, .argv = argv };
	bool ended = false;
	for (; c.i < argc; c.i++) {
		const char *a = argv[c.i];
		int rc = 0;
		if (ended || a[0] != '-' || a[1] == '\0')
			rn_strv_add(args, a);
		else if (strcmp(a, "--") == 0)
			ended = true;
		else
			rc = a[1] == '-' ? parse_long(rows, values, &c, err) : parse_short(rows, values, &c, err);
		if (rc < 0)
			return -1;
	}
	return 0;
}

void options_clear(const struct option_row *rows, void *values)
{
	for (; rows && rows->name; rows++)
		if (rows->kind == OPTION_LIST)
			rn_strv_clear((struct rn_strv *)((char *)values + rows->offset));
}

#define HELP_COLUMN 30
#define HELP_WIDTH 98

/* Words of `text` from column HELP_COLUMN on; the cursor stands at `column`. */
static void wrap(const char *text, size_t column, struct rn_buf *to)
{
	if (column >= HELP_COLUMN) {
		rn_buf_addc(to, '\n');
		column = 0;
	}
	rn_buf_addf(to, "%*s", (int)(HELP_COLUMN - column), "");
	column = HELP_COLUMN;
	while (*text) {
		size_t n = strcspn(text, " ");
		if (column + n > HELP_WIDTH) {
			rn_buf_addf(to, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		}
		rn_buf_add(to, text, n);
		column += n + 1;
		text += n;
		if (*text == ' ') {
			text++;
			if (column + strcspn(text, " ") <= HELP_WIDTH)
				rn_buf_addc(to, ' ');
		}
	}
	rn_buf_addc(to, '\n');
}

void options_help(const struct option_row *rows, struct rn_buf *to)
{
	for (; rows && rows->name; rows++) {
		RN_AUTO(rn_freep) char *letter = rows->letter ? rn_asprintf("-%c, ", rows->letter) : rn_strdup("    ");
		RN_AUTO(rn_freep) char *left = rn_asprintf("  %s--%s%s%s", letter, rows->name, rows->arg ? " " : "",
							   rows->arg ? rows->arg : "");
		rn_buf_adds(to, left);
		wrap(rows->help, strlen(left), to);
	}
}
