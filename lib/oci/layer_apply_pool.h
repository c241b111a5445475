/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that write files of a layer behind its reader. A file is made (opened) in the tar's order by the reader's thread, so that
 * whatever follows finds its name; only content and facts come later, through the descriptor.
 */
#ifndef OCI_LAYER_APPLY_POOL_H
#define OCI_LAYER_APPLY_POOL_H

#include "layer_apply.h"

struct apply_pool;
/** NULL: one core, where threads help nobody. `o` must outlive it. */
struct apply_pool *apply_pool_new(const struct layer_apply_options *o);
/** Whether it takes the file: neither large nor with attributes, which are the reader's. */
bool apply_pool_takes(const struct apply_pool *p, const struct layer_entry *e);
/** Room for the e->size bytes of the file in memory, to be filled before apply_pool_put. NULL: an earlier file failed, `err` says how. */
char *apply_pool_room(struct apply_pool *p, const struct layer_entry *e, struct rn_error *err);
/** The room is filled. `fd` is the new file, and the pool's from here on. */
void apply_pool_put(struct apply_pool *p, int fd, const struct layer_entry *e);
/** Waits until everything so far is written, and its descriptors are closed (NULL: nothing). */
void apply_pool_drain(struct apply_pool *p);
/** Waits until everything is written, and frees (NULL: nothing). -1: a file failed. */
int apply_pool_finish(struct apply_pool *p, struct rn_error *err);

#endif
