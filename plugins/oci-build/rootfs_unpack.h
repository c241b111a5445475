/* SPDX-License-Identifier: Apache-2.0 */
/* One layer (or, without overlays, all of them) as a folder. Made aside and renamed, so that it is whole or not there. */
#ifndef ROOTFS_UNPACK_H
#define ROOTFS_UNPACK_H

#include "oci/blob_store.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A folder that a layer does not speak of, but puts something into: it looks as in the layers below. */
struct unpack_dir {
	char *path;
	mode_t mode;
	uint32_t uid, gid;
	int64_t mtime;
};

struct unpack_job {
	struct blob_store *store;
	const struct digest *layers; /* blobs, bottom first                                       */
	size_t n_layers;
	const char *to;              /* the folder: its `fs` gets the files                      */
	struct unpack_dir *dirs;
	size_t n_dirs;
	bool onto;                   /* on what `to` has already; a failure leaves it half done   */
	bool overlay;                /* as one lower folder of an overlay: whiteouts become marks */
	bool user_marks;             /* … of user.overlay.*                                       */
	bool owners;                 /* several ids exist                                         */
	bool devices;                /* device nodes may be made; else they are left out          */
	int cancel_fd;               /* -1: none                                                  */
	void (*progress)(void *ctx, uint64_t done, uint64_t total); /* may be NULL                */
	void *ctx;
};
void unpack_job_clear(struct unpack_job *j); /* frees `dirs` */

/** Unpacks, unless `to` is there already (and not `onto`). The blobs must be in the store. Serialise by a lock on `to`. */
int unpack_run(const struct unpack_job *j, struct rn_error *err);

/* The same in two steps, for a tar that is still being written or read: what it is, and so `dirs`, is known when it is whole. */

struct layer_pieces;
/** Puts the tar that `tar` gives into `to`, which is there and empty; store, layers and dirs are not looked at. */
int unpack_tar(const struct unpack_job *j, const struct layer_pieces *tar, struct rn_error *err);
/** Gives the folders of `dirs` in what came of it their looks. */
int unpack_dirs(const struct unpack_job *j, const char *fs, struct rn_error *err);

#endif
