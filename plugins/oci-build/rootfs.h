/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where RUN runs: the rung of the sandbox that this machine allows, layers as folders (each
 * unpacked once into the cache of the machine, whatever the images that use it), and a place of
 * its own for every step. One a build, opened by the first RUN that executes; its functions may
 * be called from several stages at a time.
 *
 * Below CACHE/rootfs/:
 *   BOOT-KIND/layers/DIFF_ID[-PARENTS]/fs  a layer; BOOT: this start of the machine, since nothing is synced
 *   BOOT-KIND/steps/NAME/                  a step that runs (its folder is locked while it does)
 *   mounts/KIND/NAME/                      --mount=type=cache
 */
#ifndef ROOTFS_H
#define ROOTFS_H

#include "fs_state.h"
#include "rootfs_unpack.h"

#include "sandbox/foreign.h"
#include "sandbox/sandbox.h"

struct rootfs;

/** The build's; opened (and this machine probed, which the log tells) on first use. NULL with the reason and the cure when nothing can be run here. Owned by the build. */
struct rootfs *rootfs_get(struct build *b, struct rn_error *err);
/** What build_clear calls; NULL is fine. */
void rootfs_free(struct rootfs *r);
const struct sandbox_host *rootfs_host(const struct rootfs *r);
/** True where one id exists: owners on disk say nothing. */
bool rootfs_single_id(const struct rootfs *r);
/** Whether programs of that architecture run here, found out once. NULL when it cannot be found out. Borrowed; from any thread. */
const struct sandbox_foreign *rootfs_foreign(struct rootfs *r, const char *architecture, struct rn_error *err);

/* A step's own place. */
struct rootfs_step {
	struct rootfs *rootfs;
	char *dir;             /* its folder, for scratch of mounts            */
	int lock;              /* held while the step lives                    */
	struct rn_strv lowers; /* overlay: folders of layers, uppermost first  */
	char *upper, *work;    /* overlay                                      */
	char *root;            /* without overlay: the whole root,             */
	char *root_dir;        /* … the folder that holds it,                  */
	int root_lock;         /* … its lock,                                  */
	char *before;          /* … and the file that says how it was          */
	unsigned names;        /* counter for folders of mounts                */
};

/** Layers of the state as folders, and an empty upper folder above them. rootfs_step_clear removes it. */
int rootfs_step_begin(struct rootfs *r, struct fs_state *state, struct rootfs_step *ret, struct rn_error *err);
/** Takes the folder of the state's uppermost layer away again: it may not be kept. */
void rootfs_disown(struct rootfs *r, const struct fs_state *state);
struct rootfs_commit {
	uint32_t uid, gid;                   /* who owns what is new where the disk cannot tell */
	const char *created_by;              /* for the history                                 */
	const struct layer_options *options;
	const char *const *covered;          /* places over which something was laid           */
	size_t n_covered;
};

/**
 * The layer that came of it, added to the state with its history (only the history when nothing changed). The
 * upper folder becomes the folder of that layer for the next step.
 */
int rootfs_step_commit(struct rootfs_step *s, struct fs_state *state, const struct rootfs_commit *c, struct rn_error *err);
void rootfs_step_clear(struct rootfs_step *s);
/** Keeps what the step did in a folder of that name, to look at it later, in place of what was kept there before. Returns the folder; new string, NULL when it cannot. */
char *rootfs_step_keep(struct rootfs_step *s, const char *name);
/** Where that is. New string. */
char *rootfs_kept(const struct rootfs *r, const char *name);
/** Puts what was kept into a step that begins again. */
int rootfs_step_restore(struct rootfs_step *s, const char *kept, struct rn_error *err);
/** Removes what was kept. */
void rootfs_forget(struct rootfs *r, const char *kept);
/** Makes missing folders of `path` (in the image; links followed) as WORKDIR would, owned by root. */
int rootfs_step_mkdir(struct rootfs_step *s, struct fs_state *state, const char *path, struct rn_error *err);
/** A new empty folder in the step's place; new string. */
char *rootfs_step_folder(struct rootfs_step *s, const char *what, struct rn_error *err);

/** A copy of a layer that stands alone, for this step only. New string. */
char *rootfs_step_copy(struct rootfs_step *s, const struct digest *blob, struct rn_error *err);

/** Gives what lies at `path` (outside) this owner and mode, as seen inside. */
int rootfs_own(struct rootfs *r, const char *path, const struct unpack_dir *facts, struct rn_error *err);
/** Where caches of RUN lie, made when missing; one for each way in which owners are kept. New string. */
char *rootfs_caches(struct rootfs *r, struct rn_error *err);
/** A folder with these facts, as seen inside; fine when it is there already. */
int rootfs_mkdir(struct rootfs *r, const char *path, const struct unpack_dir *facts, struct rn_error *err);

/** The folder of one layer that stands alone (the content of a bind mount); kept while the build lives. New string. */
char *rootfs_layer(struct rootfs *r, const struct digest *blob, const struct digest *diff_id, struct rn_error *err);

#endif
