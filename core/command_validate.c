/* SPDX-License-Identifier: Apache-2.0 */
/* `runner validate`: everything that can be said of pipeline files without running them. */
#include "command.h"
#include "loaded.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct validate_values {
	struct rn_strv sets;
	struct rn_strv plugin_path;
	const char *output;
};

static void print_text(const char *path, struct diags *diags, size_t stages)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	char summary[64];
	diags_print(diags, command_color(STDERR_FILENO), &b);
	fflush(stdout);
	fputs(rn_buf_str(&b), stderr);
	if (diags->errors)
		fprintf(stderr, "%s: %s\n", path, diags_summary(diags, summary));
	else
		printf("%s: valid, %zu stage%s%s%s\n", path, stages, stages == 1 ? "" : "s", diags->n ? ", " : "",
		       diags->n ? diags_summary(diags, summary) : "");
}

static cJSON *as_json(const char *path, struct diags *diags, size_t stages)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "file", path);
	cJSON_AddBoolToObject(j, "valid", diags->errors == 0);
	cJSON_AddNumberToObject(j, "stages", (double)stages);
	cJSON_AddItemToObject(j, "diagnostics", diags_json(diags));
	return j;
}

static int run_validate(struct command_call *call)
{
	const struct validate_values *v = call->values;
	bool json = v->output && strcmp(v->output, "json") == 0;
	RN_AUTO(rn_json_freep) cJSON *all = cJSON_CreateArray();
	int code = EXIT_DONE;
	for (size_t i = 0; i < call->args.n; i++) {
		const char *path = call->args.v[i];
		struct loaded l = { 0 };
		struct rn_error err = { 0 };
		if (loaded_read(&l, path, &v->sets, &v->plugin_path, 0, &err) < 0) {
			loaded_clear(&l);
			return command_fail(EXIT_MACHINE, &err);
		}
		size_t stages = l.pipeline ? l.pipeline->n_stages : 0;
		int one = diags_exit_code(&l.diags);
		if (code == EXIT_DONE || one == EXIT_USAGE)
			code = one;
		if (json)
			cJSON_AddItemToArray(all, as_json(path, &l.diags, stages));
		else
			print_text(path, &l.diags, stages);
		loaded_clear(&l);
	}
	if (json) {
		RN_AUTO(rn_freep) char *text = rn_json_pretty(all);
		puts(text);
	}
	return fflush(stdout) == 0 ? code : EXIT_MACHINE;
}

static const struct option_row options[] = {
	{ .name = "set", .kind = OPTION_LIST, .offset = offsetof(struct validate_values, sets), .arg = "NAME=VALUE",
	  .help = "give a variable of the file another value; repeatable" },
	{ .name = "plugin-path", .kind = OPTION_LIST, .offset = offsetof(struct validate_values, plugin_path),
	  .arg = "DIR", .help = "look for plugins here first; repeatable" },
	{ .name = "output", .letter = 'o', .kind = OPTION_STRING, .offset = offsetof(struct validate_values, output),
	  .arg = "FORMAT", .one_of = "text|json", .help = "text (default) or json" },
	{ 0 },
};

const struct command command_validate = {
	.name = "validate", .summary = "check pipeline files without running anything", .usage = "[OPTION]... FILE...",
	.help = "Checks syntax, names, types and order against the parameters and outputs that the plugins\n"
		"declare. All errors of a file are shown at once. Offline: nothing is contacted. Secrets and\n"
		"environment variables without a value are warnings here, and errors in `run`.",
	.options = options, .values_size = sizeof(struct validate_values), .min_args = 1, .max_args = SIZE_MAX,
	.run = run_validate,
	.examples = "runner validate pipelines/serverless.pipe\nrunner validate --output json *.pipe\tfor editors and CI\n",
};
