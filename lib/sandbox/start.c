/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's side: starts runner-sandbox with the spec, waits for what it says. */
#include "sandbox.h"

#include "wire.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct sandbox {
	pid_t helper;
	pid_t program;
	int socket;
	bool ended;
	struct sandbox_status status;
};

char *sandbox_helper(struct rn_error *err)
{
	/* libexec/runner/runner-cloud, bin/runner, tests/AREA/NAME_test */
	static const char *const PLACES[] = { "/runner-sandbox", "/../libexec/runner/runner-sandbox",
					      "/../../libexec/runner/runner-sandbox" };
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0) {
		rn_fail(err, RN_EIO, "read /proc/self/exe: %m");
		return NULL;
	}
	self[n] = '\0';
	RN_AUTO(rn_freep) char *dir = rn_path_dir(self);
	for (size_t i = 0; i < RN_LEN(PLACES); i++) {
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s%s", dir, PLACES[i]);
		if (access(path, X_OK) == 0)
			return rn_path_clean(path);
	}
	rn_fail(err, RN_ENOTFOUND, "runner-sandbox is not installed beside %s", self);
	rn_hint(err, "install the whole tree: bin, libexec and lib belong together");
	return NULL;
}

/* The spec in memory, at its start for the helper to read. */
static int spec_file(const struct sandbox_spec *spec, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (spec_encode(spec, &b, err) < 0)
		return -1;
	int fd = memfd_create("sandbox", MFD_CLOEXEC);
	if (fd < 0 || rn_write_full(fd, b.p, b.len) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		rn_fail(err, RN_EIO, "hand over the sandbox's description: %m");
		rn_closep(&fd);
		return -1;
	}
	return fd;
}

static pid_t spawn(const struct sandbox_spec *spec, int socket, int file, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *found = spec->helper ? rn_strdup(spec->helper) : sandbox_helper(err);
	if (!found)
		return -1;
	struct rn_fd_map *fds = rn_alloc((5 + spec->n_fds) * sizeof(*fds));
	size_t n = 0;
	const int stdio[3] = { spec->stdin_fd, spec->stdout_fd, spec->stderr_fd };
	for (int i = 0; i < 3; i++)
		if (stdio[i] >= 0)
			fds[n++] = (struct rn_fd_map){ stdio[i], i };
	fds[n++] = (struct rn_fd_map){ socket, WIRE_SOCKET_FD };
	fds[n++] = (struct rn_fd_map){ file, WIRE_SPEC_FD };
	for (size_t i = 0; i < spec->n_fds; i++)
		fds[n++] = (struct rn_fd_map){ spec->fds[i].from, WIRE_FIRST_FD + (int)i };
	const char *argv[] = { found, NULL };
	/* nothing of the caller's environment (secrets) but the way to newuidmap */
	const char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	struct rn_spawn s = { .argv = argv, .env = env, .fds = fds, .n_fds = n, .new_session = true };
	pid_t pid = rn_spawn(&s, err);
	free(fds);
	return pid;
}

/* Until the program runs or is known not to. */
static int wait_started(struct sandbox *s, struct rn_error *err)
{
	struct wire_message m;
	int n = wire_receive(s->socket, &m);
	if (n > 0 && m.kind == WIRE_STARTED) {
		s->program = m.pid;
		return 0;
	}
	s->ended = true;
	if (n > 0 && m.kind == WIRE_FAILED) {
		*err = m.error;
		return -1;
	}
	int signal = 0, code = rn_wait(s->helper, &signal);
	s->helper = 0;
	return rn_fail(err, RN_EINTERNAL, "runner-sandbox ended without a word (%s %d)", signal ? "signal" : "exit",
		       signal ? signal : code);
}

int sandbox_start(const struct sandbox_spec *spec, struct sandbox **ret, struct rn_error *err)
{
	struct rn_error local = { 0 };
	err = err ? err : &local;
	if (sandbox_check_spec(spec, err) < 0)
		return -1;
	RN_AUTO(rn_closep) int file = spec_file(spec, err);
	int pair[2];
	if (file < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return rn_fail(err, RN_EIO, "socketpair: %m");
	struct sandbox *s = rn_alloc(sizeof(*s));
	s->socket = pair[0];
	s->helper = spawn(spec, pair[1], file, err);
	close(pair[1]);
	if (s->helper < 0 || wait_started(s, err) < 0) {
		sandbox_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

int sandbox_wait(struct sandbox *s, int64_t timeout_ms, struct sandbox_status *ret, struct rn_error *err)
{
	int64_t end = rn_now_ms() + timeout_ms;
	while (!s->ended) {
		int64_t left = timeout_ms < 0 ? 60000 : end - rn_now_ms();
		struct pollfd p = { .fd = s->socket, .events = POLLIN };
		int n = poll(&p, 1, left > 60000 ? 60000 : left < 0 ? 0 : (int)left);
		if (n == 0 && timeout_ms >= 0 && left <= 60000)
			return rn_fail(err, RN_ETIMEOUT, "no end after %lld ms", (long long)timeout_ms);
		if (n <= 0)
			continue;
		struct wire_message m;
		int got = wire_receive(s->socket, &m);
		if (got > 0 && m.kind != WIRE_ENDED)
			continue;
		s->ended = true;
		/* a helper that died takes its sandbox along */
		s->status = got > 0 ? m.status : (struct sandbox_status){ .code = 128 + 9, .signal = 9 };
	}
	if (ret)
		*ret = s->status;
	return 0;
}

int sandbox_fd(const struct sandbox *s)
{
	return s->socket;
}

pid_t sandbox_pid(const struct sandbox *s)
{
	return s->program;
}

void sandbox_signal(struct sandbox *s, int signal)
{
	struct wire_message m = { .kind = WIRE_SIGNAL, .pid = signal };
	wire_send(s->socket, &m);
}

void sandbox_kill(struct sandbox *s)
{
	shutdown(s->socket, SHUT_WR);
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	sandbox_kill(s);
	if (s->helper > 0)
		rn_wait(s->helper, NULL);
	rn_closep(&s->socket);
	free(s);
}

void sandbox_freep(struct sandbox **s)
{
	sandbox_free(*s);
	*s = NULL;
}
