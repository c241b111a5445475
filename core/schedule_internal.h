/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's own state, shared by schedule.c (order and time) and schedule_start.c (one stage). */
#ifndef CORE_SCHEDULE_INTERNAL_H
#define CORE_SCHEDULE_INTERNAL_H

#include "params.h"
#include "schedule.h"
#include "signals.h"
#include "stage.h"

enum node_state {
	NODE_WAITING,
	NODE_RUNNING,
	NODE_PAUSED, /* between two attempts */
	NODE_DONE,
};

struct node {
	struct schedule *schedule;
	const struct pipeline_stage *stage;
	struct plugin_info *plugin;
	enum node_state state;
	enum event_status status;
	bool selected;
	bool failed;         /* it failed, or one that it waits for did */
	bool machine;        /* it failed for reasons of the machine (exit code 3) */
	char *forced;        /* why it runs even though it finished before */
	char *reason;        /* why it runs or does not, for --resume */
	int attempt;         /* from 1 */
	int64_t begin_ms;    /* of the first attempt */
	int64_t deadline_ms; /* of this attempt; 0: none */
	int64_t wake_ms;     /* NODE_PAUSED: when to try again */
	struct stage *process;
	cJSON *outputs;          /* name -> true value */
	struct rn_strv secrets;  /* names of outputs that are secret */
	struct rn_strv lost;     /* names of secret outputs of an earlier run: known to exist, value unknown */
	cJSON *params, *env, *info; /* of the running call */
	char *log;
	struct pipeline_binding binding;
};

struct schedule {
	const struct schedule_options *o;
	struct node *nodes;
	size_t n;
	size_t running;
	struct signals signals;
	int stops;          /* requests to stop so far */
	bool stopping;
	bool timed_out;
	bool broken;        /* the journal cannot be written */
	int64_t deadline_ms;
	bool watched_ended;
	size_t wanted;      /* while resolving: index + 1 of a reused stage whose secret output is needed; 0: none */
	char *wanted_output;
};

/** Starts a stage whose turn has come, or ends it as skipped, reused or failed. May make another one wait again (see `wanted`). */
void node_begin(struct node *n);
/** Starts the next attempt of a call that is resolved already. */
void node_launch(struct node *n);
/** Its process has ended: success, retry or failure. */
void node_ended(struct node *n);
/** Ends a stage that did not run (or whose last attempt is over). */
void node_finish(struct node *n, enum event_status status, const char *reason);
/** Ends it as failed, with the failure as its reason. */
void node_fail(struct node *n, const struct event_failure *f);
/** Takes over the outputs of an earlier run; false when there is no finished one. */
bool node_recall(struct node *n, const struct record_stage *earlier);

void schedule_notice(struct schedule *s, enum runner_level level, const char *stage, const char *fmt, ...)
	RUNNER_PRINTF(4, 5);

#endif
