/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression of one chunk on its own, so that chunks are compressed on all cores and the result
 * does not depend on how many there are: gzip chunks become deflate blocks that join to
 * one stream (RFC 1951), zstd chunks become frames. Pure.
 */
#ifndef OCI_LAYER_CHUNK_H
#define OCI_LAYER_CHUNK_H

#include "base/buf.h"
#include "layer.h"

#define LAYER_CHUNK ((size_t)1 << 20) /* part of the format of our layers: another size gives other digests */

/** Compressors of one thread. Zeroed; cleared by layer_chunk_clear. */
struct layer_chunk_coder {
	struct libdeflate_compressor *deflate;
	struct ZSTD_CCtx_s *zstd;
};
void layer_chunk_clear(struct layer_chunk_coder *c);

struct layer_chunk {
	const void *data;
	size_t n; /* LAYER_CHUNK at most */
	struct rn_buf *out; /* emptied first */
};
#define LAYER_CHUNKS_MAX ((size_t)2)
/** Compresses up to LAYER_CHUNKS_MAX chunks, each to its `out`; two together take less time than one by one. level as in layer_options, not 0. */
int layer_chunk_compress(struct layer_chunk_coder *c, enum layer_compression how, int level, const struct layer_chunk *chunks, size_t n,
			 struct rn_error *err);

/** Header of the one gzip member (RFC 1952): no name, no time, no operating system. */
void layer_gzip_header(struct rn_buf *ret);
/** The final empty block, CRC-32 and length of everything. */
void layer_gzip_trailer(struct rn_buf *ret, uint32_t crc, uint64_t total);

#endif
