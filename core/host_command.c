/* SPDX-License-Identifier: Apache-2.0 */
/* The host service `command`: a subprocess in the stage's process group, bounded in time and in what is captured. */
#include "host.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

enum { GRACE_MS = 3000 };

/* A file in memory with the text for stdin, so that no pipe can fill up. */
static int input_fd(const char *text)
{
	int fd = memfd_create("stdin", MFD_CLOEXEC);
	if (fd < 0 || rn_write_full(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		rn_closep(&fd);
	return fd;
}

/* The stage's environment with the command's own variables in front: the first of two wins nowhere, so drop the old one. */
static void merged_env(const char *const *own, struct rn_strv *to)
{
	for (char **e = environ; *e; e++) {
		size_t n = strcspn(*e, "=") + 1;
		bool replaced = false;
		for (size_t i = 0; own && own[i] && !replaced; i++)
			replaced = strncmp(*e, own[i], n) == 0;
		if (!replaced)
			rn_strv_add(to, *e);
	}
	for (size_t i = 0; own && own[i]; i++)
		rn_strv_add(to, own[i]);
	if (!to->n)
		rn_strv_add(to, "LC_ALL=C");
}

struct child {
	pid_t pid;
	int pidfd;
	int out; /* its stdout when captured, else -1 */
	struct rn_buf *captured;
	bool overflow;
};

static void read_output(struct child *c)
{
	char chunk[16384];
	ssize_t n;
	while ((n = read(c->out, chunk, sizeof(chunk))) > 0)
		if (rn_buf_add(c->captured, chunk, (size_t)n) < 0)
			c->overflow = true;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		rn_closep(&c->out);
}

enum ending { ENDED, OUT_OF_TIME, STOPPED };

/* Until the child has ended, its time is over or the stage is cancelled; TERM, then KILL after a grace. */
static enum ending watch(struct runner_stage *stage, struct child *c, int64_t timeout_ms)
{
	enum ending ending = ENDED;
	int64_t end = timeout_ms > 0 ? rn_now_ms() + timeout_ms : 0;
	for (;;) {
		int64_t left = end ? end - rn_now_ms() : 60000;
		struct pollfd p[3] = { { .fd = c->pidfd, .events = POLLIN },
				       { .fd = c->out, .events = POLLIN },
				       { .fd = ending == ENDED ? stage->cancel_fd : -1, .events = POLLIN } };
		int64_t most = c->pidfd < 0 ? RN_WITHOUT_PIDFD_MS : 60000;
		poll(p, RN_LEN(p), left < 0 ? 0 : left > most ? (int)most : (int)left);
		if (p[1].revents)
			read_output(c);
		if (c->pidfd < 0 ? rn_ended(c->pid) : p[0].revents != 0)
			return ending;
		bool late = end && rn_now_ms() >= end;
		if (late && ending != ENDED) {
			kill(c->pid, SIGKILL);
			end = 0;
		} else if (late || p[2].revents) {
			ending = late ? OUT_OF_TIME : STOPPED;
			kill(c->pid, SIGTERM);
			end = rn_now_ms() + GRACE_MS;
		}
	}
}

static int run_child(struct runner_stage *stage, struct runner_command *command, struct child *c, size_t size)
{
	enum ending ending = watch(stage, c, command->timeout_ms);
	if (c->out >= 0)
		read_output(c);
	int sig = 0, status = rn_wait(c->pid, &sig);
	command->exit_code = status;
	command->signal = sig;
	if (size >= offsetof(struct runner_command, captured) + sizeof(command->captured) && c->captured)
		command->captured = host_keep(stage, rn_buf_take(c->captured));
	char time[32];
	if (ending == STOPPED)
		return host_fail(stage, RUNNER_FAIL_CANCELLED, NULL, "%s was stopped", command->argv[0]);
	if (ending == OUT_OF_TIME)
		return host_fail(stage, RUNNER_FAIL_STAGE, NULL, "%s did not end within %s", command->argv[0],
				 rn_format_duration(command->timeout_ms, time, sizeof(time)));
	if (c->overflow)
		return host_fail(stage, RUNNER_FAIL_STAGE, NULL, "%s printed more than %d MiB", command->argv[0],
				 HOST_CAPTURE_MAX >> 20);
	return 0;
}

int host_command(struct runner_stage *stage, struct runner_command *theirs)
{
	struct runner_command c = { 0 };
	size_t size = theirs->size && theirs->size < sizeof(c) ? theirs->size : sizeof(c);
	memcpy(&c, theirs, size);
	if (!c.argv || !c.argv[0])
		return host_fail(stage, RUNNER_FAIL_STAGE, NULL, "the plugin called `command` without a command");
	bool capture = c.flags & RUNNER_COMMAND_CAPTURE;
	RN_AUTO(rn_closep) int input = c.input ? input_fd(c.input) : -1;
	int ends[2] = { -1, -1 };
	if ((c.input && input < 0) || (capture && pipe2(ends, O_CLOEXEC) < 0))
		return host_fail(stage, RUNNER_FAIL_MACHINE, NULL, "cannot prepare %s: %m", c.argv[0]);
	struct rn_fd_map fds[3];
	size_t n = 0;
	if (c.input)
		fds[n++] = (struct rn_fd_map){ input, 0 };
	fds[n++] = (struct rn_fd_map){ capture ? ends[1] : 1, 1 };
	fds[n++] = (struct rn_fd_map){ 2, 2 };
	RN_AUTO(rn_strv_clear) struct rn_strv env = { 0 };
	merged_env(c.env, &env);
	RN_AUTO(rn_buf_clear) struct rn_buf captured = { .max = HOST_CAPTURE_MAX };
	struct rn_error err = { 0 };
	struct child child = { .out = ends[0], .captured = capture ? &captured : NULL };
	child.pid = rn_spawn(&(struct rn_spawn){ .argv = c.argv, .env = (const char *const *)env.v, .workdir = c.workdir,
						 .fds = fds, .n_fds = n }, &err);
	rn_closep(&ends[1]);
	if (child.out >= 0)
		fcntl(child.out, F_SETFL, O_NONBLOCK);
	int rc = -1;
	if (child.pid < 0) {
		host_fail(stage, RUNNER_FAIL_STAGE,
			  err.code == RN_ENOTFOUND ? "check its name, `workdir` and PATH" : NULL, "%s", err.msg);
	} else {
		child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
		rc = run_child(stage, &c, &child, size);
		rn_closep(&child.pidfd);
	}
	rn_closep(&child.out);
	memcpy(theirs, &c, size);
	return rc;
}
