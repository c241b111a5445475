/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking along: while the layer of a step is written, or one of the base image is read for its index, its tar also becomes the
 * folder that the RUN which follows needs, so that nothing is decompressed again. Changes nothing but when work is done: what fails
 * here the RUN does.
 */
#ifndef ROOTFS_ALONG_H
#define ROOTFS_ALONG_H

#include "step.h"

struct rootfs_along;
/** Begins, when that helps; *ret is what layer_options.raw gets, and lives until the end. NULL: it does not (*ret untouched). */
struct rootfs_along *rootfs_along_begin(const struct step *s, const struct layer_raw **ret);
/** The tar is complete: the rest of it becomes files while the caller does something else. NULL is fine. */
void rootfs_along_complete(struct rootfs_along *a);
/** Waits, and keeps the folder as that of the state's uppermost layer, which was written; state NULL: drops it. NULL is fine. */
void rootfs_along_end(struct rootfs_along *a, struct fs_state *state);

/** Fills b->unpacking, which trees of states get that a RUN needs. */
void rootfs_along_init(struct build *b);

#endif
