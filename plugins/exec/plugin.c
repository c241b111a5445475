/* SPDX-License-Identifier: Apache-2.0 */
/* exec: any command as a stage; its outputs are what it writes to $RUNNER_OUTPUT. */
#include "outputs.h"

#include "base/fs.h"
#include "base/str.h"

#include <runner/plugin.h>

#include <string.h>

#define OUTPUTS_MAX ((size_t)4 << 20)

struct params {
	const char *command;
	struct runner_list argv;
	const char *workdir;
	struct runner_map env;
	struct runner_list shell;
	const char *destroy;
};

static const struct runner_param table[] = {
	RUNNER_PARAM(struct params, command,
		     .help = "Script for the shell. It is handed over in a file, so its text is in no process list.",
		     .example = "make && make install"),
	RUNNER_PARAM(struct params, argv,
		     .help = "Program and arguments, run without a shell, instead of `command`. Pass secrets by `env`: arguments are visible to other users.",
		     .example = "[make, -j2, all]"),
	RUNNER_PARAM_PATH(struct params, workdir, .help = "Where it runs; the folder of the pipeline file by default.",
			  .example = "src"),
	RUNNER_PARAM(struct params, env, .help = "Variables added to the environment of the stage.",
		     .example = "{MODE: release}"),
	RUNNER_PARAM(struct params, shell,
		     .help = "Program and options that get the script file as their last argument; /bin/sh -e by default.",
		     .example = "[bash, -eo, pipefail]"),
	RUNNER_PARAM(struct params, destroy, .help = "Script that `runner destroy` runs to undo the stage.",
		     .example = "rm -rf out"),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "*", .help = "What the command writes as NAME=VALUE to the file $RUNNER_OUTPUT; NAME<<END, lines, END for several lines." },
	{ 0 },
};

struct call {
	struct runner_stage *stage;
	const struct runner_host *host;
};

static int fail(const struct call *c, uint32_t cls, const char *param, const char *message, const char *hint)
{
	struct runner_failure f = { .size = sizeof(f), .cls = cls, .message = message, .hint = hint, .param = param };
	return c->host->fail(c->stage, &f);
}

static int fail_error(const struct call *c, const char *param, const struct rn_error *err)
{
	uint32_t cls = err->code == RN_EIO ? RUNNER_FAIL_MACHINE : RUNNER_FAIL_STAGE;
	return fail(c, cls, param, err->msg, err->hint[0] ? err->hint : NULL);
}

static int check(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	struct call c = { stage, host };
	bool command = host->is_set(stage, "command"), argv = host->is_set(stage, "argv");
	if (command == argv)
		return fail(&c, RUNNER_FAIL_CONFIG, command ? "argv" : NULL,
			    command ? "both `command` and `argv` are given" : "neither `command` nor `argv` is given",
			    "give `command` for a shell script or `argv` for a program with its arguments");
	if (argv && p->argv.n == 0 && host->is_known(stage, "argv"))
		return fail(&c, RUNNER_FAIL_CONFIG, "argv", "`argv` is empty", "its first item is the program");
	if (argv && host->is_set(stage, "shell"))
		return fail(&c, RUNNER_FAIL_CONFIG, "shell", "`shell` has no use with `argv`", "use `command` for a script");
	return 0;
}

/* Writes the script to the stage's private folder; path or NULL. */
static char *write_script(const struct call *c, const char *text, struct rn_error *err)
{
	char *path = rn_path_join(c->host->info(c->stage, RUNNER_INFO_SCRATCH), "script");
	if (rn_write_file(path, text, strlen(text), 0700, err) == 0)
		return path;
	rn_freep(&path);
	return NULL;
}

/* The argument list: argv as given, or the shell with the script file. */
static int build_argv(const struct call *c, const struct params *p, const char *script, struct rn_strv *ret,
		      struct rn_error *err)
{
	for (size_t i = 0; !script && i < p->argv.n; i++)
		rn_strv_add(ret, p->argv.v[i]);
	if (!script)
		return 0;
	RN_AUTO(rn_freep) char *path = write_script(c, script, err);
	if (!path)
		return -1;
	for (size_t i = 0; i < p->shell.n; i++)
		rn_strv_add(ret, p->shell.v[i]);
	if (!p->shell.n) {
		rn_strv_add(ret, "/bin/sh");
		rn_strv_add(ret, "-e");
	}
	rn_strv_add(ret, path);
	return 0;
}

static int set_output(void *ctx, const char *name, const char *value, struct rn_error *err)
{
	const struct call *c = ctx;
	if (c->host->output(c->stage, name, value) < 0)
		return rn_fail(err, RN_EINVAL, "output \"%s\" was refused", name);
	return 0;
}

/* Outputs are read also after a failure: a stage with continue_on_error may have said why. */
static int read_outputs(struct call *c, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(path, OUTPUTS_MAX, &text, err) < 0)
		return err->code == RN_ENOTFOUND ? 0 : -1;
	return outputs_parse(rn_buf_str(&text), text.len, set_output, c, err) < 0 ? rn_wrap(err, "$RUNNER_OUTPUT") : 0;
}

static int report_exit(const struct call *c, const struct runner_command *cmd, const char *param)
{
	RN_AUTO(rn_freep) char *message =
		cmd->signal ? rn_asprintf("the command was killed by signal %d (%s)", cmd->signal, strsignal(cmd->signal))
			    : rn_asprintf("the command ended with exit code %d", cmd->exit_code);
	const char *hint = cmd->exit_code == 127 ? "a program that it calls was not found in PATH" :
			   cmd->exit_code == 126 ? "a file that it calls is not executable" : NULL;
	return fail(c, RUNNER_FAIL_STAGE, param, message, hint);
}

static int run_command(struct call *c, const struct params *p, const char *script, const char *param)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv argv = { 0 }, env = { 0 };
	RN_AUTO(rn_freep) char *out = rn_path_join(c->host->info(c->stage, RUNNER_INFO_SCRATCH), "outputs");
	if (build_argv(c, p, script, &argv, &err) < 0 || rn_write_file(out, "", 0, 0600, &err) < 0)
		return fail_error(c, param, &err);
	rn_strv_addf(&env, "RUNNER_OUTPUT=%s", out);
	for (size_t i = 0; i < p->env.n; i++)
		rn_strv_addf(&env, "%s=%s", p->env.v[i].key, p->env.v[i].value);
	struct runner_command cmd = {
		.size = sizeof(cmd),
		.argv = (const char *const *)argv.v,
		.env = (const char *const *)env.v,
		.workdir = p->workdir,
	};
	if (c->host->command(c->stage, &cmd) < 0)
		return -1;
	int rc = read_outputs(c, out, &err);
	if (cmd.exit_code)
		return report_exit(c, &cmd, param);
	return rc < 0 ? fail_error(c, param, &err) : 0;
}

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	struct call c = { stage, host };
	if (check(stage, host, params) < 0)
		return -1;
	return run_command(&c, p, p->command, p->command ? "command" : "argv");
}

static int plan(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	if (check(stage, host, params) < 0)
		return -1;
	if (!host->is_known(stage, p->argv.n ? "argv" : "command")) {
		host->log(stage, RUNNER_INFO, "would run a command that depends on outputs of earlier stages");
		return 0;
	}
	if (p->command) {
		host->log(stage, RUNNER_INFO, "would run: %s", p->command);
		return 0;
	}
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	for (size_t i = 0; i < p->argv.n; i++)
		rn_strv_add(&words, p->argv.v[i]);
	RN_AUTO(rn_freep) char *line = rn_strv_join(&words, " ");
	host->log(stage, RUNNER_INFO, "would run: %s", line);
	return 0;
}

static int destroy(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	const struct params *p = params;
	struct call c = { stage, host };
	if (!p->destroy) {
		host->log(stage, RUNNER_INFO, "nothing to undo: the stage has no `destroy`");
		return 0;
	}
	if (!host->is_known(stage, "destroy") || !host->is_known(stage, "env"))
		return fail(&c, RUNNER_FAIL_CONFIG, "destroy", "`destroy` depends on an output that is not known any more",
			    "let it find out by itself what to undo");
	return run_command(&c, p, p->destroy, "destroy");
}

RUNNER_PLUGIN(.name = "exec", .version = RUNNER_VERSION, .summary = "Runs any command as a stage.", .params = table,
	      .param_size = sizeof(struct params), .outputs = outputs, .check = check, .run = run, .plan = plan,
	      .destroy = destroy,
	      .help = "A command that ends with another exit code than 0 fails the stage. Its output is the stage's log. It runs in "
		      "the folder of the pipeline file, with the stage's environment and `RUNNER_OUTPUT`.\n");
