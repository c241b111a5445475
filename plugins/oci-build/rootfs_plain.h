/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without overlays: what a RUN changed in a plain folder, by comparing it with how it was before. A change of content,
 * owner, mode, links or attributes shows in an inode's time of change, which no program can set.
 */
#ifndef ROOTFS_PLAIN_H
#define ROOTFS_PLAIN_H

#include "rootfs_diff.h"

/** Writes down all of `root` into the file `to`. */
int plain_scan(const char *root, const char *to, struct rn_error *err);
/** As diff_overlay, for j->root compared with the file j->before that plain_scan wrote. */
int diff_plain(const struct diff_job *j, struct layer_result *ret, bool *ret_empty, struct rn_error *err);
/** The one that j->before asks for. */
int diff_any(const struct diff_job *j, struct layer_result *ret, bool *ret_empty, struct rn_error *err);

#endif
