/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glue between a plugin and the libraries: one object for the call that the
 * host makes, library errors as the host's failures, an AWS session from the
 * stage's parameters, ownership tags, and changes told field by field. Knows no
 * service's resources and no plugin.
 *
 *	static int run(struct runner_stage *rs, const struct runner_host *host, const void *p)
 *	{
 *		struct stage s;
 *		stage_init(&s, rs, host, STAGE_RUN);
 *		struct rn_error err = { 0 };
 *		return apply(&s, p, &err) < 0 ? stage_fail(&s, &err, NULL) : 0;
 *	}
 */
#ifndef STAGE_H
#define STAGE_H

#include "aws/client.h"
#include "base/json.h"

#include <runner/plugin.h>

enum stage_mode {
	STAGE_RUN,
	STAGE_PLAN,    /* reads only */
	STAGE_DESTROY,
	STAGE_ROLLBACK, /* puts back what run remembered */
};

struct stage {
	struct runner_stage *rs;
	const struct runner_host *host;
	enum stage_mode mode;
	const char *pipeline; /* name of the pipeline, never NULL */
	const char *id;       /* id of the stage, never NULL      */
	const char *param;    /* parameter at fault, set by stage_blame; stage_fail uses it */
};

/** Call first in run, plan, destroy and rollback. */
void stage_init(struct stage *s, struct runner_stage *rs, const struct runner_host *host, enum stage_mode mode);

/* ---- words -------------------------------------------------------------------- */

void stage_debug(const struct stage *s, const char *fmt, ...) RN_PRINTF(2, 3);
void stage_info(const struct stage *s, const char *fmt, ...) RN_PRINTF(2, 3);
void stage_warn(const struct stage *s, const char *fmt, ...) RN_PRINTF(2, 3);
/** Names the step that begins now. */
void stage_step(const struct stage *s, const char *fmt, ...) RN_PRINTF(2, 3);
/** Sets an output; RN_EINTERNAL when the plugin does not declare it. */
int stage_output(const struct stage *s, const char *name, const char *value, struct rn_error *err);

/* ---- failures ------------------------------------------------------------------ */

/** Records the parameter that the next failure is about (a literal). Always returns -1. */
int stage_blame(struct stage *s, const char *param);
/** Tells the host: class and retryable from `err`, its text and hint, and `param` (NULL: that of stage_blame). Always returns -1. */
int stage_fail(const struct stage *s, const struct rn_error *err, const char *param);
/** Prefixes `err` with "KIND NAME: ", unless its text names the resource already. Always returns -1. */
int stage_about(struct rn_error *err, const char *kind, const char *name);
/** Class of an error as the host knows it: enum runner_class. */
unsigned stage_class(enum rn_code code);

/* ---- AWS ----------------------------------------------------------------------- */

/** Session for the stage: `region` (may be NULL or "") beats the environment; the host's cancel and debug log; secrets are masked. NULL with `err`. */
struct aws_session *stage_session(struct stage *s, const char *region, struct rn_error *err);
/**
 * Before every call that writes: 0, or -1 with RN_EINTERNAL in `plan`, so that a defect
 * in a plugin's plan cannot write; RN_ECANCELLED once the run is being stopped.
 */
int stage_may_write(const struct stage *s, const char *operation, struct rn_error *err);

/* ---- what was there before ---------------------------------------------------- */

/**
 * Before a write that destroys what is there: keeps `record` (NULL: nothing is there yet) under `key` for rollback, on
 * disk when it returns 0. -1: do not write, and fail (the host has said why already, and its words stand). The first record of a key in a run counts, so call it before every write.
 * In plan, destroy and rollback it does nothing. No secrets in a record.
 */
int stage_remember(const struct stage *s, const char *key, const cJSON *record, struct rn_error *err);
/** In rollback: a new copy of the record, or NULL when run remembered nothing under `key` (a cJSON null: there was nothing before). */
cJSON *stage_recall(const struct stage *s, const char *key);
/** In rollback: key of the i-th record in the order of remembering; NULL behind the last. Borrowed. */
const char *stage_recall_key(const struct stage *s, size_t i);

/* ---- ownership tags ---------------------------------------------------------------- */

#define STAGE_TAG_PIPELINE "runner:pipeline"
#define STAGE_TAG_STAGE "runner:stage"

/** New object: the user's tags and the two ownership tags. RN_EINVAL when the user sets a name that begins with "runner:" or "aws:". */
cJSON *stage_tags(struct stage *s, const struct runner_map *tags, struct rn_error *err);
/** A tag set as an object {name: value}, from an object or from a list of {Key, Value}, {key, value} or {TagKey, TagValue}. New object; NULL input gives {}. */
cJSON *stage_tags_object(const cJSON *tags);
/** The same object as a list [{KEY: name, VALUE: value}] with the member names given ("Key", "Value"). */
cJSON *stage_tags_list(const cJSON *object, const char *key, const char *value);
/** Whose a resource is, by its tags (any of the forms above). */
enum stage_owner {
	STAGE_OWNER_NOBODY,   /* no ownership tags: made by hand or by another tool */
	STAGE_OWNER_US,       /* this stage of this pipeline                        */
	STAGE_OWNER_SIBLING,  /* another stage of this pipeline (or a renamed one)  */
	STAGE_OWNER_OTHER,    /* another pipeline                                   */
};
enum stage_owner stage_owner(const struct stage *s, const cJSON *tags);
/** True for STAGE_OWNER_US: the only thing that destroy removes. */
bool stage_owns(const struct stage *s, const cJSON *tags);
/**
 * What `run` does with a resource that exists: ours (or a sibling's): 0; nobody's: 0, *ret_adopted is
 * true: it is changed but gets no ownership tags, so destroy leaves it alone; another pipeline's: -1.
 */
int stage_claim(const struct stage *s, const char *resource, const cJSON *tags, bool *ret_adopted, struct rn_error *err);
/** Members of `want` that `have` (an object) lacks or has otherwise; new object, empty when all is well. Tags that others set are left alone. */
cJSON *stage_tags_missing(const cJSON *want, const cJSON *have);

/* ---- changes ----------------------------------------------------------------------- */

/** What differs on one resource: "memory: 128 -> 256, timeout: 3 -> 10". A zeroed struct is empty. */
struct stage_diff {
	struct rn_strv lines;
	cJSON *fields; /* the same for machines: [{name, before, after, secret}]; NULL: none */
};
void stage_diff_clear(struct stage_diff *d);
/** Each adds a line when both differ, and returns true then. NULL reads "(none)". */
bool stage_diff_str(struct stage_diff *d, const char *field, const char *have, const char *want);
bool stage_diff_int(struct stage_diff *d, const char *field, int64_t have, int64_t want);
bool stage_diff_bool(struct stage_diff *d, const char *field, bool have, bool want);
bool stage_diff_json(struct stage_diff *d, const char *field, const cJSON *have, const cJSON *want);
/** Names the members that differ, without values; for machines each is a secret field "FIELD.MEMBER". */
bool stage_diff_secret(struct stage_diff *d, const char *field, const cJSON *have, const cJSON *want);
/** A line in free words. Always true. */
bool stage_diff_note(struct stage_diff *d, const char *fmt, ...) RN_PRINTF(2, 3);
static inline bool stage_differs(const struct stage_diff *d)
{
	return d->lines.n > 0;
}

/** Reports a change; `detail` may be NULL. action: enum runner_action. */
void stage_change(const struct stage *s, unsigned action, const char *detail, const char *fmt, ...) RN_PRINTF(4, 5);
/** The same with what differs, field by field; `d` may be empty. */
void stage_change_fields(const struct stage *s, unsigned action, const struct stage_diff *d, const char *fmt, ...) RN_PRINTF(4, 5);
/** Adds all that `from` has to `to`. */
void stage_diff_join(struct stage_diff *to, const struct stage_diff *from);
/** Reports `updated` with what differs, or `unchanged` when there is nothing. */
void stage_change_diff(const struct stage *s, const struct stage_diff *d, const char *fmt, ...) RN_PRINTF(3, 4);

/* ---- at the same time ------------------------------------------------------------------ */

/** A piece of work that may run beside others. */
struct stage_task {
	int (*run)(void *arg, struct rn_error *err);
	void *arg;
};
#define STAGE_TASKS_MAX 16
/** Runs the tasks in threads and waits for all; the first failure (in the order of the array) is reported. */
int stage_parallel(const struct stage_task *tasks, size_t n, struct rn_error *err);

#endif
