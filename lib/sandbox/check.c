/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the rungs, and whether a spec fits its host. Pure. */
#include "sandbox.h"

#include <string.h>

static const struct {
	const char *name, *text;
} RUNGS[] = {
	[SANDBOX_NONE] = { "none", "no sandbox" },
	[SANDBOX_CHROOT] = { "chroot", "root in a locked-down container: chroot" },
	[SANDBOX_SINGLE_ID] = { "single-id", "user namespace with one id" },
	[SANDBOX_MAPPED] = { "mapped", "user namespace with a range of ids" },
	[SANDBOX_ROOT] = { "root", "root with namespaces" },
};

const char *sandbox_rung_name(enum sandbox_rung rung)
{
	return RUNGS[rung].name;
}

const char *sandbox_rung_text(enum sandbox_rung rung)
{
	return RUNGS[rung].text;
}

static int refuse(const struct sandbox_spec *s, struct rn_error *err, const char *what)
{
	rn_fail(err, RN_EUNSUPPORTED, "%s is not possible here (%s)", what, sandbox_rung_text(s->host->rung));
	return rn_hint(err, "%s", s->host->cure ? s->host->cure : "see `runner doctor`");
}

static bool absolute(const char *path)
{
	return path && path[0] == '/' && !strstr(path, "/../") && !rn_ends(path, "/..");
}

static int check_target(const char *target, const char *what, struct rn_error *err)
{
	if (!absolute(target) || !strcmp(target, "/"))
		return rn_fail(err, RN_EINVAL, "%s target \"%s\" is not an absolute path below /", what,
			       target ? target : "");
	return 0;
}

static int check_mounts(const struct sandbox_spec *s, struct rn_error *err)
{
	for (size_t i = 0; i < s->n_binds; i++) {
		const struct sandbox_bind *b = &s->binds[i];
		if (check_target(b->target, "bind", err) < 0)
			return -1;
		if (!absolute(b->source))
			return rn_fail(err, RN_EINVAL, "bind source \"%s\" is not an absolute path",
				       b->source ? b->source : "");
		if (b->discard && !b->scratch && s->host->rung != SANDBOX_CHROOT)
			return rn_fail(err, RN_EINVAL, "bind at %s: dropped writes need a scratch folder", b->target);
		if (b->discard && !s->host->overlay && s->host->rung != SANDBOX_CHROOT)
			return refuse(s, err, "a bind whose writes are dropped");
	}
	for (size_t i = 0; i < s->n_files; i++)
		if (check_target(s->files[i].target, "file", err) < 0)
			return -1;
	for (size_t i = 0; i < s->n_tmpfs; i++)
		if (check_target(s->tmpfs[i].target, "tmpfs", err) < 0)
			return -1;
	return 0;
}

static int check_root(const struct sandbox_spec *s, struct rn_error *err)
{
	if (!s->rootfs == !s->n_lowers)
		return rn_fail(err, RN_EINVAL, "a sandbox has either a root folder or layers");
	if (s->n_lowers && !s->host->overlay)
		return refuse(s, err, "an overlay of layers");
	if (!s->upper != !s->work)
		return rn_fail(err, RN_EINVAL, "an overlay's upper and work folders come together");
	if (s->rootfs && !absolute(s->rootfs))
		return rn_fail(err, RN_EINVAL, "root folder \"%s\" is not an absolute path", s->rootfs);
	for (size_t i = 0; i < s->n_lowers; i++)
		if (!absolute(s->lowers[i]))
			return rn_fail(err, RN_EINVAL, "layer \"%s\" is not an absolute path", s->lowers[i]);
	bool own = s->rootfs && !strcmp(s->rootfs, "/");
	if (own && (s->n_binds || s->n_files || s->n_tmpfs || s->read_only || s->network == SANDBOX_NET_NONE))
		return rn_fail(err, RN_EINVAL, "the machine's own root takes no mounts and no network of its own");
	return 0;
}

int sandbox_check_spec(const struct sandbox_spec *s, struct rn_error *err)
{
	if (!s->host || s->host->rung == SANDBOX_NONE) {
		rn_fail(err, RN_EUNSUPPORTED, "programs of an image cannot be run on this machine: %s",
			s->host && s->host->summary ? s->host->summary : "not probed");
		return rn_hint(err, "%s", s->host && s->host->cure ? s->host->cure : "see `runner doctor`");
	}
	if (check_root(s, err) < 0 || check_mounts(s, err) < 0)
		return -1;
	if (!s->argv || !s->argv[0] || !s->argv[0][0])
		return rn_fail(err, RN_EINVAL, "no program to run");
	if (s->cwd && !absolute(s->cwd))
		return rn_fail(err, RN_EINVAL, "working directory \"%s\" is not an absolute path", s->cwd);
	if (s->network == SANDBOX_NET_NONE && !s->host->net_none)
		return refuse(s, err, "cutting the network");
	uint64_t ids = s->host->ids;
	if (s->host->rung == SANDBOX_MAPPED && (s->uid >= ids || s->gid >= ids)) {
		rn_fail(err, RN_EUNSUPPORTED, "user %u:%u does not exist in the sandbox: ids 0 to %llu are mapped",
			s->uid, s->gid, (unsigned long long)ids - 1);
		return rn_hint(err, "give this user more subordinate ids in /etc/subuid and /etc/subgid");
	}
	return 0;
}
