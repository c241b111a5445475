/* SPDX-License-Identifier: Apache-2.0 */
#include "dockerfile_expand.h"

#include "shell_pattern.h"

#include "base/buf.h"

#include <string.h>

#define DEPTH_MAX 32 /* ${a:-${b:-...}} */

/* The reading of one text. */
struct reader {
	struct df_expander *x;
	const char *text;
	size_t at;
	unsigned depth;
	struct rn_strv *words; /* NULL: no splitting */
	struct rn_buf word;
	struct rn_error *err;
};

static int process(struct reader *r, char stop, bool keep_escapes, struct rn_buf *out);

static int fault(struct reader *r, size_t at, const char *text)
{
	r->x->fault = at;
	return rn_fail(r->err, RN_EINVAL, "%s", text);
}

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void end_word(struct reader *r)
{
	if (r->words && r->word.len > 0)
		rn_strv_take(r->words, rn_buf_take(&r->word));
	rn_buf_reset(&r->word);
}

/* Text for the word list: quoted text is never split, text of variables is. */
static void to_word(struct reader *r, const char *s, size_t n, bool split)
{
	if (!r->words || r->depth > 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (split && blank(s[i]))
			end_word(r);
		else
			rn_buf_addc(&r->word, s[i]);
	}
}

/* ---- variables --------------------------------------------------------------- */

static const char *value_of(struct reader *r, const char *name)
{
	const char *v = r->x->get ? r->x->get(r->x->ctx, name) : NULL;
	if (!v && !rn_strv_has(&r->x->unset, name))
		rn_strv_add(&r->x->unset, name);
	return v;
}

/* A name: letters, digits and _; or digits alone; or one of the shell's special parameters. */
static char *read_name(struct reader *r)
{
	const char *s = r->text + r->at;
	size_t n;
	if (*s >= '0' && *s <= '9')
		n = strspn(s, "0123456789");
	else if (*s && strchr("@*#?-$!", *s))
		n = 1;
	else
		for (n = 0; (s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || s[n] == '_' ||
			    (s[n] >= '0' && s[n] <= '9') || (unsigned char)s[n] >= 0x80;)
			n++;
	r->at += n;
	return rn_strndup(s, n);
}

/* The part of ${…} up to `stop`, in place; `missing` is said when the text ends before. */
static int read_part(struct reader *r, char stop, bool keep_escapes, const char *missing, struct rn_buf *out)
{
	size_t begin = r->at;
	if (r->depth >= DEPTH_MAX)
		return fault(r, begin, "variables are nested too deeply");
	r->depth++;
	int rc = process(r, stop, keep_escapes, out);
	r->depth--;
	if (rc == 1)
		return fault(r, begin, missing);
	return rc;
}

static int trim_value(struct reader *r, const char *value, char side, const char *pattern, struct rn_buf *out)
{
	bool longest = pattern[0] == side;
	RN_AUTO(rn_freep) char *cut = NULL;
	if (shell_pattern_trim(pattern + longest, value, side == '%' ? SHELL_SUFFIX : SHELL_PREFIX, longest, &cut,
			       r->err) < 0)
		return -1;
	return rn_buf_adds(out, cut);
}

static int missing_value(struct reader *r, size_t begin, const char *name, const char *word, bool empty)
{
	r->x->fault = begin;
	return rn_fail(r->err, RN_EINVAL, "%s: %s", name,
		       *word ? word : empty ? "is not allowed to be empty" : "is not allowed to be unset");
}

/* ${name OP word}, OP being one of - + ? # % behind an optional colon. */
static int modified(struct reader *r, size_t begin, const char *name, bool colon, char op, struct rn_buf *out)
{
	RN_AUTO(rn_buf_clear) struct rn_buf word = { .max = DF_EXPAND_MAX };
	if (read_part(r, '}', op == '#' || op == '%', "missing '}' of a variable", &word) < 0)
		return -1;
	const char *w = rn_buf_str(&word), *value = value_of(r, name);
	if (!value && r->x->keep_unset)
		return rn_buf_addf(out, "${%s%s%c%s}", name, colon ? ":" : "", op, w);
	bool nothing = !value || (colon && !*value);
	switch (op) {
	case '-':
		return rn_buf_adds(out, nothing ? w : value);
	case '+':
		return nothing ? 0 : rn_buf_adds(out, w);
	case '?':
		if (nothing)
			return missing_value(r, begin, name, w, value != NULL);
		return rn_buf_adds(out, value);
	default:
		r->x->fault = begin;
		return trim_value(r, value ? value : "", op, w, out);
	}
}

/* ${name/pattern/text} and ${name//pattern/text} */
static int replaced(struct reader *r, size_t begin, const char *name, struct rn_buf *out)
{
	bool all = r->text[r->at] == '/';
	r->at += all;
	RN_AUTO(rn_buf_clear) struct rn_buf pattern = { .max = DF_EXPAND_MAX };
	RN_AUTO(rn_buf_clear) struct rn_buf with = { .max = DF_EXPAND_MAX };
	if (read_part(r, '/', true, "missing '/' of a replacement", &pattern) < 0 ||
	    read_part(r, '}', true, "missing '}' of a variable", &with) < 0)
		return -1;
	const char *value = value_of(r, name);
	if (!value && r->x->keep_unset)
		return rn_buf_addf(out, "${%s/%s%s/%s}", name, all ? "/" : "", rn_buf_str(&pattern), rn_buf_str(&with));
	RN_AUTO(rn_freep) char *done = NULL;
	r->x->fault = begin;
	if (shell_pattern_replace(rn_buf_str(&pattern), value ? value : "", rn_buf_str(&with), all, &done, r->err) < 0)
		return -1;
	return rn_buf_adds(out, done);
}

static int braces(struct reader *r, size_t begin, struct rn_buf *out)
{
	if (!r->text[r->at])
		return fault(r, begin, "missing '}' of a variable");
	if (strchr("{}:", r->text[r->at]))
		return fault(r, begin, "a variable has no name");
	RN_AUTO(rn_freep) char *name = read_name(r);
	char op = r->text[r->at];
	if (op == '}') {
		r->at++;
		const char *value = value_of(r, name);
		return !value && r->x->keep_unset ? rn_buf_addf(out, "${%s}", name) : rn_buf_adds(out, value);
	}
	if (!op)
		return fault(r, begin, "missing '}' of a variable");
	bool colon = op == ':';
	r->at += colon ? 2 : 1;
	if (colon)
		op = r->text[r->at - 1];
	if (op && strchr("-+?#%", op))
		return modified(r, begin, name, colon, op, out);
	if (op == '/' && !colon)
		return replaced(r, begin, name, out);
	fault(r, begin, "unknown form of a variable");
	return rn_hint(r->err, "known are ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w} ${v#p} ${v##p} ${v%%p} "
			       "${v%%%%p} ${v/p/r} ${v//p/r}; write \\$ for a dollar sign");
}

static int dollar(struct reader *r, struct rn_buf *out)
{
	size_t begin = r->at++;
	if (r->text[r->at] == '{') {
		r->at++;
		return braces(r, begin, out);
	}
	RN_AUTO(rn_freep) char *name = read_name(r);
	if (!*name)
		return rn_buf_addc(out, '$');
	const char *value = value_of(r, name);
	return !value && r->x->keep_unset ? rn_buf_addf(out, "$%s", name) : rn_buf_adds(out, value);
}

/* ---- quotes -------------------------------------------------------------------- */

static int single_quoted(struct reader *r, struct rn_buf *out)
{
	const char *s = r->text + r->at;
	const char *end = strchr(s + 1, '\'');
	if (!end)
		return fault(r, r->at, "a single quote (') is not closed");
	r->at += (size_t)(end - s) + 1;
	return r->x->keep_quotes ? rn_buf_add(out, s, (size_t)(end - s) + 1) :
				   rn_buf_add(out, s + 1, (size_t)(end - s) - 1);
}

/* An escape inside double quotes counts only before " $ and itself. */
static void quoted_escape(struct reader *r, bool keep_escapes, struct rn_buf *out)
{
	char next = r->text[++r->at];
	bool special = next == '"' || next == '$' || next == r->x->escape;
	if (keep_escapes || (!special && next))
		rn_buf_addc(out, r->x->escape);
	if (special) {
		rn_buf_addc(out, next);
		r->at++;
	}
}

static int double_quoted(struct reader *r, bool keep_escapes, struct rn_buf *out)
{
	size_t begin = r->at++;
	if (r->x->keep_quotes)
		rn_buf_addc(out, '"');
	for (char c; (c = r->text[r->at]) != '"';) {
		if (!c)
			return fault(r, begin, "a double quote (\") is not closed");
		if (c == '$') {
			if (dollar(r, out) < 0)
				return -1;
		} else if (c == r->x->escape) {
			quoted_escape(r, keep_escapes, out);
		} else {
			rn_buf_addc(out, c);
			r->at++;
		}
	}
	r->at++;
	if (r->x->keep_quotes)
		rn_buf_addc(out, '"');
	return 0;
}

static int special(struct reader *r, char c, bool keep_escapes, struct rn_buf *out)
{
	if (c == '$')
		return dollar(r, out);
	return c == '\'' ? single_quoted(r, out) : double_quoted(r, keep_escapes, out);
}

static void escaped(struct reader *r, bool keep_escapes, struct rn_buf *out)
{
	if (keep_escapes)
		rn_buf_addc(out, r->x->escape);
	r->at++;
	char next = r->text[r->at];
	if (next) {
		rn_buf_addc(out, next);
		r->at++;
	}
}

/* Up to `stop` (0: the end). 0, 1 when the text ended before `stop`, -1 on error. */
static int process(struct reader *r, char stop, bool keep_escapes, struct rn_buf *out)
{
	for (char c; (c = r->text[r->at]) != '\0';) {
		if (stop && c == stop) {
			r->at++;
			return 0;
		}
		size_t before = out->len;
		bool quoted = (c == '\'' || c == '"') && !r->x->plain_quotes;
		if (c == '$' || quoted) {
			if (special(r, c, keep_escapes, out) < 0)
				return -1;
		} else if (c == r->x->escape) {
			escaped(r, keep_escapes, out);
			quoted = true;
		} else {
			rn_buf_addc(out, c);
			r->at++;
		}
		to_word(r, rn_buf_str(out) + before, out->len - before, !quoted);
	}
	return stop ? 1 : 0;
}

static int run(struct reader *r, struct rn_buf *out)
{
	out->max = r->word.max = DF_EXPAND_MAX;
	r->x->fault = 0;
	if (process(r, '\0', r->x->keep_escapes, out) < 0)
		return -1;
	return rn_buf_check(out, "the expanded text", r->err);
}

int df_expand(struct df_expander *x, const char *word, char **ret, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT;
	struct reader r = { .x = x, .text = word, .err = err };
	if (run(&r, &out) < 0)
		return -1;
	*ret = rn_buf_take(&out);
	return 0;
}

int df_expand_split(struct df_expander *x, const char *text, struct rn_strv *ret, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT;
	struct reader r = { .x = x, .text = text, .words = ret, .err = err };
	int rc = run(&r, &out);
	if (rc == 0)
		end_word(&r);
	rn_buf_clear(&r.word);
	return rc;
}
