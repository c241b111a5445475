/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `runner cloud`: its commands, and how it is shared. In the foreground this process serves.
 * For programs (--env-fd) it does not: it holds a cloud of its own session, which it starts when
 * none serves the folder, and which ends with its last holder.
 */
#include "holders.h"
#include "serve.h"
#include "state.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/time.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- a cloud that serves already ---- */

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

/* Until a signal or the end of `parent`, the one that started this process. Its exit code: that of a cloud that it started and
   that ended with it, else 0. */
static int hold(int holder, int parent, pid_t cloud)
{
	serve_wait(holder, parent);
	bool ended = holders_leave(holder);
	return ended && cloud > 0 ? rn_wait(cloud, NULL) : 0;
}

/* Its environment is the answer; what is left to do is in *ret_holder (-1: nothing). RN_ENOTFOUND: it ended meanwhile. */
static int hand_over(const struct options *o, int *ret_holder, struct rn_error *err)
{
	RN_AUTO(rn_buf_clearp) struct rn_buf lines = RN_BUF_INIT;
	bool shared = false;
	*ret_holder = -1;
	if (state_read_environment(o->state, READY_MS, &lines, &shared, err) < 0 ||
	    asks_for_more(o, rn_buf_str(&lines), err) < 0)
		return -1;
	if (o->env_fd < 0) {
		options_print_environment(o, "a local cloud serves this folder already", rn_buf_str(&lines));
		return 0;
	}
	if (shared && (*ret_holder = holders_join(o->state)) < 0)
		return rn_fail(err, RN_ENOTFOUND, "the cloud that held %s is ending", o->state);
	return write_environment(o->env_fd, &lines, err);
}

/* ---- one that is started for programs ---- */

/* Gives the lock away to a process of its own session that serves, and waits until it does. Its exit code when it cannot, else 0. */
static int start_shared(const struct options *o, int lock, pid_t *ret_pid)
{
	int ready[2];
	char byte;
	struct rn_error err = { 0 };
	if (pipe2(ready, O_CLOEXEC) < 0 || (*ret_pid = fork()) < 0) {
		rn_fail(&err, RN_EIO, "start a process: %m");
		return options_report(&err);
	}
	if (*ret_pid == 0) {
		struct options own = *o;
		close(ready[0]);
		close(o->env_fd);
		setsid();
		own.env_fd = -1;
		own.ready_fd = ready[1];
		exit(serve_cloud(&own, &err) < 0 ? options_report(&err) : 0);
	}
	close(ready[1]);
	close(lock);
	bool is_ready = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return is_ready ? 0 : rn_wait(*ret_pid, NULL);
}

static int serve(const struct options *o)
{
	struct rn_error err = { 0 };
	pid_t cloud = 0;
	struct options wanted = *o;
	/* a pidfd and not PR_SET_PDEATHSIG, which would follow the thread that started this program */
	RN_AUTO(rn_closep) int parent = o->env_fd >= 0 ? (int)syscall(SYS_pidfd_open, getppid(), 0) : -1;
	serve_block_signals();
	signal(SIGPIPE, SIG_IGN);
	for (int holder;;) {
		rn_error_clear(&err);
		int lock = state_lock(o->state, &err);
		if (lock >= 0 && o->env_fd < 0)
			return serve_cloud(o, &err) < 0 ? options_report(&err) : 0;
		int rc = lock >= 0 ? start_shared(o, lock, &cloud) : 0;
		if (rc)
			return rc;
		if (lock >= 0) /* it is as wanted */
			wanted.faults = NULL, wanted.port = -1;
		else if (err.code != RN_EEXISTS)
			return options_report(&err);
		if (hand_over(&wanted, &holder, &err) == 0)
			return holder < 0 ? 0 : hold(holder, parent, cloud);
		if (err.code != RN_ENOTFOUND)
			return options_report(&err);
		rn_sleep_ms(20, -1);
	}
}

/* ---- commands ---- */

static int bad_command(const struct options *o)
{
	struct rn_error err = { 0 };
	rn_fail(&err, RN_EINVAL, o->n_words > 1 ? "\"%s\" takes nothing behind it" : "unknown command \"%s\"", o->words[0]);
	rn_hint(&err, "runner cloud --help tells what there is");
	return options_report(&err);
}

static int run(const struct options *o)
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
	if (o->n_words == 0)
		return serve(o);
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
	return rn_end_output(rc, 3);
}
