/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a run, below .runner/ in the working directory:
 *   runs/ID/journal         JSON lines, appended; synced when a stage has ended and what waited for it was started, when the run ends, and with each record
 *   runs/ID/logs/STAGE.log  all that a stage printed, secrets masked
 *   runs/ID/outputs/STAGE.json
 *   latest -> runs/ID
 * Readable after kill -9 at any moment: a torn last line is no line. Secret
 * values never come here: the caller hands over masked events only.
 */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include "event.h"
#include "view.h"

/** Runs of a folder that are kept: the newest of each pipeline, and so many in all. Older ones are removed. */
enum { JOURNAL_KEEP_RUNS = 20, JOURNAL_KEEP_ALL = 400 };

struct journal;

struct journal_head {
	const char *command;  /* "run", "destroy", "rollback" */
	const char *pipeline; /* name */
	const char *file;     /* absolute path of the pipeline */
	const char *of;       /* "rollback": id of the run that is put back; else NULL */
};

/** Makes `root` (absolute path of .runner) and a new run in it; see journal_settle for old runs. NULL with plain words: read-only, full ... */
struct journal *journal_create(const char *root, const struct journal_head *head, struct rn_error *err);
/** What can wait until stages are under way: syncs the ends of others, and removes old runs. */
void journal_settle(struct journal *j);
void journal_free(struct journal *j);
void journal_freep(struct journal **j);
const char *journal_run_id(const struct journal *j);
/** Absolute folder of the run. */
const char *journal_dir(const struct journal *j);
/** "LOGDIR/STAGE.log". New string. */
char *journal_log_path(const struct journal *j, const char *stage);

/** Makes a folder below `root`; a failure says in plain words what it means for a run. */
int journal_make_dir(const char *path, const char *root, struct rn_error *err);
/** Adds what to do about the errno of a failed write below `root`. Returns -1. */
int journal_explain(struct rn_error *err, const char *root);

/** A reporter that writes the events which matter; owned by the bus, `j` must outlive it. */
struct reporter *journal_reporter(struct journal *j);
/** Written into the line of the next stage-start or stage-end of the stage: what decides whether it must run again. Takes `key`. */
void journal_key(struct journal *j, const char *stage, cJSON *key);
/** Writes what was there before a change, synced: it survives a kill at any later moment. */
int journal_remember(struct journal *j, const char *stage, const char *key, const cJSON *record, struct rn_error *err);
/** Remembers why something could not be written (also from logs). The first one counts. */
void journal_broken(struct journal *j, const struct rn_error *err);
/** That reason, or NULL: a run whose journal cannot be written must stop. */
const struct rn_error *journal_error(const struct journal *j);

#endif
