/* SPDX-License-Identifier: Apache-2.0 */
#include "local.h"

#include "self.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS = 60000, STOP_MS = 15000, ENV_MAX = 65536, TAIL_LINES = 10 };

bool local_replaces(const char *name)
{
	return rn_starts(name, "AWS_");
}

/* The last lines of its log, into the message of an error. */
static int with_log(const char *log, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(log, 1 << 20, &text, NULL) < 0 || !text.len)
		return -1;
	const char *p = text.p + text.len - 1;
	for (int lines = 0; p > text.p; p--)
		if (p[-1] == '\n' && ++lines == TAIL_LINES)
			break;
	RN_AUTO(rn_freep) char *tail = rn_strdup(p);
	return rn_hint(err, "its log (%s) ends with:\n%s", log, rn_trim(tail));
}

/* NAME=VALUE lines up to the empty one. 1 when complete, 0 when more is needed, -1 for nonsense. */
static int parse_env(const char *text, cJSON *env)
{
	for (;;) {
		const char *end = strchr(text, '\n'), *equals = strchr(text, '=');
		if (!end)
			return 0;
		if (end == text)
			return 1;
		if (!equals || equals > end)
			return -1;
		RN_AUTO(rn_freep) char *name = rn_strndup(text, (size_t)(equals - text));
		RN_AUTO(rn_freep) char *value = rn_strndup(equals + 1, (size_t)(end - equals - 1));
		cJSON_DeleteItemFromObjectCaseSensitive(env, name);
		cJSON_AddStringToObject(env, name, value);
		text = end + 1;
	}
}

static int read_env(int fd, cJSON **ret, struct rn_error *err)
{
	int64_t end = rn_now_ms() + READY_MS;
	RN_AUTO(rn_buf_clear) struct rn_buf text = { .max = ENV_MAX };
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - rn_now_ms();
		if (left <= 0)
			return rn_fail(err, RN_ETIMEOUT, "the local cloud is not ready after %d s", READY_MS / 1000);
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return rn_fail(err, RN_EIO, "poll: %m");
		char chunk[4096];
		ssize_t n = p.revents ? read(fd, chunk, sizeof(chunk)) : -1;
		if (n < 0)
			continue;
		if (n == 0)
			return rn_fail(err, RN_EIO, "the local cloud ended before it was ready");
		if (rn_buf_add(&text, chunk, (size_t)n) < 0)
			return rn_buf_check(&text, "the environment of the local cloud", err);
		RN_AUTO(rn_json_freep) cJSON *env = cJSON_CreateObject();
		int rc = parse_env(rn_buf_str(&text), env);
		if (rc < 0)
			return rn_fail(err, RN_EINVAL, "the local cloud printed something else than NAME=VALUE");
		if (rc > 0) {
			*ret = rn_take(&env);
			return 0;
		}
	}
}

int local_start(const char *root, struct local *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *libexec = self_libexec();
	RN_AUTO(rn_freep) char *program = rn_path_join(libexec, "runner-cloud");
	RN_AUTO(rn_freep) char *state = rn_path_join(root, "cloud");
	RN_AUTO(rn_freep) char *log = rn_path_join(root, "cloud.log");
	if (!rn_exists(program)) {
		rn_fail(err, RN_ENOTFOUND, "--local needs the local cloud, and %s does not exist", program);
		return rn_hint(err, "install runner with its libexec folder");
	}
	if (rn_mkdirs(state, 0700, err) < 0)
		return -1;
	RN_AUTO(rn_closep) int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return rn_fail(err, RN_EIO, "create %s: %m", log);
	int ready[2];
	if (pipe2(ready, O_CLOEXEC) < 0)
		return rn_fail(err, RN_EIO, "pipe: %m");
	const char *argv[] = { program, "--env-fd", "3", "--state", state, NULL };
	const struct rn_fd_map fds[] = { { out, 1 }, { out, 2 }, { ready[1], 3 } };
	struct local l = { 0 };
	l.pid = rn_spawn(&(struct rn_spawn){ .argv = argv, .fds = fds, .n_fds = RN_LEN(fds), .new_group = true,
					     .parent_death_signal = SIGTERM }, err);
	close(ready[1]);
	int rc = l.pid > 0 ? read_env(ready[0], &l.env, err) : -1;
	close(ready[0]);
	if (rc < 0) {
		with_log(log, err);
		local_stop(&l);
		return -1;
	}
	/* one that prints the environment of a cloud that runs already ends at once */
	if (waitpid(l.pid, NULL, WNOHANG) == l.pid)
		l.pid = 0;
	*ret = l;
	return 0;
}

void local_stop(struct local *l)
{
	int64_t end = rn_now_ms() + STOP_MS;
	if (l->pid > 0) {
		kill(l->pid, SIGTERM);
		while (waitpid(l->pid, NULL, WNOHANG) == 0) {
			if (rn_now_ms() >= end)
				kill(-l->pid, SIGKILL);
			rn_sleep_ms(5, -1);
		}
	}
	cJSON_Delete(l->env);
	*l = (struct local){ 0 };
}
