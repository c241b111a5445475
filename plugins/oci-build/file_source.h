/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where COPY and ADD take files from: a folder of this machine (the build context,
 * filtered by .dockerignore) or the files of an image or stage, behind one face. Neither
 * is ever unpacked.
 */
#ifndef FILE_SOURCE_H
#define FILE_SOURCE_H

#include "dockerignore.h"
#include "file_hash.h"

#include "base/str.h"
#include "oci/layer_index.h"
#include "oci/layer_writer.h"

/** One file, folder or link of a source. */
struct file_node {
	char *path;             /* real path inside the source, "" for its root */
	enum layer_type type;
	mode_t mode;
	uint32_t uid, gid;
	int64_t mtime;
	uint64_t size;
	char *link;
	uint32_t dev_major, dev_minor;
	struct layer_xattr *xattrs;  /* owned array; names and values borrowed from `xattr_data` or the tree */
	size_t n_xattrs;
	void *xattr_data;
	bool hollow;            /* an ignored folder, seen only for what a '!' brings back below it */
	const void *inode;      /* equal for hard links of one file; NULL: stands alone */
	struct layer_node *node; /* of an image */
	struct file_look look;  /* of a file of this machine */
};
void file_node_clear(struct file_node *n);

struct file_source;

/** A folder. `ignore` (may be NULL) is borrowed. `label` names it in messages: "the build context". */
struct file_source *file_source_dir(const char *path, const struct ignore_list *ignore, const char *label,
				    struct rn_error *err);
/** The files of an image; `tree` is borrowed. */
struct file_source *file_source_tree(struct layer_tree *tree, const char *label);
void file_source_free(struct file_source *s);
void file_source_freep(struct file_source **s);

const char *file_source_label(const struct file_source *s);
/** True for a folder of this machine: owners there mean nothing to an image. */
bool file_source_is_dir(const struct file_source *s);

/** The node that `path` means; a link in last place is followed when `follow`. RN_ENOTFOUND (with a hint when .dockerignore is why). */
int file_source_find(struct file_source *s, const char *path, bool follow, struct file_node *ret, struct rn_error *err);
/** Names in a folder, sorted bytewise, ignored ones left out. */
int file_source_list(struct file_source *s, const struct file_node *dir, struct rn_strv *ret, struct rn_error *err);
/** The child of that name, not followed. RN_ENOTFOUND. */
int file_source_child(struct file_source *s, const struct file_node *dir, const char *name, struct file_node *ret,
		      struct rn_error *err);
/**
 * Content of a file for the layer writer. *ret_fd is a descriptor that the caller closes (-1: none) and
 * must stay open as long as `ret` is used.
 */
int file_source_open(struct file_source *s, const struct file_node *n, struct layer_source *ret, int *ret_fd,
		     struct rn_error *err);
/** The image's tree; NULL for a folder. */
struct layer_tree *file_source_layers(const struct file_source *s);

#endif
