/* SPDX-License-Identifier: Apache-2.0 */
#include "dockerfile_parser.h"

#include "dockerfile_args.h"
#include "dockerfile_check.h"
#include "dockerfile_lexer.h"

#include "base/buf.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define HEREDOC_MAX ((size_t)4 << 20)

static int read_pairs_or_old(struct df_reading *r)
{
	return df_read_pairs(r, false);
}

static int read_args(struct df_reading *r)
{
	return df_read_pairs(r, true);
}

static int read_healthcheck(struct df_reading *r);
static int read_onbuild(struct df_reading *r);
static int check_from(struct df_reading *r);
static int check_copy(struct df_reading *r);
static int check_run(struct df_reading *r);
static int check_exec_only(struct df_reading *r);

/* An instruction: how its arguments are read, how many there must be, what else must hold. */
struct op_spec {
	const char *name;
	int (*read)(struct df_reading *r);
	int (*check)(struct df_reading *r);
	bool optional; /* may have no arguments at all */
};

static const struct op_spec ops[DF_OPS] = {
	[DF_ADD] = { "ADD", df_read_json_or_words, check_copy, false },
	[DF_ARG] = { "ARG", read_args, NULL, false },
	[DF_CMD] = { "CMD", df_read_json_or_text, NULL, true },
	[DF_COPY] = { "COPY", df_read_json_or_words, check_copy, false },
	[DF_ENTRYPOINT] = { "ENTRYPOINT", df_read_json_or_text, NULL, true },
	[DF_ENV] = { "ENV", read_pairs_or_old, NULL, false },
	[DF_EXPOSE] = { "EXPOSE", df_read_words, NULL, false },
	[DF_FROM] = { "FROM", df_read_words, check_from, false },
	[DF_HEALTHCHECK] = { "HEALTHCHECK", read_healthcheck, NULL, true },
	[DF_LABEL] = { "LABEL", read_pairs_or_old, NULL, false },
	[DF_MAINTAINER] = { "MAINTAINER", df_read_text, NULL, false },
	[DF_ONBUILD] = { "ONBUILD", read_onbuild, NULL, true },
	[DF_RUN] = { "RUN", df_read_json_or_text, check_run, false },
	[DF_SHELL] = { "SHELL", df_read_json_or_text, check_exec_only, false },
	[DF_STOPSIGNAL] = { "STOPSIGNAL", df_read_text, NULL, false },
	[DF_USER] = { "USER", df_read_text, NULL, false },
	[DF_VOLUME] = { "VOLUME", df_read_json_or_words, NULL, false },
	[DF_WORKDIR] = { "WORKDIR", df_read_text, NULL, false },
};

const char *df_op_name(enum df_op op)
{
	return ops[op].name;
}

/* ---- freeing ------------------------------------------------------------------------ */

static void instruction_free(struct df_instruction *i)
{
	if (!i)
		return;
	for (size_t n = 0; n < i->n_flags; n++) {
		rn_freep(&i->flags[n].name);
		rn_freep(&i->flags[n].value);
	}
	for (size_t n = 0; n < i->n_pairs; n++) {
		rn_freep(&i->pairs[n].key);
		rn_freep(&i->pairs[n].value);
	}
	for (size_t n = 0; n < i->n_heredocs; n++) {
		rn_freep(&i->heredocs[n].name);
		rn_freep(&i->heredocs[n].body);
	}
	df_words_clear(&i->words);
	free(i->flags);
	free(i->pairs);
	free(i->heredocs);
	free(i->original);
	free(i->stage_name);
	instruction_free(i->trigger);
	free(i);
}

static void instruction_freep(struct df_instruction **i)
{
	instruction_free(*i);
	*i = NULL;
}

void dockerfile_free(struct dockerfile *d)
{
	if (!d)
		return;
	for (size_t n = 0; n < d->n; n++)
		instruction_free(d->v[n]);
	for (size_t n = 0; n < d->n_warnings; n++)
		rn_freep(&d->warnings[n].text);
	free(d->warnings);
	free(d->v);
	free(d->syntax);
	free(d->check);
	free(d);
}

void dockerfile_freep(struct dockerfile **d)
{
	dockerfile_free(*d);
	*d = NULL;
}

static void warn(struct dockerfile *d, struct df_at at, const char *rule, const char *text)
{
	d->warnings = rn_grow(d->warnings, &d->cap_warnings, d->n_warnings + 1, sizeof(*d->warnings));
	d->warnings[d->n_warnings++] = (struct df_warning){ at, rule, rn_strdup(text) };
}

/* ---- what single instructions demand ---------------------------------------------------- */

static bool stage_name_valid(const char *name)
{
	return *name >= 'a' && *name <= 'z' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

static int check_from(struct df_reading *r)
{
	struct df_words *w = &r->to->words;
	if (w->n == 1)
		return 0;
	if (w->n != 3 || strcasecmp(w->v[1].text, "AS") != 0) {
		df_fail(r->source, w->v[1].at, r->err, RN_EINVAL, "FROM takes IMAGE or IMAGE AS NAME");
		return -1;
	}
	r->to->stage_name = rn_lower(rn_strdup(w->v[2].text));
	if (!stage_name_valid(r->to->stage_name)) {
		df_fail(r->source, w->v[2].at, r->err, RN_EINVAL, "\"%s\" cannot be the name of a stage", w->v[2].text);
		return rn_hint(r->err, "begin with a letter, then letters, digits, '-', '_' and '.'");
	}
	return 0;
}

static int check_copy(struct df_reading *r)
{
	struct df_words *w = &r->to->words;
	const char *op = df_op_name(r->to->op);
	if (!r->to->json)
		df_join_heredoc_words(w);
	if (w->n < 2) {
		df_fail(r->source, w->v[0].at, r->err, RN_EINVAL, "%s needs at least one source and a destination", op);
		return -1;
	}
	struct df_heredoc h = { 0 };
	if (!r->to->json && df_heredoc_word(w->v[w->n - 1].text, &h)) {
		rn_freep(&h.name);
		return df_fail(r->source, w->v[w->n - 1].at, r->err, RN_EINVAL, "a heredoc cannot be the destination of %s", op);
	}
	return r->to->json ? 0 : df_find_heredocs(r);
}

static int check_run(struct df_reading *r)
{
	return r->to->json ? 0 : df_find_heredocs(r);
}

static int check_exec_only(struct df_reading *r)
{
	if (r->to->json && r->to->words.n > 0)
		return 0;
	df_reading_fail(r, r->at, r->line->len - r->at, "SHELL takes a JSON array");
	return rn_hint(r->err, "for example SHELL [\"/bin/bash\", \"-c\"]");
}

/* HEALTHCHECK NONE | [flags] CMD command */
static int read_healthcheck(struct df_reading *r)
{
	const char *s = r->line->text;
	size_t from = r->at, n = strcspn(s + r->at, " \t\v\f\r");
	if (n == 0)
		return df_reading_fail(r, 0, r->line->len, "HEALTHCHECK needs NONE or CMD command");
	df_words_add(&r->to->words, s + from, n, df_line_at(r->line, from, n));
	char *kind = r->to->words.v[0].text;
	r->at += n + strspn(s + r->at + n, " \t\v\f\r");
	bool none = strcasecmp(kind, "NONE") == 0;
	if (none && (s[r->at] || r->to->n_flags > 0))
		return df_reading_fail(r, from, n, "HEALTHCHECK NONE takes neither flags nor arguments");
	if (none)
		return 0;
	if (strcasecmp(kind, "CMD") != 0) {
		df_reading_fail(r, from, n, "HEALTHCHECK has no form \"%s\"", kind);
		return rn_hint(r->err, "write HEALTHCHECK CMD %s, or HEALTHCHECK NONE", s + from);
	}
	struct df_words head = r->to->words;
	r->to->words = (struct df_words){ 0 };
	int rc = df_read_json_or_text(r);
	if (rc == 0 && r->to->words.n == 0)
		rc = df_reading_fail(r, from, n, "HEALTHCHECK CMD needs a command");
	for (size_t i = 0; rc == 0 && i < r->to->words.n; i++)
		df_words_add(&head, r->to->words.v[i].text, strlen(r->to->words.v[i].text), r->to->words.v[i].at);
	df_words_clear(&r->to->words);
	r->to->words = head;
	return rc;
}

/* ---- one instruction -------------------------------------------------------------------- */

static int unknown_instruction(struct df_reading *r, size_t from, size_t n)
{
	RN_AUTO(rn_freep) char *word = rn_strndup(r->line->text + from, n);
	const char *names[DF_OPS];
	for (int i = 0; i < DF_OPS; i++)
		names[i] = ops[i].name;
	RN_AUTO(rn_freep) char *upper = rn_strdup(word);
	for (char *p = upper; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
	df_reading_fail(r, from, n, "unknown instruction \"%s\"", word);
	const char *near = rn_nearest(upper, names, DF_OPS);
	if (near)
		return rn_hint(r->err, "did you mean %s?", near);
	return rn_hint(r->err, "an instruction that goes on over several lines needs a %c at the end of each", r->escape);
}

static int find_op(struct df_reading *r, size_t from, size_t n, enum df_op *ret)
{
	for (int i = 0; i < DF_OPS; i++) {
		if (strlen(ops[i].name) == n && strncasecmp(ops[i].name, r->line->text + from, n) == 0) {
			*ret = (enum df_op)i;
			return 0;
		}
	}
	return unknown_instruction(r, from, n);
}

/* Reads the instruction that begins at r->at into r->to. */
static int read_instruction(struct df_reading *r)
{
	size_t from = r->at, n = strcspn(r->line->text + from, " \t\v\f\r");
	if (find_op(r, from, n, &r->to->op) < 0)
		return -1;
	const struct op_spec *spec = &ops[r->to->op];
	r->to->at = df_line_at(r->line, from, n);
	r->to->original = rn_strdup(r->line->text + from);
	r->at += n;
	if (df_read_flags(r) < 0)
		return -1;
	if (!spec->optional && r->at >= r->line->len)
		return df_reading_fail(r, from, n, "%s needs arguments", spec->name);
	if (spec->read(r) < 0)
		return -1;
	if (!spec->optional && r->to->words.n == 0 && r->to->n_pairs == 0)
		return df_reading_fail(r, from, n, "%s needs arguments", spec->name);
	return spec->check ? spec->check(r) : 0;
}

static int read_onbuild(struct df_reading *r)
{
	static const enum df_op banned[] = { DF_ONBUILD, DF_FROM, DF_MAINTAINER };
	if (r->at >= r->line->len)
		return df_reading_fail(r, 0, r->line->len, "ONBUILD needs an instruction");
	struct df_reading inner = *r;
	size_t from = r->at, n = strcspn(r->line->text + r->at, " \t\v\f\r");
	enum df_op op;
	if (find_op(r, from, n, &op) < 0)
		return -1;
	for (size_t i = 0; i < RN_LEN(banned); i++)
		if (op == banned[i])
			return df_reading_fail(r, from, n, "%s cannot be an ONBUILD trigger", df_op_name(op));
	inner.to = r->to->trigger = rn_alloc(sizeof(*r->to->trigger));
	return read_instruction(&inner);
}

static void note_remarks(struct dockerfile *d, const struct df_line *line, const struct df_instruction *i)
{
	if (line->blank)
		warn(d, (struct df_at){ line->blank, 1, 0 }, "NoEmptyContinuation",
		     "an empty line inside an instruction that goes on: remove it, or begin it with #");
	const struct df_instruction *inner = i->trigger ? i->trigger : i;
	if (inner->json_like)
		warn(d, inner->words.v[inner->op == DF_HEALTHCHECK].at, "JSONArgsRecommended",
		     "begins with [ but is not JSON (double quotes?), so it is taken as plain words");
	if (i->op == DF_MAINTAINER)
		warn(d, i->at, "MaintainerDeprecated", "MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors=…");
}

static int read_heredocs(struct df_lexer *lexer, struct df_reading *r, struct df_instruction *i, unsigned *last)
{
	for (size_t n = 0; n < i->n_heredocs; n++) {
		struct df_heredoc *h = &i->heredocs[n];
		RN_AUTO(rn_buf_clear) struct rn_buf body;
		rn_buf_init(&body, HEREDOC_MAX);
		h->first_line = lexer->next;
		if (!df_lexer_heredoc(lexer, h->name, h->strip_tabs, &body)) {
			df_fail(r->source, h->at, r->err, RN_EINVAL, "the heredoc <<%s has no end", h->name);
			return rn_hint(r->err, "put a line with %s alone behind its text", h->name);
		}
		h->body = rn_buf_take(&body);
		*last = lexer->next - 1;
	}
	return 0;
}

/*
 * What gets into the image's configuration, which is JSON, has to be UTF-8. Names of files (COPY, ADD) and commands (RUN) do not
 * have to; in the history such bytes become U+FFFD.
 */
static int check_utf8(struct df_reading *r)
{
	const char *s = r->line->text;
	size_t bad = rn_utf8_prefix(s, r->line->len);
	if (r->to->op == DF_COPY || r->to->op == DF_ADD || r->to->op == DF_RUN || bad == r->line->len)
		return 0;
	df_reading_fail(r, bad, 1, "the byte 0x%02x is no UTF-8, and an image's configuration can hold nothing else", (unsigned char)s[bad]);
	return rn_hint(r->err, "save the Dockerfile as UTF-8");
}

static int parse_line(struct dockerfile *d, struct df_lexer *lexer, const struct df_line *line, struct rn_error *err)
{
	RN_AUTO(instruction_freep) struct df_instruction *i = rn_alloc(sizeof(*i));
	struct df_reading r = { .source = d->source, .line = line, .escape = d->escape, .to = i, .err = err };
	if (read_instruction(&r) < 0 || check_utf8(&r) < 0)
		return -1;
	i->last_line = line->last;
	if (read_heredocs(lexer, &r, i->trigger ? i->trigger : i, &i->last_line) < 0)
		return -1;
	note_remarks(d, line, i);
	d->v = rn_grow(d->v, &d->cap, d->n + 1, sizeof(struct df_instruction *));
	d->v[d->n++] = rn_take(&i);
	return 0;
}

static int check_begin(const struct dockerfile *d, struct rn_error *err)
{
	for (size_t n = 0; n < d->n; n++) {
		if (d->v[n]->op == DF_FROM)
			return 0;
		if (d->v[n]->op != DF_ARG) {
			df_fail(d->source, d->v[n]->at, err, RN_EINVAL, "%s stands before the first FROM",
				df_op_name(d->v[n]->op));
			return rn_hint(err, "only ARG may come before FROM; begin with FROM scratch or an image");
		}
	}
	rn_fail(err, RN_EINVAL, "%s has no FROM", d->source->name);
	return rn_hint(err, "a Dockerfile begins with FROM scratch or FROM IMAGE");
}

struct dockerfile *dockerfile_parse(const struct df_source *source, struct rn_error *err)
{
	RN_AUTO(df_lexer_clear) struct df_lexer lexer = { 0 };
	if (df_lexer_init(&lexer, source, err) < 0)
		return NULL;
	RN_AUTO(dockerfile_freep) struct dockerfile *d = rn_alloc(sizeof(*d));
	d->source = source;
	d->escape = lexer.escape;
	d->syntax = rn_take(&lexer.syntax);
	d->check = rn_take(&lexer.check);
	d->syntax_at = lexer.syntax_at;
	d->check_at = lexer.check_at;
	for (;;) {
		RN_AUTO(df_line_clear) struct df_line line = { 0 };
		if (!df_lexer_next(&lexer, &line))
			break;
		if (line.len > 0 && parse_line(d, &lexer, &line, err) < 0)
			return NULL;
	}
	return check_begin(d, err) < 0 || dockerfile_check(d, err) < 0 ? NULL : rn_take(&d);
}
