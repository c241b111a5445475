/* SPDX-License-Identifier: Apache-2.0 */
#include "run_place.h"

#include "run_platform.h"

#include "base/fs.h"

#include <stdlib.h>
#include <string.h>

#define HOST_FILE_MAX ((size_t)1 << 20)
#define HOSTNAME "build"

void run_place_clear(struct run_place *x)
{
	run_mounts_clear(&x->mounts);
	rootfs_step_clear(&x->place);
	passwd_user_clear(&x->user);
	for (size_t i = 0; i < x->env.n; i++)
		rn_wipe(x->env.v[i], strlen(x->env.v[i]));
	rn_strv_clear(&x->env);
	rn_buf_clear(&x->resolv);
	rn_buf_clear(&x->hosts);
}

/* ---- what the command is given ------------------------------------------------------------------ */

static int find_user(struct run_place *x)
{
	struct step *s = x->s;
	RN_AUTO(passwd_clear) struct passwd names = { 0 };
	const char *who = *x->r->user ? x->r->user : "0";
	if (fs_state_passwd(&s->stage->state, s->b, &names, s->err) < 0)
		return -1;
	if (passwd_find(&names, who, PASSWD_USER, &x->user, s->err) < 0)
		return rn_wrap(s->err, "USER %s", who);
	if (!*x->r->user)
		x->user.n_groups = x->user.gid = 0; /* nobody asked for root's line of /etc/group */
	return 0;
}

void run_place_set_env(struct run_place *x, const char *text)
{
	size_t n = strcspn(text, "=") + 1;
	for (size_t i = 0; i < x->env.n; i++)
		if (strncmp(x->env.v[i], text, n) == 0) {
			free(x->env.v[i]);
			x->env.v[i] = rn_strdup(text);
			return;
		}
	rn_strv_add(&x->env, text);
}

static void make_env(struct run_place *x)
{
	const char *home = x->user.home && *x->user.home ? x->user.home : "/";
	for (size_t i = 0; i < x->r->env.n; i++)
		rn_strv_add(&x->env, x->r->env.v[i]);
	if (!run_spec_env(x->r, "HOME"))
		rn_strv_addf(&x->env, "HOME=%s", home);
	for (size_t i = 0; i < x->mounts.env.n; i++)
		run_place_set_env(x, x->mounts.env.v[i]);
}

/* What a mount of the step lays there is meant to be seen. */
static void add_host_file(struct run_place *x, const char *target, const struct rn_buf *text)
{
	for (size_t i = 0; i < x->mounts.targets.n; i++)
		if (rn_streq(x->mounts.targets.v[i], target))
			return;
	run_mounts_file(&x->mounts, target, rn_buf_str(text), text->len, 0644);
}

/* Names are looked up as on this machine; nothing of it is in a layer. */
static void add_host_files(struct run_place *x)
{
	bool alone = x->r->network == RUN_NET_NONE;
	rn_buf_adds(&x->hosts, "127.0.0.1 localhost " HOSTNAME "\n::1 localhost ip6-localhost ip6-loopback\n");
	if (!alone) {
		RN_AUTO(rn_buf_clear) struct rn_buf own = RN_BUF_INIT;
		rn_read_file("/etc/resolv.conf", HOST_FILE_MAX, &x->resolv, NULL);
		if (rn_read_file("/etc/hosts", HOST_FILE_MAX, &own, NULL) == 0)
			rn_buf_add(&x->hosts, own.p, own.len);
	}
	add_host_file(x, "/etc/resolv.conf", &x->resolv);
	add_host_file(x, "/etc/hosts", &x->hosts);
	if (x->r->script)
		run_mounts_file(&x->mounts, x->r->script_path, x->r->script, strlen(x->r->script), 0755);
}

void run_place_sandbox(const struct run_place *x, struct sandbox_spec *ret)
{
	const struct sandbox_host *host = rootfs_host(x->place.rootfs);
	*ret = (struct sandbox_spec)SANDBOX_SPEC_INIT;
	ret->host = host;
	ret->rootfs = x->place.root;
	ret->lowers = (const char *const *)x->place.lowers.v;
	ret->n_lowers = x->place.root ? 0 : x->place.lowers.n;
	ret->upper = x->place.upper;
	ret->work = x->place.work;
	ret->volatile_upper = true;
	ret->binds = x->mounts.binds;
	ret->n_binds = x->mounts.n_binds;
	ret->files = x->mounts.files;
	ret->n_files = x->mounts.n_files;
	ret->tmpfs = x->mounts.tmpfs;
	ret->n_tmpfs = x->mounts.n_tmpfs;
	ret->argv = (const char *const *)x->r->argv.v;
	ret->env = (const char *const *)x->env.v;
	ret->cwd = x->r->cwd;
	ret->uid = x->user.uid;
	ret->gid = x->user.gid;
	ret->groups = x->user.groups;
	ret->n_groups = x->user.n_groups;
	ret->keep_caps = true;
	ret->fake_ids = true;
	ret->hostname = host->rung == SANDBOX_CHROOT ? NULL : HOSTNAME;
	ret->network = x->r->network == RUN_NET_NONE ? SANDBOX_NET_NONE : SANDBOX_NET_HOST;
}

int run_place_make(struct step *s, const struct run_spec *r, struct run_place *ret)
{
	struct run_place *x = ret;
	x->s = s;
	x->r = r;
	x->place.lock = x->place.root_lock = -1;
	struct rootfs *root = run_platform_check(s) < 0 ? NULL : rootfs_get(s->b, s->err);
	if (!root || find_user(x) < 0 || rootfs_step_begin(root, &s->stage->state, &x->place, s->err) < 0 ||
	    rootfs_step_mkdir(&x->place, &s->stage->state, r->cwd, s->err) < 0 ||
	    run_mounts_make(s, r, &x->place, &x->mounts) < 0)
		return -1;
	make_env(x);
	add_host_files(x);
	return 0;
}
