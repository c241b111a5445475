/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function as this stage sees it: what was found, what is wanted, and the
 * steps that bring one to the other. Each step reads, compares and writes only
 * what differs, so every step may be repeated after it was cut off.
 */
#ifndef LAMBDA_FUNCTION_H
#define LAMBDA_FUNCTION_H

#include "config.h"
#include "extra.h"

struct function {
	struct stage *s;
	const struct lambda_params *p;
	struct aws_session *session;
	struct aws_client *client;
	char *path;      /* "/2015-03-31/functions/NAME"                              */
	char *image;     /* REPOSITORY@DIGEST; NULL: not known yet (plan)             */
	cJSON *found;    /* GetFunction; NULL: the function does not exist            */
	cJSON *versions; /* published versions, oldest first; NULL: not asked         */
	cJSON *alias;    /* GetAlias; NULL: not asked, or it does not exist           */
	cJSON *group;    /* the log group; NULL: not asked, or it does not exist      */
	bool adopted;    /* it exists and was not made by a pipeline of ours          */
	bool moved;      /* this run moved the alias                                  */
	cJSON *extras[EXTRA_N]; /* settings beside the configuration; NULL: not asked */
	bool provisioned; /* the provisioned concurrency was READY when it was read   */
	char *url;       /* of the function or alias; NULL: none, or not asked        */
	bool changed;    /* this run wrote code or configuration (or, in plan, would) */
};

int function_init(struct function *f, struct stage *s, const struct lambda_params *p, struct aws_session *session,
		  struct rn_error *err);
void function_clear(struct function *f); /* zeroed is fine */

/* ---- read.c ---- */

/** All that the stage needs to know, read at the same time. */
int function_survey(struct function *f, struct rn_error *err);
/** Reads the function again into f->found; RN_ENOTFOUND leaves NULL and is no error. */
int function_read(struct function *f, struct rn_error *err);
/** Reads the alias into f->alias; one that does not exist leaves NULL and is no error. */
int function_read_alias(struct function *f, struct rn_error *err);
int function_read_versions(struct function *f, struct rn_error *err);
/** Configuration of a version; the caller deletes. */
int function_read_version(struct function *f, const char *version, cJSON **ret, struct rn_error *err);
const cJSON *function_configuration(const struct function *f);
const char *function_arn(const struct function *f);

/* ---- call.c ---- */

/** A call that writes. Waits while Lambda says "not yet": role not assumable, update in progress, too many requests. */
int function_write(struct function *f, const char *operation, const char *method, const char *path, const cJSON *body,
		   cJSON **ret, struct aws_error *aerr, struct rn_error *err);

/* ---- wait.c ---- */

/** Waits until neither creation nor update is under way; f->found is fresh afterwards. */
int function_settle(struct function *f, struct rn_error *err);
/** RN_EREMOTE with the cure when the last creation or update failed. */
int function_check_state(const cJSON *configuration, struct rn_error *err);
/** What to do about a reason code of Lambda; NULL for an unknown one. */
const char *function_cure(const char *reason_code);

/* ---- update.c ---- */

/** How often a state that changed under our feet is read and compared again. */
#define FUNCTION_ROUNDS 5
/** RN_EREMOTE: it changed each time. */
int function_contended(const struct function *f, struct rn_error *err);
/**
 * UpdateFunctionConfiguration and UpdateFunctionCode (of f->image), and the wait after each; f->found is fresh.
 * *ret_again: another revision was met (of somebody else, or of a try whose answer was lost): compare once more.
 */
int function_update_configuration(struct function *f, const cJSON *update, bool *ret_again, struct rn_error *err);
int function_update_code(struct function *f, const char *architecture, bool *ret_again, struct rn_error *err);
/** Reserved concurrency (-1: none), when it differs. */
int function_put_concurrency(struct function *f, int64_t want, struct stage_diff *d, struct rn_error *err);
/** Creates the function or brings code, configuration, tags and concurrency up to date. */
int function_converge(struct function *f, struct rn_error *err);

/* ---- version.c ---- */

/** A version (the newest, or the alias's) that is the same as $LATEST; else NULL. Borrowed from f->versions, which are read when they are not yet. */
int function_same_version(struct function *f, const cJSON **ret, struct rn_error *err);
/** Publishes when $LATEST differs from the newest version, and points the alias to it. *ret_version is a new string. */
int function_publish(struct function *f, char **ret_version, struct rn_error *err);

/* ---- alias.c ---- */

/** Makes the alias or moves it to `version`, by the shift when there is one. `version` is NULL in plan when a new one would come. */
int function_point_alias(struct function *f, const char *version, struct rn_error *err);
/** UpdateAlias: `version`, and `weight` of the calls for `other` (NULL: none). f->alias is fresh afterwards. */
int function_put_alias(struct function *f, const char *version, const char *other, double weight, struct rn_error *err);

/* ---- extras.c ---- */

/** True when the pipeline gives its parameter, and it is known. */
bool function_wants_extra(const struct function *f, enum extra e);
/** Reads it into f->extras; one that does not exist is a JSON null. */
int function_read_extra(struct function *f, enum extra e, struct rn_error *err);
/** Compares all that the pipeline gives, writes what differs, and waits for provisioned instances. */
int function_put_extras(struct function *f, struct rn_error *err);
/** Makes it what a record says (a JSON null: removes it). */
int function_put_extra_back(struct function *f, enum extra e, const cJSON *record, struct rn_error *err);
int function_delete_extra(struct function *f, enum extra e, struct rn_error *err);
/** The format with the function's name, and the alias as Qualifier where there is one. New string. */
char *function_qualified_path(const struct function *f, const char *format);

/* ---- url.c ---- */

/** Adds `Public` to `have`, by the function's policy; keeps the address that `answer` tells. */
int function_read_public(struct function *f, const cJSON *answer, cJSON *have, struct rn_error *err);
/** Makes, changes or (JSON null) removes the URL and our statements of the policy. */
int function_write_url(struct function *f, const cJSON *want, struct rn_error *err);

/* ---- test.c ---- */

/** Invokes with test_event (a version, or NULL: $LATEST) and compares with test_expect; the log tail is shown on failure. */
int function_test(struct function *f, const char *version, struct rn_error *err);

/* ---- image.c ---- */

/** f->image: the digest that a tag points to; refuses repositories of another region. */
int function_resolve_image(struct function *f, struct rn_error *err);

/* ---- logs.c ---- */

int function_read_group(struct function *f, struct rn_error *err);
/** Makes the log group with its retention. */
int function_keep_logs(struct function *f, struct rn_error *err);
/** Removes the log group when this stage made it. */
int function_remove_logs(struct function *f, struct rn_error *err);

/* ---- rollback.c ---- */

/** Keeps what is there of function and settings, before the first write; `update`: settings that are about to change (may be NULL). */
int function_remember(struct function *f, const cJSON *update, struct rn_error *err);
int function_remember_alias(struct function *f, struct rn_error *err);
int function_remember_extra(struct function *f, enum extra e, struct rn_error *err);
/** Puts back what a run remembered. */
int function_rollback(struct stage *s, const struct lambda_params *p, struct aws_session *session, struct rn_error *err);

/* ---- destroy.c ---- */

int function_delete(struct function *f, struct rn_error *err);

int function_destroy(struct function *f, struct rn_error *err);

#endif
