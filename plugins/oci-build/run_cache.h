/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --mount=type=cache: folders that outlive builds, by id, and who may use one at the same time. */
#ifndef RUN_CACHE_H
#define RUN_CACHE_H

#include "rootfs.h"
#include "run_mount.h"
#include "step.h"

/**
 * The folder of the mount, made (with what `from` gives) when it is new. Waits while others hold it, as `sharing`
 * says. *ret_lock: what to close at the end. New string, NULL on error.
 */
char *run_cache_open(struct step *s, const struct run_mount *m, struct df_at at, struct rootfs_step *place, const char *target,
		     int *ret_lock);

#endif
