/* SPDX-License-Identifier: Apache-2.0 */
/* exec: any command as a stage, with outputs by a file. */
#include "outputs.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <runner/plugin.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_FILE_MAX = 16 << 20 };

struct params {
	const char *command;
	struct runner_list argv;
	const char *workdir;
	struct runner_map env;
	const char *shell;
};

static int fail(struct runner_stage *stage, const struct runner_host *host, struct runner_failure f)
{
	f.size = sizeof(f);
	return host->fail(stage, &f);
}

static int check(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	bool command = p->command && *p->command, argv = p->argv.n > 0;
	if (command && argv)
		return fail(stage, host, (struct runner_failure){ .cls = RUNNER_FAIL_CONFIG, .param = "argv",
								  .message = "both `command` and `argv` are given",
								  .hint = "keep one of them" });
	if (!command && !argv && host->is_known(stage, "command") && host->is_known(stage, "argv"))
		return fail(stage, host, (struct runner_failure){
			.cls = RUNNER_FAIL_CONFIG, .message = "there is nothing to run",
			.hint = "give `command: TEXT` for the shell, or `argv: [PROGRAM, ARGUMENT]`" });
	for (size_t i = 0; i < p->env.n; i++)
		if (!*p->env.v[i].key || strchr(p->env.v[i].key, '='))
			return fail(stage, host, (struct runner_failure){ .cls = RUNNER_FAIL_CONFIG, .param = "env",
									  .message = "a variable's name is empty or has a `=` in it" });
	return 0;
}

/* A POSIX shell stops at the first command that fails, as CI users expect; others get the text as it is. */
static bool stops_at_errors(const char *shell)
{
	static const char *const posix[] = { "sh", "bash", "dash", "ash", "ksh", "zsh" };
	for (size_t i = 0; i < RN_LEN(posix); i++)
		if (rn_streq(rn_path_base(shell), posix[i]))
			return true;
	return false;
}

static void make_argv(const struct params *p, struct rn_strv *argv)
{
	for (size_t i = 0; i < p->argv.n; i++)
		rn_strv_add(argv, p->argv.v[i]);
	if (argv->n)
		return;
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	rn_strv_split(&words, p->shell, ' ');
	for (size_t i = 0; i < words.n; i++)
		if (*words.v[i])
			rn_strv_add(argv, words.v[i]);
	if (argv->n == 1 && stops_at_errors(argv->v[0]))
		rn_strv_add(argv, "-e");
	rn_strv_add(argv, "-c");
	rn_strv_add(argv, p->command);
}

static void make_env(struct runner_stage *stage, const struct runner_host *host, const struct params *p,
		     const char *output, struct rn_strv *env)
{
	rn_strv_addf(env, "RUNNER_OUTPUT=%s", output);
	rn_strv_addf(env, "RUNNER_STAGE=%s", host->info(stage, RUNNER_INFO_STAGE));
	rn_strv_addf(env, "RUNNER_PIPELINE=%s", host->info(stage, RUNNER_INFO_PIPELINE));
	rn_strv_addf(env, "RUNNER_RUN_ID=%s", host->info(stage, RUNNER_INFO_RUN_ID));
	for (size_t i = 0; i < p->env.n; i++)
		rn_strv_addf(env, "%s=%s", p->env.v[i].key, p->env.v[i].value);
}

static int ended_badly(struct runner_stage *stage, const struct runner_host *host, const struct runner_command *c)
{
	RN_AUTO(rn_freep) char *text =
		c->signal ? rn_asprintf("the command was killed by signal %d (%s)", c->signal, strsignal(c->signal)) :
			    rn_asprintf("the command ended with exit status %d", c->exit_code);
	const char *hint = c->exit_code == 127 ? "127 means that a command was not found: check its name and PATH" :
			   c->exit_code == 126 ? "126 means that a file cannot be executed: check its mode and its first line" :
						 NULL;
	return fail(stage, host, (struct runner_failure){ .cls = RUNNER_FAIL_STAGE, .message = text, .hint = hint });
}

static int take_outputs(struct runner_stage *stage, const struct runner_host *host, const char *path)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(outputs_clear) struct outputs outputs = { 0 };
	if (rn_read_file(path, OUTPUT_FILE_MAX, &text, &err) < 0) {
		if (err.code == RN_ENOTFOUND)
			return 0; /* the command removed it: no outputs */
	} else if (outputs_parse(rn_buf_str(&text), &outputs, &err) == 0) {
		for (size_t i = 0; i < outputs.n; i++)
			if (host->output(stage, outputs.v[i].name, outputs.v[i].value) < 0)
				return fail(stage, host, (struct runner_failure){
					.cls = RUNNER_FAIL_STAGE, .message = "an output in $RUNNER_OUTPUT was refused",
					.hint = "names have letters, digits, _ and -, and begin with a letter or _; values have at most 1 MiB" });
		return 0;
	}
	rn_wrap(&err, "$RUNNER_OUTPUT");
	return fail(stage, host, (struct runner_failure){
		.cls = RUNNER_FAIL_STAGE, .message = err.msg,
		.hint = "write NAME=VALUE, or NAME<<END, lines of the value and END for a value of several lines" });
}

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	RN_AUTO(rn_freep) char *output = rn_path_join(host->info(stage, RUNNER_INFO_SCRATCH), "output");
	RN_AUTO(rn_closep) int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("create %s: %m", output);
		return fail(stage, host, (struct runner_failure){ .cls = RUNNER_FAIL_MACHINE, .message = text });
	}
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 }, env = { 0 };
	make_argv(p, &argv);
	make_env(stage, host, p, output, &env);
	struct runner_command c = { .size = sizeof(c), .argv = (const char *const *)argv.v,
				    .env = (const char *const *)env.v, .workdir = p->workdir };
	if (host->command(stage, &c) < 0)
		return -1;
	if (c.exit_code)
		return ended_badly(stage, host, &c);
	return take_outputs(stage, host, output);
}

static int plan(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 };
	if (!host->is_known(stage, "command") || !host->is_known(stage, "argv")) {
		host->log(stage, RUNNER_INFO, "would run a command that is not known yet");
		return 0;
	}
	for (size_t i = 0; i < p->argv.n; i++)
		rn_strv_add(&argv, p->argv.v[i]);
	RN_AUTO(rn_freep) char *words = rn_strv_join(&argv, " ");
	host->log(stage, RUNNER_INFO, "would run: %s", p->argv.n ? words : p->command);
	return 0;
}

static const struct runner_param table[] = {
	RUNNER_PARAM(struct params, command, .help = "Text for the shell; it stops at the first command that fails.",
		     .example = "make test"),
	RUNNER_PARAM(struct params, argv, .help = "Program and arguments, run without a shell. Instead of `command`.",
		     .example = "[make, test]"),
	RUNNER_PARAM_PATH(struct params, workdir, .help = "Folder to run in (default: that of the pipeline file).",
			  .example = "../src"),
	RUNNER_PARAM(struct params, env, .help = "Variables for the command, besides those of the stage.",
		     .example = "{CI: \"1\"}"),
	RUNNER_PARAM(struct params, shell, .def = "sh",
		     .help = "What runs `command`: a program, or a program and its options; `-c` and the text are added. "
			     "A POSIX shell without options also gets `-e`.",
		     .example = "bash -euo pipefail"),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "*", .help = "What the command writes as NAME=VALUE to the file named by $RUNNER_OUTPUT." },
	{ 0 },
};

RUNNER_PLUGIN(.name = "exec", .version = "1.0.0", .summary = "run any command", .param_size = sizeof(struct params),
	      .params = table, .outputs = outputs, .check = check, .run = run, .plan = plan,
	      .help = "A value of several lines is written as in a shell: a line NAME<<END, the lines of the value, a line END.\n"
		      "\n"
		      "The command also gets RUNNER_STAGE, RUNNER_PIPELINE and RUNNER_RUN_ID. `plan` shows the command and\n"
		      "runs nothing; `destroy` has nothing to do.");
