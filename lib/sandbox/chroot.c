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

/* Where something of ours goes. */
struct place {
	int parent;
	char *path; /* no link in it */
	const char *name;
};

static void place_clear(struct place *p)
{
	rn_closep(&p->parent);
	free(p->path);
}

/* A mount follows links to the place that they name; so does this. */
static char *follow(struct apply *a, const char *path, bool folder, struct rn_error *err)
{
	const char *name;
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	if (strcmp(dir, "/") && target_make(a, a->root, dir, true, false, err) < 0)
		return NULL;
	RN_AUTO(rn_closep) int parent = target_parent(a->root, path, &name, err);
	struct stat st;
	if (parent < 0)
		return NULL;
	bool link = fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
	if (link && target_make(a, a->root, path, folder, false, err) < 0)
		return NULL;
	RN_AUTO(rn_closep) int end = link ? rn_open_in_root(a->root, path, O_PATH, 0) : -1;
	RN_AUTO(rn_freep) char *real = target_path(a->root, link ? end : parent);
	if (!real)
		rn_fail(err, RN_EIO, "find %s in the root: %m", path);
	return !real || link ? rn_take(&real) : rn_path_join(real, name);
}

/* Clears `path` for something of ours; what was there is noted to come back. */
static int clear_place(struct apply *a, const char *path, bool folder, struct place *ret, struct rn_error *err)
{
	struct stat st;
	ret->path = follow(a, path, folder, err);
	ret->parent = ret->path ? target_parent(a->root, ret->path, &ret->name, err) : -1;
	if (ret->parent < 0)
		return -1;
	if (fstatat(ret->parent, ret->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		undo_add(a, UNDO_REMOVE, ret->path, NULL);
		return 0;
	}
	if (S_ISDIR(st.st_mode) != folder)
		return target_other_kind(path, folder, err);
	if (make_aside(a, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *other = rn_asprintf("%s/%u", a->aside, a->names++);
	if (renameat(ret->parent, ret->name, AT_FDCWD, other) < 0)
		return rn_fail(err, RN_EIO, "put %s aside: %m", path);
	undo_add(a, UNDO_RESTORE, ret->path, other);
	return 0;
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
	struct stat st;
	RN_AUTO(rn_freep) char *real = realpath(op->source, NULL);
	if (!real || stat(real, &st) < 0)
		return rn_fail(err, RN_ENOTFOUND, "bind source %s: %m", op->source);
	RN_AUTO(place_clear) struct place p = { .parent = -1 };
	if (clear_place(a, op->target, S_ISDIR(st.st_mode), &p, err) < 0)
		return -1;
	return copy_tree(AT_FDCWD, real, p.parent, p.name, err);
}

int chroot_move_in(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	struct stat st;
	bool folder = stat(op->source, &st) < 0 || S_ISDIR(st.st_mode);
	RN_AUTO(place_clear) struct place p = { .parent = -1 };
	if (clear_place(a, op->target, folder, &p, err) < 0)
		return -1;
	if (renameat(AT_FDCWD, op->source, p.parent, p.name) < 0) {
		rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "move %s to %s in the root: %m", op->source,
			op->target);
		return rn_hint(err, "without mounts, a writable folder must lie on the root's file system");
	}
	undo_add(a, UNDO_MOVE_OUT, p.path, op->source);
	return 0;
}

int chroot_link_in(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	RN_AUTO(place_clear) struct place p = { .parent = -1 };
	if (clear_place(a, op->target, true, &p, err) < 0)
		return -1;
	return symlinkat(op->text, p.parent, p.name) == 0 ? 0 : rn_fail(err, RN_EIO, "make the link %s in the root: %m", op->target);
}

int chroot_fresh_dir(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	RN_AUTO(place_clear) struct place p = { .parent = -1 };
	if (clear_place(a, op->target, true, &p, err) < 0)
		return -1;
	if (mkdirat(p.parent, p.name, 0700) < 0 || fchmodat(p.parent, p.name, op->mode & 07777, 0) < 0)
		return rn_fail(err, RN_EIO, "make %s in the root: %m", op->target);
	return 0;
}

int chroot_write(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const struct sandbox_file *f = op->file;
	RN_AUTO(place_clear) struct place p = { .parent = -1 };
	if (clear_place(a, op->target, false, &p, err) < 0)
		return -1;
	RN_AUTO(rn_closep) int fd = openat(p.parent, p.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
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
