/* SPDX-License-Identifier: Apache-2.0 */
/* Between rootfs_task.c and the program runner-rootfs: tasks as JSON, done where the owners of files exist. */
#ifndef ROOTFS_WIRE_H
#define ROOTFS_WIRE_H

#include "rootfs_diff.h"
#include "rootfs_unpack.h"

#include "base/json.h"

/** Requests. The caller deletes. */
cJSON *wire_unpack(const struct unpack_job *j);
cJSON *wire_diff(const struct diff_job *j, const struct digest *layers, const struct digest *diff_ids, size_t n);
cJSON *wire_own(const char *path, const struct unpack_dir *facts);
cJSON *wire_scan(const char *root, const char *to);
cJSON *wire_remove(const char *path);

/** Does what a request says; the answer says what came of it, also of a failure. Never NULL. */
cJSON *wire_perform(const cJSON *request);

/** Of an answer: 0, or -1 with the error in it. */
int wire_check(const cJSON *answer, struct rn_error *err);
/** The result of a diff. */
int wire_diff_result(const cJSON *answer, enum layer_compression compression, struct layer_result *ret, bool *ret_empty,
		     struct rn_error *err);

#endif
