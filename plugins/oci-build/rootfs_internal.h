/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of rootfs alone. */
#ifndef ROOTFS_INTERNAL_H
#define ROOTFS_INTERNAL_H

#include "rootfs.h"
#include "rootfs_diff.h"

#include <pthread.h>

struct rootfs {
	struct build *b;
	struct sandbox_host host;
	char *dir;           /* CACHE/rootfs                                      */
	const char *kind;    /* how files lie here: static                        */
	char *base;          /* DIR/BOOT-KIND                                     */
	char *layers, *steps;
	int use_lock;        /* held while the build lives                        */
	pthread_mutex_t lock;
	struct rn_map roots; /* diff_ids of a chain of layers -> struct plain_root that nobody uses now */
	struct rn_map known; /* diff_ids of a chain of layers -> folder of the uppermost */
	pthread_mutex_t machines_lock;
	struct rn_map machines; /* architecture -> struct sandbox_foreign                */
};

/* ---- rootfs.c ---- */

/**
 * Makes a folder PREFIX… below `steps` and takes its lock, by which other builds see that it is in use: another one that looks for
 * leftovers in between takes the new folder for one and removes it, then it is made again. The lock (a descriptor), -1.
 */
int rootfs_make_locked(const char *steps, const char *prefix, char **ret_dir, struct rn_error *err);

/* ---- rootfs_layers.c ---- */

/**
 * Folders of all layers of a state, uppermost first; unpacks what is not there yet. 1; 0 when these layers cannot lie over each
 * other as an overlay (there are too many, or one puts files behind a link of a lower one); -1.
 */
int rootfs_lowers(struct rootfs *r, struct fs_state *state, struct rn_strv *ret, struct rn_error *err);
/** Removes folders of layers that no build used for a week, and unfinished ones. Only while no other build uses any. */
void rootfs_sweep_layers(struct rootfs *r);
/** What unpacking needs to know of the machine. */
void rootfs_unpack_settings(struct rootfs *r, struct unpack_job *j);
/**
 * Makes a folder with the files of the uppermost layer of `tree` (a step's upper one; or unpacked by unpack_tar: `bare`, the
 * folders that it implies get their looks here) the folder of that layer. No harm when it cannot, or tree is NULL.
 */
void rootfs_adopt(struct rootfs *r, const char *upper, bool bare, struct layer_tree *tree);

/* ---- rootfs_roots.c: without overlays ---- */

/** A folder with all layers of the state, for this step alone: one that an earlier step left, completed, or a new one. */
int rootfs_root_take(struct rootfs_step *s, struct fs_state *state, struct rn_error *err);
/** Keeps the step's root, which holds the state now, for a later step. */
void rootfs_root_give(struct rootfs_step *s, struct fs_state *state);
void rootfs_roots_clear(struct rootfs *r);

/* ---- rootfs_foreign.c ---- */

void rootfs_foreign_clear(struct rootfs *r);

/* ---- rootfs_task.c: what touches files of other ids, here or in a user namespace ---- */

/** True where files of other ids are out of reach for this process. */
bool rootfs_remote(const struct rootfs *r);
int rootfs_unpack(struct rootfs *r, const struct unpack_job *j, struct rn_error *err);
/** Writes down how a plain root is, for the diff to come. */
int rootfs_scan(struct rootfs *r, const char *root, const char *to, struct rn_error *err);
int rootfs_diff(struct rootfs *r, const struct diff_job *j, const struct fs_state *state, struct layer_result *ret,
		bool *ret_empty, struct rn_error *err);
/** Removes all of it, as far as that goes. */
void rootfs_remove(struct rootfs *r, const char *path);
/**
 * As rootfs_remove, for a folder that is believed to be complete where it lies: it is moved below `steps` first, so that whoever
 * is killed meanwhile leaves no half of it there. What stays below `steps` the next build sweeps.
 */
void rootfs_discard(struct rootfs *r, const char *steps, const char *path);

#endif
