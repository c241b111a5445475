/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI image layout on disk (image-layout.md): oci-layout, index.json, blobs. index.json is
 * replaced atomically under a lock and comes last, so a reader sees whole images only.
 */
#ifndef OCI_LAYOUT_H
#define OCI_LAYOUT_H

#include "blob_store.h"
#include "manifest.h"

struct layout;

/** Opens an existing layout (RN_ENOTFOUND, RN_EINVAL for another version), or makes one when `create`. */
struct layout *layout_open(const char *path, bool create, struct rn_error *err);
void layout_close(struct layout *l);
void layout_closep(struct layout **l);
/** Its blobs; borrowed. */
struct blob_store *layout_blobs(struct layout *l);
const char *layout_path(const struct layout *l);

/** index.json as it is now. */
int layout_index(struct layout *l, struct manifest *ret, struct rn_error *err);
/**
 * Enters a manifest (its blobs must be there) under `name` (annotation ref.name; NULL: no name).
 * An entry with that name is replaced; without a name, one with the same digest.
 */
int layout_enter(struct layout *l, const struct descriptor *d, const char *name,
		 struct rn_error *err);
/** Replaces the whole index by this one entry. */
int layout_set(struct layout *l, const struct descriptor *d, const char *name, struct rn_error *err);
/**
 * Finds an entry: `name` a ref.name or digest; NULL: the only entry beside artifacts (several: RN_EINVAL
 * that lists them). `ret` is the descriptor as entered (it may be an index).
 */
int layout_find(struct layout *l, const char *name, struct descriptor *ret, struct rn_error *err);
/** Reads and parses a manifest or index blob. */
int layout_manifest(struct layout *l, const struct descriptor *d, struct manifest *ret,
		    struct rn_error *err);
/** The same for any blob store. */
int store_manifest(struct blob_store *s, const struct descriptor *d, struct manifest *ret,
		   struct rn_error *err);
/** Copies everything that `d` refers to (children, config, layers) and itself. */
int store_copy_image(struct blob_store *from, struct blob_store *to, const struct descriptor *d,
		     struct rn_error *err);

#endif
