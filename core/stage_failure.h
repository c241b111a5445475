/* SPDX-License-Identifier: Apache-2.0 */
/* How a stage ended, collected from its last frames, and the words for it. */
#ifndef CORE_STAGE_FAILURE_H
#define CORE_STAGE_FAILURE_H

#include "stage.h"

struct stage_ending {
	/* what is known beforehand */
	char *plugin;
	char *plugin_path;
	char *file;
	int line, column;
	cJSON *places; /* parameter -> {line, column} */
	/* what was heard */
	bool result;   /* the plugin returned ...     */
	int code;      /* ... this                    */
	cJSON *fail;   /* the last `fail`             */
	bool exited;   /* the supervisor's last frame */
	int status, signal;
	size_t killed;
	char *names;
	bool garbled;
	int supervisor_signal;
	enum stage_stop_reason stopped;
	int64_t stopped_after_ms;
};

void stage_ending_init(struct stage_ending *e, const struct stage_spec *spec);
void stage_ending_clear(struct stage_ending *e);
/** Frames "fail", "result", "exit", "garbled"; others are ignored. */
void stage_ending_take(struct stage_ending *e, const char *type, const cJSON *j);
/** The verdict; a failure's strings are the caller's, not yet masked. */
enum stage_end stage_ending_judge(const struct stage_ending *e, struct event_failure *ret);

/** Frees the strings of a failure that owns them. */
void event_failure_clear(struct event_failure *f);

#endif
