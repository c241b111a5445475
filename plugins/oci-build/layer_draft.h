/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer that one step adds, collected before it is written: entries by path on top of what the
 * image has there, so that destinations, links and existing folders are
 * seen as they will be. Written sorted, with all times clamped.
 */
#ifndef LAYER_DRAFT_H
#define LAYER_DRAFT_H

#include "file_source.h"

#include "oci/layer_writer.h"

/** Owner, and what is known of the place where entries go. */
struct draft_owner {
	uint32_t uid, gid;
};

/** Where the content of a file comes from when the layer is written. */
struct draft_content {
	struct file_source *source; /* a file of a source, or */
	struct file_node node;      /* (owned by the entry)   */
	const void *data;           /* memory, borrowed; or   */
	int fd;                     /* a borrowed descriptor  */
	off_t offset;
};

struct layer_draft;

/** On top of `base` (borrowed; NULL: an empty image, also for --link). `epoch`: no time is later than it. */
struct layer_draft *layer_draft_new(struct layer_tree *base, int64_t epoch);
void layer_draft_free(struct layer_draft *d);
void layer_draft_freep(struct layer_draft **d);
/** Number of entries. */
size_t layer_draft_count(const struct layer_draft *d);
/** Bytes of all files. */
uint64_t layer_draft_bytes(const struct layer_draft *d);

/** Where `path` lands, links followed (the last one when `follow`). *ret_type 0: nothing is there yet. See path_resolve. */
int layer_draft_resolve(struct layer_draft *d, const char *path, bool follow, char **ret, enum layer_type *ret_type,
			struct rn_error *err);
/** What stands at a resolved path; 0: nothing. */
enum layer_type layer_draft_type(struct layer_draft *d, const char *path);
/** Makes the missing folders of a resolved `path` (all of it) with mode 0755 and that owner. */
int layer_draft_parents(struct layer_draft *d, const char *path, struct draft_owner owner, struct rn_error *err);
/**
 * Enters what stands in `e` (path resolved) in place of what is there; strings are copied. `content` (its node is
 * taken over) only for files. RN_EINVAL: a folder over a file or the other way round. A file over a link replaces the link.
 */
int layer_draft_add(struct layer_draft *d, const struct layer_entry *e, struct draft_content *content, const void *inode,
		    struct rn_error *err);
/** Like layer_draft_add, but what is of another kind goes, a folder with all below it: as an archive is unpacked. */
int layer_draft_replace(struct layer_draft *d, const struct layer_entry *e, struct draft_content *content, struct rn_error *err);

/** Another name for a file that this draft has: a hard link. RN_ENOTFOUND. */
int layer_draft_link(struct layer_draft *d, const char *path, const char *to, struct rn_error *err);

/** An entry as it will be written; `content` NULL but for files; `inode` as given to layer_draft_add. Borrowed. */
struct draft_view {
	const struct layer_entry *e;
	const struct draft_content *content;
	const void *inode;
};
/** All entries in the order of the layer; a new array of layer_draft_count. Valid until the draft changes. */
struct draft_view *layer_draft_view(const struct layer_draft *d);
/** Makes the contents of files of images available, with one pass over each layer. */
int layer_draft_fetch(struct layer_draft *d, struct rn_error *err);

struct draft_progress {
	/** Bytes of files written so far. May be NULL. */
	void (*fn)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
	/** True: stop with RN_ECANCELLED. May be NULL. */
	bool (*cancelled)(void *ctx);
};
/** Writes the layer. `p` may be NULL. */
int layer_draft_write(struct layer_draft *d, struct blob_store *store, const struct layer_options *o,
		      const struct draft_progress *p, struct layer_result *ret, struct rn_error *err);

#endif
