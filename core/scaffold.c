/* SPDX-License-Identifier: Apache-2.0 */
#include "scaffold.h"

#include "base/fs.h"

#include <ctype.h>
#include <string.h>

/* @NAME@ is the plugin's name. */
static const char plugin_c[] =
	"/* @NAME@: a stage of runner pipelines.  `runner plugins describe @NAME@` shows what is declared here. */\n"
	"#include <runner/plugin.h>\n"
	"\n"
	"#include <stdio.h>\n"
	"\n"
	"/* Filled by the host from the pipeline's `with:` before run is called. */\n"
	"struct params {\n"
	"\tconst char *who;\n"
	"\tint64_t times;\n"
	"};\n"
	"\n"
	"static const struct runner_param params[] = {\n"
	"\tRUNNER_PARAM(struct params, who, .flags = RUNNER_REQUIRED, .help = \"Whom to greet.\", .example = \"world\"),\n"
	"\tRUNNER_PARAM(struct params, times, .def = \"1\", .help = \"How often, from 1 to 100.\"),\n"
	"\t{ 0 },\n"
	"};\n"
	"\n"
	"static const struct runner_output outputs[] = {\n"
	"\t{ .name = \"greeting\", .help = \"What was said.\" },\n"
	"\t{ 0 },\n"
	"};\n"
	"\n"
	"/* Looks at the parameters only, before anything runs. */\n"
	"static int check(struct runner_stage *stage, const struct runner_host *host, const void *p)\n"
	"{\n"
	"\tconst struct params *with = p;\n"
	"\tif (with->times >= 1 && with->times <= 100)\n"
	"\t\treturn 0;\n"
	"\tstruct runner_failure why = {\n"
	"\t\t.size = sizeof(why), .cls = RUNNER_FAIL_CONFIG, .param = \"times\",\n"
	"\t\t.message = \"times must be from 1 to 100\", .hint = \"leave it out to greet once\",\n"
	"\t};\n"
	"\treturn host->fail(stage, &why);\n"
	"}\n"
	"\n"
	"static int run(struct runner_stage *stage, const struct runner_host *host, const void *p)\n"
	"{\n"
	"\tconst struct params *with = p;\n"
	"\tchar greeting[256];\n"
	"\tsnprintf(greeting, sizeof(greeting), \"Hello, %s!\", with->who);\n"
	"\tfor (int64_t i = 0; i < with->times && !host->cancelled(stage); i++)\n"
	"\t\thost->log(stage, RUNNER_INFO, \"%s\", greeting);\n"
	"\treturn host->output(stage, \"greeting\", greeting);\n"
	"}\n"
	"\n"
	"RUNNER_PLUGIN(.name = \"@NAME@\", .version = \"0.1.0\", .summary = \"Says hello\",\n"
	"\t      .param_size = sizeof(struct params), .params = params, .outputs = outputs,\n"
	"\t      .check = check, .run = run);\n";

static const char makefile[] =
	"NAME := @NAME@\n"
	"SRCS := plugin.c\n"
	"TESTS := test.sh\n"
	"RUNNER_MK := $(shell pkg-config --variable=mk runner)\n"
	"include $(or $(RUNNER_MK),$(error pkg-config does not find runner: set PKG_CONFIG_PATH=PREFIX/lib/pkgconfig))\n";

static const char test_sh[] =
	"#!/bin/sh\n"
	"# Run by `make check`, which sets RUNNER (the program) and PLUGIN_DIR (where @NAME@.so is).\n"
	"set -eu\n"
	"cd \"$(dirname \"$0\")\"\n"
	"work=$(mktemp -d)\n"
	"trap 'rm -rf \"$work\"' EXIT\n"
	"\n"
	"# the pipeline runs and the stage says what it should\n"
	"pipe=$PWD/@NAME@.pipe\n"
	"(cd \"$work\" && \"$RUNNER\" run --plugin-path \"$PLUGIN_DIR\" \"$pipe\") >\"$work/log\" 2>&1 || { cat \"$work/log\"; exit 1; }\n"
	"grep -q 'Hello, world!' \"$work/log\" || { cat \"$work/log\"; echo 'no greeting' >&2; exit 1; }\n"
	"\n"
	"# a wrong parameter is refused before anything runs\n"
	"sed 's/who:/whom:/' @NAME@.pipe >\"$work/wrong.pipe\"\n"
	"if \"$RUNNER\" validate --plugin-path \"$PLUGIN_DIR\" \"$work/wrong.pipe\" >\"$work/log\" 2>&1; then\n"
	"\techo 'a wrong parameter was accepted' >&2\n"
	"\texit 1\n"
	"fi\n"
	"grep -q 'did you mean \"who\"' \"$work/log\" || { cat \"$work/log\"; exit 1; }\n";

static const char pipe_file[] =
	"name: @NAME@-example\n"
	"vars: {who: world}\n"
	"stages:\n"
	"  - id: greet\n"
	"    uses: @NAME@\n"
	"    with:\n"
	"      who: ${{ vars.who }}\n"
	"      times: 2\n";

static const char readme[] =
	"# @NAME@\n"
	"\n"
	"A stage for `runner` pipelines.\n"
	"\n"
	"    make              build @NAME@.so\n"
	"    make check        run test.sh against the installed runner\n"
	"    make install      for this user: ~/.local/share/runner/plugins\n"
	"    make install PLUGINDIR=$(pkg-config --variable=plugindir runner)    for everybody\n"
	"    runner --plugin-path build @NAME@.pipe    run the example without installing\n"
	"\n"
	"When runner is not installed below /usr, tell pkg-config where it is:\n"
	"`export PKG_CONFIG_PATH=PREFIX/lib/pkgconfig`.\n"
	"\n"
	"`runner plugins describe --plugin-path build @NAME@` prints the parameters and outputs.\n";

struct scaffold_file {
	const char *name;
	const char *text;
	mode_t mode;
};
static const struct scaffold_file files[] = {
	{ "plugin.c", plugin_c, 0644 }, { "Makefile", makefile, 0644 }, { "test.sh", test_sh, 0755 },
	{ "@NAME@.pipe", pipe_file, 0644 }, { "README.md", readme, 0644 }, { ".gitignore", "/build/\n.runner/\n", 0644 },
};

static int check_name(const char *name, struct rn_error *err)
{
	bool valid = islower((unsigned char)*name) && strlen(name) <= 64;
	for (const char *c = name; valid && *c; c++)
		valid = islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '-';
	if (valid)
		return 0;
	rn_fail(err, RN_EINVAL, "\"%s\" is no valid name for a plugin", name);
	return rn_hint(err, "a lower-case letter, then lower-case letters, digits and -; at most 64");
}

int scaffold_plugin(const char *name, const char *dir, struct rn_error *err)
{
	struct rn_strv old = { 0 };
	if (check_name(name, err) < 0)
		return -1;
	bool used = rn_exists(dir) && (rn_list_dir(dir, &old, NULL) < 0 || old.n > 0);
	rn_strv_clear(&old);
	if (used) {
		rn_fail(err, RN_EEXISTS, "%s exists and is not an empty folder", dir);
		return rn_hint(err, "choose another place with --dir");
	}
	if (rn_mkdirs(dir, 0755, err) < 0)
		return -1;
	for (size_t i = 0; i < RN_LEN(files); i++) {
		RN_AUTO(rn_freep) char *file = rn_replace(files[i].name, "@NAME@", name);
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, file);
		RN_AUTO(rn_freep) char *text = rn_replace(files[i].text, "@NAME@", name);
		if (rn_write_file(path, text, strlen(text), files[i].mode, err) < 0)
			return -1;
	}
	return 0;
}
