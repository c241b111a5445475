/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in a run, as values: the scheduler emits events, the journal and
 * the reporters consume them. All text in an event is already masked. Strings
 * are borrowed and valid during the call only.
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "base/json.h"

#include <runner/plugin.h>

enum event_kind {
	EVENT_RUN_START = 1, /* text: pipeline name; name: run id or NULL; total: stages */
	EVENT_STAGE_START,   /* attempt; text: why it runs (with --resume), else NULL    */
	EVENT_STAGE_RETRY,   /* attempt that failed; ms: pause; text: why                */
	EVENT_STAGE_END,     /* status, ms: time taken; text: why it was skipped         */
	EVENT_LOG,           /* level, text: one line without its newline                */
	EVENT_STEP,          /* text: name of the step; NULL: none                       */
	EVENT_PROGRESS,      /* text: what; done, total (0: unknown), unit               */
	EVENT_CHANGE,        /* action, name: resource; text: detail or NULL; fields     */
	EVENT_OUTPUT,        /* name; text: value for people, secret: the value is "***" */
	EVENT_FAILURE,       /* failure                                                  */
	EVENT_NOTICE,        /* level, text: a word of the runner itself; stage may be NULL */
	EVENT_RUN_END,       /* status, exit_code, ms                                    */
	EVENT_ROLLBACK_START, /* a stage's changes of this run are put back               */
	EVENT_ROLLBACK_END,  /* status, ms; text: why it was not tried                   */
};

enum event_status {
	EVENT_OK = 0,
	EVENT_FAILED,
	EVENT_SKIPPED,   /* by `if:`, or because a stage before it failed */
	EVENT_REUSED,    /* --resume: finished before, nothing changed     */
	EVENT_CANCELLED,
	EVENT_IGNORED,   /* failed, and continue_on_error says to go on    */
};

/** Why a stage failed, for people and machines. */
struct event_failure {
	enum runner_class cls;
	const char *message;
	const char *hint;  /* or NULL */
	const char *param; /* or NULL */
	const char *file;  /* of the place at fault, or NULL */
	int line;          /* from 1; 0: none */
	int column;        /* from 1; 0: none */
	bool retryable;
};

struct event {
	enum event_kind kind;
	int64_t wall_ms;
	const char *stage; /* id; NULL: the run */
	size_t index;      /* of the stage in the file */
	int attempt;       /* from 1 */
	enum event_status status;
	enum runner_level level;
	enum runner_action action;
	const char *name;
	const char *text;
	const char *unit;
	const cJSON *fields; /* EVENT_CHANGE: [{name, before, after, secret}] or NULL */
	const cJSON *value; /* EVENT_OUTPUT: the value when it is not a string and not secret */
	uint64_t done;
	uint64_t total;
	int64_t ms;
	int exit_code;
	bool secret;
	bool partial;       /* EVENT_LOG: the line goes on */
	bool rollback;      /* it happens while the stage's changes are put back */
	struct event_failure failure;
};

/** "ok", "failed", "skipped", "reused", "cancelled", "ignored". */
const char *event_status_name(enum event_status status);
/** "created", "updated", "unchanged", "deleted". */
const char *event_action_name(enum runner_action action);
/** "debug", "info", "warning", "error". */
const char *event_level_name(enum runner_level level);
/** "stage", "config", "auth" ...: the class of a failure in JSON. */
const char *event_class_name(enum runner_class cls);
/** "stage-start" ...: the kind as in the journal and in `--output json`. */
const char *event_kind_name(enum event_kind kind);
/** The event as one JSON object (stable names; see docs). The caller deletes. */
cJSON *event_json(const struct event *e);

#endif
