/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The locked-down container: root that may not mount. What binds and tmpfs do
 * elsewhere is done in the folder itself, by copies, moves and renames, and undone when
 * the program has ended: what was covered waits in a folder beside the root.
 */
#include "apply.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_aside(struct apply *a, struct rn_error *err)
{
	if (a->aside)
		return 0;
	RN_AUTO(rn_freep) char *clean = rn_path_clean(a->spec->rootfs);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(clean);
	a->aside = rn_temp_dir(dir, ".aside-", err);
	if (!a->aside)
		return rn_wrap(err, "make a folder beside the root");
	undo_add(a, UNDO_FOLDER, NULL, a->aside);
	return 0;
}

/* Clears `path` for something of ours; what was there is noted to come back. Returns its parent folder. */
static int clear_place(struct apply *a, const char *path, const char **ret_name, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	if (strcmp(dir, "/") && target_make(a, a->root, dir, true, false, err) < 0)
		return -1;
	int parent = target_parent(a->root, path, ret_name, err);
	if (parent < 0)
		return -1;
	struct stat st;
	if (fstatat(parent, *ret_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		undo_add(a, UNDO_REMOVE, path, NULL);
		return parent;
	}
	if (make_aside(a, err) < 0) {
		close(parent);
		return -1;
	}
	RN_AUTO(rn_freep) char *other = rn_asprintf("%s/%u", a->aside, a->names++);
	if (renameat(parent, *ret_name, AT_FDCWD, other) < 0) {
		rn_fail(err, RN_EIO, "put %s aside: %m", path);
		close(parent);
		return -1;
	}
	undo_add(a, UNDO_RESTORE, path, other);
	return parent;
}

int chroot_node(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const char *name;
	RN_AUTO(rn_closep) int parent = target_parent(a->root, op->target, &name, err);
	struct stat st;
	if (parent < 0)
		return -1;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* also when it cannot be made: `>/dev/null` then leaves a file there */
	undo_add(a, UNDO_REMOVE, op->target, NULL);
	if (mknodat(parent, name, op->mode, (dev_t)op->size) < 0)
		return rn_fail(err, RN_EIO, "make device %s: %m", op->target);
	return 0;
}

int chroot_copy_in(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const char *name;
	RN_AUTO(rn_closep) int parent = clear_place(a, op->target, &name, err);
	RN_AUTO(rn_freep) char *real = realpath(op->source, NULL);
	if (parent < 0)
		return -1;
	if (!real)
		return rn_fail(err, RN_ENOTFOUND, "bind source %s: %m", op->source);
	return copy_tree(AT_FDCWD, real, parent, name, err);
}

int chroot_move_in(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const char *name;
	RN_AUTO(rn_closep) int parent = clear_place(a, op->target, &name, err);
	if (parent < 0)
		return -1;
	if (renameat(AT_FDCWD, op->source, parent, name) < 0) {
		rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "move %s to %s in the root: %m", op->source,
			op->target);
		return rn_hint(err, "without mounts, a writable folder must lie on the root's file system");
	}
	undo_add(a, UNDO_MOVE_OUT, op->target, op->source);
	return 0;
}

int chroot_link_in(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const char *name;
	RN_AUTO(rn_closep) int parent = clear_place(a, op->target, &name, err);
	if (parent < 0)
		return -1;
	return symlinkat(op->text, parent, name) == 0 ? 0 : rn_fail(err, RN_EIO, "make the link %s in the root: %m", op->target);
}

int chroot_fresh_dir(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const char *name;
	RN_AUTO(rn_closep) int parent = clear_place(a, op->target, &name, err);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, name, 0700) < 0 || fchmodat(parent, name, op->mode & 07777, 0) < 0)
		return rn_fail(err, RN_EIO, "make %s in the root: %m", op->target);
	return 0;
}

int chroot_write(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const char *name;
	const struct sandbox_file *f = op->file;
	RN_AUTO(rn_closep) int parent = clear_place(a, op->target, &name, err);
	if (parent < 0)
		return -1;
	RN_AUTO(rn_closep) int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || rn_write_full(fd, f->data, f->size) < 0 || fchown(fd, f->uid, f->gid) < 0 ||
	    fchmod(fd, f->mode & 07777) < 0)
		return rn_fail(err, RN_EIO, "write %s in the root: %m", op->target);
	return 0;
}

void chroot_restore(struct apply *a, const struct undo *u)
{
	const char *name;
	RN_AUTO(rn_closep) int parent = target_parent(a->root, u->path, &name, NULL);
	if (parent < 0)
		return;
	if (u->kind == UNDO_MOVE_OUT) {
		(void)!renameat(parent, name, AT_FDCWD, u->other);
		return;
	}
	remove_tree_at(parent, name);
	(void)!renameat(AT_FDCWD, u->other, parent, name);
}
