/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a stage between two steps: the image configuration and the layers so far, those of the
 * base and its own. The tree of files is built from tar headers only when somebody asks for
 * a file; no layer is unpacked.
 */
#ifndef FS_STATE_H
#define FS_STATE_H

#include "build.h"
#include "origin.h"
#include "passwd.h"

#include "oci/layer_index.h"

#include <pthread.h>

struct fs_state {
	cJSON *config;              /* with diff_ids and history as they stand   */
	struct descriptor *layers;  /* bottom first                              */
	size_t n_layers;
	size_t cap_layers;
	size_t base_layers;         /* how many of them came with the base image */
	struct layer_tree *tree;    /* NULL until needed                         */
	size_t in_tree;             /* layers that it has                        */
	bool unpack;                /* RUN needs the files: a layer that is read becomes a folder, see rootfs_along.h */
	pthread_mutex_t lock;       /* of the tree: other stages copy from it    */
};

/** Nothing but a configuration for the platform. */
void fs_state_scratch(struct fs_state *s, const struct platform *platform);
/** On top of an image; copies what it needs. */
void fs_state_image(struct fs_state *s, const struct base_image *image);
/** A copy that goes its own way. */
void fs_state_copy(const struct fs_state *from, struct fs_state *ret);
void fs_state_clear(struct fs_state *s);

/** The files; built on first use (pulls what is not indexed yet). NULL on error. Borrowed; safe from several threads once no step adds layers. */
struct layer_tree *fs_state_tree(struct fs_state *s, struct build *b, struct rn_error *err);
/** Names the files: the OCI chain id of the layers (equal content, equal id, however it is compressed). Not set without layers. */
struct digest fs_state_chain(const struct fs_state *s);
/** Puts a layer on top, with its entry of the history. */
int fs_state_add(struct fs_state *s, struct build *b, const struct layer_result *layer, const char *created_by,
		 struct rn_error *err);
/** An entry of the history for a step without a layer. */
void fs_state_note(struct fs_state *s, const struct build *b, const char *created_by);
/** /etc/passwd and /etc/group of the state. */
int fs_state_passwd(struct fs_state *s, struct build *b, struct passwd *ret, struct rn_error *err);

/** Comment of the history entries that this program writes. */
#define HISTORY_COMMENT "runner.oci-build.v1"

#endif
