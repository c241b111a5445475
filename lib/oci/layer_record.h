/* SPDX-License-Identifier: Apache-2.0 */
/* The index of one layer as a file beside its blob: each entry with where its header lies in the tar. */
#ifndef OCI_LAYER_RECORD_H
#define OCI_LAYER_RECORD_H

#include "blob_store.h"
#include "layer.h"

#define LAYER_RECORD_KIND "tar-index-2"

/** Appends an entry. */
void layer_record_add(struct rn_buf *b, const struct layer_entry *e, uint64_t offset);
/** Stores the records of a layer, and what it was found to unpack to (unset: nobody looked). A cache: a failure is no error. */
void layer_record_store(struct blob_store *s, const struct digest *layer, const struct digest *diff_id, const struct rn_buf *b);
/** Loads them; *ret_diff_id (may be NULL): what the layer unpacks to, unset when unknown. false: there are none, or they are damaged. */
bool layer_record_load(struct blob_store *s, const struct digest *layer, struct digest *ret_diff_id, struct rn_buf *ret);
/** Reads the record at *at (moved behind it). Strings point into `b`; xattrs into `xattrs` (room for LAYER_RECORD_XATTRS). false at the end or for damaged data. */
#define LAYER_RECORD_XATTRS 256
bool layer_record_next(const struct rn_buf *b, size_t *at, struct layer_entry *ret, uint64_t *ret_offset,
		       struct layer_xattr *xattrs);

#endif
