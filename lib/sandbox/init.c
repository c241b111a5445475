/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init of a sandbox: pid 1 where there is a pid namespace, else the reaper of its
 * descendants. Sets up, starts the program, passes on signals, and when the program has
 * ended, or nobody waits for it any more, ends all the rest and takes back what it made.
 */
#include "process.h"

#include "apply.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct init {
	const struct sandbox_spec *spec;
	const struct plan *plan;
	struct apply apply;
	int up;      /* to the helper */
	int children; /* signalfd of SIGCHLD */
	int null;
	pid_t program;
	bool ended;
	struct sandbox_status status;
};

static _Noreturn void fail(struct init *in, const struct rn_error *err)
{
	struct wire_message m = { .kind = WIRE_FAILED, .error = *err };
	apply_undo(&in->apply);
	wire_send(in->up, &m);
	_exit(1);
}

/* Root of the namespace, once the helper wrote who that is. */
static int become_root(const struct plan *plan, struct rn_error *err)
{
	if (plan->ids == PLAN_IDS_RANGE &&
	    (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return rn_fail(err, RN_EAUTH, "become root of the user namespace: %m");
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

static void record(struct init *in, int status)
{
	in->ended = true;
	in->status.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	in->status.code = in->status.signal ? 128 + in->status.signal : WEXITSTATUS(status);
}

/* Takes those that ended; false when no child is left. */
static bool reap(struct init *in, int options)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, options | __WALL)) > 0 || (pid < 0 && errno == EINTR))
		if (pid == in->program)
			record(in, status);
	return pid == 0;
}

static pid_t parent_of(const char *pid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	char *p = strrchr(text, ')'); /* behind the name, which may hold anything */
	return p && strlen(p) > 4 ? (pid_t)strtol(p + 4, NULL, 10) : 0;
}

/* Kills our children; what they leave becomes our child (subreaper) and is killed next time. */
static void kill_children(void)
{
	DIR *d = opendir("/proc");
	if (!d)
		return;
	pid_t self = getpid();
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && parent_of(e->d_name) == self)
			kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL);
	closedir(d);
}

static void kill_all(struct init *in)
{
	if (in->plan->pid_namespace) {
		kill(-1, SIGKILL);
		reap(in, 0);
		return;
	}
	if (in->program > 0)
		kill(-in->program, SIGKILL);
	for (int i = 0; i < 1000; i++) {
		if (!reap(in, WNOHANG))
			return;
		kill_children();
		poll(NULL, 0, 1);
	}
}

static void forget_stdio(struct init *in)
{
	for (int fd = 0; fd < 3; fd++)
		dup2(in->null, fd);
	for (size_t i = 0; i < in->spec->n_fds; i++)
		close(in->spec->fds[i].from);
}

static void start_program(struct init *in)
{
	int report[2];
	struct rn_error err = { 0 };
	if (pipe2(report, O_CLOEXEC) < 0) {
		rn_fail(&err, RN_EIO, "pipe: %m");
		fail(in, &err);
	}
	in->program = fork();
	if (in->program == 0)
		program_main(in->spec, in->plan, in->apply.root, report[1]);
	close(report[1]);
	forget_stdio(in);
	if (in->program < 0)
		rn_fail(&err, RN_EIO, "fork: %m");
	else
		(void)!rn_read_full(report[0], &err, sizeof(err));
	close(report[0]);
	if (err.code) {
		kill_all(in);
		fail(in, &err);
	}
	/* inside a pid namespace the number means nothing to the caller: the helper finds it */
	struct wire_message m = { .kind = WIRE_STARTED, .pid = in->plan->pid_namespace ? 0 : in->program };
	wire_send(in->up, &m);
}

/* One message from the helper; false when there is nobody any more. */
static bool obey(struct init *in)
{
	struct wire_message m;
	if (wire_receive(in->up, &m) <= 0)
		return false;
	if (m.kind == WIRE_SIGNAL && in->program > 0 && !in->ended)
		kill(in->program, m.pid);
	return true;
}

static void serve(struct init *in)
{
	struct pollfd p[2] = { { .fd = in->up, .events = POLLIN }, { .fd = in->children, .events = POLLIN } };
	while (!in->ended) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents) {
			struct signalfd_siginfo info;
			(void)!read(in->children, &info, sizeof(info));
			reap(in, WNOHANG);
		}
		if (p[0].revents && !obey(in))
			return;
	}
}

static void finish(struct init *in)
{
	kill_all(in);
	struct rusage u;
	if (getrusage(RUSAGE_CHILDREN, &u) == 0) {
		in->status.max_rss = (uint64_t)u.ru_maxrss * 1024;
		in->status.cpu_us = (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
				    u.ru_stime.tv_usec;
	}
	apply_undo(&in->apply);
	struct wire_message m = { .kind = WIRE_ENDED, .status = in->status };
	wire_send(in->up, &m);
}

_Noreturn void init_main(const struct sandbox_spec *spec, const struct plan *plan, int up)
{
	struct init in = { .spec = spec, .plan = plan, .up = up };
	struct wire_message go;
	struct rn_error err = { 0 };
	sigset_t all, child;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	in.children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	in.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	umask(0);
	if (wire_receive(up, &go) <= 0)
		_exit(1);
	if (!plan->pid_namespace)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (become_root(plan, &err) < 0 || apply_all(spec, plan, &in.apply, &err) < 0)
		fail(&in, &err);
	start_program(&in);
	serve(&in);
	finish(&in);
	_exit(0);
}
