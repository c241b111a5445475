/* SPDX-License-Identifier: Apache-2.0 */
/* From tar bytes to a blob: chunks compressed by several threads, written and hashed in order, in constant memory. */
#ifndef OCI_LAYER_PIPE_H
#define OCI_LAYER_PIPE_H

#include "layer_writer.h"

struct layer_pipe;
struct layer_pipe *layer_pipe_new(struct blob_store *store, const struct layer_options *o, struct rn_error *err);
/** The next bytes of the tar. */
int layer_pipe_write(struct layer_pipe *p, const void *data, size_t n, struct rn_error *err);
/** Bytes of tar so far. */
uint64_t layer_pipe_total(const struct layer_pipe *p);
/** Ends and publishes the blob: digest, size, diff_id, tar_size of `ret`. Consumes `p`, also when it fails. */
int layer_pipe_finish(struct layer_pipe *p, struct layer_result *ret, struct rn_error *err);
void layer_pipe_abort(struct layer_pipe *p);

#endif
