/* SPDX-License-Identifier: Apache-2.0 */
#include "holders.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "holders"
#define HOLDERS_MAX 1000
#define FIRST_MS 30000 /* for the first one to come  */
#define LEAVE_MS 14000 /* for the cloud to end       */

struct holders {
	pthread_t thread;
	int gone;             /* eventfd: nobody is left       */
	int stop;             /* eventfd: the thread shall end */
	struct pollfd *fds;   /* [0] stop, [1] listener, then the holders */
	size_t n;
};

/* The address by way of the folder's descriptor: a path of any length fits. */
static int address_of(int dir, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/" NAME, dir);
}

static int listen_in(const char *path, struct rn_error *err)
{
	RN_AUTO(rn_closep) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	RN_AUTO(rn_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	address_of(dir, &address);
	if (dir >= 0)
		unlinkat(dir, NAME, 0);
	if (dir < 0 || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		return rn_fail(err, RN_EIO, "listen in %s: %m", path);
	return rn_take_fd(&fd);
}

static void add_holder(struct holders *h)
{
	int fd = accept4(h->fds[1].fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (h->n >= HOLDERS_MAX + 2 || send(fd, "+", 1, MSG_NOSIGNAL) != 1) {
		close(fd);
		return;
	}
	h->fds[h->n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* False when it was the last one. */
static bool drop_holder(struct holders *h, size_t i)
{
	if (h->n == 3)
		return false;
	send(h->fds[i].fd, "-", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(h->fds[i].fd);
	h->fds[i] = h->fds[--h->n];
	return true;
}

static bool serve(struct holders *h, int64_t first_end)
{
	int64_t left = h->n > 2 ? -1 : first_end - rn_now_ms();
	int n = poll(h->fds, h->n, left < 0 && h->n == 2 ? 0 : (int)left);
	if (n < 0)
		return errno == EINTR;
	if (n == 0 || h->fds[0].revents)
		return false;
	for (size_t i = h->n; i-- > 2;)
		if (h->fds[i].revents && !drop_holder(h, i))
			return false;
	if (h->fds[1].revents)
		add_holder(h);
	return true;
}

static void *watch(void *arg)
{
	struct holders *h = arg;
	int64_t first_end = rn_now_ms() + FIRST_MS;
	while (serve(h, first_end))
		;
	rn_closep(&h->fds[1].fd); /* whoever comes now sees at once that it is too late */
	eventfd_write(h->gone, 1);
	return NULL;
}

struct holders *holders_start(const char *dir, struct rn_error *err)
{
	int fd = listen_in(dir, err);
	if (fd < 0)
		return NULL;
	struct holders *h = rn_alloc(sizeof(*h));
	h->fds = rn_alloc((HOLDERS_MAX + 2) * sizeof(*h->fds));
	h->gone = eventfd(0, EFD_CLOEXEC);
	h->stop = eventfd(0, EFD_CLOEXEC);
	h->fds[0] = (struct pollfd){ .fd = h->stop, .events = POLLIN };
	h->fds[1] = (struct pollfd){ .fd = fd, .events = POLLIN };
	h->n = 2;
	if (h->gone >= 0 && h->stop >= 0 && pthread_create(&h->thread, NULL, watch, h) == 0)
		return h;
	rn_fail(err, RN_EIO, "start a thread: %m");
	close(fd);
	rn_closep(&h->gone);
	rn_closep(&h->stop);
	free(h->fds);
	free(h);
	return NULL;
}

int holders_fd(const struct holders *h)
{
	return h ? h->gone : -1;
}

void holders_stop(struct holders *h, const char *dir)
{
	if (!h)
		return;
	eventfd_write(h->stop, 1);
	pthread_join(h->thread, NULL);
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, NAME);
	unlink(path);
	close(h->gone);
	close(h->stop);
	free(h->fds); /* not the connections: their end is this process's */
	free(h);
}

/* ---- a holder ---- */

int holders_join(const char *path)
{
	RN_AUTO(rn_closep) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	RN_AUTO(rn_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	char answer;
	address_of(dir, &address);
	if (dir < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    read(fd, &answer, 1) != 1)
		return -1;
	return rn_take_fd(&fd);
}

bool holders_leave(int fd)
{
	char answer;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	shutdown(fd, SHUT_WR);
	while (poll(&p, 1, LEAVE_MS) < 0 && errno == EINTR)
		;
	bool lives = p.revents && read(fd, &answer, 1) == 1;
	close(fd);
	return !lives;
}
