/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Dockerfile as logical lines: parser directives, comments, continuations and
 * heredoc bodies. Each byte of a logical line knows its place in the file.
 * Knows nothing of the instructions.
 */
#ifndef DOCKERFILE_LEXER_H
#define DOCKERFILE_LEXER_H

#include "dockerfile_source.h"

#include "base/buf.h"

#include <stdbool.h>

/* From `offset` of a logical line on, its bytes stand at line:column. */
struct df_piece {
	size_t offset;
	unsigned line;
	unsigned column;
};

struct df_line {
	char *text;              /* continuations joined, comments gone, outer blanks kept out */
	size_t len;
	struct df_piece *pieces;
	size_t n_pieces;
	size_t cap_pieces;
	unsigned first;          /* lines of the file that it spans */
	unsigned last;
	unsigned blank;          /* an empty continuation line inside; 0: none */
};

struct df_lexer {
	const struct df_source *source;
	unsigned next;           /* line of the file to read next */
	char escape;             /* '\\' or '`' */
	char *syntax;            /* values of the directives; NULL when not given */
	struct df_at syntax_at;
	char *check;
	struct df_at check_at;
};

/** Reads the parser directives at the top. RN_EINVAL: one twice, or a bad escape. df_lexer_clear frees. */
int df_lexer_init(struct df_lexer *l, const struct df_source *s, struct rn_error *err);
void df_lexer_clear(struct df_lexer *l);

/** The next logical line into `ret` (zeroed before; df_line_clear frees). False at the end. */
bool df_lexer_next(struct df_lexer *l, struct df_line *ret);
void df_line_clear(struct df_line *line);
/** Where `length` bytes at `offset` of the logical line stand. */
struct df_at df_line_at(const struct df_line *line, size_t offset, size_t length);

/**
 * The raw lines up to the one that is `name` alone (`tabs`: leading tabs of that line are
 * ignored) into `body`. False when the file ends before.
 */
bool df_lexer_heredoc(struct df_lexer *l, const char *name, bool tabs, struct rn_buf *body);

#endif
