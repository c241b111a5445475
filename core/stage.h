/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of one stage as the host sees it: starts a worker, turns its frames
 * into events (masked), writes the log, stops it. Knows processes, not order.
 */
#ifndef CORE_STAGE_H
#define CORE_STAGE_H

#include "event.h"
#include "plugin.h"
#include "redact.h"

#include "base/json.h"

struct stage_spec {
	const char *id;
	size_t index;
	const char *call;                 /* "run", "plan", "destroy", "rollback"         */
	const struct plugin_info *plugin;
	const cJSON *params;              /* of params_resolve                            */
	const cJSON *env;                 /* whole environment of the stage: name -> text */
	const cJSON *info;                /* answers of the service `info`                */
	const struct rn_strv *secrets;    /* texts in parameters and environment that are secret */
	const cJSON *records;             /* of a rollback: key -> what was there before; else NULL */
	const char *const *worker_env;    /* environment of the supervisor: no secrets    */
	const char *log;                  /* path; NULL: no file                          */
	bool append;                      /* the log goes on (a retry, a rollback)        */
	bool rollback;                    /* events carry the mark                        */
	const char *file;                 /* the pipeline's, for failures                 */
	int line, column;                 /* of the stage                                 */
};

/** Who is told. Strings are valid during the call. */
struct stage_sink {
	void *ctx;
	/** log, step, progress, change, notice */
	void (*event)(void *ctx, const struct event *e);
	/** An output with its true value; secret also when the value holds a known secret. */
	void (*output)(void *ctx, size_t index, const char *name, const cJSON *value, bool secret);
	/** What was there before a change: kept on disk when it returns 0, else -1 with why. */
	int (*remember)(void *ctx, size_t index, const char *key, const cJSON *record, struct rn_error *err);
	/** Something of the run cannot be written: it must end. */
	void (*broken)(void *ctx, const struct rn_error *err);
};

enum stage_end {
	STAGE_DONE,      /* returned 0                                 */
	STAGE_FAILED,    /* see stage_failure                          */
	STAGE_CANCELLED, /* stopped by stage_stop with STOP_CANCELLED */
};

enum stage_stop_reason {
	STOP_CANCELLED = 1,
	STOP_TIMEOUT,     /* the stage's own `timeout:` */
	STOP_RUN_TIMEOUT, /* --timeout                  */
};

struct stage;

/** Starts it. NULL with `err` when no process can be started or the log cannot be opened. */
struct stage *stage_start(const struct stage_spec *spec, struct redact *redact, const struct stage_sink *sink,
			  struct rn_error *err);
/** To poll for reading; -1 once everything is read. */
int stage_fd(const struct stage *s);
/** Reads what is there; true once the stage has ended and is reaped. */
bool stage_read(struct stage *s);
/** TERM now, KILL after grace_ms (0: KILL now). `after_ms`: the time that was over, for the message. May be repeated with less grace. */
void stage_stop(struct stage *s, enum stage_stop_reason why, int64_t grace_ms, int64_t after_ms);
/** How it ended; valid once stage_read said so. */
enum stage_end stage_result(const struct stage *s);
/** Why it failed: masked, with a place in a file. Borrowed. */
const struct event_failure *stage_failure(const struct stage *s);
int stage_pid(const struct stage *s);
/** True when the supervisor itself was killed, so that nobody has cleaned up behind the stage. */
bool stage_unsupervised(const struct stage *s);
void stage_free(struct stage *s);

#endif
