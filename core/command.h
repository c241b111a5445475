/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of `runner`: one static descriptor each, found in one table from
 * which dispatch, help, completion and the manual page are made.
 *
 * A command lives in core/command_NAME.c, which defines
 *   const struct command command_NAME = { .name = "NAME", ... };
 * and is listed in command.c.
 */
#ifndef RN_COMMAND_H
#define RN_COMMAND_H

#include "options.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_STAGE_FAILED = 1,
	EXIT_USAGE = 2,       /* usage or an invalid pipeline */
	EXIT_MACHINE = 3,     /* this machine or a plugin cannot */
	EXIT_INTERRUPTED = 130,
};

struct command;

struct command_call {
	const struct command *command;
	void *values;          /* the command's value struct, filled from its options */
	struct rn_strv args;   /* what is no option */
};

struct command {
	const char *name;
	const char *summary;               /* half a line, lower case, no full stop */
	const char *usage;                 /* arguments as in "[OPTION]... FILE" */
	const char *help;                  /* paragraphs; may be NULL */
	const char *examples;              /* lines "COMMAND LINE\twhat it does\n"; may be NULL */
	const struct option_row *options;  /* ends at a NULL name; may be NULL */
	size_t values_size;                /* of the value struct */
	size_t min_args, max_args;         /* max_args 0: none; SIZE_MAX: any number */
	int (*run)(struct command_call *call); /* returns an exit_code */
	const struct command *const *subcommands; /* NULL-terminated; then `run` is NULL */
};

extern const struct command command_run, command_plan, command_destroy, command_rollback, command_outputs, command_logs;
extern const struct command command_validate, command_graph, command_plugins, command_completion,
	command_version, command_help;
extern const struct command plugins_list, plugins_describe, plugins_new; /* of `runner plugins` */

/** All commands in the order of help; NULL-terminated. */
extern const struct command *const commands[];
const struct command *command_find(const struct command *const *list, const char *name);

/** Runs argv (without the program's name) and returns the exit code. */
int command_dispatch(int argc, char *const *argv);
/** Help of one command, of "plugins new", or (NULL) of the whole program. `path`: what stands before the name. */
void command_help_text(const struct command *c, const char *path, struct rn_buf *to);
/** The manual page runner(1) as roff. */
void command_manual(struct rn_buf *to);
/** The bash completion script. */
void command_bash_completion(struct rn_buf *to);

/** Prints "runner: TEXT" and the hint to stderr; returns `code`. */
int command_fail(int code, const struct rn_error *err);
/** True when colours may be used on `fd`: a terminal, no NO_COLOR, TERM not dumb. */
bool command_color(int fd);

#endif
