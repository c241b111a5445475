/* SPDX-License-Identifier: Apache-2.0 */
/* The processes below a supervisor: it is their subreaper, so whatever a stage leaves behind becomes its child. */
#ifndef CORE_WORKER_TREE_H
#define CORE_WORKER_TREE_H

#include "base/buf.h"

#include <sys/types.h>

/** Number of living children of this process but `keep`; the dead ones are reaped. */
size_t tree_count(pid_t keep);
/**
 * Kills and reaps all descendants but `keep` (0: none), for at most `ms`. Names of
 * what was alive go to `names` (at most a few), their number is returned.
 */
size_t tree_kill(pid_t keep, int64_t ms, struct rn_buf *names);

#endif
