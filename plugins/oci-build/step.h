/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction being executed in its stage: what it is, where it stands, and the variables
 * that it sees. Shared by what executes instructions (metadata.h, copy.h, run.h).
 */
#ifndef STEP_H
#define STEP_H

#include "stage_graph.h"

struct step {
	struct build *b;
	struct stage_graph *graph;
	struct build_stage *stage;
	const struct df_instruction *i;
	const struct df_source *source; /* that `i` stands in                                  */
	char escape;
	bool trigger;                   /* an ONBUILD trigger of the base: errors point at FROM */
	bool surveyed;                  /* its files were looked at, see copy_survey            */
	struct rootfs_along *along;     /* the folder that its layer still becomes when the step has made it; ended by who ran the step */
	struct rn_map *downloads;       /* URL -> struct remote_file: what was fetched for it; may be NULL */
	struct rn_error *err;
};

/** Fails at a place of the instruction. Always returns -1. */
int step_fail(const struct step *s, struct df_at at, enum rn_code code, const char *fmt, ...) RN_PRINTF(4, 5);
/** Gives an error that happened inside a place of the instruction, when it has none. Always returns -1. */
int step_locate(const struct step *s, struct df_at at);

/** A word with variables, quotes and escapes resolved by what the stage has now; new string, NULL on error. */
char *step_expand(const struct step *s, const char *text, struct df_at at);
/** A heredoc's body: variables and escapes only. */
char *step_expand_body(const struct step *s, const struct df_heredoc *h);
/** The value of a flag, expanded; *ret NULL when it is not given. */
int step_flag(const struct step *s, const char *name, char **ret);
/** The configuration's "config" object. */
cJSON *step_config(const struct step *s);
/** Variable as the stage sees it: ENV beats ARG. NULL: unset. */
const char *step_variable(const struct build_stage *stage, const char *name);

/** How to write the layer of this step: with `push`, those that the image has are sent while they are written. Borrowed. */
const struct layer_options *step_layer_options(const struct step *s);

#endif
