/* SPDX-License-Identifier: Apache-2.0 */
/* `runner plugins list | describe | new`: what plugins there are and what they declare. */
#include "command.h"
#include "plugin.h"
#include "scaffold.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plugins_values {
	struct rn_strv plugin_path;
	const char *output; /* list */
	bool markdown, json; /* describe */
	const char *dir;    /* new */
};

static int load(const struct plugins_values *v, const struct rn_strv *names, struct plugin_set *set,
		struct rn_error *err)
{
	struct plugin_search search = { .dirs = (const char *const *)v->plugin_path.v, .n_dirs = v->plugin_path.n,
					.pipeline_dir = ".", .fresh = true };
	return plugin_set_load((const char *const *)names->v, names->n, &search, set, err);
}

/* ---- list ----------------------------------------------------------------------- */

static void list_text(const struct plugin_set *set)
{
	int width = 4;
	for (size_t i = 0; i < set->n; i++)
		if ((int)strlen(set->entries[i].name) > width)
			width = (int)strlen(set->entries[i].name);
	for (size_t i = 0; i < set->n; i++) {
		const struct plugin_entry *e = &set->entries[i];
		if (e->info)
			printf("%-*s  %-8s  %s\n", width, e->name, e->info->version, e->info->summary);
	}
	fflush(stdout);
	for (size_t i = 0; i < set->n; i++)
		if (!set->entries[i].info)
			command_fail(0, &set->entries[i].error);
}

static void list_json(const struct plugin_set *set)
{
	RN_AUTO(rn_json_freep) cJSON *all = cJSON_CreateArray();
	for (size_t i = 0; i < set->n; i++) {
		const struct plugin_entry *e = &set->entries[i];
		cJSON *j = cJSON_CreateObject();
		cJSON_AddStringToObject(j, "name", e->name);
		if (e->info) {
			cJSON_AddStringToObject(j, "version", e->info->version);
			cJSON_AddStringToObject(j, "summary", e->info->summary);
			cJSON_AddStringToObject(j, "path", e->info->path);
		} else {
			cJSON_AddStringToObject(j, "error", e->error.msg);
		}
		cJSON_AddItemToArray(all, j);
	}
	RN_AUTO(rn_freep) char *text = rn_json_pretty(all);
	puts(text);
}

static int run_list(struct command_call *call)
{
	const struct plugins_values *v = call->values;
	struct plugin_search search = { .dirs = (const char *const *)v->plugin_path.v, .n_dirs = v->plugin_path.n,
					.pipeline_dir = "." };
	struct rn_strv names = { 0 };
	struct plugin_set set = { 0 };
	struct rn_error err = { 0 };
	int code = EXIT_DONE;
	plugin_list_names(&search, &names);
	if (load(v, &names, &set, &err) < 0)
		code = command_fail(EXIT_MACHINE, &err);
	else if (v->output && strcmp(v->output, "json") == 0)
		list_json(&set);
	else
		list_text(&set);
	for (size_t i = 0; i < set.n; i++)
		if (!set.entries[i].info)
			code = EXIT_MACHINE;
	plugin_set_clear(&set);
	rn_strv_clear(&names);
	return fflush(stdout) == 0 ? code : EXIT_MACHINE;
}

/* ---- describe ------------------------------------------------------------------- */

static const char *type_words(const struct plugin_param *p)
{
	return plugin_type_name(p->type);
}

/* "one of a, b, c" or "". New string. */
static char *choices(const struct plugin_param *p)
{
	RN_AUTO(rn_freep) char *list = p->one_of ? rn_replace(p->one_of, "|", ", ") : NULL;
	return list ? rn_asprintf("one of %s", list) : rn_strdup("");
}

static void describe_param(const struct plugin_param *p, struct rn_buf *to)
{
	RN_AUTO(rn_freep) char *one_of = choices(p);
	rn_buf_addf(to, "  %s (%s%s%s%s)\n", p->name, type_words(p),
		    p->flags & RUNNER_REQUIRED ? ", required" : "", p->flags & RUNNER_SECRET ? ", secret" : "",
		    p->flags & RUNNER_DEPRECATED ? ", deprecated" : "");
	if (p->help)
		rn_buf_addf(to, "      %s\n", p->help);
	if (*one_of)
		rn_buf_addf(to, "      %s\n", one_of);
	if (p->def)
		rn_buf_addf(to, "      default: %s\n", *p->def ? p->def : "\"\"");
	if (p->example)
		rn_buf_addf(to, "      example: %s: %s\n", p->name, p->example);
}

/* The plugin's own paragraphs, without the line ends that authors leave behind them. */
static void add_help(const struct plugin_info *p, struct rn_buf *to)
{
	RN_AUTO(rn_freep) char *help = rn_strdup(p->help ? p->help : "");
	size_t n = strlen(help);
	while (n && (help[n - 1] == '\n' || help[n - 1] == ' '))
		help[--n] = '\0';
	if (n)
		rn_buf_addf(to, "\n%s\n", help);
}

static void describe_text(const struct plugin_info *p, struct rn_buf *to)
{
	rn_buf_addf(to, "%s %s: %s\n%s (plugin ABI %u.%u%s%s)\n", p->name, p->version, p->summary, p->path,
		    p->abi_major, p->abi_minor, p->has_plan ? "; plan" : "", p->has_destroy ? "; destroy" : "");
	add_help(p, to);
	rn_buf_adds(to, "\nParameters:\n");
	for (size_t i = 0; i < p->n_params; i++)
		describe_param(&p->params[i], to);
	rn_buf_adds(to, p->n_params ? "\nOutputs:\n" : "  none\n\nOutputs:\n");
	for (size_t i = 0; i < p->n_outputs; i++) {
		const struct plugin_output *o = &p->outputs[i];
		rn_buf_addf(to, "  %s%s\n", strcmp(o->name, "*") == 0 ? "any name" : o->name,
			    o->flags & RUNNER_SECRET ? " (secret)" : "");
		if (o->help)
			rn_buf_addf(to, "      %s\n", o->help);
	}
	if (!p->n_outputs)
		rn_buf_adds(to, "  none\n");
	if (p->permissions)
		rn_buf_addf(to, "\nPermissions:\n%s\n", p->permissions);
}

/* Text for a cell of a Markdown table. */
static void cell(const char *s, struct rn_buf *to)
{
	for (; s && *s; s++) {
		if (*s == '|')
			rn_buf_adds(to, "\\|");
		else
			rn_buf_addc(to, *s == '\n' ? ' ' : *s);
	}
}

static void markdown_param(const struct plugin_param *p, struct rn_buf *to)
{
	RN_AUTO(rn_freep) char *one_of = choices(p);
	rn_buf_addf(to, "| `%s` | %s | ", p->name, type_words(p));
	if (p->flags & RUNNER_REQUIRED)
		rn_buf_adds(to, "required");
	else if (p->def && *p->def)
		rn_buf_addc(to, '`'), cell(p->def, to), rn_buf_addc(to, '`');
	rn_buf_adds(to, " | ");
	if (p->flags & RUNNER_DEPRECATED)
		rn_buf_adds(to, "**Deprecated.** ");
	cell(p->help, to);
	if (*one_of) {
		rn_buf_adds(to, p->help ? " One of " : "One of ");
		cell(one_of + strlen("one of "), to);
		rn_buf_addc(to, '.');
	}
	if (p->example) {
		rn_buf_addf(to, "%sExample: `", p->help || *one_of ? " " : "");
		cell(p->example, to);
		rn_buf_addc(to, '`');
	}
	rn_buf_adds(to, p->flags & RUNNER_SECRET ? " Secret. |\n" : " |\n");
}

/* "ACTION [?PARAMETER] [RESOURCE]...": what stands behind the action; "" when nothing does. */
static const char *resources_of(const char *line)
{
	const char *p = line + strcspn(line, " ");
	return p + strspn(p, " ");
}

static void markdown_resources(const char *resources, struct rn_buf *to)
{
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	rn_strv_split(&words, resources, ' ');
	const char *param = words.n && *words.v[0] == '?' ? words.v[0] + 1 : NULL;
	rn_buf_addf(to, param ? "\nWhere `%s` is given, on " : "\nOn ", param);
	for (size_t i = param ? 1 : 0; i < words.n; i++)
		rn_buf_addf(to, "%s`%s`", i > (param ? 1 : 0) ? ", " : "", words.v[i]);
	rn_buf_adds(to, words.n > (param ? 1 : 0) ? ":\n\n" : "any resource:\n\n");
}

/* The actions, gathered by what they are limited to. */
static void markdown_permissions(const char *s, struct rn_buf *to)
{
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv told = { 0 };
	rn_strv_split(&lines, s, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		const char *resources = resources_of(lines.v[i]);
		if (!*lines.v[i] || rn_strv_has(&told, resources))
			continue;
		rn_strv_add(&told, resources);
		if (*resources)
			markdown_resources(resources, to);
		else
			rn_buf_adds(to, i ? "\nOn any resource:\n\n" : "\n");
		for (size_t k = i; k < lines.n; k++)
			if (*lines.v[k] && rn_streq(resources_of(lines.v[k]), resources))
				rn_buf_addf(to, "- `%.*s`\n", (int)strcspn(lines.v[k], " "), lines.v[k]);
	}
}

static void describe_markdown(const struct plugin_info *p, struct rn_buf *to)
{
	rn_buf_addf(to, "# %s\n\n%s\n", p->name, p->summary);
	add_help(p, to);
	rn_buf_adds(to, "\n## Parameters\n\n");
	if (p->n_params)
		rn_buf_adds(to, "| name | type | default | |\n|---|---|---|---|\n");
	else
		rn_buf_adds(to, "None.\n");
	for (size_t i = 0; i < p->n_params; i++)
		markdown_param(&p->params[i], to);
	rn_buf_adds(to, "\n## Outputs\n\n");
	rn_buf_adds(to, p->n_outputs ? "| name | |\n|---|---|\n" : "None.\n");
	for (size_t i = 0; i < p->n_outputs; i++) {
		rn_buf_addf(to, "| %s%s%s | ", strcmp(p->outputs[i].name, "*") ? "`" : "",
			    strcmp(p->outputs[i].name, "*") ? p->outputs[i].name : "any name",
			    strcmp(p->outputs[i].name, "*") ? "`" : "");
		cell(p->outputs[i].help, to);
		rn_buf_adds(to, p->outputs[i].flags & RUNNER_SECRET ? " Secret. |\n" : " |\n");
	}
	if (p->permissions) {
		rn_buf_adds(to, "\n## Permissions\n");
		markdown_permissions(p->permissions, to);
	}
}

static int run_describe(struct command_call *call)
{
	const struct plugins_values *v = call->values;
	struct plugin_set set = { 0 };
	struct rn_error err = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (load(v, &call->args, &set, &err) < 0)
		return command_fail(EXIT_MACHINE, &err);
	const struct plugin_entry *e = &set.entries[0];
	int code = EXIT_DONE;
	if (!e->info) {
		code = command_fail(e->error.code == RN_ENOTFOUND ? EXIT_USAGE : EXIT_MACHINE, &e->error);
	} else if (v->json) {
		RN_AUTO(rn_json_freep) cJSON *j = plugin_info_json(e->info);
		RN_AUTO(rn_freep) char *text = rn_json_pretty(j);
		rn_buf_addf(&b, "%s\n", text);
	} else if (v->markdown) {
		describe_markdown(e->info, &b);
	} else {
		describe_text(e->info, &b);
	}
	fputs(rn_buf_str(&b), stdout);
	plugin_set_clear(&set);
	return fflush(stdout) == 0 ? code : EXIT_MACHINE;
}

/* ---- new ------------------------------------------------------------------------ */

static int run_new(struct command_call *call)
{
	const struct plugins_values *v = call->values;
	const char *name = call->args.v[0];
	struct rn_error err = { 0 };
	RN_AUTO(rn_freep) char *dir = rn_strdup(v->dir ? v->dir : name);
	if (scaffold_plugin(name, dir, &err) < 0)
		return command_fail(err.code == RN_EINVAL || err.code == RN_EEXISTS ? EXIT_USAGE : EXIT_MACHINE, &err);
	printf("%s/ has a plugin that says hello. Next:\n\n  cd %s\n  make check    # builds it and runs %s.pipe\n"
	       "  make install  # for you alone; see README.md\n", dir, dir, name);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_MACHINE;
}

#define PLUGIN_PATH_ROW                                                                                       \
	{ .name = "plugin-path", .kind = OPTION_LIST, .offset = offsetof(struct plugins_values, plugin_path), \
	  .arg = "DIR", .help = "look for plugins here first; repeatable" }

static const struct option_row list_options[] = {
	PLUGIN_PATH_ROW,
	{ .name = "output", .letter = 'o', .kind = OPTION_STRING, .offset = offsetof(struct plugins_values, output),
	  .arg = "FORMAT", .one_of = "text|json", .help = "text (default) or json" },
	{ 0 },
};
static const struct option_row describe_options[] = {
	PLUGIN_PATH_ROW,
	{ .name = "markdown", .kind = OPTION_FLAG, .offset = offsetof(struct plugins_values, markdown),
	  .help = "print a page of documentation" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct plugins_values, json),
	  .help = "print everything that the plugin declares, for programs" },
	{ 0 },
};
static const struct option_row new_options[] = {
	{ .name = "dir", .kind = OPTION_STRING, .offset = offsetof(struct plugins_values, dir), .arg = "DIR",
	  .help = "where to write it (default: a folder of the plugin's name)" },
	{ 0 },
};

const struct command plugins_list = {
	.name = "list", .summary = "list the plugins that are found", .usage = "[OPTION]...", .options = list_options,
	.values_size = sizeof(struct plugins_values), .run = run_list,
};
const struct command plugins_describe = {
	.name = "describe", .summary = "show the parameters and outputs of a plugin", .usage = "[OPTION]... NAME",
	.options = describe_options, .values_size = sizeof(struct plugins_values), .min_args = 1, .max_args = 1,
	.run = run_describe, .examples = "runner plugins describe lambda\n",
};
const struct command plugins_new = {
	.name = "new", .summary = "write a new plugin that compiles and passes its test", .usage = "[OPTION]... NAME",
	.help = "Writes plugin.c, a Makefile, a test, a pipeline and a README. It needs nothing but an installed\n"
		"runner, a C compiler, make and pkg-config.",
	.options = new_options, .values_size = sizeof(struct plugins_values), .min_args = 1, .max_args = 1,
	.run = run_new, .examples = "runner plugins new hello && make -C hello check\n",
};

static const struct command *const subcommands[] = { &plugins_list, &plugins_describe, &plugins_new, NULL };

const struct command command_plugins = {
	.name = "plugins", .summary = "list, describe and start plugins", .usage = "list|describe|new [ARGUMENT]...",
	.subcommands = subcommands,
};
