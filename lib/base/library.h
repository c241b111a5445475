/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries of the distribution that are loaded when they are needed first: a process that does not need one does not pay for it. */
#ifndef RN_LIBRARY_H
#define RN_LIBRARY_H

#include "error.h"

#include <stddef.h>

/**
 * Loads the shared library `soname` for the rest of the process's life and puts the addresses of its functions `names`
 * into `table`, an array (or struct) of `n` function pointers. 0, or -1 with RN_EUNSUPPORTED: it, or one of them, is missing.
 */
int rn_library_load(const char *soname, const char *const *names, size_t n, void *table, struct rn_error *err);

#endif
