/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images looked into without unpacking: the tar headers of each layer (cached in the blob
 * store beside the blob) merged to one tree, with whiteouts, opaque folders, hardlinks,
 * and links resolved within the image's root. Contents come by streaming a
 * layer to where the file lies.
 */
#ifndef OCI_LAYER_INDEX_H
#define OCI_LAYER_INDEX_H

#include "base/buf.h"
#include "base/stop.h"
#include "blob_store.h"
#include "layer.h"

/** A file, folder or link of the merged image; owned by its tree, valid while the tree is. */
struct layer_node {
	const char *name;           /* last component; "" for the root                  */
	struct layer_node *parent;  /* NULL for the root                                */
	enum layer_type type;       /* never LAYER_HARDLINK: links share their inode's facts */
	mode_t mode;
	uint32_t uid, gid;
	int64_t mtime;
	uint64_t size;
	const char *link;           /* symlinks: the target as written                  */
	uint32_t dev_major, dev_minor;
	const struct layer_xattr *xattrs;
	size_t n_xattrs;
	size_t layer;               /* number of the layer that it comes from           */
	uint64_t offset;            /* of its header in that layer's tar                */
	struct layer_node *origin;  /* files: the first name of the inode (itself when it has one); equal for hardlinks */
	struct layer_node **children; /* folders: sorted bytewise by name               */
	size_t n_children;
};

struct layer_tree;

/**
 * Somebody who has a use for a layer's tar when it is read for its index anyway, so that nobody unpacks it a second time. Called by the
 * thread that adds the layer; while one reads a layer, others that want its index wait, and take what the first one kept.
 */
struct layer_watch {
	/** A layer is about to be read; *ret_raw is who gets its tar. NULL: not this one. */
	void *(*begin)(void *ctx, const struct digest *layer, const struct layer_raw **ret_raw);
	/** It was read, is what the image says, and is the uppermost of `t`; NULL: it failed. */
	void (*end)(void *reading, struct layer_tree *t);
	/** Compressed bytes read, of how many. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

struct layer_tree_options {
	struct layer_limits limits;
	/** Makes a missing blob present (pulls it); only asked when the cached index does not suffice. May be NULL. */
	int (*need)(void *ctx, const struct digest *d, struct rn_error *err);
	void *ctx;
	const struct layer_watch *watch; /* NULL: none; must outlive the tree */
	const struct rn_stop *stop;      /* asked while a layer is read; NULL: none; must outlive the tree */
};

/** An empty image (a root folder 0755 0:0); `o` may be NULL. `store` must outlive it. */
struct layer_tree *layer_tree_new(struct blob_store *store, const struct layer_tree_options *o);
void layer_tree_free(struct layer_tree *t);
void layer_tree_freep(struct layer_tree **t);
/** Puts a layer on top: its index from the cache, else by reading the blob once. diff_id (may be NULL) is verified when the blob is read. */
int layer_tree_add(struct layer_tree *t, const struct digest *layer, const struct digest *diff_id,
		   struct rn_error *err);
/** Changes options.watch. */
void layer_tree_watch(struct layer_tree *t, const struct layer_watch *watch);
/** The layer at `i` from the bottom, NULL past the uppermost; *ret_diff_id is as given to layer_tree_add (perhaps not set). Borrowed. */
const struct digest *layer_tree_layer(const struct layer_tree *t, size_t i, const struct digest **ret_diff_id);
/** A new tree with the same layers, independent of `t` (stages that share a base). */
struct layer_tree *layer_tree_clone(const struct layer_tree *t, struct rn_error *err);

/** Bytes of the files of all layers, those hidden by later ones too. */
uint64_t layer_tree_bytes(const struct layer_tree *t);
struct layer_node *layer_tree_root(struct layer_tree *t);
/**
 * The node at `path` (from the root, with or without leading '/'); links on the way are followed inside
 * the root, the last component only when `follow`. NULL when it does not exist (err: RN_ENOTFOUND) or
 * links loop (RN_EINVAL). `err` may be NULL.
 */
struct layer_node *layer_tree_find(struct layer_tree *t, const char *path, bool follow,
				   struct rn_error *err);
/**
 * Where a write to `path` would land: the existing part resolved (links followed), the missing part
 * appended; e.g. "/lib/x" -> "usr/lib/x". New string without leading '/', or NULL (loop, or a
 * file in the middle: RN_EINVAL).
 */
char *layer_tree_resolve(struct layer_tree *t, const char *path, struct rn_error *err);
struct layer_node *layer_node_child(const struct layer_node *dir, const char *name);
/** Path without leading '/'; "" for the root. New string. */
char *layer_node_path(const struct layer_node *n);

/**
 * Makes the contents of these files available with one pass over each layer
 * that holds some: they are kept in unlinked scratch space until the tree is freed.
 * Nodes that are no files are skipped. Looking, fetching and reading is safe from several threads while nobody adds layers.
 */
int layer_tree_fetch(struct layer_tree *t, struct layer_node *const *nodes, size_t n,
		     struct rn_error *err);
/** After fetch (or fetching it now): descriptor (borrowed) and offset where node->size bytes lie. For layer_source. */
int layer_tree_content(struct layer_tree *t, struct layer_node *n, int *ret_fd, off_t *ret_offset,
		       struct rn_error *err);
/** Whole file into memory; over `max` is RN_ELIMIT. */
int layer_tree_read(struct layer_tree *t, struct layer_node *n, size_t max, struct rn_buf *ret,
		    struct rn_error *err);

#endif
