/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what a plan says, in the process that is to become the sandbox's init, and
 * takes back at the end what it made in a root that somebody keeps.
 */
#ifndef SANDBOX_APPLY_H
#define SANDBOX_APPLY_H

#include "plan.h"

enum undo_kind {
	UNDO_UNMOUNT,     /* path                                        */
	UNDO_REMOVE_DIR,  /* an empty folder we made                     */
	UNDO_REMOVE_FILE, /* an empty file we made                       */
	UNDO_REMOVE,      /* whatever is there, with all below           */
	UNDO_RESTORE,     /* `other` (outside) comes back to path        */
	UNDO_MOVE_OUT,    /* what is at path goes back to `other`        */
	UNDO_FOLDER,      /* an empty folder `other` outside             */
};

struct undo {
	enum undo_kind kind;
	char *path;  /* inside */
	char *other; /* outside */
};

struct apply {
	const struct sandbox_spec *spec;
	const struct plan *plan;
	int *sources;   /* one for each op; -1: none */
	int *lowers;    /* one for each lower */
	int upper, work;
	int root;       /* the new root */
	int scratch;    /* our tmpfs */
	int skeleton;   /* folder of mount points in it, used as the lowest layer */
	bool inside;    /* this process is in the new root */
	char *aside;    /* chroot: where what is covered waits */
	unsigned names; /* counter for file names of our own */
	struct undo *undo;
	size_t n_undo, cap_undo;
};

/** Executes all operations in order. After PIVOT or for a chroot, `a->root` is the root to run in. */
int apply_all(const struct sandbox_spec *spec, const struct plan *plan, struct apply *a, struct rn_error *err);
/** Takes back what was made, last first; goes on after failures. */
void apply_undo(struct apply *a);

/* target.c: places inside the root. */

/** Makes `path` (folder or empty file) with its parents if missing, noting what it made unless `keep`. */
int target_make(struct apply *a, int root, const char *path, bool folder, bool keep, struct rn_error *err);
/** Path in the root `root` of what is open as `fd`, with no link in it: new string, NULL when it lies elsewhere. */
char *target_path(int root, int fd);
/** Refuses to lay a folder (`folder`) over a file, or a file over a folder: RN_EINVAL. */
int target_other_kind(const char *target, bool folder, struct rn_error *err);
/** Opens the parent folder of `path` inside `root`; *ret_name is its last component, borrowed. */
int target_parent(int root, const char *path, const char **ret_name, struct rn_error *err);
void undo_add(struct apply *a, enum undo_kind kind, const char *path, const char *other);

/* mounts.c and overlay.c: one kernel facility each. */

int mount_private(struct rn_error *err);
/** Mounts at `target` of the root: `type` with `data`, or a bind of descriptor `source`. */
int mount_at(struct apply *a, const char *target, const char *type, unsigned long flags, const char *data,
	     struct rn_error *err);
int mount_bind(struct apply *a, int source, const char *target, struct rn_error *err);
/** Adds MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC to the mount at `target`. */
int mount_restrict(struct apply *a, const char *target, unsigned long flags, bool recursive, struct rn_error *err);
int mount_proc(struct apply *a, const struct plan_op *op, int source, struct rn_error *err);
int mount_sys(struct apply *a, const struct plan_op *op, int source, struct rn_error *err);
int mount_mask(struct apply *a, const struct plan_op *op, struct rn_error *err);
/** Takes away what is mounted at `target`. */
void mount_undo(struct apply *a, const char *target);
int mount_pivot(struct apply *a, struct rn_error *err);
int overlay_root(struct apply *a, const struct plan_op *op, struct rn_error *err);
int overlay_discard(struct apply *a, const struct plan_op *op, int source, struct rn_error *err);
int network_loopback(struct rn_error *err);

/* chroot.c: the same ends without mounts. */

int chroot_node(struct apply *a, const struct plan_op *op, struct rn_error *err);
int chroot_copy_in(struct apply *a, const struct plan_op *op, struct rn_error *err);
int chroot_move_in(struct apply *a, const struct plan_op *op, struct rn_error *err);
int chroot_link_in(struct apply *a, const struct plan_op *op, struct rn_error *err);
int chroot_fresh_dir(struct apply *a, const struct plan_op *op, struct rn_error *err);
int chroot_write(struct apply *a, const struct plan_op *op, struct rn_error *err);
/** Puts back what waits aside. */
void chroot_restore(struct apply *a, const struct undo *u);

/* copy.c */

/** Copies a file, link or folder with all below, with owners and modes. */
int copy_tree(int from_dir, const char *from, int to_dir, const char *to, struct rn_error *err);
/** Removes `name` and all below, following nothing. */
int remove_tree_at(int dir, const char *name);

#endif
