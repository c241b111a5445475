/* SPDX-License-Identifier: Apache-2.0 */
#include "shell_wire.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_MAX ((size_t)256 << 10)

union control {
	char bytes[CMSG_SPACE(SHELL_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int shell_send(int socket, const cJSON *message, const int *fds, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(message);
	struct iovec part = { text, strlen(text) };
	union control control = { { 0 } };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	if (part.iov_len >= MESSAGE_MAX)
		return rn_fail(err, RN_ELIMIT, "the command is too long");
	if (n) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	if (sendmsg(socket, &m, MSG_NOSIGNAL) < 0)
		return rn_fail(err, RN_EIO, "speak to the other side: %m");
	return 0;
}

static void take_fds(struct msghdr *m, int fds[SHELL_FDS_MAX])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

cJSON *shell_receive(int socket, int fds[SHELL_FDS_MAX], struct rn_error *err)
{
	RN_AUTO(rn_freep) char *text = rn_alloc(MESSAGE_MAX);
	struct iovec part = { text, MESSAGE_MAX };
	union control control = { { 0 } };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	ssize_t n;
	for (size_t i = 0; i < SHELL_FDS_MAX; i++)
		fds[i] = -1;
	while ((n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n < 0)
		rn_fail(err, RN_EIO, "hear from the other side: %m");
	if (n <= 0)
		return NULL;
	take_fds(&m, fds);
	return rn_json_parse(text, (size_t)n, err);
}

int shell_socket(const char *path, bool listens, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *folder = rn_path_dir(path);
	RN_AUTO(rn_closep) int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	RN_AUTO(rn_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	/* an address holds 107 bytes only: named by its folder's descriptor */
	int n = snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", dir, rn_path_base(path));
	if (dir < 0 || fd < 0 || n < 0 || (size_t)n >= sizeof(at.sun_path))
		return rn_fail(err, RN_EIO, "make a socket at %s: %m", path);
	int rc = listens ? bind(fd, (struct sockaddr *)&at, sizeof(at)) : connect(fd, (struct sockaddr *)&at, sizeof(at));
	if (rc < 0 || (listens && listen(fd, 1) < 0))
		return rn_fail(err, RN_EIO, "%s %s: %m", listens ? "listen at" : "reach", path);
	return rn_take_fd(&fd);
}
