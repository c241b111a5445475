/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of blobs by digest, DIR/blobs/ALGORITHM/HEX: the cache of a machine and the
 * inside of every OCI layout. Blobs appear by rename when whole and verified, so that kill -9 at any
 * moment leaves no half blob under its name. Safe under several processes and
 * threads: users hold a shared lock while the store is open, gc takes it alone.
 */
#ifndef OCI_BLOB_STORE_H
#define OCI_BLOB_STORE_H

#include "base/buf.h"
#include "digest.h"

struct blob_store;

/** Opens (and makes) the store in `dir`. */
struct blob_store *blob_store_open(const char *dir, struct rn_error *err);
void blob_store_close(struct blob_store *s);
void blob_store_closep(struct blob_store **s);
/** The folder it was opened with. Borrowed. */
const char *blob_store_dir(const struct blob_store *s);

/** Is the blob there? *ret_size may be NULL. Marks it as used now (for gc). */
bool blob_store_has(struct blob_store *s, const struct digest *d, uint64_t *ret_size);
/** Path of the blob, there or not. New string. */
char *blob_store_path(const struct blob_store *s, const struct digest *d);
/** Opens for reading; -1 with RN_ENOTFOUND. */
int blob_store_open_blob(struct blob_store *s, const struct digest *d, uint64_t *ret_size,
			 struct rn_error *err);
/** Whole blob into memory, verified against its digest; over `max` is RN_ELIMIT. */
int blob_store_read(struct blob_store *s, const struct digest *d, size_t max, struct rn_buf *ret,
		    struct rn_error *err);
/** Stores n bytes; *ret_digest (may be NULL) is their sha256. */
int blob_store_put(struct blob_store *s, const void *data, size_t n, struct digest *ret_digest,
		   struct rn_error *err);
/** Makes a blob of `from` present in `to`: by hard link, reflink, or copy that is verified. */
int blob_store_copy(struct blob_store *from, struct blob_store *to, const struct digest *d,
		    struct rn_error *err);
/** The same from a store that others may have written: a copy of its own, always verified. */
int blob_store_import(struct blob_store *from, struct blob_store *to, const struct digest *d,
		      struct rn_error *err);
int blob_store_remove(struct blob_store *s, const struct digest *d, struct rn_error *err);
/**
 * Serialises work on one digest among threads and processes (so that a blob is
 * fetched once): returns a descriptor that holds the lock until closed, or -1.
 * Look with blob_store_has again once it is held.
 */
int blob_store_lock(struct blob_store *s, const struct digest *d, struct rn_error *err);

/** Path for data derived from a blob (an index, "tar-index-1"), DIR/derived/KIND/ALGORITHM-HEX. Write by rn_write_file. gc removes it with its blob only when told. New string. */
char *blob_store_derived(const struct blob_store *s, const struct digest *d, const char *kind);
/** New empty file in the store's temporary folder, already unlinked (scratch space on the same disk); -1 on error. */
int blob_store_scratch(struct blob_store *s, struct rn_error *err);

/* ---- writing a blob piece by piece ---- */

struct blob_writer;
/** `expect` (may be NULL) decides the algorithm and is checked by commit. */
struct blob_writer *blob_writer_new(struct blob_store *s, const struct digest *expect,
				    struct rn_error *err);
int blob_writer_write(struct blob_writer *w, const void *data, size_t n, struct rn_error *err);
/** Bytes written so far. */
uint64_t blob_writer_size(const struct blob_writer *w);
/** The file that is being written, for reading along. Borrowed. */
int blob_writer_fd(const struct blob_writer *w);
/** Back to empty (a download that starts over). */
int blob_writer_rewind(struct blob_writer *w, struct rn_error *err);
/** Checks the digest (RN_EINVAL names both) and publishes. Consumes `w`, also when it fails. ret_* may be NULL. */
int blob_writer_commit(struct blob_writer *w, struct digest *ret_digest, uint64_t *ret_size,
		       struct rn_error *err);
void blob_writer_abort(struct blob_writer *w);
void blob_writer_abortp(struct blob_writer **w);

/* ---- gc ---- */

struct blob_gc {
	uint64_t max_bytes;  /* oldest used ones go until the rest fits; 0: no ceiling             */
	int64_t max_age_ms;  /* not used for longer goes; 0: no ceiling                            */
	/** true: keep whatever its age. May be NULL. */
	bool (*keep)(void *ctx, const struct digest *d);
	void *ctx;
	bool wait;           /* wait for users of the store to close it; else RN_EEXISTS when busy */
	bool dry_run;
	/* results */
	uint64_t kept_bytes, removed_bytes;
	size_t kept, removed;
};
/** Removes blobs (with what is derived from them) and left-over temporary files. `dir` as given to open; must not be open in the calling process. */
int blob_store_gc(const char *dir, struct blob_gc *gc, struct rn_error *err);

#endif
