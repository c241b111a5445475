/* SPDX-License-Identifier: Apache-2.0 */
/* The part of runner-sandbox that stays outside: makes init, says who it is, waits, cleans up. */
#include "process.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS 20   /* between two looks at the memory in use */
#define END_MS 10000 /* for init to end what it started, once asked */

struct helper {
	const struct sandbox_spec *spec;
	struct plan plan;
	struct cgroup cgroup;
	int caller; /* -1: none, or gone */
	int down;   /* to init */
	pid_t init;
	bool ended, failed;
	uint64_t files;      /* bytes that its tmpfs may hold beside its memory; 0: nothing to look after */
	bool over;           /* it had more memory than it may */
	int64_t deadline; /* 0: none */
	struct sandbox_status status;
	struct rn_error *err;
};

static pid_t clone_init(const struct helper *h, struct rn_error *err)
{
	long pid = syscall(SYS_clone, (unsigned long)(h->plan.namespaces | SIGCHLD), 0UL, 0UL, 0UL, 0UL);
	if (pid >= 0)
		return (pid_t)pid;
	int e = errno;
	rn_fail(err, e == EPERM || e == ENOSPC || e == ENOSYS || e == EACCES ? RN_EAUTH : RN_EIO,
		h->plan.namespaces ? "make namespaces: %s" : "fork: %s",
		e == ENOSPC ? "the limit of user namespaces is reached" : strerror(e));
	return -1;
}

/* The program as this process sees it: the only child of init then. */
static pid_t outside_pid(pid_t init)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)init, (int)init);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	return rn_read_file(path, 4096, &b, NULL) < 0 ? 0 : (pid_t)strtol(rn_buf_str(&b), NULL, 10);
}

static void tell(struct helper *h, const struct wire_message *m)
{
	if (h->caller >= 0)
		wire_send(h->caller, m);
}

static void from_init(struct helper *h)
{
	struct wire_message m;
	if (wire_receive(h->down, &m) <= 0) {
		rn_closep(&h->down);
		return;
	}
	switch (m.kind) {
	case WIRE_STARTED:
		if (!m.pid)
			m.pid = outside_pid(h->init);
		tell(h, &m);
		break;
	case WIRE_FAILED:
		h->failed = true;
		*h->err = m.error;
		break;
	case WIRE_ENDED:
		h->ended = true;
		h->status = m.status;
		break;
	case WIRE_SIGNAL:
	case WIRE_GO:
		break;
	}
}

static void from_caller(struct helper *h)
{
	struct wire_message m;
	if (wire_receive(h->caller, &m) <= 0) {
		/* nobody wants it any more: init kills all, undoes and ends */
		h->deadline = rn_now_ms() + END_MS;
		shutdown(h->down, SHUT_WR);
		return;
	}
	if (m.kind == WIRE_SIGNAL)
		wire_send(h->down, &m);
}

/* Bytes of files that do not count as memory, though the kernel keeps them there. */
static uint64_t file_bytes(const struct sandbox_spec *s)
{
	uint64_t sum = 0;
	for (size_t i = 0; s->memory && s->host->cgroup && i < s->n_tmpfs; i++)
		sum += s->tmpfs[i].size;
	return sum;
}

/* The control group's limit is that of memory and files together: the one of memory is kept here. */
static void look_at_memory(struct helper *h)
{
	if (h->over || cgroup_memory(&h->cgroup, h->spec->memory) <= h->spec->memory)
		return;
	h->over = true;
	wire_send(h->down, &(struct wire_message){ .kind = WIRE_SIGNAL, .pid = SIGKILL });
}

static void serve(struct helper *h)
{
	while (h->down >= 0) {
		bool listen = h->caller >= 0 && !h->deadline;
		struct pollfd p[2] = { { .fd = h->down, .events = POLLIN },
				       { .fd = listen ? h->caller : -1, .events = POLLIN } };
		int64_t left = h->deadline ? h->deadline - rn_now_ms() : -1;
		if (h->deadline && left <= 0) {
			kill(h->init, SIGKILL);
			return;
		}
		if (h->files && (left < 0 || left > LOOK_MS))
			left = LOOK_MS;
		if (poll(p, 2, (int)left) < 0 && errno != EINTR)
			return;
		if (h->files)
			look_at_memory(h);
		if (p[0].revents)
			from_init(h);
		else if (p[1].revents)
			from_caller(h);
	}
}

/* What belongs to the program must close when the program does. */
static void forget_stdio(const struct sandbox_spec *s)
{
	RN_AUTO(rn_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < s->n_fds; i++)
		close(s->fds[i].from);
}

static int start_init(struct helper *h, struct rn_error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rn_fail(err, RN_EIO, "socketpair: %m");
	h->init = clone_init(h, err);
	if (h->init == 0) {
		close(pair[0]);
		if (h->caller >= 0)
			close(h->caller);
		init_main(h->spec, &h->plan, pair[1]);
	}
	close(pair[1]);
	h->down = pair[0];
	if (h->init < 0) {
		rn_closep(&h->down);
		return -1;
	}
	if (!h->plan.rehearsal)
		forget_stdio(h->spec);
	struct wire_message go = { .kind = WIRE_GO };
	if (idmap_write(h->init, h->spec, &h->plan, err) < 0 || cgroup_add(&h->cgroup, h->init, err) < 0 ||
	    wire_send(h->down, &go) < 0) {
		rn_closep(&h->down); /* init sees the end and exits */
		rn_wait(h->init, NULL);
		return -1;
	}
	return 0;
}

int helper_run(const struct sandbox_spec *spec, int caller, bool rehearsal, struct sandbox_status *ret, struct rn_error *err)
{
	struct helper h = { .spec = spec, .caller = caller, .down = -1, .err = err };
	if (plan_make(spec, &h.plan, err) < 0)
		return -1;
	h.plan.rehearsal = rehearsal;
	h.files = file_bytes(spec);
	if ((spec->host->cgroup && cgroup_make(spec->memory + h.files, spec->pids, &h.cgroup, err) < 0) ||
	    start_init(&h, err) < 0) {
		cgroup_end(&h.cgroup);
		plan_clear(&h.plan);
		return -1;
	}
	serve(&h);
	rn_closep(&h.down);
	int killed = 0;
	rn_wait(h.init, &killed);
	h.status.out_of_memory = h.over || cgroup_out_of_memory(&h.cgroup);
	cgroup_end(&h.cgroup);
	plan_clear(&h.plan);
	if (h.failed)
		return -1;
	if (!h.ended) {
		h.status.signal = killed ? killed : SIGKILL;
		h.status.code = 128 + h.status.signal;
	}
	*ret = h.status;
	return 0;
}
