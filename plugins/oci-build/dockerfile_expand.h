/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables, quotes and escapes in the words of a Dockerfile (reference:
 * "Environment replacement"): $v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w}
 * ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}. Where variables come from is
 * the caller's.
 */
#ifndef DOCKERFILE_EXPAND_H
#define DOCKERFILE_EXPAND_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

struct df_expander {
	char escape;          /* '\\' or '`'                                                  */
	bool keep_quotes;     /* quotes are understood, and stay in the result                */
	bool keep_escapes;    /* likewise                                                     */
	bool plain_quotes;    /* quotes are ordinary characters (heredoc bodies)              */
	bool keep_unset;      /* a reference to an unset variable stays as written            */
	/** Value of a variable, borrowed; NULL: unset. NULL function: nothing is set. */
	const char *(*get)(void *ctx, const char *name);
	void *ctx;
	struct rn_strv unset; /* out: names asked for that are not set; the caller clears     */
	size_t fault;         /* out: offset in the word of what an error is about            */
};

#define DF_EXPAND_MAX ((size_t)1 << 20) /* bytes of a result; more is RN_ELIMIT */

/** The word with everything replaced; new string. */
int df_expand(struct df_expander *x, const char *word, char **ret, struct rn_error *err);
/** The same, split at blanks that are not quoted; values of variables are split too. Adds to `ret`. */
int df_expand_split(struct df_expander *x, const char *text, struct rn_strv *ret, struct rn_error *err);

#endif
