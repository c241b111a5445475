/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a pipeline at a time in a working directory. The lock ends with its process, also after kill -9. */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include "base/error.h"

#include <stdbool.h>

/**
 * Takes the lock of the pipeline `file` below `root` (.runner). When another run holds it: with
 * `wait` says so on stderr and waits, else RN_EEXISTS naming the holder. Returns a descriptor
 * that holds the lock until it is closed, or -1.
 */
int lock_take(const char *root, const char *file, const char *command, bool wait, struct rn_error *err);

#endif
