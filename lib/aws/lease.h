/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a pipeline at a time in one account and region: a lease kept in SSM
 * Parameter Store, which every runner reaches, whatever folder it works in.
 *
 * A lease is a row of generations, parameters /runner/lease/NAME/1, /2, …. The
 * highest one counts. Its value names the holder, its LastModifiedDate is the last
 * sign of life, and PutParameter without Overwrite makes n + 1 for one of any number
 * of contenders, the only atomic step that Parameter Store has. Who made generation
 * n holds the lease, until n is released or n + 1 exists.
 *
 *   take     look; the highest is alive: wait. Released, or expired in two looks in a
 *            row: create the next. Exists already: somebody was faster, look again.
 *            Then confirm: a look that shows the own generation as the highest and
 *            its predecessor still as it was seen.
 *   renew    look; a higher generation or another's words in the own one: lost. Then
 *            write the own generation again.
 *   release  write "released" into the own generation. It stays: the numbers never
 *            go back, so a number is never given out twice.
 *   clean    whoever has taken it deletes all but the newest eight.
 *
 * Why no two hold it at a time:
 *   - Two see n free and create n + 1: one gets ParameterAlreadyExists.
 *   - One sees n free, is stopped, and creates n + 1 when that was made long ago. While it
 *     is one of the newest eight, it exists, and creating fails. If it was deleted, higher
 *     ones exist (the highest is never deleted), and confirming shows them.
 *   - An answer is lost and the call repeated: ParameterAlreadyExists, but the token in
 *     the value is the own one; the next look finds it.
 *   - A holder is cut off or stopped: it counts from the moment before the look that came
 *     before its last successful write, by a clock that goes on in suspend, and gives up after
 *     5/6 of the time after which others take over; they count by the server's clock from
 *     when the write arrived, which is later. So it has a sixth to end what it does.
 *   - Somebody breaks the lease: the holder stops at its next look, a beat later. If it is cut off
 *     at that moment, its last look was before the break, and it gives up in time as well: what
 *     breaks a lease is a generation of the holder's own time to live.
 *   - A write of a holder arrives late: it changes a generation that does not count any more,
 *     and the holder takes an answer that comes when its time was over as none.
 *   - Reads may be stale (they are only said to be consistent in the end): a stale look
 *     of a contender shows an older sign of life, hence two looks; a missing own generation
 *     says that a look is stale, and it is repeated; a holder that does not see its
 *     successor yet has given up by time, for nobody takes over before.
 *   - Clocks: ages are LastModifiedDate against the Date header of the same answer,
 *     both the service's. The clock of this machine is never compared with anything.
 * Deleting the parameters by hand while runs are under way voids this.
 *
 * Knows the parameters only through struct aws_lease_store, so that tests can bring
 * stale reads, lost answers and clocks of their own.
 */
#ifndef AWS_LEASE_H
#define AWS_LEASE_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { AWS_LEASE_TTL_MS = 90000, AWS_LEASE_TTL_MIN_MS = 1000, AWS_LEASE_TTL_MAX_MS = 3600000 };

/** One generation, as a look shows it. */
struct aws_lease_entry {
	int64_t n;
	int64_t version;     /* counts its writes                              */
	int64_t modified_ms; /* last sign of life, by the server's wall clock  */
	cJSON *words;        /* its value; NULL when it is no JSON             */
};

struct aws_lease_look {
	struct aws_lease_entry *v; /* ascending by n */
	size_t n;
	size_t cap;
	int64_t now_ms; /* the server's wall clock */
};
/** Adds an entry at its place; `value` is the text of the parameter. */
void aws_lease_look_add(struct aws_lease_look *k, int64_t n, int64_t version, int64_t modified_ms, const char *value);
void aws_lease_look_clear(struct aws_lease_look *k); /* for RN_AUTO */

/** Where generations are kept, and time. All functions return 0, or -1 with `err`. */
struct aws_lease_store {
	void *ctx;
	int (*look)(void *ctx, struct aws_lease_look *ret, struct rn_error *err);
	/** *ret_exists: there is one of that number, which stays as it is. */
	int (*create)(void *ctx, int64_t n, const char *value, bool *ret_exists, struct rn_error *err);
	/** Writes it, also when it is missing. */
	int (*write)(void *ctx, int64_t n, const char *value, struct rn_error *err);
	int (*remove)(void *ctx, const int64_t *n, size_t count, struct rn_error *err);
	/** Milliseconds of a clock that goes on while the machine is suspended. */
	int64_t (*clock_ms)(void *ctx);
	void (*sleep)(void *ctx, int64_t ms);
};

struct aws_lease {
	const struct aws_lease_store *store;
	const char *name;  /* of the pipeline */
	cJSON *words;      /* what others are told; `token` in it is unique to this holder. Owned by the caller */
	int64_t ttl_ms;    /* others take over so long after the last sign of life */
	/** A word for people: that it waits, whom it took over from. May be NULL. */
	void (*say)(void *ctx, const char *text);
	void *ctx;
	/* its own: */
	int64_t n;         /* own generation; 0: none */
	int64_t base_n;    /* the generation before it, as it was seen; 0: there was none */
	char *base_token;
	int64_t given_up_n; /* the last one of its own that does not count any more */
	int64_t until_ms;  /* by clock_ms: from then on it must be taken as lost */
	int64_t suspect_n, suspect_version; /* what was expired in the last look */
};

/** How often a holder gives a sign of life. */
int64_t aws_lease_beat_ms(const struct aws_lease *l);
/**
 * One try: 1 held, 0 not (*ret_who: new text about the holder; NULL: it is worth looking again soon), -1 error. An
 * expired lease is taken in the second try that sees it expired.
 */
int aws_lease_try(struct aws_lease *l, char **ret_who, struct rn_error *err);
/**
 * Tries until it is held. wait_ms 0: no waiting for a live holder, -1: without limit. RN_EEXISTS with holder, age and
 * what to do. Waiting, it goes on after errors that may pass.
 */
int aws_lease_take(struct aws_lease *l, int64_t wait_ms, struct rn_error *err);
/**
 * A sign of life. -1 with RN_EEXISTS: lost, or the time in which it could be renewed is over; the run must stop.
 * -1 with another code: not now, try again soon.
 */
int aws_lease_renew(struct aws_lease *l, struct rn_error *err);
/** Lets the next one in. A lease that is not held is fine. */
int aws_lease_release(struct aws_lease *l, struct rn_error *err);
/** Frees what it holds in memory; says nothing to the store. */
void aws_lease_clear(struct aws_lease *l);

/**
 * Takes the lease away from its holder, whoever it is: a generation that nobody renews and that is free when the
 * holder must have noticed or given up. *ret_who: new text about the holder; NULL when nobody held it (then nothing is written).
 * *ret_wait_ms: until the next run is let in.
 */
int aws_lease_break(struct aws_lease *l, char **ret_who, int64_t *ret_wait_ms, struct rn_error *err);

enum aws_lease_state {
	AWS_LEASE_FREE,    /* never taken, or released */
	AWS_LEASE_ALIVE,
	AWS_LEASE_EXPIRED, /* the next run takes it over */
};
/** The generation that counts (NULL: none) and its state. Borrowed. */
const struct aws_lease_entry *aws_lease_top(const struct aws_lease_look *k, enum aws_lease_state *ret);
/** "user@host, process 7, `runner run FILE`, run 12, for 3m, last sign of life 4s ago, URL". New string. */
char *aws_lease_who(const struct aws_lease_entry *e, int64_t now_ms);
/** Text of the words, made to fit a parameter: at most 4 KB, without "{{". New string. */
char *aws_lease_value(const cJSON *words);

struct aws_session;
struct aws_lease_ssm;
/** Generations in the Parameter Store of the session's region. NULL with `err`. */
struct aws_lease_ssm *aws_lease_ssm_new(struct aws_session *s, const char *name, struct rn_error *err);
const struct aws_lease_store *aws_lease_ssm_store(const struct aws_lease_ssm *s);
void aws_lease_ssm_free(struct aws_lease_ssm *s);
void aws_lease_ssm_freep(struct aws_lease_ssm **s);
/** What keeping the lease of `name` needs, a line an action: "ACTION RESOURCE...". New string. */
char *aws_lease_permissions(const char *name);

/** `runner aws lease …`: argv[0] is "lease". Returns an exit code. */
int aws_lease_command(int argc, char **argv);
/** `runner aws lease hold`, which `runner run` starts beside a run: see docs/aws.md. Returns an exit code. */
int aws_lease_hold(const char *region, const char *profile);

#endif
