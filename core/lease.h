/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a pipeline at a time below a state folder, also when several
 * machines or containers share the folder. A lease names its holder, wants a sign
 * of life now and then, and can be taken over once its holder is dead: at
 * once when it ran on this kernel, else LEASE_TTL_MS after its last sign. So it
 * ends with its process in any case and cannot stay stuck.
 *
 *   locks/NAME.lease        who holds it (JSON); its mtime is the last sign of life
 *   locks/NAME.lease-TOKEN  flock of the holder: its kernel releases it with the process
 *   locks/NAME.guard        flock for the moment of a look or a change
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LEASE_BEAT_MS = 15000, LEASE_TTL_MS = 90000 };

struct lease_options {
	const char *root;    /* .runner, absolute */
	const char *name;    /* of the pipeline: what it makes elsewhere carries this name, whatever its file is called */
	const char *command; /* "run" ...; for whoever is refused */
	const char *file;    /* of the pipeline */
	int64_t wait_ms;     /* 0: refuse at once; -1: wait as long as it takes */
};

struct lease;

/** What `lease: NAME` of the pipeline file asks for. */
struct lease_elsewhere {
	const char *helper; /* NAME: runner-NAME keeps it */
	const cJSON *env;   /* its environment: NAME -> value */
};

/**
 * Takes the lease. When somebody else holds it: says so on stderr and waits as long as asked for, then RN_EEXISTS with
 * the holder, its age and what to do. NULL on failure.
 */
struct lease *lease_take(const struct lease_options *o, struct rn_error *err);
/**
 * Takes a second lease, where runners meet that share no folder; what is left of o->wait_ms counts. -1: nothing is held
 * there (RN_EEXISTS: refused). `l` is released by the caller in any case.
 */
int lease_take_elsewhere(struct lease *l, const struct lease_options *o, const struct lease_elsewhere *e, struct rn_error *err);
/** Gives that one back, before what it needs is stopped. NULL, and a lease without one, are fine. */
void lease_release_elsewhere(struct lease *l);
/** Becomes readable when that one has news: lease_renew takes them. -1: none. */
int lease_news_fd(const struct lease *l);
/** The process that keeps it; 0: none. */
pid_t lease_keeper(const struct lease *l);
/** Adds the run's id to what others are told. */
void lease_name_run(struct lease *l, const char *run_id);
/** When the next sign of life is due, in monotonic milliseconds. */
int64_t lease_due_ms(const struct lease *l);
/** Gives a sign of life. -1 with RN_EEXISTS when another run took the lease over: this one must stop. */
int lease_renew(struct lease *l, struct rn_error *err);
/** Gives it back (unless it was taken over) and frees. NULL is fine. */
void lease_release(struct lease *l);
void lease_releasep(struct lease **l);

#endif
