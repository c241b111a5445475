/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed Dockerfile as text, one fact a line, for the golden cases and the fuzz target. */
#ifndef TEST_DUMP_H
#define TEST_DUMP_H

#include "base/buf.h"
#include "base/json.h"
#include "plugins/oci-build/dockerfile_parser.h"

#include <string.h>

static inline void dump_text(struct rn_buf *b, const char *label, const char *text, struct df_at at)
{
	rn_buf_addf(b, "  %u:%u+%u %s ", at.line, at.column, at.length, label);
	rn_json_quote(b, text, strlen(text));
	rn_buf_addc(b, '\n');
}

static inline void dump_instruction(struct rn_buf *b, const struct df_instruction *i)
{
	rn_buf_addf(b, "%u:%u %s%s%s%s", i->at.line, i->at.column, df_op_name(i->op), i->json ? " json" : "",
		    i->json_like ? " json-like" : "", i->legacy ? " legacy" : "");
	if (i->stage_name)
		rn_buf_addf(b, " as %s", i->stage_name);
	rn_buf_addf(b, " to line %u\n", i->last_line);
	for (size_t n = 0; n < i->n_flags; n++) {
		rn_buf_addf(b, "  %u:%u+%u flag --%s", i->flags[n].at.line, i->flags[n].at.column, i->flags[n].at.length, i->flags[n].name);
		if (i->flags[n].value) {
			rn_buf_addf(b, " at %u:%u ", i->flags[n].value_at.line, i->flags[n].value_at.column);
			rn_json_quote(b, i->flags[n].value, strlen(i->flags[n].value));
		}
		rn_buf_addc(b, '\n');
	}
	for (size_t n = 0; n < i->words.n; n++)
		dump_text(b, "word", i->words.v[n].text, i->words.v[n].at);
	for (size_t n = 0; n < i->n_pairs; n++) {
		dump_text(b, "name", i->pairs[n].key, i->pairs[n].at);
		if (i->pairs[n].value)
			dump_text(b, "value", i->pairs[n].value, i->pairs[n].value_at);
	}
	for (size_t n = 0; n < i->n_heredocs; n++) {
		const struct df_heredoc *h = &i->heredocs[n];
		dump_text(b, h->expand ? (h->strip_tabs ? "heredoc expand tabs" : "heredoc expand") :
					 (h->strip_tabs ? "heredoc tabs" : "heredoc"),
			  h->name, h->at);
		rn_buf_addf(b, "    from line %u ", h->first_line);
		rn_json_quote(b, h->body, strlen(h->body));
		rn_buf_addc(b, '\n');
	}
	if (i->trigger) {
		rn_buf_adds(b, "  trigger ");
		dump_instruction(b, i->trigger);
	}
}

/* What the parser made of a text: its instructions, or the error. The caller frees. */
static inline char *dump_dockerfile(const char *text, size_t n)
{
	struct rn_error err = { 0 };
	struct rn_buf b = RN_BUF_INIT;
	struct df_source source = { 0 };
	struct dockerfile *d = NULL;
	if (df_source_init(&source, "Dockerfile", text, n, &err) == 0)
		d = dockerfile_parse(&source, &err);
	if (!d) {
		rn_buf_addf(&b, "error at %u:%u: %s\n", err.line, err.column, err.msg);
		if (err.hint[0])
			rn_buf_addf(&b, "hint: %s\n", err.hint);
	} else {
		if (d->escape != '\\')
			rn_buf_addf(&b, "escape %c\n", d->escape);
		if (d->syntax)
			rn_buf_addf(&b, "syntax %s\n", d->syntax);
		if (d->check)
			rn_buf_addf(&b, "check %s\n", d->check);
		for (size_t i = 0; i < d->n; i++)
			dump_instruction(&b, d->v[i]);
		for (size_t i = 0; i < d->n_warnings; i++)
			rn_buf_addf(&b, "warning %u:%u %s\n", d->warnings[i].at.line, d->warnings[i].at.column, d->warnings[i].text);
	}
	dockerfile_free(d);
	df_source_clear(&source);
	return rn_buf_take(&b);
}

#endif
