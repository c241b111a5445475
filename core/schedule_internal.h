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
	struct rn_strv given;    /* texts in them that are secret */
	cJSON *records;          /* key -> what was there before this run (or one that was killed) changed it */
	bool rolling;            /* after the run: what it changed is being put back */
	int64_t rolling_ms;      /* since when */
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
	bool broken;        /* the journal cannot be written, or the lease is lost */
	bool lease_news;    /* its keeper said something */
	int64_t deadline_ms;
	bool watched_ended;
	size_t wanted;      /* while resolving: index + 1 of a reused stage whose secret output is needed; 0: none */
	char *wanted_output;
};

/** True when the stages go from the last to the first. */
static inline bool schedule_reversed(const struct schedule *s)
{
	return s->o->call == SCHEDULE_DESTROY || s->o->call == SCHEDULE_ROLLBACK;
}

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

/** What the stage's expressions see: outputs of others, and how they ended. */
void node_scope(struct node *n, struct scope *ret);
/** Whether what it waits for went well (SCOPE_SUCCESS), or some of it failed. */
bool node_status(const struct node *n, enum scope_status what);
/** The environment, folders and facts of a call into n->env and n->info; `own`: the stage's own variables. */
void node_equip(struct node *n, const cJSON *own);
/** Parameters into n->params and own variables into *ret_env; false with `f` filled by new strings (event_failure_clear). */
bool node_resolve(struct node *n, cJSON **ret_env, struct event_failure *f);
/** Starts a worker for the call; -1 when no process can be started. */
int node_spawn(struct node *n, struct rn_error *err);

/** Takes over the records of a run that was killed before anybody decided about them. */
void schedule_carry(struct schedule *s);
/** After a failed run: puts back what stages with `on_failure: rollback` changed, last one first. `wait` is called while one works. */
void schedule_roll_back(struct schedule *s, void (*wait)(struct schedule *s));
/** The process of a rollback has ended. */
void node_rolled(struct node *n);

void schedule_notice(struct schedule *s, enum runner_level level, const char *stage, const char *fmt, ...)
	RUNNER_PRINTF(4, 5);

#endif
