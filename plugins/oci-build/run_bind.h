/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What RUN --mount=type=bind (and the start of a cache) shows: a part of the context, of a stage, an
 * image or a folder. It is written as a layer that stands alone, so that its diff_id names its content (also
 * for keys), .dockerignore holds, and it is unpacked once.
 */
#ifndef RUN_BIND_H
#define RUN_BIND_H

#include "run_mount.h"
#include "step.h"

#include "oci/digest.h"

/* In that layer the file or folder is called so. */
#define RUN_BIND_NAME "bind-mount"

/** Writes the layer of the mount's source into the store. */
int run_bind_layer(struct step *s, const struct run_mount *m, struct df_at at, struct digest *ret_blob, struct digest *ret_diff_id);

#endif
