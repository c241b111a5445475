/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the parser: the arguments of one instruction, read from its logical
 * line. Offsets are bytes of that line.
 */
#ifndef DOCKERFILE_ARGS_H
#define DOCKERFILE_ARGS_H

#include "dockerfile_ast.h"
#include "dockerfile_lexer.h"

/* The instruction that is being read. */
struct df_reading {
	const struct df_source *source;
	const struct df_line *line;
	char escape;
	size_t at;               /* first byte of the arguments, flags passed */
	struct df_instruction *to;
	struct rn_error *err;
};

/** Fails at bytes [offset, offset + length) of the line. Always returns -1. */
int df_reading_fail(const struct df_reading *r, size_t offset, size_t length, const char *fmt, ...) RN_PRINTF(4, 5);

void df_words_add(struct df_words *w, const char *text, size_t n, struct df_at at);
void df_words_clear(struct df_words *w);

/** The flags before the arguments, checked against the table of the instruction; moves r->at behind them. */
int df_read_flags(struct df_reading *r);
/** Words between blanks; quotes mean nothing here. */
int df_read_words(struct df_reading *r);
/** JSON array of strings, else the whole rest as one word. RN_EINVAL for an array of other things. */
int df_read_json_or_text(struct df_reading *r);
/** JSON array of strings, else words between blanks. */
int df_read_json_or_words(struct df_reading *r);
/** The whole rest as one word; none when it is empty. */
int df_read_text(struct df_reading *r);
/** NAME=value …, or for ENV and LABEL the old "NAME value". `bare`: NAME alone is fine (ARG). */
int df_read_pairs(struct df_reading *r, bool bare);
/** The <<NAME words of the line; bodies are empty yet. */
int df_find_heredocs(struct df_reading *r);
/** Makes one word of "<<" and the name behind blanks, as "<<EOF" is one. */
void df_join_heredoc_words(struct df_words *w);
/** Is the word a heredoc ("<<EOF", "<< EOF")? Fills name (new string) and form. */
bool df_heredoc_word(const char *word, struct df_heredoc *ret);

#endif
