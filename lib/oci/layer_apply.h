/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacks layers into a folder, safely: every name is resolved inside the folder
 * without following links (openat2), absolute and ".." names, and devices that are not
 * allowed, are refused; whiteouts and opaque folders take effect.
 */
#ifndef OCI_LAYER_APPLY_H
#define OCI_LAYER_APPLY_H

#include "blob_store.h"
#include "layer.h"
#include "manifest.h"

struct layer_apply_options {
	struct layer_limits limits;
	bool owners;     /* set uid and gid as in the layer; needs privilege. Else all is the caller's */
	bool devices;    /* make device nodes; else they are refused                        */
	bool skip_devices; /* device nodes are left out instead of refused (plain user)     */
	bool xattrs;     /* set extended attributes; those the kernel refuses to a plain user are skipped */
	bool user_access; /* add rwx (folders) and rw (files) for the owner, so that a plain user can work with it */
	bool overlay;    /* write whiteouts as overlayfs wants them (char 0:0, trusted. or user.overlay.opaque) instead of applying them: the folder becomes one lower layer */
	bool user_marks; /* with `overlay`: marks are user.overlay.* also where `owners` is set        */
	const struct layer_pieces *pieces; /* the tar of the one layer, instead of a file: see layer_reader.h */
	int cancel_fd;   /* LAYER_APPLY_INIT: -1                                            */
	/** Compressed bytes read of how many, over all layers. May be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};
#define LAYER_APPLY_INIT { .cancel_fd = -1 }

/** Unpacks one layer, read from `fd` (-1 with o->pieces), onto `root` (an open folder). ret_diff_id (may be NULL): hash of the tar. */
int layer_apply(int root_fd, int fd, const struct layer_apply_options *o, struct digest *ret_diff_id,
		struct rn_error *err);
/**
 * Unpacks all layers of an image from a store into `dir` (made when missing), verifying each diff_id
 * against `config` (may be NULL: not verified).
 */
int layer_apply_image(struct blob_store *store, const struct manifest *m, const cJSON *config,
		      const char *dir, const struct layer_apply_options *o, struct rn_error *err);

#endif
