/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "faults.h"
#include "holders.h"
#include "route.h"
#include "server.h"
#include "state.h"

#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int open_socket(struct cloud *c, const struct options *o, struct rn_error *err)
{
	int fd = -1, port = o->port >= 0 ? o->port : c->port;
	fd = server_listen(o->host, port, &c->port, err);
	if (fd < 0 && o->port < 0 && port != 0 && err->code == RN_EEXISTS)
		fd = server_listen(o->host, 0, &c->port, err);
	if (fd < 0)
		return -1;
	c->host = rn_asprintf("%s:%d", o->host, c->port);
	c->endpoint = rn_asprintf("http://%s", c->host);
	return fd;
}

static void raise_limits(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The signals that stop it; blocked in every thread, waited for in main. */
static void stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void serve_block_signals(void)
{
	sigset_t set;
	stop_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void serve_wait(int fd, int other_fd)
{
	sigset_t set;
	stop_signals(&set);
	RN_AUTO(rn_closep) int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
				{ .fd = fd, .events = POLLIN },
				{ .fd = other_fd, .events = POLLIN } };
	while (poll(fds, RN_LEN(fds), -1) < 0 && errno == EINTR)
		;
	if (fds[0].revents & POLLIN) {
		struct signalfd_siginfo info;
		if (read(signal_fd, &info, sizeof(info)) < 0)
			errno = 0; /* seen is enough */
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* a second one ends it at once */
}

/* Tells the user, or the process that waits for it, how to reach the cloud. */
static int announce(const struct cloud *c, const struct options *o, struct rn_error *err)
{
	if (o->ready_fd >= 0) { /* the one that waits finds the environment in the folder */
		if (rn_write_full(o->ready_fd, "+", 1) < 0)
			return rn_fail(err, RN_EIO, "tell the one that started it: %m");
		close(o->ready_fd);
		return 0;
	}
	RN_AUTO(rn_buf_clearp) struct rn_buf lines = RN_BUF_INIT;
	state_environment(c, &lines);
	RN_AUTO(rn_freep) char *first =
		rn_asprintf("local cloud at %s, state in %s; Ctrl-C stops it", c->endpoint, c->dir);
	options_print_environment(o, first, rn_buf_str(&lines));
	return 0;
}

static int run_services(struct cloud *c, const struct options *o, int listen_fd,
			struct rn_error *err)
{
	static const struct server_hooks HOOKS = { .begin = route_begin, .handle = route_handle };
	if (route_start(c, err) < 0) {
		close(listen_fd);
		route_stop(c);
		return -1;
	}
	struct server *server = server_start(c, listen_fd, &HOOKS, err);
	bool shared = o->ready_fd >= 0;
	struct holders *holders = server && shared ? holders_start(c->dir, err) : NULL;
	int rc = -1;
	if (server && (holders || !shared) && state_save_port(c, err) == 0 && state_publish(c, shared, err) == 0 &&
	    announce(c, o, err) == 0) {
		rc = 0;
		serve_wait(holders_fd(holders), -1);
	}
	state_unpublish(c->dir);
	holders_stop(holders, c->dir);
	server_quiesce(server);
	faults_interrupt(c->faults);
	route_interrupt(c);
	server_stop(server);
	route_stop(c);
	return rc;
}

int serve_cloud(const struct options *o, struct rn_error *err)
{
	struct cloud c = { .quiet = o->quiet || o->ready_fd >= 0, .region = rn_strdup(o->region) };
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	raise_limits();
	route_names(&names);
	c.faults = faults_new(&names);
	state_unpublish(o->state); /* of one that was killed */
	int rc = o->faults ? faults_load(c.faults, o->faults, err) : 0;
	if (rc == 0)
		rc = state_open(&c, o->state, err);
	if (rc == 0) {
		int fd = open_socket(&c, o, err);
		rc = fd < 0 ? -1 : run_services(&c, o, fd, err);
	}
	struct faults *faults = c.faults;
	state_close(&c);
	faults_free(faults);
	return rc;
}
