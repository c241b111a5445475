/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of instructions: how they are written, and the table of those that exist. */
#include "dockerfile_args.h"
#include "dockerfile_parser.h"

#include "base/buf.h"
#include "base/str.h"

#include <string.h>

enum flag_kind {
	FLAG_TEXT = 1, /* --name=value, once     */
	FLAG_MANY,     /* --name=value, repeated */
	FLAG_BOOL,     /* --name[=true|false]    */
};

struct flag_spec {
	enum df_op op;
	enum flag_kind kind;
	const char *name;
};

static const struct flag_spec specs[] = {
	{ DF_FROM, FLAG_TEXT, "platform" },
	{ DF_COPY, FLAG_TEXT, "from" },
	{ DF_COPY, FLAG_TEXT, "chown" },
	{ DF_COPY, FLAG_TEXT, "chmod" },
	{ DF_COPY, FLAG_BOOL, "link" },
	{ DF_COPY, FLAG_BOOL, "parents" },
	{ DF_COPY, FLAG_MANY, "exclude" },
	{ DF_ADD, FLAG_TEXT, "chown" },
	{ DF_ADD, FLAG_TEXT, "chmod" },
	{ DF_ADD, FLAG_BOOL, "link" },
	{ DF_ADD, FLAG_MANY, "exclude" },
	{ DF_ADD, FLAG_TEXT, "checksum" },
	{ DF_ADD, FLAG_BOOL, "keep-git-dir" },
	{ DF_ADD, FLAG_BOOL, "unpack" },
	{ DF_RUN, FLAG_MANY, "mount" },
	{ DF_RUN, FLAG_TEXT, "network" },
	{ DF_RUN, FLAG_TEXT, "security" },
	{ DF_RUN, FLAG_MANY, "device" },
	{ DF_HEALTHCHECK, FLAG_TEXT, "interval" },
	{ DF_HEALTHCHECK, FLAG_TEXT, "timeout" },
	{ DF_HEALTHCHECK, FLAG_TEXT, "start-period" },
	{ DF_HEALTHCHECK, FLAG_TEXT, "start-interval" },
	{ DF_HEALTHCHECK, FLAG_TEXT, "retries" },
};

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The word at `at`, quotes and backslashes resolved (the escape directive has no say
 * here), up to the next blank. *ret_value: offset in the line behind the first '='.
 */
static size_t flag_word(const char *s, size_t at, struct rn_buf *word, size_t *ret_value)
{
	char quote = '\0';
	for (; s[at] && (quote || !blank(s[at])); at++) {
		if (quote ? s[at] == quote : s[at] == '\'' || s[at] == '"') {
			quote = quote ? '\0' : s[at];
			continue;
		}
		if (s[at] == '=' && !*ret_value)
			*ret_value = at + 1;
		if (s[at] == '\\' && s[at + 1])
			at++;
		else if (s[at] == '\\')
			continue;
		rn_buf_addc(word, s[at]);
	}
	return at;
}

static const struct flag_spec *find_spec(enum df_op op, const char *name)
{
	for (size_t i = 0; i < RN_LEN(specs); i++)
		if (specs[i].op == op && rn_streq(specs[i].name, name))
			return &specs[i];
	return NULL;
}

static int unknown_flag(struct df_reading *r, const char *name, size_t from, size_t length)
{
	const char *names[RN_LEN(specs)];
	size_t n = 0;
	RN_AUTO(rn_buf_clear) struct rn_buf all = RN_BUF_INIT;
	for (size_t i = 0; i < RN_LEN(specs); i++) {
		if (specs[i].op != r->to->op)
			continue;
		rn_buf_addf(&all, "%s--%s", n ? ", " : "", specs[i].name);
		names[n++] = specs[i].name;
	}
	df_reading_fail(r, from, length, "%s has no flag --%s", df_op_name(r->to->op), name);
	const char *near = rn_nearest(name, names, n);
	if (near)
		return rn_hint(r->err, "did you mean --%s?", near);
	return n ? rn_hint(r->err, "it has %s", rn_buf_str(&all)) : rn_hint(r->err, "it takes no flags");
}

static int check_flag(struct df_reading *r, const char *name, const char *value, size_t from, size_t length)
{
	const struct flag_spec *spec = find_spec(r->to->op, name);
	if (!spec)
		return unknown_flag(r, name, from, length);
	if (spec->kind != FLAG_MANY && df_flag(r->to, name))
		return df_reading_fail(r, from, length, "--%s stands here a second time", name);
	if (spec->kind == FLAG_BOOL) {
		if (value && !rn_streq(value, "true") && !rn_streq(value, "false"))
			return df_reading_fail(r, from, length, "--%s is true or false, not \"%s\"", name, value);
		return 0;
	}
	if (!value)
		return df_reading_fail(r, from, length, "--%s needs a value: --%s=…", name, name);
	return 0;
}

static void add_flag(struct df_reading *r, const char *name, const char *value, struct df_at at, struct df_at value_at)
{
	struct df_instruction *i = r->to;
	i->flags = rn_grow(i->flags, &i->cap_flags, i->n_flags + 1, sizeof(*i->flags));
	i->flags[i->n_flags++] = (struct df_flag){ rn_strdup(name), rn_strdup(value), at, value_at };
}

int df_read_flags(struct df_reading *r)
{
	const char *s = r->line->text;
	for (;;) {
		while (blank(s[r->at]))
			r->at++;
		if (!rn_starts(s + r->at, "--"))
			return 0;
		struct rn_buf word_read = RN_BUF_INIT;
		size_t from = r->at, value_from = 0;
		r->at = flag_word(s, from, &word_read, &value_from);
		RN_AUTO(rn_freep) char *word = rn_buf_take(&word_read);
		if (rn_streq(word, "--")) {
			while (blank(s[r->at]))
				r->at++;
			return 0;
		}
		char *name = word + 2, *equals = strchr(name, '=');
		if (equals)
			*equals = '\0';
		if (check_flag(r, name, equals ? equals + 1 : NULL, from, r->at - from) < 0)
			return -1;
		struct df_at at = df_line_at(r->line, from, r->at - from);
		add_flag(r, name, equals ? equals + 1 : NULL, at,
			 value_from && value_from < r->at ? df_line_at(r->line, value_from, r->at - value_from) : at);
	}
}

const struct df_flag *df_flag(const struct df_instruction *i, const char *name)
{
	for (size_t n = i->n_flags; n > 0; n--)
		if (rn_streq(i->flags[n - 1].name, name))
			return &i->flags[n - 1];
	return NULL;
}

bool df_flag_true(const struct df_instruction *i, const char *name)
{
	const struct df_flag *f = df_flag(i, name);
	return f && (!f->value || rn_streq(f->value, "true"));
}
