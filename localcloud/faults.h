/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault rules: what goes wrong on purpose, so that users can test how their pipelines
 * take it. A rule names calls ("lambda.CreateFunction", "iam.*"), which of them (the first N
 * pass, at most so many, with a probability) and what happens to them. Rules live as long as the
 * process; the first one that fires counts. Knows no service.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum fault_effect {
	FAULT_NONE,
	FAULT_DELAY,        /* waits, then acts as ever                                   */
	FAULT_THROTTLE,     /* the service's own throttling error, nothing is done        */
	FAULT_ERROR,        /* any status and code, nothing is done                       */
	FAULT_RESET_BEFORE, /* the connection is cut, nothing is done                     */
	FAULT_RESET_AFTER,  /* it is done, and the connection is cut instead of an answer */
	FAULT_ROLE,         /* a role is not assumable until `time` after its creation    */
	FAULT_SLOW,         /* a change of a function is in progress for `time`           */
};

/* What happens to one call. */
struct fault {
	enum fault_effect effect; /* FAULT_NONE: nothing                           */
	int64_t delay_ms;         /* before all else; of FAULT_DELAY rules         */
	int64_t time_ms;          /* FAULT_ROLE, FAULT_SLOW                        */
	int status;               /* FAULT_ERROR                                   */
	char *code, *message;     /* FAULT_ERROR; owned                            */
	char id[33];              /* of the rule; "" when no rule fired            */
};
void fault_clear(struct fault *f);

struct faults;
/** `names` (owned from now on): every call that rules may name, "service.Operation". */
struct faults *faults_new(struct rn_strv *names);
void faults_free(struct faults *f);
/** Ends running delays and lets no new ones begin. */
void faults_interrupt(struct faults *f);

/**
 * Adds one rule, as docs/local-cloud.md describes it; ret_id[33] is its name. A rule whose "id" exists
 * replaces that one. RN_EINVAL names the member at fault.
 */
int faults_add(struct faults *f, const cJSON *rule, char *ret_id, struct rn_error *err);
/** Adds all rules of a file: an array, or an object with the array "faults". */
int faults_load(struct faults *f, const char *path, struct rn_error *err);
/** Removes one by id, or all (NULL); how many there were. */
size_t faults_remove(struct faults *f, const char *id);
/** The rules with how many calls each has seen and hit. New. */
cJSON *faults_list(struct faults *f);

/** What the rules have for a call, apart from FAULT_ROLE and FAULT_SLOW; counts it. */
void faults_pick(struct faults *f, const char *service, const char *operation, struct fault *ret);
/** The same for FAULT_ROLE or FAULT_SLOW alone: its time in milliseconds, 0 for none. */
int64_t faults_time(struct faults *f, enum fault_effect effect, const char *service, const char *operation);
/** Waits, unless interrupted. */
void faults_sleep(struct faults *f, int64_t ms);

#endif
