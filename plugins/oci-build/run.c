/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "passwd.h"
#include "run_mounts.h"
#include "run_output.h"
#include "run_spec.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>

#define HOST_FILE_MAX ((size_t)1 << 20)
#define HOSTNAME "build"

/* All that one RUN holds while it executes. */
struct running {
	struct step *s;
	struct run_spec *r;
	struct rootfs_step place;
	struct run_mounts mounts;
	struct passwd_user user;
	struct rn_strv env;
	struct rn_buf resolv, hosts;
	struct run_output output;
};

static void running_clear(struct running *x)
{
	run_mounts_clear(&x->mounts);
	rootfs_step_clear(&x->place);
	passwd_user_clear(&x->user);
	for (size_t i = 0; i < x->env.n; i++)
		rn_wipe(x->env.v[i], strlen(x->env.v[i]));
	rn_strv_clear(&x->env);
	rn_buf_clear(&x->resolv);
	rn_buf_clear(&x->hosts);
	run_output_clear(&x->output);
}

/* ---- what the command is given ------------------------------------------------------------------ */

static int find_user(struct running *x)
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

static void make_env(struct running *x)
{
	const char *home = x->user.home && *x->user.home ? x->user.home : "/";
	for (size_t i = 0; i < x->r->env.n; i++)
		rn_strv_add(&x->env, x->r->env.v[i]);
	if (!run_spec_env(x->r, "HOME"))
		rn_strv_addf(&x->env, "HOME=%s", home);
	for (size_t i = 0; i < x->mounts.env.n; i++)
		rn_strv_add(&x->env, x->mounts.env.v[i]);
}

/* Names are looked up as on this machine; nothing of it is in a layer. */
static void add_host_files(struct running *x)
{
	bool alone = x->r->network == RUN_NET_NONE;
	rn_buf_adds(&x->hosts, "127.0.0.1 localhost " HOSTNAME "\n::1 localhost ip6-localhost ip6-loopback\n");
	if (!alone) {
		RN_AUTO(rn_buf_clear) struct rn_buf own = RN_BUF_INIT;
		rn_read_file("/etc/resolv.conf", HOST_FILE_MAX, &x->resolv, NULL);
		if (rn_read_file("/etc/hosts", HOST_FILE_MAX, &own, NULL) == 0)
			rn_buf_add(&x->hosts, own.p, own.len);
	}
	run_mounts_file(&x->mounts, "/etc/resolv.conf", rn_buf_str(&x->resolv), x->resolv.len, 0644);
	run_mounts_file(&x->mounts, "/etc/hosts", rn_buf_str(&x->hosts), x->hosts.len, 0644);
	if (x->r->script)
		run_mounts_file(&x->mounts, x->r->script_path, x->r->script, strlen(x->r->script), 0755);
}

static void fill_spec(struct running *x, struct sandbox_spec *ret)
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

/* ---- how it ends ------------------------------------------------------------------------------------ */

/* RN_EINTERNAL is the code that the host is told as "the work itself failed". */
static int failed(struct running *x, const struct sandbox_status *st)
{
	struct step *s = x->s;
	if (st->out_of_memory)
		step_fail(s, s->i->at, RN_EINTERNAL, "the command was killed: it needed more memory than there is");
	else if (st->signal)
		step_fail(s, s->i->at, RN_EINTERNAL, "the command was killed by signal %d (SIG%s)", st->signal,
			  sigabbrev_np(st->signal) ? sigabbrev_np(st->signal) : "?");
	else if (st->code == 126 || st->code == 127)
		step_fail(s, s->i->at, RN_EINTERNAL, "the command exited with status %d: a program %s", st->code,
			  st->code == 127 ? "was not found" : "may not be executed");
	else
		step_fail(s, s->i->at, RN_EINTERNAL, "the command exited with status %d", st->code);
	run_output_tail(&x->output, s->err);
	return -1;
}

static int could_not_start(struct running *x)
{
	struct step *s = x->s;
	if (s->err && s->err->code == RN_ECANCELLED)
		return rn_fail(s->err, RN_ECANCELLED, "the build was stopped");
	return rn_wrap(s->err, "the command could not run");
}

static int execute(struct running *x)
{
	struct sandbox_spec spec;
	struct sandbox_status status = { 0 };
	const struct build *b = x->s->b;
	fill_spec(x, &spec);
	const struct sandbox_io io = { .output = run_output_bytes, .data = &x->output, .together = true,
				       .cancel_fd = build_cancel_fd(b) };
	int rc = sandbox_run(&spec, &io, &status, x->s->err);
	run_output_end(&x->output);
	if (rc < 0)
		return could_not_start(x);
	return status.code ? failed(x, &status) : 0;
}

static int prepare(struct running *x)
{
	struct step *s = x->s;
	struct rootfs *r = rootfs_get(s->b, s->err);
	if (!r || find_user(x) < 0 || rootfs_step_begin(r, &s->stage->state, &x->place, s->err) < 0 ||
	    rootfs_step_mkdir(&x->place, &s->stage->state, x->r->cwd, s->err) < 0 ||
	    run_mounts_make(s, x->r, &x->place, &x->mounts) < 0)
		return -1;
	make_env(x);
	add_host_files(x);
	return 0;
}

int step_run(struct step *s)
{
	RN_AUTO(run_spec_clear) struct run_spec r = { 0 };
	RN_AUTO(running_clear) struct running x = { .s = s, .r = &r, .place = { .lock = -1 }, .output = { .b = s->b } };
	if (run_spec_make(s, &r) < 0 || prepare(&x) < 0 || execute(&x) < 0)
		return step_locate(s, s->i->at);
	const struct rootfs_commit commit = { .uid = x.user.uid, .gid = x.user.gid, .created_by = r.created_by,
					      .options = step_layer_options(s), .covered = (const char *const *)x.mounts.targets.v,
					      .n_covered = x.mounts.targets.n };
	return rootfs_step_commit(&x.place, &s->stage->state, &commit, s->err) < 0 ? step_locate(s, s->i->at) : 0;
}
