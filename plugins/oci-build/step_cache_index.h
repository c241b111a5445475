/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names in layers, kept in the cache of a registry as one small layer of files "indexes/ALGORITHM-HEX": so that a machine
 * that lacks the layers can tell where COPY lands without fetching them. A cache: what is missing is read from the layers.
 */
#ifndef STEP_CACHE_INDEX_H
#define STEP_CACHE_INDEX_H

#include "build.h"

/** Has the store the index of this layer, or the layer? */
bool cache_index_known(struct blob_store *store, const struct digest *layer);
/** Writes a layer with the indexes that the store has of `layers` (map of digests). *ret_digests 0: there were none, and no layer. */
int cache_index_write(struct build *b, const struct rn_map *layers, struct layer_result *ret, size_t *ret_count, struct rn_error *err);
/** Puts the indexes of such a layer (in the store) where the store lacks them. */
int cache_index_read(struct build *b, const struct digest *layer, struct rn_error *err);

#endif
