/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What RUN --mount=type=bind (and the start of a cache) shows: a part of the context, of a stage, an
 * image or a folder. It is written as a layer that stands alone, so that its diff_id names its content (also
 * for keys), .dockerignore holds, and it is unpacked once.
 */
#ifndef RUN_BIND_H
#define RUN_BIND_H

#include "rootfs.h"
#include "run_mount.h"
#include "step.h"

/* In that layer the file or folder is called so. */
#define RUN_BIND_NAME "bind-mount"

/**
 * The folder that holds the mount's source as RUN_BIND_NAME: of the step alone (`own`), to be written to, or one for all steps
 * with the same files. New string; NULL with the error.
 */
char *run_bind_unpack(struct step *s, const struct run_mount *m, struct df_at at, struct rootfs_step *place, bool own);

#endif
