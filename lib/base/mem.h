/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that cannot fail (out of memory aborts the short-lived process)
 * and clean-up by attribute: RN_AUTO(rn_freep) char *s = ...;
 */
#ifndef RN_MEM_H
#define RN_MEM_H

#include <stddef.h>

#define RN_AUTO(fn) __attribute__((cleanup(fn)))
#define RN_LEN(a) (sizeof(a) / sizeof((a)[0]))

void *rn_alloc(size_t size);              /* zeroed */
void *rn_realloc(void *p, size_t size);
/** Grows an array so that `want` items fit; doubles. Returns the new pointer. */
void *rn_grow(void *p, size_t *cap, size_t want, size_t item);
char *rn_strdup(const char *s);           /* NULL gives NULL */
char *rn_strndup(const char *s, size_t n);
void *rn_memdup(const void *p, size_t n);

/* clean-up functions for RN_AUTO; all accept a NULL or closed object */
void rn_freep(void *pp);                  /* void ** in disguise */
void rn_closep(int *fd);                  /* closes when >= 0 */

/** Takes ownership out of a variable: returns its value and leaves NULL. */
#define rn_take(pp)                               \
	__extension__({                           \
		__typeof__(*(pp)) rn_taken = *(pp); \
		*(pp) = NULL;                     \
		rn_taken;                         \
	})
/** The same for a descriptor: leaves -1. */
int rn_take_fd(int *fd);

/** Overwrites memory that held a secret, so that the compiler keeps it. */
void rn_wipe(void *p, size_t n);

#endif
