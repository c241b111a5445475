/* SPDX-License-Identifier: Apache-2.0 */
/* The plain line reporter, as a part of others: how one event becomes lines. */
#ifndef CORE_REPORT_PLAIN_H
#define CORE_REPORT_PLAIN_H

#include "report.h"

/** Lines of a stage shown before the rest is left to the log file. */
enum { PLAIN_LINES_MAX = 5000 };

struct plain_count {
	size_t lines;
	bool folded; /* the reader was told where the rest is */
};

/** Appends the lines of an event of a stage (nothing for those that plain output leaves out). */
void plain_event(const struct view *v, const struct event *e, const struct report_options *o, struct plain_count *c,
		 struct rn_buf *to);
/** Appends a heartbeat for each running stage that was silent for 30 s; *heard is when it was last shown to live (one per stage). */
void plain_heartbeats(const struct view *v, int64_t now_ms, int64_t *beats, struct rn_buf *to);
/** Writes to stdout and flushes; errors (a closed pipe) are ignored: the run matters more. */
void plain_write(const struct rn_buf *text);

#endif
