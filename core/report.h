/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reporters: each consumes the events of a run and draws from the view. Adding
 * one touches no stage. All write to stdout unless they write a file.
 */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include "view.h"

#include "base/buf.h"

struct report_options {
	bool color;
	bool verbose; /* terminal: also the log, above the tree; plain: also debug lines */
};

/** A live tree at the bottom of the terminal. */
struct reporter *report_terminal_new(const struct report_options *o);
/** One line an event, `stage | text`. */
struct reporter *report_plain_new(const struct report_options *o);
/** JSON lines. */
struct reporter *report_json_new(void);

enum report_ci {
	REPORT_CI_NONE,
	REPORT_CI_GITHUB,
	REPORT_CI_GITLAB,
};
/** What the environment says this runs on. */
enum report_ci report_ci_detect(void);
/** Plain lines, folded into groups (GitHub) or sections (GitLab), with annotations for what failed. */
struct reporter *report_ci_new(const struct report_options *o, enum report_ci ci);
/** Makes the folder of a JUnit file; an error when the file could not be written there. For before a run. */
int report_junit_prepare(const char *path, struct rn_error *err);
/** A JUnit file written at the end of the run; `path` is copied. A failure to write it is told on stderr and in *ret_failed. */
struct reporter *report_junit_new(const char *path, bool *ret_failed);

/* ---- what several of them print ---- */

/** "\033[31m" or "" */
const char *report_color(bool color, const char *name);
/** Mark of a status: "✓", "✗", "-" ...; with its colour. */
void report_mark(struct rn_buf *to, bool color, enum view_state state, enum event_status status);
/** What failed, where, why, what to do, the last lines of its log, how to resume. */
void report_failures(const struct view *v, bool color, struct rn_buf *to);
/** Tables of changes and outputs, and the last line. `columns` of a terminal, 0: any; what does not fit beside stands below. */
void report_summary(const struct view *v, bool color, size_t columns, struct rn_buf *to);
/** "FILE:LINE:COLUMN" of a failure, the file relative to the working directory when below it; "" when unknown. New string. */
char *report_place(const struct event_failure *f);
/** "12.3 MB of 40 MB", "3 of 7 layers". New string. */
char *report_progress(const struct view_stage *s);

#endif
