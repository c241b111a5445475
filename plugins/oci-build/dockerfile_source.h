/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a Dockerfile and places in it, and errors that show such a place:
 * the line as written with a caret below. Knows nothing of instructions.
 */
#ifndef DOCKERFILE_SOURCE_H
#define DOCKERFILE_SOURCE_H

#include "base/error.h"

#include <stdarg.h>
#include <stddef.h>

/* A place: line and column from 1, in bytes; length 0: one character. */
struct df_at {
	unsigned line;
	unsigned column;
	unsigned length;
};

struct df_source {
	char *name;     /* as people know it, for messages         */
	char *text;     /* NUL-terminated; holds no NUL inside     */
	size_t size;
	size_t *starts; /* offset of each line; starts[0] is line 1 */
	unsigned lines;
};

#define DF_TEXT_MAX ((size_t)4 << 20) /* bytes of a Dockerfile */

/** Takes a copy of `text`. RN_EINVAL for a NUL byte inside, RN_ELIMIT over DF_TEXT_MAX. df_source_clear frees. */
int df_source_init(struct df_source *s, const char *name, const char *text, size_t n, struct rn_error *err);
void df_source_clear(struct df_source *s);

/** Line `line` without its end, borrowed; *ret_len its length. An unknown line is empty. */
const char *df_source_line(const struct df_source *s, unsigned line, size_t *ret_len);

/**
 * Sets `err` to the message, then the line with a caret below `at`; err->line and
 * err->column say the place. Always returns -1.
 */
int df_fail(const struct df_source *s, struct df_at at, struct rn_error *err, enum rn_code code, const char *fmt, ...)
	RN_PRINTF(5, 6);
/** Adds the place to an error that has none (what failed inside is kept). Always returns -1. */
int df_locate(const struct df_source *s, struct df_at at, struct rn_error *err);

#endif
