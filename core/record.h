/* SPDX-License-Identifier: Apache-2.0 */
/* Earlier runs, read back from their journals: for --resume, --only, `outputs` and `logs`. */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include "event.h"

#include "base/str.h"

enum { RECORD_FORMAT = 1 };

struct record_stage {
	char *id;
	bool started;  /* it ran in that run (or began to)  */
	bool ended;
	enum event_status status;
	cJSON *key;     /* what decided about running; may be NULL */
	cJSON *outputs; /* object: name -> value                    */
	struct rn_strv secrets; /* names of secret outputs: their values are nowhere */
	cJSON *records;         /* key -> what was there before it changed it; empty: it changed nothing */
	bool put_back;          /* by a rollback, so it counts as not done */
	bool back_failed;       /* a rollback was tried and failed         */
};

struct record {
	char *id;       /* of the run */
	char *dir;
	char *command;
	char *pipeline;
	char *file;     /* absolute */
	int pid;        /* of its process */
	char *of;       /* "rollback": the run that was put back; else NULL */
	bool ended;     /* false: it was killed, or it goes on */
	enum event_status status; /* when it has ended */
	struct record_stage *stages;
	size_t n, cap;
};

/** Reads one run; lines that cannot be read are left out. NULL when there is no journal. */
struct record *record_read(const char *run_dir, struct rn_error *err);
/** The pipeline file of a run, by the first line of its journal; new string, NULL when it cannot be told. */
char *record_file(const char *run_dir);
void record_free(struct record *r);
void record_freep(struct record **r);
const struct record_stage *record_stage(const struct record *r, const char *id);

/** The runs below `root` (.runner), newest first; with `file`, only those of that pipeline; the newest `max` beside rollbacks, 0: all. */
struct record_list {
	struct record **v;
	size_t n, cap;
};
void record_list_read(const char *root, const char *file, size_t max, struct record_list *ret);
void record_list_clear(struct record_list *l);
/**
 * The newest run in which the stage began or was reused; older ones do not count any more,
 * nor does anything before a `destroy`. NULL: none; *ret_run is the run.
 */
const struct record_stage *record_find(const struct record_list *l, const char *stage, const struct record **ret_run);
/** The newest run that kept records of what was there before, since the last `destroy`; NULL: none. */
const struct record *record_changed(const struct record_list *l);
/** True when the stage changed something and nobody decided yet whether that stays: the run was killed or interrupted, or a rollback failed. */
bool record_open(const struct record *r, const struct record_stage *s);

#endif
