/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `runner cloud`: the command line, the ready protocol and the orderly stop.
 * Everything that a person reads from this program is printed here.
 */
#include "route.h"
#include "state.h"
#include "store.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <getopt.h>
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

#define DEFAULT_STATE ".runner/cloud"
#define READY_MS 30000

struct options {
	const char *state;
	const char *host;
	const char *region;
	int port;      /* -1: the last one, or any */
	int env_fd;    /* -1: print for people     */
	int parent_fd; /* with env_fd: ends when the one that started it does */
	bool quiet;
	bool help;
};

static const struct {
	struct option option;
	const char *argument, *help;
} OPTIONS[] = {
	{ { "state", required_argument, NULL, 's' },
	  "DIR",
	  "where everything is kept (" DEFAULT_STATE ")" },
	{ { "port", required_argument, NULL, 'p' },
	  "N",
	  "port to listen on (the one of the last time, else a free one)" },
	{ { "host", required_argument, NULL, 'o' },
	  "ADDRESS",
	  "loopback address to listen on (127.0.0.1)" },
	{ { "region", required_argument, NULL, 'r' },
	  "NAME",
	  "region that is printed for clients (" CLOUD_DEFAULT_REGION ")" },
	{ { "env-fd", required_argument, NULL, 'e' },
	  "N",
	  "write NAME=VALUE lines and an empty one to this descriptor when ready" },
	{ { "quiet", no_argument, NULL, 'q' }, NULL, "no line for each request on stderr" },
	{ { "help", no_argument, NULL, 'h' }, NULL, "print this" },
};

static void print_help(FILE *to)
{
	fputs("usage: runner cloud [OPTIONS]         serve the local cloud until Ctrl-C\n"
	      "       runner cloud ls [--state DIR]  list what it holds\n"
	      "       runner cloud reset [--state DIR]  remove all it holds\n\noptions:\n",
	      to);
	for (size_t i = 0; i < RN_LEN(OPTIONS); i++)
		fprintf(to, "  --%-8s %-8s %s\n", OPTIONS[i].option.name,
			OPTIONS[i].argument ? OPTIONS[i].argument : "", OPTIONS[i].help);
}

static int report(const struct rn_error *err)
{
	fprintf(stderr, "runner cloud: %s\n", err->msg);
	if (err->hint[0])
		fprintf(stderr, "  %s\n", err->hint);
	return err->code == RN_EINVAL ? 2 : 3;
}

static int take_number(const char *name, const char *text, int64_t max, int *ret,
		       struct rn_error *err)
{
	int64_t n = 0;
	if (rn_parse_int(text, 0, max, &n, err) < 0)
		return rn_wrap(err, "--%s %s", name, text);
	*ret = (int)n;
	return 0;
}

static int take_host(const char *text, struct options *o, struct rn_error *err)
{
	if (!strcmp(text, "localhost"))
		text = "127.0.0.1";
	if (!rn_starts(text, "127.")) {
		rn_fail(err, RN_EINVAL,
			"--host %s: the local cloud listens on loopback addresses only", text);
		return rn_hint(err, "anyone who reaches it can run code in its functions; use "
				    "127.0.0.1, or a tunnel");
	}
	o->host = text;
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o, struct rn_error *err)
{
	struct option table[RN_LEN(OPTIONS) + 1] = { 0 };
	for (size_t i = 0; i < RN_LEN(OPTIONS); i++)
		table[i] = OPTIONS[i].option;
	opterr = 0;
	int c, rc = 0;
	while (rc == 0 && (c = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		switch (c) {
		case 's':
			o->state = optarg;
			break;
		case 'p':
			rc = take_number("port", optarg, 65535, &o->port, err);
			break;
		case 'o':
			rc = take_host(optarg, o, err);
			break;
		case 'r':
			o->region = optarg;
			break;
		case 'e':
			rc = take_number("env-fd", optarg, 1 << 20, &o->env_fd, err);
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'h':
			o->help = true;
			break;
		case ':':
			rc = rn_fail(err, RN_EINVAL, "%s needs a value", argv[optind - 1]);
			break;
		default:
			rc = rn_fail(err, RN_EINVAL, "unknown option %s", argv[optind - 1]);
			rn_hint(err, "runner cloud --help lists the options");
		}
	}
	return rc;
}

/* ---- ready ---- */

static int write_environment(int fd, const struct rn_buf *lines, struct rn_error *err)
{
	if (rn_write_full(fd, rn_buf_str(lines), lines->len) < 0 || rn_write_full(fd, "\n", 1) < 0)
		return rn_fail(err, RN_EIO, "write the environment to descriptor %d: %m", fd);
	close(fd);
	return 0;
}

static void print_environment(const char *first_line, struct rn_buf *lines)
{
	printf("# %s\n", first_line);
	for (char *line = lines->p, *end; line && (end = strchr(line, '\n')); line = end + 1)
		printf("export %.*s\n", (int)(end - line), line);
	fflush(stdout);
}

/* Someone serves this folder already: its environment is the answer. RN_ENOTFOUND: not any more. */
static int hand_over(const struct options *o, struct rn_error *err)
{
	RN_AUTO(rn_buf_clearp) struct rn_buf lines = RN_BUF_INIT;
	if (state_read_environment(o->state, READY_MS, &lines, err) < 0)
		return -1;
	if (o->env_fd >= 0)
		return write_environment(o->env_fd, &lines, err);
	print_environment("a local cloud serves this folder already", &lines);
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
	print_environment(first, &lines);
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
	route_interrupt(c);
	server_stop(server);
	route_stop(c);
	return rc;
}

static int serve_locked(const struct options *o, struct rn_error *err)
{
	struct cloud c = { .quiet = o->quiet || o->env_fd >= 0, .region = rn_strdup(o->region) };
	state_unpublish(o->state); /* of one that was killed */
	int rc = state_open(&c, o->state, err);
	if (rc == 0) {
		int fd = open_socket(&c, o, err);
		rc = fd < 0 ? -1 : run_services(&c, o, fd, err);
	}
	state_close(&c);
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
			return serve_locked(o, &err) < 0 ? report(&err) : 0;
		if (err.code != RN_EEXISTS)
			return report(&err);
		if (hand_over(o, &err) == 0)
			return 0;
		if (err.code != RN_ENOTFOUND)
			return report(&err);
	}
}

/* ---- ls, reset ---- */

static const struct {
	const char *kind, *label, *name;
} LISTED[] = {
	{ "iam.role", "role", "Arn" },
	{ "iam.policy", "policy", "Arn" },
	{ "ecr.repository", "repository", "repositoryArn" },
	{ "lambda.function", "function", "FunctionArn" },
	{ "apigw.api", "rest api", "name" },
	{ "apigw.key", "api key", "name" },
	{ "apigw.plan", "usage plan", "name" },
};

static int list(const struct options *o)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *path = rn_path_join(o->state, "state.db");
	size_t count = 0;
	if (rn_exists(path)) {
		struct store *s = store_open(o->state, &err);
		if (!s)
			return report(&err);
		store_begin(s);
		for (size_t i = 0; i < RN_LEN(LISTED); i++) {
			sqlite3_stmt *q = store_query(
				s,
				"SELECT parent, id, json_extract(doc, '$.' || ?2) FROM object"
				" WHERE kind = ?1 ORDER BY parent, id",
				2, (const char *[]){ LISTED[i].kind, LISTED[i].name });
			for (; store_row(s, q); count++) {
				const char *name = (const char *)sqlite3_column_text(q, 2);
				printf("%-11s %-15s %s\n", LISTED[i].label,
				       (const char *)sqlite3_column_text(q, 0),
				       name ? name : (const char *)sqlite3_column_text(q, 1));
			}
			store_done(q);
		}
		int rc = store_end(s, false, &err);
		store_close(s);
		if (rc < 0)
			return report(&err);
	}
	if (count == 0)
		printf("nothing in %s\n", o->state);
	return 0;
}

static int reset(const struct options *o)
{
	struct rn_error err = { 0 };
	if (!rn_exists(o->state)) {
		printf("nothing in %s\n", o->state);
		return 0;
	}
	RN_AUTO(rn_freep) char *path = rn_path_join(o->state, "lock");
	if (!rn_exists(path)) {
		rn_fail(&err, RN_EINVAL, "%s is not the state folder of a local cloud", o->state);
		return report(&err);
	}
	RN_AUTO(rn_closep) int lock = state_lock(o->state, &err);
	if (lock < 0) {
		rn_hint(&err, "a local cloud serves %s: stop it first", o->state);
		return report(&err);
	}
	if (rn_remove_tree(o->state, &err) < 0)
		return report(&err);
	printf("removed %s\n", o->state);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .state = DEFAULT_STATE,
			     .host = "127.0.0.1",
			     .region = CLOUD_DEFAULT_REGION,
			     .port = -1,
			     .env_fd = -1,
			     .parent_fd = -1 };
	struct rn_error err = { 0 };
	if (parse_options(argc, argv, &o, &err) < 0)
		return report(&err);
	if (o.help) {
		print_help(stdout);
		return 0;
	}
	const char *command = optind < argc ? argv[optind] : NULL;
	if (!command) {
		if (o.env_fd >= 0)
			o.parent_fd = (int)syscall(SYS_pidfd_open, getppid(), 0);
		return serve(&o);
	}
	if (!strcmp(command, "ls") && optind + 1 == argc)
		return list(&o);
	if (!strcmp(command, "reset") && optind + 1 == argc)
		return reset(&o);
	rn_fail(&err, RN_EINVAL, "unknown command \"%s\"", command);
	rn_hint(&err, "runner cloud --help tells what there is");
	return report(&err);
}
