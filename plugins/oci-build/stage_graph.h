/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a Dockerfile for one platform: bases resolved (global ARGs, named contexts),
 * instructions assigned, what the target needs marked. Reads no image.
 */
#ifndef STAGE_GRAPH_H
#define STAGE_GRAPH_H

#include "dockerfile_expand.h"
#include "fs_state.h"

#include <pthread.h>

enum base_kind {
	BASE_SCRATCH,
	BASE_STAGE,   /* an earlier stage             */
	BASE_IMAGE,   /* a registry or an OCI layout  */
};

struct build_stage {
	size_t index;
	const struct df_instruction *from;
	const char *name;             /* in lower case; NULL: none. Borrowed                     */
	enum base_kind kind;
	struct build_stage *parent;   /* BASE_STAGE                                              */
	char *base;                   /* BASE_IMAGE: what to load                                */
	bool replaced;                /* a named context of that name stands in: steps do not run */
	struct platform platform;
	const struct df_instruction **steps;
	size_t n_steps;
	size_t cap_steps;
	bool needed;

	/* while and after it runs */
	bool started;
	bool done;
	size_t step;                  /* number of the step that runs, FROM is 1                 */
	size_t total;                 /* steps, with the triggers of its base                    */
	struct fs_state state;
	struct rn_map args;           /* ARG in scope: name -> value (owned), NULL: declared without value */
	bool cmd_set;                 /* CMD stood in this stage                                 */
	bool ahead;                   /* layers are being unpacked for a RUN to come             */
	struct rn_strv onbuild;       /* triggers that a stage FROM this one runs first          */
	struct dockerfile **triggers; /* parsed ones of the base that ran here                   */
	struct df_source *trigger_sources;
	size_t n_triggers;
};

/* An image or folder that --from names and that is no stage. */
struct outside {
	struct fs_state state;        /* an image      */
	char *folder;                 /* or a folder   */
	struct ignore_list ignore;    /* of the folder */
};
void outside_free(void *outside);

/* What `runner shell` asks for (run_shell.h); all zero: nothing. */
struct run_shell {
	char *socket;
	char *step;                   /* NULL: the failed one                                  */
	size_t stage, number;         /* index of the stage and number of the step that is meant */
	char *kept;                   /* folder with the root of the failed one                */
};

struct stage_graph {
	struct build *b;
	struct platform target_platform;
	struct platform build_platform;
	struct rn_map globals;        /* ARG before the first FROM, and the platform arguments */
	struct build_stage *v;
	size_t n;
	struct build_stage *target;
	pthread_mutex_t lock;         /* of the members below, and of `started` and `done` of stages */
	pthread_cond_t changed;
	size_t free_slots;            /* stages that may begin to work now                     */
	bool several;                 /* more than one stage is needed: lines say whose they are */
	bool failed;
	struct rn_error *error;       /* where the first failure goes; may be NULL             */
	pthread_mutex_t outsides_lock;
	struct run_shell shell;
	struct rn_map outsides;       /* name -> struct outside, loaded on first use */
};

/** Builds the graph. stage_graph_clear frees, also after a failure. */
int stage_graph_init(struct stage_graph *g, struct build *b, const struct platform *platform, struct rn_error *err);
void stage_graph_clear(struct stage_graph *g);
/** Steps that the target needs, FROM lines included. */
size_t stage_graph_steps(const struct stage_graph *g);

/** What --from of an instruction in `in` names: an earlier stage, or NULL for an image or named context. -1 for a name or number that cannot be (shown in `source`, where the flag stands). */
int stage_graph_from(struct stage_graph *g, const struct df_source *source, const struct build_stage *in,
		     const struct df_flag *flag, struct build_stage **ret, struct rn_error *err);
/** Value of a named context of `build_contexts` (alpine is docker.io/library/alpine:latest, as in docker's own); NULL: none of that name. */
const char *stage_graph_context(const struct stage_graph *g, const char *name);

#endif
