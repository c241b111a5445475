/* SPDX-License-Identifier: Apache-2.0 */
#include "run_ssh.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64

struct run_ssh {
	pthread_t thread;
	int listener;
	int stop[2]; /* a pipe: closed to stop */
	int dir;     /* folder of the agent's socket: its path may be longer than an address takes */
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) - 32];
	struct ssh_pair {
		int fd[2];     /* client, agent                      */
		bool ended[2]; /* this side has nothing more to say  */
	} pairs[CONNECTIONS_MAX];
	size_t n_pairs;
};

/* Binds or connects below an open folder, since an address holds 107 bytes only. */
static int address(int dir, const char *name, struct sockaddr_un *ret, struct rn_error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	char *path = rn_asprintf("/proc/self/fd/%d/%s", dir, name);
	bool fits = strlen(path) < sizeof(ret->sun_path);
	if (fits)
		memcpy(ret->sun_path, path, strlen(path) + 1);
	free(path);
	return fits ? 0 : rn_fail(err, RN_ELIMIT, "the name of the agent's socket is too long: %s", name);
}

static int connect_agent(const struct run_ssh *r, struct rn_error *err)
{
	struct sockaddr_un to;
	if (address(r->dir, r->name, &to, err) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		rn_fail(err, RN_ENOTFOUND, "the ssh agent does not answer: %m");
		rn_closep(&fd);
	}
	return fd;
}

static void drop(struct run_ssh *r, size_t i)
{
	close(r->pairs[i].fd[0]);
	close(r->pairs[i].fd[1]);
	memmove(&r->pairs[i], &r->pairs[i + 1], (r->n_pairs - i - 1) * sizeof(r->pairs[i]));
	r->n_pairs--;
}

static void welcome(struct run_ssh *r)
{
	int client = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	int agent = client < 0 || r->n_pairs == CONNECTIONS_MAX ? -1 : connect_agent(r, NULL);
	if (agent < 0) {
		rn_closep(&client);
		return;
	}
	r->pairs[r->n_pairs++] = (struct ssh_pair){ .fd = { client, agent } };
}

/* Sends all of it, unless the step ends first: a side that does not read must not keep it. */
static int send_all(const struct run_ssh *r, int to, const char *data, size_t n)
{
	while (n) {
		struct pollfd p[] = { { .fd = r->stop[0], .events = POLLIN }, { .fd = to, .events = POLLOUT } };
		if (poll(p, RN_LEN(p), -1) < 0 && errno != EINTR)
			return -1;
		if (p[0].revents)
			return -1;
		ssize_t sent = p[1].revents ? send(to, data, n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		data += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
	}
	return 0;
}

/* One piece from a side to the other, or its end. -1 when the connection is over. Messages of agents are small. */
static int pass(const struct run_ssh *r, struct ssh_pair *pair, int side)
{
	char piece[16384];
	ssize_t n = recv(pair->fd[side], piece, sizeof(piece), 0);
	if (n > 0)
		return send_all(r, pair->fd[!side], piece, (size_t)n);
	pair->ended[side] = true;
	return n < 0 || pair->ended[!side] || shutdown(pair->fd[!side], SHUT_WR) < 0 ? -1 : 0;
}

static void *serve(void *data)
{
	struct run_ssh *r = data;
	for (;;) {
		struct pollfd p[2 + 2 * CONNECTIONS_MAX] = { { .fd = r->stop[0], .events = POLLIN },
							     { .fd = r->listener, .events = POLLIN } };
		size_t n = r->n_pairs;
		for (size_t i = 0; i < n; i++)
			for (int side = 0; side < 2; side++)
				p[2 + 2 * i + (size_t)side] = (struct pollfd){ .fd = r->pairs[i].ended[side] ? -1 : r->pairs[i].fd[side],
									       .events = POLLIN };
		if (poll(p, 2 + 2 * n, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[0].revents)
			return NULL;
		for (size_t i = n; i-- > 0;)
			for (int side = 0; side < 2; side++)
				if (p[2 + 2 * i + (size_t)side].revents && pass(r, &r->pairs[i], side) < 0) {
					drop(r, i);
					break;
				}
		if (p[1].revents)
			welcome(r);
	}
}

static int listen_at(struct run_ssh *r, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *folder = rn_path_dir(path);
	RN_AUTO(rn_closep) int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un at;
	if (dir < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", folder);
	if (address(dir, rn_path_base(path), &at, err) < 0)
		return -1;
	r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->listener < 0 || bind(r->listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(r->listener, 16) < 0)
		return rn_fail(err, RN_EIO, "listen for the ssh agent: %m");
	return 0;
}

static int find_agent(struct run_ssh *r, const char *agent, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *folder = rn_path_dir(agent);
	struct stat st;
	if (stat(agent, &st) < 0)
		return rn_fail(err, errno == ENOENT ? RN_ENOTFOUND : RN_EIO, "the ssh agent's socket %s: %m", agent);
	if (!S_ISSOCK(st.st_mode)) {
		rn_fail(err, RN_EINVAL, "%s is not the socket of an ssh agent", agent);
		return rn_hint(err, "for a key file: eval `ssh-agent`, ssh-add the key, and give $SSH_AUTH_SOCK");
	}
	const char *name = rn_path_base(agent);
	if (strlen(name) >= sizeof(r->name))
		return rn_fail(err, RN_ELIMIT, "the name of the agent's socket is too long: %s", name);
	memcpy(r->name, name, strlen(name) + 1);
	r->dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->dir < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", folder);
	RN_AUTO(rn_closep) int probe = connect_agent(r, err);
	return probe < 0 ? -1 : 0;
}

struct run_ssh *run_ssh_start(const char *agent, const char *socket, struct rn_error *err)
{
	struct run_ssh *r = rn_alloc(sizeof(*r));
	r->listener = r->stop[0] = r->stop[1] = r->dir = -1;
	int rc = find_agent(r, agent, err) < 0 || listen_at(r, socket, err) < 0 ? -1 : 0;
	if (rc == 0 && pipe2(r->stop, O_CLOEXEC) < 0)
		rc = rn_fail(err, RN_EIO, "pipe: %m");
	if (rc == 0 && pthread_create(&r->thread, NULL, serve, r) != 0)
		rc = rn_fail(err, RN_EIO, "start a thread for the ssh agent");
	if (rc == 0)
		return r;
	r->thread = 0;
	run_ssh_stop(r);
	return NULL;
}

void run_ssh_stop(struct run_ssh *r)
{
	if (!r)
		return;
	rn_closep(&r->stop[1]);
	if (r->thread)
		pthread_join(r->thread, NULL);
	while (r->n_pairs)
		drop(r, 0);
	rn_closep(&r->stop[0]);
	rn_closep(&r->listener);
	rn_closep(&r->dir);
	free(r);
}
