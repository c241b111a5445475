/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache in a registry: one plain OCI image manifest under one tag, as any registry takes it. Its layers are those that
 * the steps made; its config is an ordinary image config with one member more, the records. Nothing here fails a build.
 */
#ifndef STEP_CACHE_REGISTRY_H
#define STEP_CACHE_REGISTRY_H

#include "step_cache.h"

/** Member of the config with the records. */
#define CACHE_MEMBER "runner.oci-build.cache"
#define CACHE_VERSION 1

/** Puts the records that `text` (a reference) has into `to`: "KEY HOW" -> struct cache_record, and notes where its indexes are. What is there stays. Warns on failure. */
void cache_registry_load(struct build *b, const char *text, struct rn_map *to, struct cache_indexes *indexes);
/** Pushes what this build used to `cache_to`. Warns on failure. */
void cache_registry_save(struct build *b);

/** The config for these records, whose layers are those of `m` (`indexes`: number of the one with indexes, -1: none); deterministic bytes. Pure. */
void cache_config_print(const struct cache_record *records, size_t n, const struct manifest *m, const struct digest *diff_ids,
			int64_t indexes, struct rn_buf *ret);
/** Reads them back into `to`; the layers are those of `m`. Damaged ones are left out; false when there is nothing of ours. `ret_indexes` (may be NULL) is only set when none is known yet. */
bool cache_config_read(const void *data, size_t n, const struct manifest *m, struct rn_map *to, struct cache_indexes *ret_indexes);

#endif
