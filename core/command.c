/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands and the way from argv to one of them. */
#include "command.h"

#include "self.h"

#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct command *const commands[] = {
	&command_run, &command_plan, &command_destroy, &command_rollback,
	&command_validate, &command_graph,
	&command_outputs, &command_logs, &command_plugins, &command_completion,
	&command_version, &command_help, NULL,
};

const struct command *command_find(const struct command *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp((*list)->name, name) == 0)
			return *list;
	return NULL;
}

int command_fail(int code, const struct rn_error *err)
{
	fprintf(stderr, "runner: %s\n", err->msg);
	if (*err->hint)
		fprintf(stderr, "  hint: %s\n", err->hint);
	return code;
}

bool command_color(int fd)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
	return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static bool wants_help(int argc, char *const *argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int print_help(const struct command *c, const char *path)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	command_help_text(c, path, &b);
	fputs(rn_buf_str(&b), stdout);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_MACHINE;
}

static int usage_error(const struct command *c, const char *path, const struct rn_error *err)
{
	fprintf(stderr, "runner: %s%s%s: %s\n", path, *path ? " " : "", c->name, err->msg);
	if (*err->hint)
		fprintf(stderr, "  hint: %s\n", err->hint);
	fprintf(stderr, "  usage: runner %s%s%s %s\n", path, *path ? " " : "", c->name, c->usage);
	return EXIT_USAGE;
}

static const char *nearest_command(const char *word)
{
	const char *names[RN_LEN(commands)];
	size_t n = 0;
	for (; commands[n]; n++)
		names[n] = commands[n]->name;
	return rn_nearest(word, names, n);
}

static int check_count(const struct command *c, const struct rn_strv *args, struct rn_error *err)
{
	size_t n = args->n;
	if (n < c->min_args)
		return rn_fail(err, RN_EINVAL, n ? "more arguments are needed" : "an argument is missing");
	if (n <= c->max_args)
		return 0;
	rn_fail(err, RN_EINVAL, c->max_args ? "too many arguments" : "it takes no arguments");
	const char *near = c == &command_run ? nearest_command(args->v[0]) : NULL;
	return near ? rn_hint(err, "did you mean \"runner %s\"?", near) : -1;
}

static int run_command(const struct command *c, const char *path, int argc, char *const *argv)
{
	struct rn_error err = { 0 };
	struct command_call call = { .command = c };
	if (wants_help(argc, argv))
		return print_help(c, path);
	RN_AUTO(rn_freep) void *values = rn_alloc(c->values_size + 1);
	call.values = values;
	int code;
	if (options_parse(c->options, values, argc, argv, &call.args, &err) < 0 ||
	    check_count(c, &call.args, &err) < 0)
		code = usage_error(c, path, &err);
	else
		code = c->run(&call);
	rn_strv_clear(&call.args);
	options_clear(c->options, values);
	return code;
}

static int run_subcommand(const struct command *c, int argc, char *const *argv)
{
	struct rn_error err = { 0 };
	if (argc > 0 && argv[0][0] != '-') {
		const struct command *sub = command_find(c->subcommands, argv[0]);
		if (sub)
			return run_command(sub, c->name, argc - 1, argv + 1);
	}
	if (wants_help(argc, argv))
		return print_help(c, "");
	const char *names[16];
	size_t n = 0;
	for (; n < RN_LEN(names) && c->subcommands[n]; n++)
		names[n] = c->subcommands[n]->name;
	if (argc == 0) {
		rn_fail(&err, RN_EINVAL, "what of it?");
	} else {
		const char *near = rn_nearest(argv[0], names, n);
		rn_fail(&err, RN_EINVAL, "unknown: \"%s\"", argv[0]);
		if (near)
			rn_hint(&err, "did you mean \"runner %s %s\"?", c->name, near);
	}
	return usage_error(c, "", &err);
}

/* ---- runner NAME -> libexec/runner-NAME ----------------------------------------- */

/* Replaces this process by the helper when there is one; else returns. */
static void exec_helper(const char *name, int argc, char *const *argv)
{
	RN_AUTO(rn_freep) char *libexec = self_libexec();
	RN_AUTO(rn_freep) char *file = rn_asprintf("runner-%s", name);
	RN_AUTO(rn_freep) char *path = rn_path_join(libexec, file);
	RN_AUTO(rn_freep) char **args = rn_alloc(((size_t)argc + 2) * sizeof(*args));
	args[0] = file;
	for (int i = 0; i < argc; i++)
		args[i + 1] = argv[i];
	execv(path, args);
	if (errno == ENOENT || errno == EACCES || errno == ENOTDIR)
		execvp(file, args); /* as git does: also what lies in PATH */
}

static int unknown_command(const char *name)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv files = { 0 };
	RN_AUTO(rn_freep) char *libexec = self_libexec();
	struct rn_error err = { 0 };
	for (size_t i = 0; commands[i]; i++)
		rn_strv_add(&names, commands[i]->name);
	rn_list_dir(libexec, &files, NULL);
	for (size_t i = 0; i < files.n; i++)
		if (rn_starts(files.v[i], "runner-"))
			rn_strv_add(&names, files.v[i] + strlen("runner-"));
	const char *near = rn_nearest(name, (const char *const *)names.v, names.n);
	rn_fail(&err, RN_EINVAL, "\"%s\" is neither a command nor a pipeline file", name);
	if (near)
		rn_hint(&err, "did you mean \"runner %s\"? (`runner help` lists the commands)", near);
	else
		rn_hint(&err, "`runner help` lists the commands");
	return command_fail(EXIT_USAGE, &err);
}

/* A word that can only mean a file: it has a "/" or a pipeline's ending, or it is there. */
static bool looks_like_file(const char *word)
{
	static const char *const endings[] = { ".pipe", ".yaml", ".yml", ".json" };
	struct stat st;
	for (size_t i = 0; i < RN_LEN(endings); i++)
		if (rn_ends(word, endings[i]))
			return true;
	return strchr(word, '/') || (stat(word, &st) == 0 && !S_ISDIR(st.st_mode));
}

/* ---- options before the command ---- */

static const struct option_row *row_in(const struct command *const *list, const char *name, size_t n, char letter)
{
	for (; *list; list++) {
		for (const struct option_row *r = (*list)->options; r && r->name; r++)
			if (name ? strlen(r->name) == n && !memcmp(r->name, name, n) : letter && r->letter == letter)
				return r;
		const struct option_row *r = (*list)->subcommands ? row_in((*list)->subcommands, name, n, letter) : NULL;
		if (r)
			return r;
	}
	return NULL;
}

/* Whether the value of this option is the next argument. No two commands differ in whether an option has one. */
static bool takes_next(const char *option)
{
	if (option[1] == '-') {
		size_t n = strcspn(option + 2, "=");
		const struct option_row *r = option[2 + n] ? NULL : row_in(commands, option + 2, n, 0);
		return r && r->kind != OPTION_FLAG;
	}
	for (const char *p = option + 1; *p; p++) {
		const struct option_row *r = row_in(commands, NULL, 0, *p);
		if (r && r->kind != OPTION_FLAG)
			return !p[1];
	}
	return false;
}

/* `runner -j 2 --local destroy FILE` is `runner destroy -j 2 --local FILE`; without a command, they belong to `run`. */
static int options_first(int argc, char *const *argv)
{
	int at = 0;
	while (at < argc && argv[at][0] == '-' && argv[at][1] && strcmp(argv[at], "--") != 0)
		at += takes_next(argv[at]) ? 2 : 1;
	const struct command *c = at < argc ? command_find(commands, argv[at]) : NULL;
	if (!c)
		return run_command(&command_run, "", argc, argv);
	int words = c->subcommands && at + 1 < argc && command_find(c->subcommands, argv[at + 1]) ? 2 : 1;
	RN_AUTO(rn_freep) char **moved = rn_alloc((size_t)argc * sizeof(*moved));
	memcpy(moved, argv + at, (size_t)words * sizeof(*moved));
	memcpy(moved + words, argv, (size_t)at * sizeof(*moved));
	memcpy(moved + words + at, argv + at + words, (size_t)(argc - at - words) * sizeof(*moved));
	return command_dispatch(argc, moved);
}

int command_dispatch(int argc, char *const *argv)
{
	if (argc == 0) {
		RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
		command_help_text(NULL, "", &b);
		fputs(rn_buf_str(&b), stderr);
		return EXIT_USAGE;
	}
	const char *word = argv[0];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return print_help(NULL, "");
	if (strcmp(word, "--version") == 0)
		return run_command(&command_version, "", 0, NULL);
	if (*word == '-') /* before a command, or those of `run` before the file */
		return options_first(argc, argv);
	const struct command *c = command_find(commands, word);
	if (c)
		return c->subcommands ? run_subcommand(c, argc - 1, argv + 1) :
					run_command(c, "", argc - 1, argv + 1);
	if (looks_like_file(word))
		return run_command(&command_run, "", argc, argv);
	exec_helper(word, argc - 1, argv + 1);
	return unknown_command(word);
}
