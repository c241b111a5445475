/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event bus and the picture of a run that reporters draw from. Events go to
 * the view first, then to each consumer; consumers only read. Bounded: a stage
 * that floods its log keeps the last lines here and the rest on disk.
 */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include "event.h"

#include "base/str.h"

enum { VIEW_TAIL = 40, VIEW_CHANGES_MAX = 1000 };

enum view_state {
	VIEW_WAITING,
	VIEW_RUNNING,
	VIEW_DONE,
};

struct view_change {
	enum runner_action action;
	char *resource;
	char *detail; /* or NULL */
	cJSON *fields; /* [{name, before, after, secret}], or NULL */
};

enum view_back {
	VIEW_BACK_NONE,
	VIEW_BACK_RUNNING,
	VIEW_BACK_DONE,
	VIEW_BACK_FAILED,
};

struct view_output {
	char *name;
	char *text; /* for people; "***" when secret */
	bool secret;
};

struct view_stage {
	char *id;
	char *uses;
	char *log;  /* path of the log, as shown; NULL: none */
	enum view_state state;
	enum event_status status;
	int attempt;
	int64_t begin_ms; /* monotonic */
	int64_t heard_ms; /* monotonic: last sign of life */
	int64_t ms;
	char *step;
	char *reason;     /* why it ran (--resume) or was skipped */
	char *what, *unit; /* progress; what NULL: none */
	uint64_t done, total;
	char *tail[VIEW_TAIL];
	char *complaint;  /* the first line of the log that speaks of an error; NULL: none  */
	size_t complaint_line; /* its number, from 1 */
	size_t lines;     /* of the log; tail[(lines - 1) % VIEW_TAIL] is the last */
	struct view_change *changes;
	size_t n_changes, cap_changes, all_changes;
	struct view_output *outputs;
	size_t n_outputs, cap_outputs;
	struct event_failure failure; /* owned strings; cls 0: none */
	enum view_back back;          /* what it changed is put back after the run failed */
	int64_t back_ms;              /* monotonic: since when; at its end: time taken    */
	struct view_change *restored; /* what was put back                                */
	size_t n_restored, cap_restored;
	struct event_failure back_failure;
};

struct view {
	const char *command;  /* "run", "plan", "destroy", "rollback" */
	const char *pipeline; /* name; borrowed */
	const char *file;     /* as shown to the user; borrowed */
	const char *run_id;   /* NULL: nothing is recorded */
	const char *resume;   /* command line that resumes; NULL: none */
	struct view_stage *stages;
	size_t n;
	size_t width; /* of the longest id */
	int64_t begin_ms;
	int64_t ms;
	enum event_status status;
	int exit_code;
	bool ended;
};

struct reporter {
	void (*event)(struct reporter *r, const struct view *v, const struct event *e);
	void (*tick)(struct reporter *r, const struct view *v, int64_t now_ms); /* may be NULL */
	void (*free)(struct reporter *r);
	int tick_ms; /* how often `tick` wants to be called; 0: never */
};

struct bus {
	struct view view;
	struct reporter **reporters;
	size_t n, cap;
};

/** Adds a stage in the order of the file. */
void bus_stage(struct bus *b, const char *id, const char *uses, const char *log);
/** The bus owns the reporter. */
void bus_add(struct bus *b, struct reporter *r);
/** Stamps the event, updates the view, tells everybody. */
void bus_emit(struct bus *b, const struct event *e);
void bus_tick(struct bus *b);
/** Milliseconds until a reporter wants a tick; -1: never. */
int bus_tick_ms(const struct bus *b);
void bus_clear(struct bus *b);

/** Number of changes with this action over all stages. */
size_t view_count(const struct view *v, enum runner_action action);
/** Stages that ended with this status. */
size_t view_stages(const struct view *v, enum event_status status);

#endif
