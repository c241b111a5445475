/* SPDX-License-Identifier: Apache-2.0 */
/* What a RUN prints: line by line to the stage's log, and its last lines for the message of a failure. */
#ifndef RUN_OUTPUT_H
#define RUN_OUTPUT_H

#include "build.h"

#define RUN_TAIL_LINES 15
#define RUN_LINE_MAX ((size_t)3 << 10) /* a longer one becomes several: build_log takes no more */

struct run_output {
	const struct build *b;
	struct rn_buf line;
	char *tail[RUN_TAIL_LINES]; /* a ring */
	size_t n_tail;              /* lines so far */
};

/** As sandbox_io.output; `data` is the struct. */
void run_output_bytes(void *data, int stream, const char *bytes, size_t n);
/** A last line without its end. */
void run_output_end(struct run_output *o);
/** Puts the last lines behind an error's text, as far as they fit. */
void run_output_tail(const struct run_output *o, struct rn_error *err);
void run_output_clear(struct run_output *o);

#endif
