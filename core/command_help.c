/* SPDX-License-Identifier: Apache-2.0 */
/* Help, the manual page and the completion script: all printed from the tables of commands and options. */
#include "command.h"

#include <runner/plugin.h>

#include <stdio.h>
#include <string.h>

static const char intro[] =
	"runner builds, ships and tests: it runs the stages of a pipeline file, each a plugin in a\n"
	"process of its own, in the order that the file gives.\n";

static const char exit_codes[] =
	"0    done\n"
	"1    a stage failed\n"
	"2    wrong usage or an invalid pipeline\n"
	"3    this machine or a plugin cannot do it\n"
	"130  interrupted\n";

static const struct {
	const char *name, *help;
} variables[] = {
	{ "RUNNER_PLUGIN_PATH", "folders with plugins, separated by \":\"; searched after --plugin-path" },
	{ "XDG_DATA_HOME", "the user's plugins are in runner/plugins below it (default ~/.local/share)" },
	{ "XDG_CACHE_HOME", "caches are in runner/ below it (default ~/.cache, and .runner/cache of the working folder where there is no home to write to)" },
	{ "RUNNER_CACHE_SIZE", "how large caches may grow before what was not used for the longest goes (default 20GB, 0: any size)" },
	{ "RUNNER_STOP_GRACE", "how long a stage that is stopped has to end by itself before it is killed (default 5s, at most 1h)" },
	{ "NO_COLOR", "when not empty: no colours" },
	{ "SOURCE_DATE_EPOCH", "the time that built images carry, in seconds since 1970; default 0" },
};

static void add_examples(const char *examples, const char *before, struct rn_buf *to)
{
	for (const char *p = examples; p && *p;) {
		size_t line = strcspn(p, "\n"), tab = strcspn(p, "\t\n");
		rn_buf_addf(to, "%s%.*s\n", before, (int)tab, p);
		if (tab < line)
			rn_buf_addf(to, "%s    %.*s\n", before, (int)(line - tab - 1), p + tab + 1);
		p += line + (p[line] == '\n');
	}
}

static void program_help(struct rn_buf *to)
{
	rn_buf_addf(to, "Usage: runner [OPTION]... FILE          run a pipeline\n"
			"       runner COMMAND [ARGUMENT]...\n\n%s\nCommands:\n", intro);
	for (size_t i = 0; commands[i]; i++)
		rn_buf_addf(to, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	rn_buf_adds(to, "\nAny other NAME executes the program runner-NAME, e.g. `runner cloud`, the local cloud.\n"
			"`runner COMMAND --help` says more of each; `runner run --help` has the options of a run.\n"
			"\nExit codes:\n");
	for (const char *p = exit_codes; *p; p += strcspn(p, "\n") + 1)
		rn_buf_addf(to, "  %.*s\n", (int)strcspn(p, "\n"), p);
}

void command_help_text(const struct command *c, const char *path, struct rn_buf *to)
{
	if (!c) {
		program_help(to);
		return;
	}
	rn_buf_addf(to, "Usage: runner %s%s%s %s\n\n%c%s.\n", path, *path ? " " : "", c->name, c->usage,
		    c->summary[0] >= 'a' && c->summary[0] <= 'z' ? c->summary[0] - 32 : c->summary[0], c->summary + 1);
	if (c->help)
		rn_buf_addf(to, "\n%s\n", c->help);
	if (c->subcommands)
		rn_buf_adds(to, "\nCommands:\n");
	for (size_t i = 0; c->subcommands && c->subcommands[i]; i++)
		rn_buf_addf(to, "  %-12s %s\n", c->subcommands[i]->name, c->subcommands[i]->summary);
	rn_buf_adds(to, "\nOptions:\n");
	options_help(c->options, to);
	rn_buf_adds(to, "  -h, --help                  show this help\n");
	if (c->examples) {
		rn_buf_adds(to, "\nExamples:\n");
		add_examples(c->examples, "  ", to);
	}
}

/* ---- the manual page ------------------------------------------------------------ */

static void roff(const char *s, struct rn_buf *to)
{
	for (bool start = true; *s; start = *s == '\n', s++) {
		if (start && (*s == '.' || *s == '\''))
			rn_buf_adds(to, "\\&");
		if (*s == '\\')
			rn_buf_adds(to, "\\e");
		else if (*s == '-')
			rn_buf_adds(to, "\\-");
		else if (*s == '\n' && s[1] == '\n')
			rn_buf_adds(to, "\n.PP"), rn_buf_addc(to, '\n'), s++;
		else
			rn_buf_addc(to, *s);
	}
}

static void roff_options(const struct option_row *rows, struct rn_buf *to)
{
	for (; rows && rows->name; rows++) {
		rn_buf_adds(to, ".TP\n");
		if (rows->letter)
			rn_buf_addf(to, "\\fB\\-%c\\fR, ", rows->letter);
		rn_buf_adds(to, "\\fB\\-\\-");
		roff(rows->name, to);
		rn_buf_addf(to, "\\fR%s%s\n", rows->arg ? " \\fI" : "", rows->arg ? rows->arg : "");
		if (rows->arg) {
			to->len--; /* the line's end goes behind the font */
			rn_buf_adds(to, "\\fR\n");
		}
		roff(rows->help, to);
		rn_buf_addc(to, '\n');
	}
}

static void roff_command(const struct command *c, const char *path, struct rn_buf *to)
{
	rn_buf_adds(to, ".SS ");
	rn_buf_addf(to, "\"runner %s%s%s ", path, *path ? " " : "", c->name);
	roff(c->usage, to);
	rn_buf_adds(to, "\"\n");
	roff(c->summary, to);
	rn_buf_adds(to, ".\n");
	if (c->help) {
		rn_buf_adds(to, ".PP\n");
		roff(c->help, to);
		rn_buf_addc(to, '\n');
	}
	roff_options(c->options, to);
	if (c->examples) {
		RN_AUTO(rn_buf_clear) struct rn_buf lines = RN_BUF_INIT;
		add_examples(c->examples, "", &lines);
		rn_buf_adds(to, ".PP\nExamples:\n.PP\n.nf\n");
		roff(rn_buf_str(&lines), to);
		rn_buf_adds(to, ".fi\n");
	}
	for (size_t i = 0; c->subcommands && c->subcommands[i]; i++)
		roff_command(c->subcommands[i], c->name, to);
}

void command_manual(struct rn_buf *to)
{
	rn_buf_addf(to, ".TH RUNNER 1 \"\" \"runner %s\" \"User Commands\"\n", RUNNER_VERSION);
	rn_buf_adds(to, ".SH NAME\nrunner \\- run build and deployment pipelines\n"
			".SH SYNOPSIS\n\\fBrunner\\fR [\\fIOPTION\\fR]... \\fIFILE\\fR\n.br\n"
			"\\fBrunner\\fR \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n");
	roff(intro, to);
	rn_buf_adds(to, "A name that is no command executes the program runner\\-NAME of this installation.\n"
			".SH COMMANDS\n");
	for (size_t i = 0; commands[i]; i++)
		roff_command(commands[i], "", to);
	rn_buf_adds(to, ".SH ENVIRONMENT\n");
	for (size_t i = 0; i < RN_LEN(variables); i++) {
		rn_buf_addf(to, ".TP\n\\fB%s\\fR\n", variables[i].name);
		roff(variables[i].help, to);
		rn_buf_addc(to, '\n');
	}
	rn_buf_adds(to, ".SH FILES\n.TP\n\\fI.runner/\\fR\njournals, logs and outputs of runs, in the working directory\n"
			".TP\n\\fIplugins/\\fR\nplugins beside the pipeline file\n.SH \"EXIT STATUS\"\n.nf\n");
	roff(exit_codes, to);
	rn_buf_adds(to, ".fi\n");
}

/* ---- bash ----------------------------------------------------------------------- */

static void bash_words(const struct command *c, struct rn_buf *to)
{
	for (const struct option_row *r = c->options; r && r->name; r++)
		rn_buf_addf(to, "--%s ", r->name);
	rn_buf_adds(to, "--help");
	for (size_t i = 0; c->subcommands && c->subcommands[i]; i++)
		rn_buf_addf(to, " %s", c->subcommands[i]->name);
}

/* Choices that stand behind an option, so that "--output <TAB>" offers them. */
static void bash_choices(const struct command *c, const char *path, struct rn_buf *to)
{
	for (const struct option_row *r = c->options; r && r->name; r++) {
		if (!r->one_of)
			continue;
		RN_AUTO(rn_freep) char *words = rn_replace(r->one_of, "|", " ");
		rn_buf_addf(to, "\t%s%s%s:--%s) words=\"%s\" ;;\n", path, *path ? " " : "", c->name, r->name, words);
	}
}

static void bash_case(const struct command *c, const char *path, struct rn_buf *to)
{
	rn_buf_addf(to, "\t\"%s%s%s\") words=\"", path, *path ? " " : "", c->name);
	bash_words(c, to);
	rn_buf_adds(to, "\" ;;\n");
}

static void bash_cases(void (*one)(const struct command *, const char *, struct rn_buf *), struct rn_buf *to)
{
	for (size_t i = 0; commands[i]; i++) {
		one(commands[i], "", to);
		for (size_t k = 0; commands[i]->subcommands && commands[i]->subcommands[k]; k++)
			one(commands[i]->subcommands[k], commands[i]->name, to);
	}
}

void command_bash_completion(struct rn_buf *to)
{
	RN_AUTO(rn_buf_clear) struct rn_buf choices = RN_BUF_INIT;
	bash_cases(bash_choices, &choices);
	rn_buf_adds(to, "# bash completion for runner; made by `runner completion bash`\n"
			"_runner() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
			"\tlocal command= words= word\n"
			"\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase $word in\n\t\t");
	for (size_t i = 0; commands[i]; i++)
		rn_buf_addf(to, "%s%s", i ? "|" : "", commands[i]->name);
	rn_buf_adds(to, ")\n\t\t\t[ -n \"$command\" ] || command=$word ;;\n");
	for (size_t i = 0; commands[i]; i++)
		for (size_t k = 0; commands[i]->subcommands && commands[i]->subcommands[k]; k++)
			rn_buf_addf(to, "\t\t%s) [ \"$command\" = %s ] && command=\"%s %s\" ;;\n",
				    commands[i]->subcommands[k]->name, commands[i]->name, commands[i]->name,
				    commands[i]->subcommands[k]->name);
	rn_buf_adds(to, "\t\tesac\n\tdone\n\tcase \"${command:-run}:$prev\" in\n");
	/* the keys have blanks in them: quoted */
	RN_AUTO(rn_freep) char *quoted = rn_replace(rn_buf_str(&choices), "plugins ", "plugins\\ ");
	rn_buf_adds(to, quoted);
	rn_buf_adds(to, "\tesac\n\tif [ -n \"$words\" ]; then\n"
			"\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase \"$command\" in\n");
	bash_cases(bash_case, to);
	rn_buf_adds(to, "\t*) words=\"--help --version");
	for (size_t i = 0; commands[i]; i++)
		rn_buf_addf(to, " %s", commands[i]->name);
	rn_buf_adds(to, "\" ;;\n\tesac\n"
			"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -X '!*.pipe' -- \"$cur\")\n"
			"\t\t$(compgen -d -S / -- \"$cur\"))\n"
			"\t[ \"${#COMPREPLY[@]}\" = 1 ] && [[ ${COMPREPLY[0]} = */ ]] && compopt -o nospace\n}\n"
			"complete -F _runner runner\n");
}

/* ---- the commands themselves ---------------------------------------------------- */

struct help_values {
	bool man;
};

static int print(struct rn_buf *b)
{
	fputs(rn_buf_str(b), stdout);
	rn_buf_clear(b);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_MACHINE;
}

static int run_help(struct command_call *call)
{
	const struct help_values *v = call->values;
	struct rn_buf b = RN_BUF_INIT;
	if (v->man) {
		command_manual(&b);
		return print(&b);
	}
	if (call->args.n == 0) {
		command_help_text(NULL, "", &b);
		return print(&b);
	}
	const struct command *c = command_find(commands, call->args.v[0]);
	if (c && call->args.n == 2) {
		const struct command *sub = c->subcommands ? command_find(c->subcommands, call->args.v[1]) : NULL;
		if (sub) {
			command_help_text(sub, c->name, &b);
			return print(&b);
		}
		c = NULL;
	}
	if (c) {
		command_help_text(c, "", &b);
		return print(&b);
	}
	char *args[] = { call->args.v[0], (char[]){ "--help" } };
	return command_dispatch(2, args); /* a helper program, or the message that there is none */
}

static const struct option_row help_options[] = {
	{ .name = "man", .kind = OPTION_FLAG, .offset = offsetof(struct help_values, man),
	  .help = "print the manual page runner(1) as roff" },
	{ 0 },
};

const struct command command_help = {
	.name = "help", .summary = "show help, of a command or of everything", .usage = "[COMMAND]",
	.options = help_options, .values_size = sizeof(struct help_values), .max_args = 2, .run = run_help,
	.examples = "runner help run\nrunner help --man | man -l -\n",
};

static int run_version(struct command_call *call)
{
	(void)call;
	printf("runner %s (plugin ABI %u.%u)\n", RUNNER_VERSION, RUNNER_ABI_MAJOR, RUNNER_ABI_MINOR);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_MACHINE;
}

const struct command command_version = {
	.name = "version", .summary = "show the version of runner and of its plugin ABI", .usage = "", .run = run_version,
};

static int run_completion(struct command_call *call)
{
	struct rn_error err = { 0 };
	if (strcmp(call->args.v[0], "bash") != 0) {
		rn_fail(&err, RN_EUNSUPPORTED, "no completion for \"%s\"", call->args.v[0]);
		rn_hint(&err, "there is one for bash");
		return command_fail(EXIT_USAGE, &err);
	}
	struct rn_buf b = RN_BUF_INIT;
	command_bash_completion(&b);
	return print(&b);
}

const struct command command_completion = {
	.name = "completion", .summary = "print the completion script for a shell", .usage = "bash",
	.help = "An installation has it in share/bash-completion already.",
	.min_args = 1, .max_args = 1, .run = run_completion,
	.examples = "eval \"$(runner completion bash)\"\tcompletes in this shell from now on\n",
};
