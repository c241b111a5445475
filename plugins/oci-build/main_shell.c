/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner shell: a look into a step of a build. Runs the stage with a request (run_shell.h); when the step is
 * reached, hands it the terminal (through a pseudo terminal, so that job control works inside) or the descriptors as they
 * are, and waits for the end.
 */
#include "run_shell.h"
#include "shell_wire.h"

#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_UNABLE 125

static const char USAGE[] =
	"Usage: runner shell [OPTION]... FILE STAGE[:STEP] [-- COMMAND [ARGUMENT]...]\n"
	"\n"
	"Opens a shell (or runs COMMAND) in a step of an image that STAGE of the pipeline builds: in\n"
	"the step's sandbox, with its files, mounts, variables and user. Without STEP it is the RUN\n"
	"that failed in the last run, as it left its files. With STEP the build goes as far as that\n"
	"step; its number is that of the log, NAME.NUMBER in another stage of the Dockerfile. What is\n"
	"changed inside is in no image.\n"
	"\n"
	"      --set NAME=VALUE   as for `runner run`; repeatable\n"
	"      --plugin-path DIR  likewise\n"
	"      --local            likewise\n"
	"  -h, --help             show this help\n"
	"\n"
	"Exit status: that of the command; 2 wrong usage, 125 the step could not be reached.\n";

struct shell {
	struct rn_strv options;     /* for `runner run`                    */
	const char *file;
	char *stage, *step;         /* step NULL: the failed one           */
	char *const *command;
	int n_command;
	char *dir;                  /* private, with the socket            */
	int listener, peer;
	int log;                    /* what the run prints                 */
	pid_t run;
	int master;                 /* of the pseudo terminal; -1: none    */
	bool ended;
	int code;
};

/* ---- the command line --------------------------------------------------------------------------- */

static int usage(const char *what)
{
	fprintf(stderr, "runner shell: %s\n%s", what, USAGE);
	return EXIT_USAGE;
}

static int read_options(struct shell *s, int argc, char **argv)
{
	int i = 1;
	for (; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
		bool value = rn_streq(argv[i], "--set") || rn_streq(argv[i], "--plugin-path");
		if (!value && !rn_streq(argv[i], "--local") && !rn_starts(argv[i], "--set=") && !rn_starts(argv[i], "--plugin-path="))
			return -1;
		rn_strv_add(&s->options, argv[i]);
		if (value && ++i < argc)
			rn_strv_add(&s->options, argv[i]);
	}
	if (argc - i < 2)
		return -1;
	s->file = argv[i];
	s->stage = rn_strdup(argv[i + 1]);
	char *colon = strchr(s->stage, ':');
	if (colon) {
		*colon = '\0';
		s->step = colon + 1;
	}
	i += 2;
	if (i < argc && strcmp(argv[i], "--") != 0)
		return -1;
	s->command = argv + (i < argc ? i + 1 : i);
	s->n_command = i < argc ? argc - i - 1 : 0;
	return 0;
}

/* ---- the run ----------------------------------------------------------------------------------------- */

/* libexec/runner/runner-shell -> bin/runner */
static char *runner_program(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	RN_AUTO(rn_freep) char *dir = rn_path_dir(self);
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, "../../bin/runner");
	return rn_path_clean(path);
}

static int request(struct shell *s, struct rn_error *err)
{
	const char *temp = getenv("TMPDIR");
	s->dir = rn_temp_dir(temp && *temp ? temp : "/tmp", "runner-shell-", err);
	RN_AUTO(rn_freep) char *path = s->dir ? rn_path_join(s->dir, "socket") : NULL;
	if (!path || (s->listener = shell_socket(path, true, err)) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "socket", path);
	if (s->step)
		cJSON_AddStringToObject(j, "step", s->step);
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	setenv(RUN_SHELL_VARIABLE, text, 1);
	return 0;
}

static int start_run(struct shell *s, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *program = runner_program();
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 };
	int out[2];
	if (request(s, err) < 0)
		return -1;
	if (pipe2(out, O_CLOEXEC) < 0)
		return rn_fail(err, RN_EIO, "pipe: %m");
	rn_strv_add(&argv, program);
	rn_strv_add(&argv, "run");
	for (size_t i = 0; i < s->options.n; i++)
		rn_strv_add(&argv, s->options.v[i]);
	rn_strv_add(&argv, "--output=plain");
	rn_strv_add(&argv, "--only");
	rn_strv_add(&argv, s->stage);
	rn_strv_add(&argv, s->file);
	const struct rn_fd_map fds[] = { { out[1], 1 }, { out[1], 2 } };
	const struct rn_spawn spawn = { .argv = (const char *const *)argv.v, .fds = fds, .n_fds = 2, .new_group = true,
					.parent_death_signal = SIGTERM };
	s->run = rn_spawn(&spawn, err);
	close(out[1]);
	s->log = out[0];
	return s->run < 0 ? -1 : 0;
}

/* Shows what the run says until the step is reached. Then 1; 0 when the run ended before. */
static int wait_for_step(struct shell *s)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = s->listener, .events = POLLIN }, { .fd = s->log, .events = POLLIN } };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 0;
		char piece[4096];
		ssize_t n = p[1].revents ? read(s->log, piece, sizeof(piece)) : -1;
		if (n > 0)
			(void)!rn_write_full(2, piece, (size_t)n);
		if (p[0].revents && (s->peer = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			return 1;
		if (n == 0)
			return 0;
	}
}

/* ---- the session ------------------------------------------------------------------------------------------ */

static struct termios saved;
static int resized[2] = { -1, -1 };

static void on_resize(int signal)
{
	(void)signal;
	/* NOLINTNEXTLINE(bugprone-signal-handler): reading errno is safe in a handler, and keeps the value of who was interrupted */
	int e = errno;
	(void)!write(resized[1], "", 1);
	errno = e;
}

static void copy_size(const struct shell *s)
{
	struct winsize w;
	if (ioctl(0, TIOCGWINSZ, &w) == 0)
		(void)!ioctl(s->master, TIOCSWINSZ, &w);
}

/* Our terminal passes every key on; the one inside does the rest. */
static int open_terminal(struct shell *s, struct rn_error *err)
{
	struct termios raw;
	if (!isatty(0) || !isatty(1))
		return -1;
	s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[128];
	if (s->master < 0 || grantpt(s->master) < 0 || unlockpt(s->master) < 0 || ptsname_r(s->master, name, sizeof(name)) != 0 ||
	    tcgetattr(0, &saved) < 0 || pipe2(resized, O_CLOEXEC | O_NONBLOCK) < 0) {
		rn_fail(err, RN_EIO, "open a pseudo terminal: %m");
		return -1;
	}
	int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	copy_size(s);
	signal(SIGWINCH, on_resize);
	raw = saved;
	cfmakeraw(&raw);
	tcsetattr(0, TCSANOW, &raw);
	return slave;
}

static int begin(struct shell *s, struct rn_error *err)
{
	int none[SHELL_FDS_MAX];
	RN_AUTO(rn_json_freep) cJSON *hello = shell_receive(s->peer, none, err);
	RN_AUTO(rn_json_freep) cJSON *wish = cJSON_CreateObject();
	cJSON *argv = cJSON_AddArrayToObject(wish, "argv");
	if (!hello)
		return rn_fail(err, RN_EIO, "the build went away");
	fprintf(stderr, "runner shell: %s %s\n", rn_json_bool(hello, "failed", false) ? "as it was left by" : "before",
		rn_json_str(hello, "step") ? rn_json_str(hello, "step") : "the step");
	for (int i = 0; i < s->n_command; i++)
		cJSON_AddItemToArray(argv, cJSON_CreateString(s->command[i]));
	RN_AUTO(rn_closep) int slave = open_terminal(s, err);
	if (slave >= 0 && getenv("TERM"))
		cJSON_AddStringToObject(wish, "term", getenv("TERM"));
	const int own[3] = { 0, 1, 2 }, inside[3] = { slave, slave, slave };
	return shell_send(s->peer, wish, slave >= 0 ? inside : own, 3, err);
}

/* Passes bytes on; false at the end. */
static bool pass(int from, int to)
{
	char piece[8192];
	ssize_t n = read(from, piece, sizeof(piece));
	return n > 0 ? rn_write_full(to, piece, (size_t)n) == 0 : n < 0 && (errno == EINTR || errno == EAGAIN);
}

static void take_end(struct shell *s)
{
	int none[SHELL_FDS_MAX];
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *end = shell_receive(s->peer, none, &err);
	const char *error = rn_json_str(end, "error");
	s->ended = true;
	s->code = (int)rn_json_int(end, "code", EXIT_UNABLE);
	if (error)
		fprintf(stderr, "\r\nrunner shell: %s\r\n", error);
}

static void follow(struct shell *s)
{
	bool listen = true;
	while (!s->ended) {
		char piece[4096];
		struct pollfd p[5] = {
			{ .fd = s->peer, .events = POLLIN },
			{ .fd = s->master, .events = POLLIN },
			{ .fd = s->master >= 0 && listen ? 0 : -1, .events = POLLIN },
			{ .fd = s->log, .events = POLLIN },
			{ .fd = resized[0], .events = POLLIN },
		};
		if (poll(p, 5, -1) < 0 && errno != EINTR)
			return;
		if (p[4].revents && read(resized[0], piece, sizeof(piece)) > 0)
			copy_size(s);
		if (p[3].revents && read(s->log, piece, sizeof(piece)) == 0)
			rn_closep(&s->log);
		if (p[2].revents)
			listen = pass(0, s->master);
		if (p[1].revents && !pass(s->master, 1) && p[1].revents & POLLHUP && !(p[1].revents & POLLIN))
			poll(NULL, 0, 10); /* all inside closed it: the end is near */
		if (p[0].revents)
			take_end(s);
	}
	if (s->master >= 0) {
		fcntl(s->master, F_SETFL, O_NONBLOCK);
		while (poll(&(struct pollfd){ .fd = s->master, .events = POLLIN }, 1, 0) > 0 && pass(s->master, 1))
			;
		tcsetattr(0, TCSANOW, &saved);
	}
}

static int finish(struct shell *s)
{
	rn_closep(&s->peer);
	rn_closep(&s->listener);
	char piece[4096];
	while (s->log >= 0 && read(s->log, piece, sizeof(piece)) > 0)
		;
	rn_closep(&s->log);
	if (s->run > 0)
		rn_wait(s->run, NULL);
	if (s->dir)
		rn_remove_tree(s->dir, NULL);
	rn_closep(&s->master);
	rn_strv_clear(&s->options);
	free(s->stage);
	free(s->dir);
	return s->code;
}

int main(int argc, char **argv)
{
	struct shell s = { .listener = -1, .peer = -1, .log = -1, .master = -1, .code = EXIT_UNABLE };
	struct rn_error err = { 0 };
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (rn_streq(argv[i], "--help") || rn_streq(argv[i], "-h"))
			return fputs(USAGE, stdout) < 0;
	if (read_options(&s, argc, argv) < 0)
		return usage("give a pipeline file and a stage");
	signal(SIGPIPE, SIG_IGN);
	int rc = start_run(&s, &err);
	if (rc == 0 && wait_for_step(&s)) {
		rc = begin(&s, &err);
		if (rc == 0)
			follow(&s);
	}
	if (rc < 0)
		fprintf(stderr, "runner shell: %s\n%s%s", err.msg, err.hint, err.hint[0] ? "\n" : "");
	return finish(&s);
}
