/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `runner cloud`: the ready protocol, serving and the orderly stop.
 */
#include "faults.h"
#include "options.h"
#include "route.h"
#include "state.h"
#include "store.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READY_MS 30000

/* ---- ready ---- */

static int write_environment(int fd, const struct rn_buf *lines, struct rn_error *err)
{
	if (rn_write_full(fd, rn_buf_str(lines), lines->len) < 0 || rn_write_full(fd, "\n", 1) < 0)
		return rn_fail(err, RN_EIO, "write the environment to descriptor %d: %m", fd);
	close(fd);
	return 0;
}

/* -1 when the one that runs cannot be what is wanted here. */
static int asks_for_more(const struct options *o, const char *lines, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *port = rn_asprintf(":%d\n", o->port);
	if (o->port > 0 && !strstr(lines, port)) {
		rn_fail(err, RN_EEXISTS, "another local cloud serves %s, on another port than %d", o->state, o->port);
		return rn_hint(err, "stop it, or choose another --state folder; runner cloud env tells where it listens");
	}
	if (o->faults) {
		rn_fail(err, RN_EEXISTS, "another local cloud serves %s already", o->state);
		return rn_hint(err, "stop it, or give it rules with runner cloud fault add");
	}
	return 0;
}

/* Someone serves this folder already: its environment is the answer. RN_ENOTFOUND: not any more. */
static int hand_over(const struct options *o, struct rn_error *err)
{
	RN_AUTO(rn_buf_clearp) struct rn_buf lines = RN_BUF_INIT;
	if (state_read_environment(o->state, READY_MS, &lines, err) < 0)
		return -1;
	if (asks_for_more(o, rn_buf_str(&lines), err) < 0)
		return -1;
	if (o->env_fd >= 0)
		return write_environment(o->env_fd, &lines, err);
	options_print_environment(o, "a local cloud serves this folder already", rn_buf_str(&lines));
	return 0;
}

static int announce(const struct cloud *c, const struct options *o, struct rn_error *err)
{
	RN_AUTO(rn_buf_clearp) struct rn_buf lines = RN_BUF_INIT;
	state_environment(c, &lines);
	if (o->env_fd >= 0)
		return write_environment(o->env_fd, &lines, err);
	RN_AUTO(rn_freep) char *first =
		rn_asprintf("local cloud at %s, state in %s; Ctrl-C stops it", c->endpoint,
				  c->dir);
	options_print_environment(o, first, rn_buf_str(&lines));
	return 0;
}

/* ---- serve ---- */

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

/* Until a signal, or the end of the process `parent_fd` (a pidfd; -1: none). A pidfd and not
 * PR_SET_PDEATHSIG, which would follow the thread that started this program. */
static void wait_for_stop(int parent_fd)
{
	sigset_t set;
	stop_signals(&set);
	RN_AUTO(rn_closep) int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
				{ .fd = parent_fd, .events = POLLIN } };
	while (poll(fds, RN_LEN(fds), -1) < 0 && errno == EINTR)
		;
	if (fds[0].revents & POLLIN) {
		struct signalfd_siginfo info;
		if (read(signal_fd, &info, sizeof(info)) < 0)
			errno = 0; /* seen is enough */
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* a second one ends it at once */
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
	int rc = -1;
	if (server && state_save_port(c, err) == 0 && state_publish(c, err) == 0 &&
	    announce(c, o, err) == 0) {
		rc = 0;
		wait_for_stop(o->parent_fd);
	}
	state_unpublish(c->dir);
	server_quiesce(server);
	faults_interrupt(c->faults);
	route_interrupt(c);
	server_stop(server);
	route_stop(c);
	return rc;
}

static int serve_locked(const struct options *o, struct rn_error *err)
{
	struct cloud c = { .quiet = o->quiet || o->env_fd >= 0, .region = rn_strdup(o->region) };
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
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

static int serve(const struct options *o)
{
	struct rn_error err = { 0 };
	sigset_t set;
	stop_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	for (;;) {
		rn_error_clear(&err);
		RN_AUTO(rn_closep) int lock = state_lock(o->state, &err);
		if (lock >= 0)
			return serve_locked(o, &err) < 0 ? options_report(&err) : 0;
		if (err.code != RN_EEXISTS)
			return options_report(&err);
		if (hand_over(o, &err) == 0)
			return 0;
		if (err.code != RN_ENOTFOUND)
			return options_report(&err);
	}
}

static int bad_command(const struct options *o)
{
	struct rn_error err = { 0 };
	rn_fail(&err, RN_EINVAL, o->n_words > 1 ? "\"%s\" takes nothing behind it" : "unknown command \"%s\"", o->words[0]);
	rn_hint(&err, "runner cloud --help tells what there is");
	return options_report(&err);
}

static int run(struct options *o)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *o);
		bool words; /* takes more behind it */
	} COMMANDS[] = { { "ls", command_list, false },
			 { "env", command_environment, false },
			 { "reset", command_reset, false },
			 { "fault", command_fault, true } };
	if (o->help) {
		options_help();
		return 0;
	}
	if (o->n_words == 0) {
		if (o->env_fd >= 0)
			o->parent_fd = (int)syscall(SYS_pidfd_open, getppid(), 0);
		return serve(o);
	}
	for (size_t i = 0; i < RN_LEN(COMMANDS); i++)
		if (!strcmp(o->words[0], COMMANDS[i].name) && (o->n_words == 1 || COMMANDS[i].words))
			return COMMANDS[i].run(o);
	return bad_command(o);
}

int main(int argc, char **argv)
{
	struct options o;
	struct rn_error err = { 0 };
	int rc = options_parse(argc, argv, &o, &err) < 0 ? options_report(&err) : run(&o);
	options_clear(&o);
	return rc;
}
