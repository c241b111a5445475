/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a RUN changed to a layer. Two ways lead there: the upper folder of an overlay is
 * the change itself; in a plain folder the tree is compared with how it was before
 * (rootfs_plain.h). This file holds what both share, and the first way.
 */
#ifndef ROOTFS_DIFF_H
#define ROOTFS_DIFF_H

#include "base/map.h"
#include "base/str.h"
#include "oci/layer_index.h"
#include "oci/layer_writer.h"

#include <sys/stat.h>

struct diff_job {
	struct blob_store *store;
	struct layer_tree *base;       /* the image before the step                              */
	const char *root;              /* overlay: the upper folder; plain: the whole root       */
	const char *const *lowers;     /* overlay: what it lay on, uppermost first; one a layer  */
	size_t n_lowers;
	const char *before;            /* plain: what plain_scan wrote; NULL: an overlay         */
	const char *const *covered;    /* plain: paths over which something was laid             */
	size_t n_covered;
	int64_t epoch;                 /* no time is later                                       */
	struct layer_options options;
	bool single_id;                /* owners on disk mean nothing: what the image had keeps its owner, */
	uint32_t uid, gid;             /* … and what is new belongs to these                     */
	/** True: stop with RN_ECANCELLED. May be NULL. */
	bool (*cancelled)(void *ctx);
	void *ctx;
};

/**
 * Writes the layer of an overlay's upper folder. Whiteouts and opaque folders are translated, folders whose
 * time alone changed are left out, sockets are removed. Times in `root` are set as in the layer, so
 * that the folder can serve as that layer. *ret_empty: nothing changed, no layer was written.
 */
int diff_overlay(const struct diff_job *j, struct layer_result *ret, bool *ret_empty, struct rn_error *err);

/* ---- shared with rootfs_plain.c ---- */

struct diff_writer {
	const struct diff_job *j;
	struct layer_writer *w; /* NULL until there is something */
	struct rn_map *inodes;  /* "dev:ino" -> path of the first name (owned) */
};

/* What is at one place of the root now. */
struct diff_place {
	int dir;                 /* open folder                                  */
	const char *name;        /* in it                                        */
	const char *path;        /* from the root, without leading '/'           */
	const struct stat *st;
	int fd;                  /* open for reading: files and folders; else -1 */
	const struct layer_node *base; /* what the image has there; NULL: nothing */
};

/** Extended attributes that belong into a layer; names and values are owned. */
struct diff_xattrs {
	struct layer_xattr *v;
	size_t n;
};
void diff_xattrs_clear(struct diff_xattrs *x);
int diff_xattrs_read(int fd, const char *path, struct diff_xattrs *ret, struct rn_error *err);
/** The same kind, mode, owner and attributes as the image has there. `p->st` of a folder or file. */
bool diff_same_facts(const struct diff_job *j, const struct diff_place *p, const struct diff_xattrs *x);
/** Adds the entry (files with their content) and clamps its time on disk. */
int diff_add(struct diff_writer *d, const struct diff_place *p, const struct diff_xattrs *x, struct rn_error *err);
/** Adds the whiteout of `name` in folder `dir` ("" for the root). */
int diff_whiteout(struct diff_writer *d, const char *dir, const char *name, struct rn_error *err);
/** Sets both times of what `p` names. */
void diff_set_time(const struct diff_place *p, int64_t mtime);
int64_t diff_clamp(const struct diff_job *j, int64_t mtime);
/** Ends the layer. */
int diff_finish(struct diff_writer *d, struct layer_result *ret, bool *ret_empty, struct rn_error *err);
/** Names in an open folder, sorted bytewise. */
int diff_list(int dir, const char *path, struct rn_strv *ret, struct rn_error *err);
/** Path of a name in a folder ("" for the root); new string. */
char *diff_join(const char *dir, const char *name);

#endif
