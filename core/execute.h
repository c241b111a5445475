/* SPDX-License-Identifier: Apache-2.0 */
/* What `run`, `plan`, `destroy` and `rollback` share: from a file name to an exit code. */
#ifndef CORE_EXECUTE_H
#define CORE_EXECUTE_H

#include "command.h"
#include "schedule.h"

struct execute_values {
	struct rn_strv sets;
	struct rn_strv plugin_path;
	struct rn_strv only;
	const char *from, *until;
	int64_t jobs;       /* 0: as many as there are processors */
	int64_t timeout_ms; /* 0: none */
	bool resume;
	bool dry_run;
	bool local;
	bool wait;            /* for another run, as long as it takes */
	int64_t lock_wait_ms; /* for another run, so long; 0: not     */
	bool verbose;
	bool json;          /* plan: one document */
	bool detailed_exitcode;
	bool iam_policy;
	const char *run;    /* rollback: id of a run; NULL: the newest that changed something */
	const char *output; /* auto, terminal, plain, json; NULL: auto */
	const char *junit;
};

/** Rows of option tables that all of them have. */
#define EXECUTE_ROWS                                                                                                   \
	{ .name = "set", .kind = OPTION_LIST, .offset = offsetof(struct execute_values, sets), .arg = "NAME=VALUE",    \
	  .help = "give a variable of the file another value; repeatable" },                                           \
	{ .name = "only", .kind = OPTION_LIST, .offset = offsetof(struct execute_values, only), .arg = "STAGE",        \
	  .help = "this stage alone; repeatable. Outputs of others are taken from earlier runs" },                     \
	{ .name = "from", .kind = OPTION_STRING, .offset = offsetof(struct execute_values, from), .arg = "STAGE",      \
	  .help = "this stage and those behind it" },                                                                  \
	{ .name = "until", .kind = OPTION_STRING, .offset = offsetof(struct execute_values, until), .arg = "STAGE",    \
	  .help = "this stage and those before it" },                                                                  \
	{ .name = "local", .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, local),                      \
	  .help = "against the embedded local cloud instead of AWS" },                                                 \
	{ .name = "jobs", .letter = 'j', .kind = OPTION_INTEGER, .offset = offsetof(struct execute_values, jobs),      \
	  .arg = "N", .min = 1, .max = 256, .help = "stages at a time (default: the number of processors)" },          \
	{ .name = "timeout", .kind = OPTION_DURATION, .offset = offsetof(struct execute_values, timeout_ms),           \
	  .arg = "TIME", .help = "stop all of it after this time, as 90s or 15m" },                                    \
	{ .name = "output", .letter = 'o', .kind = OPTION_STRING, .offset = offsetof(struct execute_values, output),   \
	  .arg = "FORMAT", .one_of = "auto|terminal|plain|json",                                                       \
	  .help = "a live tree, a line an event, or JSON; auto: what fits" },                                    \
	{ .name = "junit", .kind = OPTION_STRING, .offset = offsetof(struct execute_values, junit), .arg = "FILE",     \
	  .help = "also write a JUnit report; a missing folder is made" },                                                                       \
	{ .name = "verbose", .letter = 'v', .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, verbose),   \
	  .help = "also the logs (terminal) and debug lines" },                                                        \
	{ .name = "plugin-path", .kind = OPTION_LIST, .offset = offsetof(struct execute_values, plugin_path),          \
	  .arg = "DIR", .help = "look for plugins here first; repeatable" }

/** Rows of the commands that change something. */
#define EXECUTE_LOCK_ROWS                                                                                              \
	{ .name = "lock-wait", .kind = OPTION_DURATION, .offset = offsetof(struct execute_values, lock_wait_ms),       \
	  .arg = "TIME", .help = "when this pipeline is being run already, wait so long for it, as 10m" },             \
	{ .name = "wait", .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, wait),                        \
	  .help = "the same without a limit" }

/** Loads, checks and runs. Prints what is wrong. Returns an exit code; *ret_changes (may be NULL): changes other than "unchanged". */
int execute(enum schedule_call call, const char *path, const struct execute_values *v, size_t *ret_changes);

/** Reporters of single commands. */
struct reporter *report_dry_new(void);
struct reporter *report_plan_json_new(void);

#endif
