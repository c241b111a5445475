/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options as tables: parsing, the nearest name for an unknown one,
 * and help, completion and the manual printed from the same rows.
 */
#ifndef RN_OPTIONS_H
#define RN_OPTIONS_H

#include "base/buf.h"
#include "base/str.h"

enum option_kind {
	OPTION_FLAG,     /* bool, set to true        */
	OPTION_STRING,   /* const char *             */
	OPTION_LIST,     /* struct rn_strv; repeats  */
	OPTION_INTEGER,  /* int64_t in [min, max]    */
	OPTION_DURATION, /* int64_t milliseconds     */
};

struct option_row {
	const char *name;    /* "jobs" for --jobs; NULL ends the table          */
	char letter;         /* 'j' for -j; 0: none                             */
	enum option_kind kind;
	size_t offset;       /* of the member in the command's value struct     */
	const char *arg;     /* "N": what help calls the value; NULL for flags  */
	const char *one_of;  /* "text|json": allowed values; NULL: any          */
	int64_t min, max;    /* OPTION_INTEGER; both 0: any                     */
	const char *help;    /* a sentence                                      */
};

/** Parses argv[0..argc) (no program name). Options may stand among arguments; "--" ends them; --x=y and -jN work. Arguments go to `args`; `values` is the command's zeroed struct. */
int options_parse(const struct option_row *rows, void *values, int argc, char *const *argv,
		  struct rn_strv *args, struct rn_error *err);
/** Frees the lists in `values`. */
void options_clear(const struct option_row *rows, void *values);
/** "  -j, --jobs N   sentence", one row each. */
void options_help(const struct option_row *rows, struct rn_buf *to);

#endif
