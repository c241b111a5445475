/* SPDX-License-Identifier: Apache-2.0 */
/* `runner cache why`: the notes of the last build of a stage, in words. */
#ifndef CACHE_WHY_H
#define CACHE_WHY_H

#include "step_notes.h"

/** Every step that makes a layer: cached, or the first thing that differs. `dir`: the store, for lists of files. */
void cache_why_all(const struct step_notes *n, const char *dir, struct rn_buf *to);
/**
 * One step with all parts of its key. `step`: "N" of the stage that the image is, "STAGE.N" (or "STAGE:N") of another, or
 * "line N" of the Dockerfile. RN_ENOTFOUND lists what there is.
 */
int cache_why_step(const struct step_notes *n, const char *step, const char *dir, struct rn_buf *to, struct rn_error *err);

#endif
