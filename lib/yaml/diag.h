/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics of one text file: collected with line and column, printed sorted,
 * each with its source line and a caret. Knows nothing of what the file means.
 */
#ifndef RN_DIAG_H
#define RN_DIAG_H

#include "base/buf.h"
#include "base/str.h"

#include <cjson/cJSON.h>

/** Where something stands in a file; line 0: nowhere in particular. */
struct diag_at {
	int line;   /* from 1                          */
	int column; /* from 1, in characters           */
	int length; /* characters to underline; 0 as 1 */
};

enum diag_severity {
	DIAG_ERROR,
	DIAG_WARNING,
};

struct diag {
	enum diag_severity severity;
	struct diag_at at;
	char *file;    /* another file than the list's own; usually NULL */
	char *message;
	char *hint;    /* what to do; NULL: none */
	size_t order;  /* of arrival */
};

/** The diagnostics of one file. `text` may be NULL (no source lines are shown then). */
struct diags {
	char *file; /* as shown to the user */
	char *text;
	struct diag *v;
	size_t n;
	size_t cap;
	size_t errors;
	size_t machine; /* of these errors, those that the file cannot cure: a broken plugin */
	size_t dropped; /* beyond DIAGS_MAX */
};

#define DIAGS_MAX 200 /* a broken file shall not print for minutes */

/** `file` as shown; copies both. */
void diags_init(struct diags *d, const char *file, const char *text);
/** Replaces the source text (copied). */
void diags_set_text(struct diags *d, const char *text);
void diags_clear(struct diags *d);

/** Adds an error; `hint` may be NULL. Repeats of the same text at the same place are dropped. Always returns -1. */
int diags_error(struct diags *d, struct diag_at at, const char *hint, const char *fmt, ...) RN_PRINTF(4, 5);
/** Adds a warning; it does not make the file invalid. */
void diags_warn(struct diags *d, struct diag_at at, const char *hint, const char *fmt, ...) RN_PRINTF(4, 5);
/** Adds an rn_error with its hint, `what` (may be NULL) before its text. Always returns -1. */
int diags_rn(struct diags *d, struct diag_at at, const char *what, const struct rn_error *err);
/** New hint text `did you mean "NAME"?`, or a list of the candidates when there are few, or NULL. The caller frees. */
char *diag_did_you_mean(const char *given, const char *const *names, size_t n);

/** Marks the last error as one that the file cannot cure. */
void diags_blame_machine(struct diags *d);
/** 0 without errors; 2 when the file is wrong; 3 when only this machine or a plugin is. */
int diags_exit_code(const struct diags *d);

/** Sorts by line and column. */
void diags_sort(struct diags *d);
/** All of it for people: "FILE:LINE:COL: error: TEXT", source line, caret, hint. */
void diags_print(struct diags *d, bool color, struct rn_buf *to);
/** A JSON array of {severity, file, line, column, length, message, hint}. The caller deletes. */
cJSON *diags_json(struct diags *d);
/** "2 errors, 1 warning"; to[64]. */
const char *diags_summary(const struct diags *d, char *to);

#endif
