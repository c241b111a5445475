/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a compressed file, decompressed as they are read: gzip (several members too), zstd, or plain, by its content. */
#ifndef OCI_LAYER_STREAM_H
#define OCI_LAYER_STREAM_H

#include "gunzip.h"

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct layer_stream;
/** Reads `fd` from its current offset; it stays the caller's. max_bytes: ceiling for what comes out; max_ratio: see layer_limits. */
struct layer_stream *layer_stream_new(int fd, uint64_t max_bytes, uint64_t max_ratio, struct rn_error *err);
/** The same, with gzip inflated so; NULL: by the fastest that there is. */
struct layer_stream *layer_stream_new_by(const struct gunzip *gunzip, int fd, uint64_t max_bytes, uint64_t max_ratio,
					 struct rn_error *err);
void layer_stream_free(struct layer_stream *s);
void layer_stream_freep(struct layer_stream **s);
/** Up to n bytes; 0 at the end (a stream that is cut off is RN_EINVAL), -1. */
ssize_t layer_stream_read(struct layer_stream *s, void *to, size_t n, struct rn_error *err);
/** Bytes that came out so far. */
uint64_t layer_stream_total(const struct layer_stream *s);

#endif
