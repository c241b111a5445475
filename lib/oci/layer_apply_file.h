/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of a layer gets besides its name: content, owner, mode, attributes, time. May be called by several threads. */
#ifndef OCI_LAYER_APPLY_FILE_H
#define OCI_LAYER_APPLY_FILE_H

#include "layer_apply.h"

/** The mode that the entry gets on disk. */
mode_t layer_apply_mode(const struct layer_apply_options *o, const struct layer_entry *e);
/** Sets owner, mode, attributes and time of what `fd` is. */
int layer_apply_facts(const struct layer_apply_options *o, int fd, const struct layer_entry *e, struct rn_error *err);
/** Puts n bytes at `at`; *end is where the file ends so far. Pieces of zeros stay holes. -1 with errno. */
int layer_apply_write(int fd, const char *p, size_t n, uint64_t at, uint64_t *end);
/** Ends a file of e->size bytes that was written up to `end`: a hole there, then its facts. */
int layer_apply_end(const struct layer_apply_options *o, int fd, const struct layer_entry *e, uint64_t end, struct rn_error *err);

#endif
