/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lease: NAME` of a pipeline file: the program `runner-NAME lease hold` keeps a lease
 * beside the run, in a place that runners reach which share no folder. What place that
 * is, and how the lease is kept there, the core does not know. Both speak JSON objects,
 * one a line, over the program's stdin and stdout (docs/aws.md, "The lease").
 */
#ifndef CORE_LEASE_HELPER_H
#define CORE_LEASE_HELPER_H

#include "base/json.h"

#include <stdint.h>
#include <sys/types.h>

struct lease_helper;

struct lease_helper_options {
	const char *helper;  /* NAME */
	const char *name;    /* of the pipeline */
	const cJSON *words;  /* what others are told of the holder */
	const cJSON *env;    /* NAME -> value: the program's whole environment */
	int64_t wait_ms;     /* 0: refuse at once; -1: wait as long as it takes */
	int64_t tick_ms;     /* while waiting `tick` is called so often, and ends it with -1 */
	int (*tick)(void *ctx, struct rn_error *err);
	void *ctx;
};

/** Path of the program of `lease: NAME`; new string, NULL when there is none. */
char *lease_helper_program(const char *name);
/** What it needs to be allowed, as plugins say it: a line an action, "ACTION RESOURCE...". New string, NULL with `err`. */
char *lease_helper_permissions(const char *helper, const char *pipeline, struct rn_error *err);

/** Starts it and waits until it holds the lease; says on stderr what it says meanwhile. NULL with `err` (RN_EEXISTS: refused). */
struct lease_helper *lease_helper_start(const struct lease_helper_options *o, struct rn_error *err);
/** One more thing to tell others; best effort. */
void lease_helper_name_run(struct lease_helper *h, const char *run_id);
/** Readable when there is something to check. */
int lease_helper_fd(const struct lease_helper *h);
pid_t lease_helper_pid(const struct lease_helper *h);
/** 0, or -1 with RN_EEXISTS when the lease is lost or its keeper has ended. Does not wait. */
int lease_helper_check(struct lease_helper *h, struct rn_error *err);
/** Gives the lease back, waits for the end of the program and frees. NULL is fine. What goes wrong is said on stderr. */
void lease_helper_stop(struct lease_helper *h);

#endif
