/* SPDX-License-Identifier: Apache-2.0 */
/* RUN of a stage that is for another platform than this machine's: whether its programs run here, told as early as can be. */
#ifndef RUN_PLATFORM_H
#define RUN_PLATFORM_H

#include "step.h"

/** Before a RUN executes: RN_EUNSUPPORTED with cause and cure when this machine does not run programs of the stage's platform. */
int run_platform_check(struct step *s);
/**
 * Before anything is built: the same for the first RUN of every stage that is needed. Where the cache may have what the
 * RUN makes it is a warning, and *ret_doubtful true: such a platform is best built first.
 */
int run_platform_foresee(struct stage_graph *g, bool *ret_doubtful, struct rn_error *err);

#endif
