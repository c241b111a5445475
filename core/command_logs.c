/* SPDX-License-Identifier: Apache-2.0 */
/* `runner logs`: what stages printed, from the files that every run keeps. */
#include "command.h"
#include "record.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 100 };

struct logs_values {
	bool follow;
	const char *run;
};

static struct record *open_run(const struct logs_values *v, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *cwd = getcwd(NULL, 0);
	RN_AUTO(rn_freep) char *root = rn_path_join(cwd ? cwd : "", ".runner");
	RN_AUTO(rn_freep) char *runs = rn_path_join(root, "runs");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	rn_list_dir(runs, &names, NULL);
	if (v->run && (strchr(v->run, '/') || !rn_strv_has(&names, v->run))) {
		const char *newest = names.n ? names.v[names.n - 1] : NULL;
		rn_fail(err, RN_ENOTFOUND, "no run \"%s\" is recorded in %s", v->run, root);
		if (newest)
			rn_hint(err, "the newest is %s", newest);
		return NULL;
	}
	if (!names.n) {
		rn_fail(err, RN_ENOTFOUND, "no run is recorded in %s", root);
		rn_hint(err, "run a pipeline first, or go to the folder where it was run");
		return NULL;
	}
	RN_AUTO(rn_freep) char *dir = rn_path_join(runs, v->run ? v->run : names.v[names.n - 1]);
	return record_read(dir, err);
}

/* Copies what is new in the file to stdout; false when stdout is closed. */
static bool copy(int fd)
{
	char chunk[65536];
	ssize_t n;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (rn_write_full(STDOUT_FILENO, chunk, (size_t)n) < 0)
			return false;
	return true;
}

/* The stage can still write: neither it nor its run has ended, and the run's process lives. */
static bool goes_on(const char *dir, const char *stage)
{
	RN_AUTO(record_freep) struct record *r = record_read(dir, NULL);
	if (!r || r->ended || (r->pid > 0 && kill(r->pid, 0) < 0 && errno == ESRCH))
		return false;
	const struct record_stage *s = record_stage(r, stage);
	return !s || !s->ended;
}

static int print_log(const struct record *r, const char *stage, bool follow, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/logs/%s.log", r->dir, stage);
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool more = follow;
	do {
		more = follow && goes_on(r->dir, stage); /* asked before reading: nothing can be missed */
		if (fd < 0)
			fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && !copy(fd))
			return 0;
		if (more)
			rn_sleep_ms(POLL_MS, -1);
	} while (more);
	if (fd >= 0)
		return 0;
	const char **names = rn_alloc(sizeof(*names) * (r->n + 1));
	for (size_t i = 0; i < r->n; i++)
		names[i] = r->stages[i].id;
	const char *near = rn_nearest(stage, names, r->n);
	rn_fail(err, RN_ENOTFOUND, "run %s has no log of a stage \"%s\"", r->id, stage);
	if (near && !rn_streq(near, stage))
		rn_hint(err, "did you mean \"%s\"?", near);
	rn_freep(&names);
	return -1;
}

static int run_logs(struct command_call *call)
{
	const struct logs_values *v = call->values;
	struct rn_error err = { 0 };
	RN_AUTO(record_freep) struct record *r = open_run(v, &err);
	if (!r)
		return command_fail(EXIT_USAGE, &err);
	if (call->args.n) {
		const char *stage = call->args.v[0];
		if (strchr(stage, '/'))
			rn_fail(&err, RN_EINVAL, "\"%s\" cannot be a stage's name", stage);
		else if (print_log(r, stage, v->follow, &err) == 0)
			return EXIT_DONE;
		return command_fail(EXIT_USAGE, &err);
	}
	for (size_t i = 0; i < r->n; i++) {
		if (!r->stages[i].started)
			continue;
		printf("==> %s <==\n", r->stages[i].id);
		fflush(stdout);
		if (print_log(r, r->stages[i].id, v->follow, &err) < 0)
			fprintf(stderr, "runner: %s\n", err.msg);
	}
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ .name = "follow", .letter = 'f', .kind = OPTION_FLAG, .offset = offsetof(struct logs_values, follow),
	  .help = "go on until the stage has ended" },
	{ .name = "run", .kind = OPTION_STRING, .offset = offsetof(struct logs_values, run), .arg = "ID",
	  .help = "of this run (default: the last one)" },
	{ 0 },
};

const struct command command_logs = {
	.name = "logs", .summary = "print the log of a stage of the last run", .usage = "[OPTION]... [STAGE]",
	.help = "The whole log, secrets masked, as kept in .runner/ of the working directory. Without a stage:\n"
		"those of all stages that ran.",
	.examples = "runner logs image\nrunner logs --follow function\twhile it runs, from another terminal\n",
	.options = options, .values_size = sizeof(struct logs_values), .max_args = 1, .run = run_logs,
};
