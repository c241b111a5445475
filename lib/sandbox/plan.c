/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static struct plan_op *add(struct plan *p, enum plan_kind kind, const char *source, const char *target)
{
	p->ops = rn_grow(p->ops, &p->cap_ops, p->n_ops + 1, sizeof(*p->ops));
	struct plan_op *op = &p->ops[p->n_ops++];
	*op = (struct plan_op){ .kind = kind, .source = source, .target = target };
	return op;
}

static const struct {
	const char *source, *path;
	unsigned major, minor;
	unsigned flags;
} DEVICES[] = {
	{ "/dev/null", "/dev/null", 1, 3, 0 },       { "/dev/zero", "/dev/zero", 1, 5, 0 },
	{ "/dev/full", "/dev/full", 1, 7, 0 },       { "/dev/random", "/dev/random", 1, 8, 0 },
	{ "/dev/urandom", "/dev/urandom", 1, 9, 0 }, { "/dev/tty", "/dev/tty", 5, 0, PLAN_OPTIONAL },
};

static const char *const LINKS[][2] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

/* As container engines have them (OCI runtime default masks). */
static const char *const MASKED[] = {
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
	"/sys/firmware",
};
static const char *const FROZEN[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

static void plan_dev(struct plan *p, const struct sandbox_spec *s)
{
	struct plan_op *dev = add(p, PLAN_TMPFS, NULL, "/dev");
	dev->size = 65536;
	dev->mode = 0755;
	dev->flags = PLAN_DEVICE | PLAN_NOEXEC;
	for (size_t i = 0; i < RN_LEN(DEVICES); i++)
		add(p, PLAN_BIND, DEVICES[i].source, DEVICES[i].path)->flags =
			DEVICES[i].flags | PLAN_WRITABLE | PLAN_DEVICE;
	for (size_t i = 0; i < RN_LEN(LINKS); i++)
		add(p, PLAN_SYMLINK, NULL, LINKS[i][0])->text = LINKS[i][1];
	add(p, PLAN_DIR, NULL, "/dev/pts")->mode = 0755;
	struct plan_op *pts = add(p, PLAN_DEVPTS, NULL, "/dev/pts");
	pts->flags = PLAN_OPTIONAL;
	pts->text = s->host->ids > 5 ? "newinstance,ptmxmode=0666,mode=0620,gid=5" : "newinstance,ptmxmode=0666,mode=0620";
	add(p, PLAN_SYMLINK, NULL, "/dev/ptmx")->text = "pts/ptmx";
	struct plan_op *shm = add(p, PLAN_TMPFS, NULL, "/dev/shm");
	shm->size = (uint64_t)64 << 20;
	shm->mode = 01777;
}

static void plan_kernel_files(struct plan *p, const struct sandbox_spec *s)
{
	add(p, PLAN_PROC, "/proc", "/proc");
	add(p, PLAN_SYS, "/sys", "/sys")->flags = PLAN_OPTIONAL;
	for (size_t i = 0; i < RN_LEN(MASKED); i++)
		add(p, PLAN_MASK, NULL, MASKED[i])->flags = PLAN_OPTIONAL;
	for (size_t i = 0; i < RN_LEN(FROZEN); i++)
		add(p, PLAN_READ_ONLY, NULL, FROZEN[i])->flags = PLAN_OPTIONAL;
	plan_dev(p, s);
}

static void plan_root(struct plan *p, const struct sandbox_spec *s)
{
	/* where nothing can be made in the root, mount points come from a lowest layer of our own */
	bool skeleton = s->host->overlay && !s->upper && (s->n_lowers || s->read_only);
	p->mount_point = s->upper ? s->upper : s->n_lowers ? s->lowers[0] : s->rootfs;
	add(p, PLAN_PRIVATE, NULL, "/");
	if (skeleton || s->n_files)
		add(p, PLAN_SCRATCH, NULL, p->mount_point)->text = skeleton ? "mount points" : NULL;
	if (s->n_lowers || skeleton) {
		struct plan_op *o = add(p, PLAN_OVERLAY, NULL, p->mount_point);
		o->flags = (s->host->userxattr ? PLAN_USERXATTR : 0u) | (s->volatile_upper ? PLAN_VOLATILE : 0u) |
			   (s->upper ? PLAN_WRITABLE : 0u);
	} else {
		add(p, PLAN_ROOT_BIND, s->rootfs, p->mount_point);
	}
}

/* ---- what the caller lays over it ------------------------------------------------------------------ */

/* One of the caller's, of any kind. */
struct wish {
	const char *target;
	const struct sandbox_tmpfs *tmpfs;
	const struct sandbox_bind *bind;
	const struct sandbox_file *file;
	size_t number;
};

/* What lies in another comes after it, or would be hidden; at one target the last one is seen. */
static int compare_wishes(const void *one, const void *two)
{
	const struct wish *a = one, *b = two;
	int c = strcmp(a->target, b->target);
	return c ? c : a->number < b->number ? -1 : a->number > b->number;
}

static struct wish *wishes_of(const struct sandbox_spec *s, size_t *ret_n)
{
	struct wish *v = rn_alloc((s->n_tmpfs + s->n_binds + s->n_files + 1) * sizeof(*v));
	size_t n = 0;
	for (size_t i = 0; i < s->n_tmpfs; i++, n++)
		v[n] = (struct wish){ .target = s->tmpfs[i].target, .tmpfs = &s->tmpfs[i], .number = n };
	for (size_t i = 0; i < s->n_binds; i++, n++)
		v[n] = (struct wish){ .target = s->binds[i].target, .bind = &s->binds[i], .number = n };
	for (size_t i = 0; i < s->n_files; i++, n++)
		v[n] = (struct wish){ .target = s->files[i].target, .file = &s->files[i], .number = n };
	qsort(v, n, sizeof(*v), compare_wishes);
	*ret_n = n;
	return v;
}

static mode_t tmpfs_mode(const struct sandbox_tmpfs *t)
{
	return t->mode ? t->mode : 01777;
}

static void plan_wish(struct plan *p, const struct sandbox_spec *s, const struct wish *w)
{
	if (w->tmpfs) {
		struct plan_op *t = add(p, PLAN_TMPFS, NULL, w->target);
		t->size = w->tmpfs->size;
		t->mode = tmpfs_mode(w->tmpfs);
	} else if (w->bind) {
		struct plan_op *o = add(p, w->bind->discard ? PLAN_BIND_DISCARD : PLAN_BIND, w->bind->source, w->target);
		o->flags = w->bind->discard ? (s->host->userxattr ? PLAN_USERXATTR : 0u) : w->bind->writable ? PLAN_WRITABLE : 0u;
		o->text = w->bind->discard ? w->bind->scratch : NULL;
	} else {
		add(p, PLAN_CONTENT, NULL, w->target)->file = w->file;
	}
}

static void plan_mounts(struct plan *p, const struct sandbox_spec *s)
{
	size_t n;
	RN_AUTO(rn_freep) struct wish *wishes = wishes_of(s, &n);
	plan_root(p, s);
	if (!s->bare)
		plan_kernel_files(p, s);
	for (size_t i = 0; i < n; i++)
		plan_wish(p, s, &wishes[i]);
	if (s->rootfs && s->read_only && !s->host->overlay)
		add(p, PLAN_READ_ONLY, NULL, "/");
	if (s->hostname)
		add(p, PLAN_HOSTNAME, NULL, "/")->text = s->hostname;
	if (s->network == SANDBOX_NET_NONE)
		add(p, PLAN_LOOPBACK, NULL, "/");
	add(p, PLAN_PIVOT, NULL, "/");
}

/* What is written to must be the source itself, which is in one place: where it is wanted again is a link. */
static void plan_chroot_bind(struct plan *p, const struct wish *wishes, size_t i)
{
	const struct sandbox_bind *b = wishes[i].bind;
	if (!b->writable || b->discard) {
		add(p, PLAN_COPY_IN, b->source, b->target);
		return;
	}
	for (size_t k = 0; k < i; k++) {
		const struct sandbox_bind *other = wishes[k].bind;
		if (other && other->writable && !other->discard && strcmp(other->source, b->source) == 0) {
			add(p, PLAN_LINK_IN, NULL, b->target)->text = other->target;
			return;
		}
	}
	add(p, PLAN_MOVE_IN, b->source, b->target);
}

/* Without mounts: nodes, copies and moves inside the folder, all undone at the end. */
static void plan_chroot(struct plan *p, const struct sandbox_spec *s)
{
	size_t n;
	RN_AUTO(rn_freep) struct wish *wishes = wishes_of(s, &n);
	if (!s->bare) {
		/* empty ones of its own: what is written there stays nowhere, as with mounts */
		add(p, PLAN_FRESH_DIR, NULL, "/proc")->mode = 0555;
		add(p, PLAN_FRESH_DIR, NULL, "/sys")->mode = 0555;
		add(p, PLAN_FRESH_DIR, NULL, "/dev")->mode = 0755;
		for (size_t i = 0; i < RN_LEN(DEVICES); i++) {
			struct plan_op *o = add(p, PLAN_NODE, NULL, DEVICES[i].path);
			o->size = makedev(DEVICES[i].major, DEVICES[i].minor);
			o->mode = S_IFCHR | 0666;
			o->flags = PLAN_OPTIONAL;
		}
		add(p, PLAN_FRESH_DIR, NULL, "/dev/shm")->mode = 01777;
	}
	for (size_t i = 0; i < n; i++) {
		if (wishes[i].bind)
			plan_chroot_bind(p, wishes, i);
		else if (wishes[i].tmpfs)
			add(p, PLAN_FRESH_DIR, NULL, wishes[i].target)->mode = tmpfs_mode(wishes[i].tmpfs);
		else
			add(p, PLAN_WRITE, NULL, wishes[i].target)->file = wishes[i].file;
	}
	add(p, PLAN_CHROOT, s->rootfs, "/");
}

int plan_make(const struct sandbox_spec *s, struct plan *ret, struct rn_error *err)
{
	*ret = (struct plan){ 0 };
	if (sandbox_check_spec(s, err) < 0)
		return -1;
	struct plan p = { 0 };
	enum sandbox_rung rung = s->host->rung;
	bool user = rung == SANDBOX_SINGLE_ID || rung == SANDBOX_MAPPED;
	bool own_root = s->rootfs && !strcmp(s->rootfs, "/");
	p.ids = rung == SANDBOX_SINGLE_ID ? PLAN_IDS_SINGLE : user ? PLAN_IDS_RANGE : PLAN_IDS_HOST;
	p.set_ids = rung != SANDBOX_SINGLE_ID;
	p.filter_fakes = s->fake_ids && rung == SANDBOX_SINGLE_ID;
	p.filter = rung != SANDBOX_CHROOT || s->no_new_privs;
	p.namespaces = user ? CLONE_NEWUSER : 0;
	if (own_root) {
		*ret = p;
		return 0;
	}
	if (rung == SANDBOX_CHROOT) {
		plan_chroot(&p, s);
	} else {
		p.pid_namespace = true;
		p.namespaces |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
				(s->network == SANDBOX_NET_NONE ? CLONE_NEWNET : 0);
		plan_mounts(&p, s);
	}
	*ret = p;
	return 0;
}

void plan_clear(struct plan *p)
{
	free(p->ops);
	*p = (struct plan){ 0 };
}
