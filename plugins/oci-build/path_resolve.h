/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows links inside a root that exists only as a lookup function: the build context, an
 * image, an image with what a step adds. ".." never leaves the root.
 */
#ifndef PATH_RESOLVE_H
#define PATH_RESOLVE_H

#include "base/error.h"

#include "oci/layer.h"

#include <stdbool.h>

/** What stands at `path` (relative, cleaned, its folders free of links): 1 with type and, for links, the target (new string); 0 nothing; -1 error. */
typedef int path_look(void *ctx, const char *path, enum layer_type *ret_type, char **ret_link, struct rn_error *err);

/**
 * The place that `path` means: links on the way followed, the last one only when `follow`; a part that does
 * not exist is appended as it is. *ret: new string without leading '/', "" for the root;
 * *ret_type: what stands there, 0 for nothing. RN_EINVAL: links loop, or a file in the middle of the path.
 */
int path_resolve(const char *path, bool follow, path_look *look, void *ctx, char **ret, enum layer_type *ret_type,
		 struct rn_error *err);

#endif
