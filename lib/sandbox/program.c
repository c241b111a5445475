/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps before the program: what must be given up, in the order in which it can be. */
#include "process.h"

#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BUSY_MS 5000

static int enter_root(const struct plan *plan, int root, struct rn_error *err)
{
	if (plan->pid_namespace || !plan->n_ops)
		return 0; /* pivoted already, or the machine's own */
	if (fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return rn_fail(err, RN_EAUTH, "chroot: %m");
	return 0;
}

static int limit(int what, uint64_t value, const char *name, struct rn_error *err)
{
	struct rlimit r;
	if (getrlimit(what, &r) < 0)
		return rn_fail(err, RN_EIO, "read the limit of %s: %m", name);
	if (r.rlim_max != RLIM_INFINITY && value > r.rlim_max)
		value = r.rlim_max; /* raising needs CAP_SYS_RESOURCE */
	r.rlim_cur = r.rlim_max = value;
	if (setrlimit(what, &r) < 0)
		return rn_fail(err, RN_EIO, "limit %s: %m", name);
	return 0;
}

static int set_limits(const struct sandbox_spec *s, const struct plan *plan, struct rn_error *err)
{
	if (limit(RLIMIT_CORE, 0, "core files", err) < 0)
		return -1;
	if (s->nofile && limit(RLIMIT_NOFILE, s->nofile, "descriptors", err) < 0)
		return -1;
	if (s->host->cgroup)
		return 0;
	/* outside a user namespace it would count all processes of that user */
	if (s->pids && plan->ids != PLAN_IDS_HOST && limit(RLIMIT_NPROC, s->pids, "processes", err) < 0)
		return -1;
	return 0;
}

static int set_ids(const struct sandbox_spec *s, const struct plan *plan, struct rn_error *err)
{
	if (!plan->set_ids)
		return 0;
	if (plan->ids == PLAN_IDS_HOST && geteuid() != 0) /* the machine's own root, as we are */
		return 0;
	if (setgroups(s->n_groups, s->groups) < 0)
		return rn_fail(err, RN_EAUTH, "set supplementary groups: %m");
	if (setresgid(s->gid, s->gid, s->gid) < 0)
		return rn_fail(err, RN_EAUTH, "become group %u: %m", s->gid);
	if (setresuid(s->uid, s->uid, s->uid) < 0)
		return rn_fail(err, RN_EAUTH, "become user %u: %m", s->uid);
	return 0;
}

/* The order matters: the filter may fake setuid, so the ids come before it; loading it needs a capability
   that a changed id takes away, so they are kept until then. */
static int give_up(const struct sandbox_spec *s, const struct plan *plan, struct rn_error *err)
{
	bool own = !plan->n_ops; /* the machine's own root: only the ids are chosen */
	if (s->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return rn_fail(err, RN_EIO, "set no_new_privs: %m");
	if (own)
		return set_ids(s, plan, err);
	if (caps_bound(s->keep_caps, err) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return rn_fail(err, RN_EIO, "keep capabilities: %m");
	if (set_ids(s, plan, err) < 0 || caps_raise(err) < 0)
		return -1;
	if (plan->filter && filter_load(plan->filter_fakes, err) < 0)
		return -1;
	return caps_set(s->keep_caps && (s->uid == 0 || !plan->set_ids), err);
}

/*
 * A program that was just unpacked may still be open for writing in a child that another thread of the same process is
 * about to turn into something else: that ends by itself in a moment.
 */
static int execute_file(const char *file, char *const *argv, char *const *env)
{
	for (int waited_ms = 0; waited_ms < BUSY_MS; waited_ms++) {
		execve(file, argv, env);
		if (errno != ETXTBSY)
			return -1;
		nanosleep(&(const struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return execve(file, argv, env);
}

/* The command as execvpe(3) would find it in the PATH it is going to have. */
static int execute(const struct sandbox_spec *s)
{
	char *const *argv = (char *const *)s->argv;
	char *const *env = (char *const *)s->env;
	if (strchr(argv[0], '/'))
		return execute_file(argv[0], argv, env);
	const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (size_t i = 0; s->env && s->env[i]; i++)
		if (rn_starts(s->env[i], "PATH="))
			path = s->env[i] + strlen("PATH=");
	RN_AUTO(rn_strv_clear) struct rn_strv dirs = { 0 };
	rn_strv_split(&dirs, path, ':');
	int kept = ENOENT;
	for (size_t i = 0; i < dirs.n; i++) {
		RN_AUTO(rn_freep) char *file = rn_path_join(*dirs.v[i] ? dirs.v[i] : ".", argv[0]);
		execute_file(file, argv, env);
		if (errno == EACCES)
			kept = EACCES; /* go on: a later one may be executable */
		else if (errno != ENOENT && errno != ENOTDIR)
			return -1;
	}
	errno = kept;
	return -1;
}

static int exec_failure(const struct sandbox_spec *s, struct rn_error *err)
{
	int e = errno;
	const char *name = s->argv[0];
	if (e == ENOENT && strchr(name, '/') && access(name, F_OK) == 0) {
		rn_fail(err, RN_ENOTFOUND, "exec %s: the file is there, but its interpreter is not", name);
		return rn_hint(err, "a script's first line, or the dynamic loader of a program that is not static, names a "
				    "file that the image lacks");
	}
	errno = e;
	if (e == ENOEXEC) {
		rn_fail(err, RN_EUNSUPPORTED, "exec %s: %m", name);
		return rn_hint(err, "it is for another architecture, or a script without a #! line");
	}
	return rn_fail(err, e == ENOENT || e == ENOTDIR ? RN_ENOTFOUND : e == EACCES ? RN_EAUTH : RN_EIO,
		       "exec %s: %m", name);
}

/* The first number that is above all those that the program gets. */
static int above_targets(const struct sandbox_spec *s)
{
	int top = 3;
	for (size_t i = 0; i < s->n_fds; i++)
		top = s->fds[i].to >= top ? s->fds[i].to + 1 : top;
	return top;
}

/* stdin, stdout and stderr lie right; the others go to their numbers, the rest is closed by exec. */
static int place_fds(const struct sandbox_spec *s, struct rn_error *err)
{
	int top = above_targets(s);
	int *moved = rn_alloc((s->n_fds + 1) * sizeof(int));
	for (size_t i = 0; i < s->n_fds; i++)
		if ((moved[i] = fcntl(s->fds[i].from, F_DUPFD_CLOEXEC, top)) < 0)
			return rn_fail(err, RN_EIO, "descriptor %d: %m", s->fds[i].to);
	rn_close_range(3, ~0u, true);
	for (size_t i = 0; i < s->n_fds; i++)
		if (dup2(moved[i], s->fds[i].to) < 0)
			return rn_fail(err, RN_EIO, "descriptor %d: %m", s->fds[i].to);
	free(moved);
	return 0;
}

/* `> /dev/stdout` opens the pipe anew, as the user that the program is by then. */
static void give_pipes(const struct sandbox_spec *s, const struct plan *plan)
{
	struct stat st;
	for (int fd = 0; fd < 3 && plan->set_ids; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
			(void)!fchown(fd, s->uid, s->gid); /* not allowed: then it is as it was */
}

static int prepare(const struct sandbox_spec *s, const struct plan *plan, int root, struct rn_error *err)
{
	setsid();
	if (isatty(0))
		(void)!ioctl(0, TIOCSCTTY, 0); /* a terminal that is nobody's yet: job control works */
	give_pipes(s, plan);
	if (enter_root(plan, root, err) < 0 || set_limits(s, plan, err) < 0 || give_up(s, plan, err) < 0)
		return -1;
	const char *cwd = s->cwd ? s->cwd : "/";
	if (chdir(cwd) < 0)
		return rn_fail(err, errno == ENOENT || errno == ENOTDIR ? RN_ENOTFOUND : RN_EIO,
			       "working directory %s: %m", cwd);
	umask(022);
	if (place_fds(s, err) < 0)
		return -1;
	/* last: what is needed up to here is not the program's */
	return s->memory && !s->host->cgroup ? limit(RLIMIT_DATA, s->memory, "memory", err) : 0;
}

_Noreturn void program_main(const struct sandbox_spec *s, const struct plan *plan, int root, int report)
{
	struct rn_error err = { 0 };
	int up = fcntl(report, F_DUPFD_CLOEXEC, above_targets(s));
	if (up < 0)
		up = report;
	if (prepare(s, plan, root, &err) == 0) {
		struct sigaction sa = { .sa_handler = SIG_DFL };
		for (int i = 1; i < NSIG; i++)
			sigaction(i, &sa, NULL);
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (plan->rehearsal)
			_exit(0);
		execute(s);
		exec_failure(s, &err);
	}
	(void)!rn_write_full(up, &err, sizeof(err));
	_exit(127);
}
