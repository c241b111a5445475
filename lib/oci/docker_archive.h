/* SPDX-License-Identifier: Apache-2.0 */
/* `docker load` archives: one tar with manifest.json, the config and uncompressed layers. Deterministic. */
#ifndef OCI_DOCKER_ARCHIVE_H
#define OCI_DOCKER_ARCHIVE_H

#include "blob_store.h"
#include "manifest.h"

/** Writes the image manifest `d` of `store` to `path` (atomically) under the given names ("app:1"; may be none). An index is RN_EUNSUPPORTED. */
int docker_archive_write(struct blob_store *store, const struct descriptor *d,
			 const char *const *names, size_t n_names, const char *path,
			 struct rn_error *err);

#endif
