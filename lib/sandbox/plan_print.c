/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as text, for `runner-sandbox --print`, logs and tests. */
#include "plan.h"

#include "base/buf.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

static const char *const KINDS[] = {
	[PLAN_PRIVATE] = "private",     [PLAN_SCRATCH] = "scratch",   [PLAN_OVERLAY] = "overlay",
	[PLAN_ROOT_BIND] = "root",      [PLAN_PROC] = "proc",         [PLAN_SYS] = "sys",
	[PLAN_DEVPTS] = "devpts",       [PLAN_TMPFS] = "tmpfs",       [PLAN_BIND] = "bind",
	[PLAN_BIND_DISCARD] = "bind-discard", [PLAN_CONTENT] = "content", [PLAN_MASK] = "mask",
	[PLAN_READ_ONLY] = "read-only", [PLAN_PIVOT] = "pivot",       [PLAN_HOSTNAME] = "hostname",
	[PLAN_LOOPBACK] = "loopback",   [PLAN_DIR] = "dir",           [PLAN_SYMLINK] = "symlink",
	[PLAN_NODE] = "node",           [PLAN_COPY_IN] = "copy-in",   [PLAN_MOVE_IN] = "move-in",
	[PLAN_FRESH_DIR] = "fresh-dir", [PLAN_WRITE] = "write",       [PLAN_CHROOT] = "chroot",
	[PLAN_LINK_IN] = "link-in",
};

static const struct {
	unsigned flag;
	const char *name;
} FLAGS[] = {
	{ PLAN_WRITABLE, "rw" },        { PLAN_OPTIONAL, "optional" }, { PLAN_DEVICE, "dev" },
	{ PLAN_USERXATTR, "userxattr" }, { PLAN_VOLATILE, "volatile" }, { PLAN_NOEXEC, "noexec" },
};

static const struct {
	int flag;
	const char *name;
} NAMESPACES[] = {
	{ CLONE_NEWUSER, "user" }, { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "pid" },
	{ CLONE_NEWIPC, "ipc" },   { CLONE_NEWUTS, "uts" },  { CLONE_NEWNET, "net" },
};

static void print_op(struct rn_buf *b, const struct sandbox_spec *s, const struct plan_op *op)
{
	rn_buf_adds(b, KINDS[op->kind]);
	if (op->source)
		rn_buf_addf(b, " %s ->", op->source);
	rn_buf_addf(b, " %s", op->target);
	if (op->kind == PLAN_OVERLAY) {
		for (size_t i = 0; i < s->n_lowers; i++)
			rn_buf_addf(b, " lower=%s", s->lowers[i]);
		if (s->rootfs)
			rn_buf_addf(b, " lower=%s", s->rootfs);
		if (s->upper)
			rn_buf_addf(b, " upper=%s work=%s", s->upper, s->work);
	}
	if (op->text)
		rn_buf_addf(b, " \"%s\"", op->text);
	if (op->size)
		rn_buf_addf(b, " size=%llu", (unsigned long long)op->size);
	if (op->file)
		rn_buf_addf(b, " bytes=%zu owner=%u:%u mode=%03o", op->file->size, op->file->uid, op->file->gid,
			    op->file->mode & 07777);
	if (op->mode)
		rn_buf_addf(b, " mode=%03o", op->mode & 07777);
	for (size_t i = 0; i < RN_LEN(FLAGS); i++)
		if (op->flags & FLAGS[i].flag)
			rn_buf_addf(b, " %s", FLAGS[i].name);
	rn_buf_addc(b, '\n');
}

char *plan_print(const struct sandbox_spec *s, const struct plan *p)
{
	static const char *const IDS[] = { "as outside", "one", "range" };
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_adds(&b, "namespaces");
	for (size_t i = 0; i < RN_LEN(NAMESPACES); i++)
		if (p->namespaces & NAMESPACES[i].flag)
			rn_buf_addf(&b, " %s", NAMESPACES[i].name);
	rn_buf_addf(&b, "\nids %s\n", IDS[p->ids]);
	for (size_t i = 0; i < p->n_ops; i++)
		print_op(&b, s, &p->ops[i]);
	rn_buf_addf(&b, "user %u:%u", s->uid, s->gid);
	for (size_t i = 0; i < s->n_groups; i++)
		rn_buf_addf(&b, ",%u", s->groups[i]);
	rn_buf_addf(&b, "\ncapabilities %s%s\n", s->keep_caps ? "container" : "none",
		    s->no_new_privs ? ", no new privileges" : "");
	rn_buf_addf(&b, "filter %s\n", p->filter_fakes ? "fake ids" : p->filter ? "on" : "off");
	rn_buf_addf(&b, "exec %s in %s\n", s->argv[0], s->cwd ? s->cwd : "/");
	return rn_buf_take(&b);
}

char *sandbox_describe(const struct sandbox_spec *spec, struct rn_error *err)
{
	struct plan p;
	if (plan_make(spec, &p, err) < 0)
		return NULL;
	char *text = plan_print(spec, &p);
	plan_clear(&p);
	return text;
}
