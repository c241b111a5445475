/* SPDX-License-Identifier: Apache-2.0 */
/* One step that makes a layer: taken from the cache when its key is known, else run and remembered. */
#ifndef EXECUTE_CACHED_H
#define EXECUTE_CACHED_H

#include "step.h"

typedef int step_fn(struct step *s);

/** Runs `fn` unless the cache has the result. */
int execute_cached(struct step *s, step_fn *fn);

#endif
