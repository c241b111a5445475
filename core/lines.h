/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that a program printed, cut into lines that are safe to show: no control
 * sequences, valid UTF-8, of bounded length; of a line redrawn with CR the last state.
 */
#ifndef CORE_LINES_H
#define CORE_LINES_H

#include "base/buf.h"

enum { LINES_MAX = 8192 };

struct lines {
	struct rn_buf line;
	bool partial; /* the line before was cut and goes on */
};

/** `partial`: the line goes on in the next one. The text is valid during the call. */
typedef void lines_fn(void *ctx, const char *text, bool partial);
void lines_feed(struct lines *l, const char *data, size_t n, lines_fn *fn, void *ctx);
/** The last line, when it has no newline. */
void lines_flush(struct lines *l, lines_fn *fn, void *ctx);
void lines_clear(struct lines *l);
/** One line made safe to show. New string. */
char *lines_clean(const char *text, size_t n);

#endif
