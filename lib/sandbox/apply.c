/* SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_folder(const char *path, const char *what, struct rn_error *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "open %s %s: %m", what, path);
	return fd;
}

/* Everything outside is opened before the first mount hides any of it. */
static int open_sources(struct apply *a, struct rn_error *err)
{
	const struct sandbox_spec *s = a->spec;
	for (size_t i = 0; i < a->plan->n_ops; i++) {
		const struct plan_op *op = &a->plan->ops[i];
		a->sources[i] = -1;
		if (!op->source || op->kind == PLAN_ROOT_BIND || op->kind == PLAN_CHROOT)
			continue;
		a->sources[i] = open(op->source, O_PATH | O_CLOEXEC);
		if (a->sources[i] < 0 && op->kind != PLAN_PROC && op->kind != PLAN_SYS && !(op->flags & PLAN_OPTIONAL))
			return rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "bind source %s: %m", op->source);
	}
	for (size_t i = 0; i < s->n_lowers; i++)
		if ((a->lowers[i] = open_folder(s->lowers[i], "layer", err)) < 0)
			return -1;
	if (s->rootfs && (a->root = open_folder(s->rootfs, "root folder", err)) < 0)
		return -1;
	if (s->upper && ((a->upper = open_folder(s->upper, "upper folder", err)) < 0 ||
			 (a->work = open_folder(s->work, "work folder", err)) < 0))
		return -1;
	return 0;
}

static int make_scratch(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	if (mount("tmpfs", op->target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		return rn_fail(err, RN_EIO, "mount tmpfs at %s: %m", op->target);
	a->scratch = open_folder(op->target, "tmpfs", err);
	if (a->scratch < 0 || !op->text)
		return a->scratch < 0 ? -1 : 0;
	if (mkdirat(a->scratch, "skeleton", 0755) < 0)
		return rn_fail(err, RN_EIO, "make the mount points: %m");
	a->skeleton = openat(a->scratch, "skeleton", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return a->skeleton < 0 ? rn_fail(err, RN_EIO, "make the mount points: %m") : 0;
}

static int bind_root(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	char from[32];
	snprintf(from, sizeof(from), "/proc/self/fd/%d", a->root);
	/* our tmpfs may lie over the folder by now: its mounts are not to come along */
	if (mount(from, op->target, NULL, MS_BIND | (a->scratch < 0 ? MS_REC : 0), NULL) < 0)
		return rn_fail(err, RN_EIO, "bind the root %s: %m", op->source);
	rn_closep(&a->root);
	a->root = open_folder(op->target, "root folder", err);
	return a->root < 0 ? -1 : 0;
}

static int do_bind(struct apply *a, const struct plan_op *op, int source, struct rn_error *err)
{
	struct stat st;
	if (source < 0)
		return rn_fail(err, RN_ENOTFOUND, "bind source %s is missing", op->source);
	bool folder = fstat(source, &st) == 0 && S_ISDIR(st.st_mode);
	if (target_make(a, a->root, op->target, folder, false, err) < 0 ||
	    mount_bind(a, source, op->target, err) < 0)
		return -1;
	if (op->flags & PLAN_DEVICE)
		return 0;
	return mount_restrict(a, op->target, MS_NOSUID | MS_NODEV | (op->flags & PLAN_WRITABLE ? 0 : MS_RDONLY), true,
			      err);
}

static int do_tmpfs(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	char data[80];
	int n = snprintf(data, sizeof(data), "mode=%04o", op->mode & 07777);
	if (op->size)
		snprintf(data + n, sizeof(data) - (size_t)n, ",size=%llu", (unsigned long long)op->size);
	if (target_make(a, a->root, op->target, true, false, err) < 0)
		return -1;
	return mount_at(a, op->target, "tmpfs",
			MS_NOSUID | (op->flags & PLAN_DEVICE ? 0 : MS_NODEV) | (op->flags & PLAN_NOEXEC ? MS_NOEXEC : 0),
			data, err);
}

/* The bytes go to a file of our tmpfs, which is bound and forgets its name. */
static int do_content(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const struct sandbox_file *f = op->file;
	char name[24];
	snprintf(name, sizeof(name), "file-%u", a->names++);
	RN_AUTO(rn_closep) int fd = openat(a->scratch, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || rn_write_full(fd, f->data, f->size) < 0 || fchmod(fd, f->mode & 07777) < 0)
		return rn_fail(err, RN_EIO, "write %s: %m", op->target);
	/* an owner that does not exist inside is the one that does */
	if (fchown(fd, f->uid, f->gid) < 0 && errno != EINVAL && errno != EPERM)
		return rn_fail(err, RN_EIO, "set the owner of %s: %m", op->target);
	if (target_make(a, a->root, op->target, false, false, err) < 0 || mount_bind(a, fd, op->target, err) < 0)
		return -1;
	unlinkat(a->scratch, name, 0);
	return 0;
}

static int do_symlink(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	const char *name;
	RN_AUTO(rn_closep) int parent = target_parent(a->root, op->target, &name, err);
	if (parent < 0)
		return -1;
	if (symlinkat(op->text, parent, name) < 0 && errno != EEXIST)
		return rn_fail(err, RN_EIO, "link %s: %m", op->target);
	return 0;
}

static int do_chroot(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	(void)a;
	(void)op;
	/* done by the program's process: this one stays outside to undo */
	return geteuid() == 0 ? 0 : rn_fail(err, RN_EAUTH, "chroot needs root");
}

static int do_kernel_mount(struct apply *a, const struct plan_op *op, int source, struct rn_error *err)
{
	if (target_make(a, a->root, op->target, true, false, err) < 0)
		return -1;
	return op->kind == PLAN_PROC ? mount_proc(a, op, source, err) : mount_sys(a, op, source, err);
}

static int do_read_only(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	if (!strcmp(op->target, "/"))
		return mount_restrict(a, "/", MS_RDONLY, false, err);
	RN_AUTO(rn_closep) int fd = rn_open_in_root(a->root, op->target, O_PATH, 0);
	if (fd < 0)
		return 0;
	if (mount_bind(a, fd, op->target, err) < 0)
		return -1;
	return mount_restrict(a, op->target, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, true, err);
}

static int execute(struct apply *a, const struct plan_op *op, int source, struct rn_error *err)
{
	switch (op->kind) {
	case PLAN_PRIVATE: return mount_private(err);
	case PLAN_SCRATCH: return make_scratch(a, op, err);
	case PLAN_OVERLAY: return overlay_root(a, op, err);
	case PLAN_ROOT_BIND: return bind_root(a, op, err);
	case PLAN_PROC:
	case PLAN_SYS: return do_kernel_mount(a, op, source, err);
	case PLAN_DEVPTS: return mount_at(a, op->target, "devpts", MS_NOSUID | MS_NOEXEC, op->text, err);
	case PLAN_TMPFS: return do_tmpfs(a, op, err);
	case PLAN_BIND: return do_bind(a, op, source, err);
	case PLAN_BIND_DISCARD: return overlay_discard(a, op, source, err);
	case PLAN_CONTENT: return do_content(a, op, err);
	case PLAN_MASK: return mount_mask(a, op, err);
	case PLAN_READ_ONLY: return do_read_only(a, op, err);
	case PLAN_PIVOT: return mount_pivot(a, err);
	case PLAN_HOSTNAME:
		return sethostname(op->text, strlen(op->text)) < 0 ? rn_fail(err, RN_EIO, "set the host name: %m") : 0;
	case PLAN_LOOPBACK: return network_loopback(err);
	case PLAN_DIR: return target_make(a, a->root, op->target, true, false, err);
	case PLAN_SYMLINK: return do_symlink(a, op, err);
	case PLAN_NODE: return chroot_node(a, op, err);
	case PLAN_COPY_IN: return chroot_copy_in(a, op, err);
	case PLAN_MOVE_IN: return chroot_move_in(a, op, err);
	case PLAN_LINK_IN: return chroot_link_in(a, op, err);
	case PLAN_FRESH_DIR: return chroot_fresh_dir(a, op, err);
	case PLAN_WRITE: return chroot_write(a, op, err);
	case PLAN_CHROOT: return do_chroot(a, op, err);
	}
	return rn_fail(err, RN_EINTERNAL, "unknown operation %d", (int)op->kind);
}

int apply_all(const struct sandbox_spec *spec, const struct plan *plan, struct apply *a, struct rn_error *err)
{
	*a = (struct apply){ .spec = spec, .plan = plan, .upper = -1, .work = -1, .root = -1, .scratch = -1,
			     .skeleton = -1 };
	a->sources = rn_alloc((plan->n_ops + 1) * sizeof(int));
	a->lowers = rn_alloc((spec->n_lowers + 1) * sizeof(int));
	if (open_sources(a, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_ops; i++) {
		const struct plan_op *op = &plan->ops[i];
		if (execute(a, op, a->sources[i], err) < 0 && !(op->flags & PLAN_OPTIONAL))
			return -1;
	}
	rn_error_clear(err);
	return 0;
}

static void undo_one(struct apply *a, const struct undo *u)
{
	if (u->kind == UNDO_UNMOUNT) {
		mount_undo(a, u->path);
		return;
	}
	if (u->kind == UNDO_FOLDER) {
		rmdir(u->other);
		return;
	}
	if (u->kind == UNDO_RESTORE || u->kind == UNDO_MOVE_OUT) {
		chroot_restore(a, u);
		return;
	}
	const char *name;
	RN_AUTO(rn_closep) int parent = target_parent(a->root, u->path, &name, NULL);
	struct stat st;
	if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (u->kind == UNDO_REMOVE)
		remove_tree_at(parent, name);
	else if (u->kind == UNDO_REMOVE_DIR)
		unlinkat(parent, name, AT_REMOVEDIR); /* stays when something was put there */
	else if (S_ISREG(st.st_mode) && st.st_size == 0)
		unlinkat(parent, name, 0);
}

void apply_undo(struct apply *a)
{
	while (a->n_undo) {
		struct undo *u = &a->undo[--a->n_undo];
		undo_one(a, u);
		free(u->path);
		free(u->other);
	}
}
