/* SPDX-License-Identifier: Apache-2.0 */
#include "proc.h"

#include "fs.h"
#include "time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { STACK_SIZE = 128 << 10 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLAIN_FORK 1 /* they know only the stacks of threads, and take such a child for a fork with memory of its own */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PLAIN_FORK 1
#endif
#endif

/* Only async-signal-safe calls from here to exec: the parent may have threads. */

static void close_one(unsigned fd, bool at_exec)
{
	if (at_exec)
		fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	else
		close((int)fd);
}

/* Those that /proc names, without memory of the heap: other threads may be at it. False when there is no /proc. */
static bool close_named(unsigned first, unsigned last, bool at_exec)
{
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return false;
	_Alignas(struct dirent64) char room[4096];
	for (ssize_t n; (n = getdents64(dir, room, sizeof(room))) > 0;)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const struct dirent64 *)(room + at);
			at += e->d_reclen;
			unsigned fd = e->d_name[0] == '.' ? ~0u : (unsigned)strtoul(e->d_name, NULL, 10);
			if (fd >= first && fd <= last && fd != (unsigned)dir && fd != ~0u)
				close_one(fd, at_exec);
		}
	close(dir);
	return true;
}

void rn_close_range(unsigned first, unsigned last, bool at_exec)
{
	if (syscall(SYS_close_range, first, last, at_exec ? 4u /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */ : 0u) == 0 ||
	    close_named(first, last, at_exec))
		return;
	long most = sysconf(_SC_OPEN_MAX);
	unsigned end = most > 0 && most < 65536 ? (unsigned)most : 65536u;
	for (unsigned fd = first; fd <= last && fd < end; fd++)
		close_one(fd, at_exec);
}

static int place_fds(const struct rn_spawn *s, int report_fd)
{
	enum { ROOM = 64 };
	int moved[ROOM], top = 3;
	if (s->n_fds > ROOM)
		return errno = EINVAL, -1;
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].to >= top)
			top = s->fds[i].to + 1;
	if (fcntl(report_fd, F_GETFD) < 0)
		return -1;
	/* first out of the way of every target number, then onto it */
	for (size_t i = 0; i < s->n_fds; i++)
		if ((moved[i] = fcntl(s->fds[i].from, F_DUPFD_CLOEXEC, top)) < 0)
			return -1;
	bool given[3] = { false };
	for (size_t i = 0; i < s->n_fds; i++) {
		if (dup2(moved[i], s->fds[i].to) < 0)
			return -1;
		if (s->fds[i].to < 3)
			given[s->fds[i].to] = true;
	}
	for (int fd = 0; fd < 3 && !s->keep_stdio; fd++) {
		if (given[fd])
			continue;
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || (null != fd && dup2(null, fd) < 0))
			return -1;
		if (null == fd)
			fcntl(fd, F_SETFD, 0);
	}
	/* all others vanish at exec */
	unsigned from = 3;
	for (;;) {
		unsigned next = ~0u; /* smallest listed number >= from */
		for (size_t i = 0; i < s->n_fds; i++)
			if ((unsigned)s->fds[i].to >= from && (unsigned)s->fds[i].to < next)
				next = (unsigned)s->fds[i].to;
		if (next > from)
			rn_close_range(from, next == ~0u ? ~0u : next - 1, true);
		if (next == ~0u)
			return 0;
		from = next + 1;
	}
}

static void reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &sa, NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

struct launch {
	const struct rn_spawn *spawn;
	pid_t parent;
	int report[2]; /* the child's errno, or closed by exec */
};

static int child(void *ctx)
{
	const struct launch *l = ctx;
	const struct rn_spawn *s = l->spawn;
	int report_fd = l->report[1];
	reset_signals();
	if (s->new_session)
		setsid();
	else if (s->new_group)
		setpgid(0, 0);
	if (s->parent_death_signal) {
		prctl(PR_SET_PDEATHSIG, s->parent_death_signal);
		if (getppid() != l->parent)
			_exit(127);
	}
	/* keep the report pipe above every target number */
	int top = 3;
	for (size_t i = 0; i < s->n_fds; i++)
		top = s->fds[i].to >= top ? s->fds[i].to + 1 : top;
	int report = fcntl(report_fd, F_DUPFD_CLOEXEC, top);
	if (report >= 0 && place_fds(s, report) == 0 && (!s->workdir || chdir(s->workdir) == 0)) {
		char *const *argv = (char *const *)s->argv;
		char *const *env = s->env ? (char *const *)s->env : environ;
		if (strchr(argv[0], '/'))
			execve(argv[0], argv, env);
		else
			execvpe(argv[0], argv, env);
	}
	int e = report < 0 && errno == EINVAL ? EMFILE : errno; /* RLIMIT_NOFILE is below `top` (F_DUPFD) */
	(void)!write(report >= 0 ? report : report_fd, &e, sizeof(e));
	_exit(127);
}

/*
 * A child that uses this process's memory until its exec, on a stack of its own, while this thread waits (as posix_spawn does):
 * a fork would copy the page tables, which costs a process with much memory milliseconds. Nothing is told through that
 * memory, since emulators make a fork of it.
 */
static pid_t launch(struct launch *l)
{
#ifdef PLAIN_FORK
	pid_t pid = fork();
	return pid == 0 ? child(l) : pid;
#else
	size_t size = STACK_SIZE;
	for (char *const *arg = (char *const *)l->spawn->argv; *arg; arg++)
		size += sizeof(*arg); /* execvpe copies them for a script without "#!" */
	size = (size + 15) / 16 * 16;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -1;
	pid_t pid = clone(child, stack + size, CLONE_VM | CLONE_VFORK | SIGCHLD, l);
	int saved = errno;
	munmap(stack, size);
	errno = saved;
	return pid;
#endif
}

pid_t rn_spawn(const struct rn_spawn *s, struct rn_error *err)
{
	struct launch l = { .spawn = s, .parent = getpid() };
	if (pipe2(l.report, O_CLOEXEC) < 0)
		return rn_fail(err, RN_EIO, "pipe: %m");
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid_t pid = launch(&l);
	int saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(l.report[1]);
	errno = saved;
	if (pid < 0) {
		rn_fail(err, RN_EIO, "fork: %m");
		close(l.report[0]);
		return -1;
	}
	int e = 0;
	ssize_t n = rn_read_full(l.report[0], &e, sizeof(e));
	close(l.report[0]);
	if (n != sizeof(e))
		return pid;
	rn_wait(pid, NULL);
	errno = e;
	return rn_fail(err, e == ENOENT ? RN_ENOTFOUND : RN_EIO, "start %s: %m", s->argv[0]);
}

int rn_wait(pid_t pid, int *ret_signal)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (ret_signal)
		*ret_signal = sig;
	return sig ? 128 + sig : WEXITSTATUS(status);
}

bool rn_ended(pid_t pid)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

struct relay {
	pid_t pid;
	struct pollfd fd[5]; /* 0: their stdin, 1: their stdout, 2: their stderr, 3: pidfd, readable at exit, 4: the caller's, to stop */
	const char *input;
	size_t input_left;
	struct rn_buf *to[3];
	bool overflow;
};

static void hang_up(struct pollfd *p)
{
	rn_closep(&p->fd); /* poll skips negative descriptors */
}

static void relay_input(struct relay *r)
{
	struct pollfd *p = &r->fd[0];
	ssize_t n = write(p->fd, r->input, r->input_left);
	if (n > 0) {
		r->input += n;
		r->input_left -= (size_t)n;
	}
	if (!r->input_left || (n < 0 && errno != EINTR && errno != EAGAIN))
		hang_up(p);
}

/* Reads what is there, to the end of the pipe or until it would block. */
static void relay_output(struct relay *r, int i)
{
	char chunk[16384];
	ssize_t n;
	while ((n = read(r->fd[i].fd, chunk, sizeof(chunk))) > 0) {
		if (rn_buf_add(r->to[i], chunk, (size_t)n) < 0) {
			r->overflow = true;
			return;
		}
	}
	if (n == 0 || (errno != EINTR && errno != EAGAIN))
		hang_up(&r->fd[i]);
}

/* Until the process has ended and what it wrote is read; a descendant that keeps a pipe open does not delay that. */
static int relay_all(struct relay *r, int64_t timeout_ms, struct rn_error *err)
{
	int64_t end = rn_now_ms() + timeout_ms;
	bool ended = false;
	while (!ended) {
		int64_t left = timeout_ms ? end - rn_now_ms() : 60000;
		if (left <= 0)
			return rn_fail(err, RN_ETIMEOUT, "no end after %lld ms", (long long)timeout_ms);
		int64_t most = r->fd[3].fd < 0 ? RN_WITHOUT_PIDFD_MS : 60000;
		if (poll(r->fd, RN_LEN(r->fd), left > most ? (int)most : (int)left) < 0) {
			if (errno != EINTR)
				return rn_fail(err, RN_EIO, "poll: %m");
			continue;
		}
		if (r->fd[4].revents)
			return rn_fail(err, RN_ECANCELLED, "stopped");
		ended = r->fd[3].fd < 0 ? rn_ended(r->pid) : r->fd[3].revents != 0;
		if (r->fd[0].fd >= 0 && r->fd[0].revents)
			relay_input(r);
		for (int i = 1; i < 3; i++)
			if (r->fd[i].fd >= 0 && (ended || r->fd[i].revents))
				relay_output(r, i);
		if (r->overflow)
			return rn_fail(err, RN_ELIMIT, "output is larger than the limit");
	}
	return 0;
}

int rn_run(const char *const *argv, const char *const *env, const char *input, struct rn_buf *out,
	   struct rn_buf *errors, int64_t timeout_ms, struct rn_error *err)
{
	return rn_run_until(argv, env, input, out, errors, timeout_ms, -1, err);
}

int rn_run_until(const char *const *argv, const char *const *env, const char *input, struct rn_buf *out, struct rn_buf *errors,
		 int64_t timeout_ms, int stop_fd, struct rn_error *err)
{
	int ends[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct rn_fd_map fds[3];
	size_t n = 0;
	bool wanted[3] = { input != NULL, out != NULL, errors != NULL };
	for (int i = 0; i < 3; i++) {
		if (!wanted[i])
			continue;
		if (pipe2(ends[i], O_CLOEXEC) < 0) {
			rn_fail(err, RN_EIO, "pipe: %m");
			for (int k = 0; k < i; k++)
				rn_closep(&ends[k][0]), rn_closep(&ends[k][1]);
			return -1;
		}
		fds[n++] = (struct rn_fd_map){ ends[i][i == 0 ? 0 : 1], i };
	}
	struct rn_spawn s = { .argv = argv, .env = env, .fds = fds, .n_fds = n, .new_group = true };
	pid_t pid = rn_spawn(&s, err);
	struct relay r = { .pid = pid, .input = input, .input_left = input ? strlen(input) : 0, .to = { NULL, out, errors } };
	for (int i = 0; i < 3; i++) {
		rn_closep(&ends[i][i == 0 ? 0 : 1]);
		int mine = ends[i][i == 0 ? 1 : 0];
		if (mine >= 0)
			fcntl(mine, F_SETFL, O_NONBLOCK);
		r.fd[i] = (struct pollfd){ .fd = mine, .events = i == 0 ? POLLOUT : POLLIN };
	}
	r.fd[3] = (struct pollfd){ .fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1, .events = POLLIN };
	r.fd[4] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
	if (pid > 0 && input && !r.input_left)
		hang_up(&r.fd[0]);
	/* a reader that closes early must not kill this process */
	sigset_t block, old;
	sigemptyset(&block);
	sigaddset(&block, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	int rc = pid > 0 ? relay_all(&r, timeout_ms, err) : -1;
	struct timespec zero = { 0 };
	while (!sigismember(&old, SIGPIPE) && sigtimedwait(&block, NULL, &zero) > 0)
		;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	for (size_t i = 0; i < 4; i++)
		hang_up(&r.fd[i]);
	if (pid < 0)
		return -1;
	if (rc < 0) {
		kill(-pid, SIGKILL);
		rn_wait(pid, NULL);
		return rn_wrap(err, "%s", argv[0]);
	}
	int status = rn_wait(pid, NULL);
	return status < 0 ? rn_fail(err, RN_EIO, "wait for %s: %m", argv[0]) : status;
}
