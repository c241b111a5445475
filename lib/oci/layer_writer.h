/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one layer into a blob store: entries -> tar (pax restricted, numeric
 * owners) -> fixed-size chunks compressed on all cores, joined into one gzip member (or one
 * zstd stream) -> digest, in constant memory. The same entries
 * give the same bytes on any machine with any number of threads. While it
 * writes it also notes the layer's index (layer_index.h), so nobody has to read
 * the layer back.
 */
#ifndef OCI_LAYER_WRITER_H
#define OCI_LAYER_WRITER_H

#include "blob_store.h"
#include "layer.h"

#include "base/stop.h"

struct layer_result;

/** Somebody who follows a layer while it is written, to send it on at the same time. */
struct layer_tee {
	/** A layer begins: `fd` is the file that its compressed bytes go to (borrowed: dup it). NULL: not this one. */
	void *(*begin)(void *ctx, int fd);
	/** The file has this many bytes now. */
	void (*grown)(void *stream, uint64_t size);
	/** The layer is whole, or was given up (NULL). */
	void (*end)(void *stream, const struct layer_result *r);
	void *ctx;
};

/** Zeroed: gzip at its default level on all cores. */
struct layer_options {
	enum layer_compression compression;
	int level;        /* gzip 1..12, zstd 1..19; 0: default, see layer_level   */
	unsigned threads; /* 0: one for each core                                  */
	const struct layer_tee *tee; /* NULL: none */
	const struct layer_raw *raw; /* NULL: none */
	const struct rn_stop *stop;  /* NULL: none. Asked inside of large files too */
};

/** Where the content of a LAYER_FILE comes from; exactly entry.size bytes, fewer or more is an error. */
struct layer_source {
	const void *data;  /* memory; or                                                */
	int fd;            /* a file read from `offset` by pread (data and read NULL); or */
	off_t offset;
	ssize_t (*read)(void *ctx, void *to, size_t n, struct rn_error *err); /* a callback: count, 0 end, -1 */
	void *ctx;
};

/** What came out. */
struct layer_result {
	struct digest digest;  /* of the compressed bytes: the blob         */
	uint64_t size;
	struct digest diff_id; /* of the tar                                */
	uint64_t tar_size;
	uint64_t entries;
	const char *media_type; /* OCI; static                              */
};

struct layer_writer;
/** `o` may be NULL. */
struct layer_writer *layer_writer_new(struct blob_store *store, const struct layer_options *o,
				      struct rn_error *err);
/**
 * Adds one entry. The caller chooses the order (layer_path_compare is the usual one) and clamps mtime; a path
 * given twice, a hardlink before its target, or a bad path is RN_EINVAL. `source` is used for
 * LAYER_FILE with size > 0 only and read before the call returns.
 */
int layer_writer_add(struct layer_writer *w, const struct layer_entry *e,
		     const struct layer_source *source, struct rn_error *err);
/** Ends the stream and publishes blob and index. Consumes `w`, also when it fails. */
int layer_writer_finish(struct layer_writer *w, struct layer_result *ret, struct rn_error *err);
void layer_writer_abort(struct layer_writer *w);
void layer_writer_abortp(struct layer_writer **w);

#endif
