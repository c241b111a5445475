/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the stages of a pipeline in their order: what is free in parallel, with
 * conditions, retries, timeouts, selection, resume and cancellation. Emits
 * events; knows no reporter and no file format.
 */
#ifndef CORE_SCHEDULE_H
#define CORE_SCHEDULE_H

#include "journal.h"
#include "lease.h"
#include "pipeline.h"
#include "plugin.h"
#include "record.h"
#include "redact.h"
#include "view.h"

#include <sys/types.h>

enum schedule_call {
	SCHEDULE_RUN,
	SCHEDULE_PLAN,
	SCHEDULE_DESTROY,  /* in reverse order */
	SCHEDULE_ROLLBACK, /* in reverse order: what the run `of` changed is put back */
};

struct schedule_options {
	enum schedule_call call;
	struct pipeline *pipeline;
	const struct plugin_set *plugins;
	struct bus *bus;
	struct redact *redact;
	struct journal *journal;           /* NULL: nothing is recorded (plan, --dry-run) */
	const struct record_list *earlier; /* runs of this pipeline, newest first        */
	const struct record *of;           /* SCHEDULE_ROLLBACK: the run to put back     */
	struct lease *lease;               /* kept alive while stages run; NULL: none    */
	const cJSON *env;                  /* environment of every stage                 */
	const char *root;                  /* .runner; where state and scratch folders lie */
	int64_t jobs;                      /* >= 1 */
	int64_t timeout_ms;                /* of the whole run; 0: none */
	int64_t grace_ms;                  /* what a stage has to end by itself once it is stopped, before it is killed */
	bool resume;
	bool dry_run;                      /* says what would run, runs nothing */
	const struct rn_strv *only;        /* stage ids; empty: all */
	const char *from, *until;          /* stage ids or NULL     */
	pid_t watched;                     /* a helper whose end is worth a word (the local cloud); 0: none */
};

enum { SCHEDULE_GRACE_MS = 5000 }; /* unless RUNNER_STOP_GRACE says otherwise */

/** "run", "plan", "destroy", "rollback". */
const char *schedule_call_name(enum schedule_call call);

/** Returns an exit code (enum exit_code). `err` says why nothing could be started at all (then 3). */
int schedule_run(const struct schedule_options *o, struct rn_error *err);

#endif
