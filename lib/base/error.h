/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values: code + text + what to do next. A fallible function takes
 * `struct rn_error *err` last (may be NULL) and returns 0 or -1; it writes its
 * results only on success.
 */
#ifndef RN_ERROR_H
#define RN_ERROR_H

#include <stdbool.h>
#include <stddef.h>

/* Few on purpose; each maps to a class of failure that a person acts on differently. */
enum rn_code {
	RN_OK = 0,
	RN_EIO,          /* this machine: disk, descriptor, process       */
	RN_EINVAL,       /* input is malformed                            */
	RN_ENOTFOUND,    /* the named thing does not exist                */
	RN_EEXISTS,      /* it exists already                             */
	RN_EAUTH,        /* credentials missing or refused                */
	RN_ENET,         /* could not reach, cut off                      */
	RN_EREMOTE,      /* a remote service answered with an error       */
	RN_ELIMIT,       /* larger than the ceiling given                 */
	RN_ETIMEOUT,     /* out of time                                   */
	RN_ECANCELLED,   /* asked to stop                                 */
	RN_EUNSUPPORTED, /* not supported here, said in words that help   */
	RN_EINTERNAL,    /* a defect of this program                      */
};

#define RN_ERROR_MSG_MAX 4096
#define RN_ERROR_HINT_MAX 1024

struct rn_error {
	enum rn_code code;
	bool retryable;                /* the same call may succeed later */
	unsigned line;                 /* of the text at fault, from 1; 0: not about a place in a text */
	unsigned column;               /* from 1; 0: the whole line       */
	char msg[RN_ERROR_MSG_MAX];    /* what failed and why             */
	char hint[RN_ERROR_HINT_MAX];  /* what to do; empty: none         */
};

#define RN_PRINTF(f, a) __attribute__((format(printf, f, a)))

/** Sets `err` (code, text; %m works) and clears the hint. Always returns -1. */
int rn_fail(struct rn_error *err, enum rn_code code, const char *fmt, ...) RN_PRINTF(3, 4);
/** Says at which place of a text the fault lies (rn_fail forgets it). Always returns -1. */
int rn_at(struct rn_error *err, unsigned line, unsigned column);
/** Puts "CONTEXT: " before the text of `err`. Always returns -1. */
int rn_wrap(struct rn_error *err, const char *fmt, ...) RN_PRINTF(2, 3);
/** Sets what to do next. Always returns -1. */
int rn_hint(struct rn_error *err, const char *fmt, ...) RN_PRINTF(2, 3);
/** Back to "no error". */
void rn_error_clear(struct rn_error *err);
/** Name of a code, as in "not-found"; for logs and JSON. */
const char *rn_code_name(enum rn_code code);

/** Prints to stderr and aborts; only for out of memory and broken invariants. */
_Noreturn void rn_die(const char *fmt, ...) RN_PRINTF(1, 2);

#endif
