/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlays. Layers are given to the kernel as /proc/self/fd/N: short enough for
 * 128 of them in one page of options, and free of ':' and ',' to escape.
 */
#include "apply.h"

#include "base/buf.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_layer(struct rn_buf *b, int fd)
{
	if (fd >= 0)
		rn_buf_addf(b, "%s/proc/self/fd/%d", b->len && b->p[b->len - 1] != '=' ? ":" : "", fd);
}

static void add_marks(struct rn_buf *b, const struct plan_op *op)
{
	/* a renamed folder of a lower layer must be whole in the upper one, or the diff is not a layer */
	rn_buf_adds(b, op->flags & PLAN_USERXATTR ? ",userxattr" : ",redirect_dir=nofollow,metacopy=off");
	if (op->flags & PLAN_VOLATILE)
		rn_buf_adds(b, ",volatile");
}

/* The mount points that an unwritable root may lack, as a lowest layer. */
static int fill_skeleton(struct apply *a, struct rn_error *err)
{
	const struct plan *p = a->plan;
	for (size_t i = 0; i < p->n_ops; i++) {
		const struct plan_op *op = &p->ops[i];
		bool folder = op->kind == PLAN_PROC || op->kind == PLAN_SYS || op->kind == PLAN_TMPFS;
		if (!folder && op->kind != PLAN_BIND && op->kind != PLAN_BIND_DISCARD && op->kind != PLAN_CONTENT)
			continue;
		bool below = false; /* a tmpfs over it comes first and takes mount points itself */
		for (size_t j = 0; j < i && !below; j++)
			below = p->ops[j].kind == PLAN_TMPFS && rn_starts(op->target, p->ops[j].target) &&
				op->target[strlen(p->ops[j].target)] == '/';
		struct stat st;
		if (a->sources[i] >= 0 && fstat(a->sources[i], &st) == 0)
			folder = S_ISDIR(st.st_mode);
		if (!below && target_make(a, a->skeleton, op->target, folder, true, err) < 0)
			return -1;
	}
	return 0;
}

/* The kernel takes no folder twice (ELOOP). A layer that lies on itself, with others between, hides all that its lower self did. */
static bool lies_above(const struct sandbox_spec *s, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (rn_streq(s->lowers[k], s->lowers[i]))
			return true;
	return false;
}

int overlay_root(struct apply *a, const struct plan_op *op, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_adds(&b, "lowerdir=");
	for (size_t i = 0; i < a->spec->n_lowers; i++)
		if (!lies_above(a->spec, i))
			add_layer(&b, a->lowers[i]);
	if (a->spec->rootfs)
		add_layer(&b, a->root);
	if (a->skeleton >= 0) {
		if (fill_skeleton(a, err) < 0)
			return -1;
		add_layer(&b, a->skeleton);
	}
	if (a->upper >= 0)
		rn_buf_addf(&b, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", a->upper, a->work);
	add_marks(&b, op);
	if (b.len >= 4096)
		return rn_fail(err, RN_ELIMIT, "%zu layers are more than the kernel takes in one overlay",
			       a->spec->n_lowers);
	if (mount("overlay", op->target, "overlay", 0, b.p) < 0)
		return rn_fail(err, RN_EIO, "mount overlay at %s: %m", op->target);
	rn_closep(&a->root);
	a->root = open(op->target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return a->root < 0 ? rn_fail(err, RN_EIO, "open %s: %m", op->target) : 0;
}

/* A single file: a copy of it in the scratch folder takes the writes. */
static int discard_file(struct apply *a, const struct plan_op *op, int source, int scratch, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *from = rn_asprintf("/proc/self/fd/%d", source);
	RN_AUTO(rn_closep) int real = open(from, O_RDONLY | O_CLOEXEC);
	RN_AUTO(rn_closep) int copy = openat(scratch, "file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;
	if (real < 0 || copy < 0 || fstat(real, &st) < 0)
		return rn_fail(err, RN_EIO, "copy %s: %m", op->source);
	char chunk[65536];
	ssize_t n;
	while ((n = read(real, chunk, sizeof(chunk))) > 0)
		if (rn_write_full(copy, chunk, (size_t)n) < 0)
			return rn_fail(err, RN_EIO, "copy %s: %m", op->source);
	if (fchown(copy, st.st_uid, st.st_gid) < 0 && errno != EINVAL && errno != EPERM)
		return rn_fail(err, RN_EIO, "set the owner of %s: %m", op->target);
	if (fchmod(copy, st.st_mode & 07777) < 0)
		return rn_fail(err, RN_EIO, "copy %s: %m", op->source);
	return mount_bind(a, copy, op->target, err);
}

int overlay_discard(struct apply *a, const struct plan_op *op, int source, struct rn_error *err)
{
	RN_AUTO(rn_closep) int scratch = open(op->text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scratch < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", op->text);
	struct stat st;
	bool folder = fstat(source, &st) == 0 && S_ISDIR(st.st_mode);
	if (target_make(a, a->root, op->target, folder, false, err) < 0)
		return -1;
	if (!folder)
		return discard_file(a, op, source, scratch, err);
	if ((mkdirat(scratch, "upper", 0755) < 0 && errno != EEXIST) ||
	    (mkdirat(scratch, "work", 0700) < 0 && errno != EEXIST))
		return rn_fail(err, RN_EIO, "make folders in %s: %m", op->text);
	RN_AUTO(rn_closep) int upper = openat(scratch, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	RN_AUTO(rn_closep) int work = openat(scratch, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fchmodat(scratch, "upper", st.st_mode & 07777, 0) < 0)
		return rn_fail(err, RN_EIO, "set the mode of %s: %m", op->text);
	if (fchownat(scratch, "upper", st.st_uid, st.st_gid, 0) < 0 && errno != EINVAL && errno != EPERM)
		return rn_fail(err, RN_EIO, "set the owner of %s: %m", op->text);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_adds(&b, "lowerdir=");
	add_layer(&b, source);
	rn_buf_addf(&b, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", upper, work);
	add_marks(&b, op);
	return mount_at(a, op->target, "overlay", MS_NOSUID | MS_NODEV, b.p, err);
}
