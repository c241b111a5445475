/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a layer as a stream of checked entries: gzip, zstd or plain by its
 * content, with limits, and the digest of the tar on the side. Entries whose names
 * leave the root are refused here, once, for everyone.
 */
#ifndef OCI_LAYER_READER_H
#define OCI_LAYER_READER_H

#include "base/error.h"
#include "base/stop.h"
#include "layer.h"

/** A tar that comes in pieces instead of from a file. */
struct layer_pieces {
	/** The next piece, valid until the next call; its size, 0 at the end. */
	size_t (*next)(void *ctx, const void **ret);
	void *ctx;
};

/** Zeroed: a layer with default limits. */
struct layer_reader_options {
	struct layer_limits limits;
	bool any_compression; /* bzip2 and xz too: for ADD of archives             */
	bool clamp_names;     /* absolute names and leading ".." are cut as tar does, instead of refused: for ADD */
	bool need_diff_id;    /* hash the tar: layer_reader_finish gives the digest */
	uint64_t start;       /* skip this many bytes of the tar: a header_offset  */
	const struct layer_pieces *pieces; /* the tar, from somebody who has it unpacked (then `fd` is not looked at); NULL: none */
	const struct layer_raw *raw;       /* gets the tar from `start` on; NULL: none     */
	const struct rn_stop *stop;        /* asked for each piece of the tar; NULL: none  */
};

struct layer_reader;
/** Reads from `fd` (from its current offset; stays the caller's, must outlive the reader). */
struct layer_reader *layer_reader_new(int fd, const struct layer_reader_options *o,
				      struct rn_error *err);
void layer_reader_free(struct layer_reader *r);
void layer_reader_freep(struct layer_reader **r);

/** Next entry: 1, 0 at the end, -1. `ret` is valid until the next call. Content not read is skipped. */
int layer_reader_next(struct layer_reader *r, struct layer_entry *ret, struct rn_error *err);
/** Content of the present file (holes as zeros): count, 0 at its end, -1. */
ssize_t layer_reader_read(struct layer_reader *r, void *to, size_t n, struct rn_error *err);
/** The same without a copy: 1 and the next piece, valid until the next call, at *ret_at of the file (before it a hole); 0 at its end, which is at *ret_at; -1. */
int layer_reader_piece(struct layer_reader *r, const void **ret, size_t *ret_n, uint64_t *ret_at, struct rn_error *err);
/** Where the present entry's header begins in the tar. */
uint64_t layer_reader_offset(const struct layer_reader *r);
/** Reads on to the very end of the stream (so a truncated one is noticed); ret_diff_id may be NULL. */
int layer_reader_finish(struct layer_reader *r, struct digest *ret_diff_id, uint64_t *ret_tar_size,
			struct rn_error *err);

/** True when the file looks like a tar archive, compressed (any of gzip, bzip2, xz, zstd) or plain; its offset is kept. */
bool layer_is_archive(int fd);

#endif
