/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries of the distribution that are loaded when they are needed first: a process that does not need one does not pay for it. */
#ifndef RN_LIBRARY_H
#define RN_LIBRARY_H

#include "error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/** A library, static: what is wanted of it, and what came of it. Begin with RN_LIBRARY. */
struct rn_library {
	const char *soname;
	const char *const *names; /* of its functions                             */
	size_t n;
	void *table;              /* an array (or struct) of `n` function pointers */
	void (*begin)(void);      /* after it was loaded, once; NULL: nothing      */
	pthread_mutex_t lock;
	bool tried;
	struct rn_error failed;
};
#define RN_LIBRARY(soname, names, table, begin) \
	{ soname, names, sizeof(names) / sizeof((names)[0]), table, begin, PTHREAD_MUTEX_INITIALIZER, false, { 0 } }

/**
 * Loads it for the rest of the process's life, the first time, and puts the addresses of its functions into its table. From any
 * thread. 0, or -1 with RN_EUNSUPPORTED, then and ever after: it, or one of them, is missing. `err` may be NULL.
 */
int rn_library_need(struct rn_library *l, struct rn_error *err);

#endif
