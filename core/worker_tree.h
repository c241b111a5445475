/* SPDX-License-Identifier: Apache-2.0 */
/* The processes below a supervisor: it is their subreaper, so whatever a stage leaves behind becomes its child. */
#ifndef CORE_WORKER_TREE_H
#define CORE_WORKER_TREE_H

#include "base/buf.h"

#include <stdint.h>
#include <sys/types.h>

/** Children that are let alone. */
struct tree_keep {
	const pid_t *v;
	size_t n;
};

/** Number of living children of this process but `keep`; the dead ones are reaped. */
size_t tree_count(struct tree_keep keep);
/**
 * Kills and reaps all descendants but `keep` (and what is below those), for at most `ms`.
 * Names of what was alive go to `names` (at most a few), their number is returned.
 */
size_t tree_kill(struct tree_keep keep, int64_t ms, struct rn_buf *names);

#endif
