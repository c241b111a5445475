/* SPDX-License-Identifier: Apache-2.0 */
/* `runner outputs`: what the stages of the last run gave, from the journal. */
#include "command.h"
#include "record.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct outputs_values {
	bool json;
	const char *file;
};

/* The runs that count: those of one pipeline, the newest first. */
static int open_records(const struct outputs_values *v, struct record_list *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *cwd = getcwd(NULL, 0);
	RN_AUTO(rn_freep) char *root = rn_path_join(cwd ? cwd : "", ".runner");
	RN_AUTO(rn_freep) char *file = v->file ? rn_path_abs(NULL, v->file) : NULL;
	struct record_list all = { 0 };
	record_list_read(root, file, 0, &all);
	if (!all.n) {
		rn_fail(err, RN_ENOTFOUND, "no run%s%s is recorded in %s", file ? " of " : "", file ? file : "", root);
		return rn_hint(err, "run a pipeline first, or go to the folder where it was run");
	}
	if (!file) {
		RN_AUTO(rn_freep) char *newest = rn_strdup(all.v[0]->file);
		record_list_clear(&all);
		record_list_read(root, newest, 0, &all);
	}
	*ret = all;
	return 0;
}

/* {stage: {name: value}}; a secret output is {"secret": true} under --json's own member. */
static cJSON *collect(const struct record_list *l, cJSON *secrets)
{
	cJSON *all = cJSON_CreateObject();
	for (size_t i = l->n; i-- > 0;)
		for (size_t k = 0; k < l->v[i]->n; k++) {
			const char *id = l->v[i]->stages[k].id;
			const struct record *run = NULL;
			const struct record_stage *s = record_find(l, id, &run);
			bool done = s && s->ended && (s->status == EVENT_OK || s->status == EVENT_REUSED);
			if (!done || rn_json_get(all, id))
				continue;
			cJSON_AddItemToObject(all, id, cJSON_Duplicate(s->outputs, true));
			cJSON *names = cJSON_AddArrayToObject(secrets, id);
			for (size_t n = 0; n < s->secrets.n; n++)
				cJSON_AddItemToArray(names, cJSON_CreateString(s->secrets.v[n]));
		}
	return all;
}

static void print_value(const cJSON *value)
{
	RN_AUTO(rn_freep) char *text = cJSON_IsString(value) ? rn_strdup(value->valuestring) : rn_json_print(value);
	puts(text);
}

static int secret_asked(const char *stage, const char *name)
{
	struct rn_error err = { 0 };
	rn_fail(&err, RN_EAUTH, "%s.%s is secret, so its value is not stored", stage, name);
	rn_hint(&err, "use it in a later stage as ${{ stages.%s.%s }}", stage, name);
	return command_fail(EXIT_STAGE_FAILED, &err);
}

/* "stage.name", or a name that only one stage has. */
static int print_one(const cJSON *all, const cJSON *secrets, const char *wanted)
{
	const cJSON *stage, *found = NULL, *item;
	const char *secret_of = NULL, *secret_name = NULL;
	size_t n = 0;
	cJSON_ArrayForEach(stage, all) {
		const char *name = wanted;
		size_t k = strlen(stage->string);
		if (strncmp(wanted, stage->string, k) == 0 && wanted[k] == '.')
			name = wanted + k + 1;
		else if (strchr(wanted, '.'))
			continue;
		const cJSON *value = rn_json_get(stage, name);
		if (value)
			found = value, n++;
		cJSON_ArrayForEach(item, rn_json_get(secrets, stage->string))
			if (rn_streq(item->valuestring, name))
				secret_of = stage->string, secret_name = name, n++;
	}
	struct rn_error err = { 0 };
	if (n > 1) {
		rn_fail(&err, RN_EINVAL, "several stages have an output \"%s\"", wanted);
		rn_hint(&err, "write STAGE.%s", wanted);
		return command_fail(EXIT_USAGE, &err);
	}
	if (secret_of)
		return secret_asked(secret_of, secret_name);
	if (found) {
		print_value(found);
		return EXIT_DONE;
	}
	rn_fail(&err, RN_ENOTFOUND, "there is no output \"%s\"", wanted);
	rn_hint(&err, "`runner outputs` shows all");
	return command_fail(EXIT_USAGE, &err);
}

static void print_all(const cJSON *all, const cJSON *secrets)
{
	const cJSON *stage, *item;
	cJSON_ArrayForEach(stage, all) {
		cJSON_ArrayForEach(item, stage) {
			printf("%s.%s = ", stage->string, item->string);
			print_value(item);
		}
		cJSON_ArrayForEach(item, rn_json_get(secrets, stage->string))
			printf("%s.%s = *** (secret, not stored)\n", stage->string, item->valuestring);
	}
}

static int run_outputs(struct command_call *call)
{
	const struct outputs_values *v = call->values;
	struct rn_error err = { 0 };
	struct record_list list = { 0 };
	if (open_records(v, &list, &err) < 0)
		return command_fail(EXIT_USAGE, &err);
	RN_AUTO(rn_json_freep) cJSON *secrets = cJSON_CreateObject();
	RN_AUTO(rn_json_freep) cJSON *all = collect(&list, secrets);
	int code = EXIT_DONE;
	if (call->args.n) {
		code = print_one(all, secrets, call->args.v[0]);
	} else if (v->json) {
		RN_AUTO(rn_freep) char *text = rn_json_pretty(all);
		puts(text);
	} else {
		print_all(all, secrets);
	}
	if (rn_streq(list.v[0]->command, "destroy"))
		fprintf(stderr, "runner: the last run of %s was a destroy; there are no outputs\n", list.v[0]->pipeline);
	record_list_clear(&list);
	return fflush(stdout) == 0 ? code : EXIT_MACHINE;
}

static const struct option_row options[] = {
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct outputs_values, json),
	  .help = "a JSON object: stage, name, value" },
	{ .name = "file", .letter = 'f', .kind = OPTION_STRING, .offset = offsetof(struct outputs_values, file), .arg = "FILE",
	  .help = "of this pipeline (default: the one that was run last)" },
	{ 0 },
};

const struct command command_outputs = {
	.name = "outputs", .summary = "print the outputs of the last run", .usage = "[OPTION]... [STAGE.NAME]",
	.help = "Reads the journal in .runner/ of the working directory. With a name it prints that value alone.\n"
		"Secret outputs are not stored and only named.",
	.examples = "runner outputs\nrunner outputs api.url\tone value, for scripts\n",
	.options = options, .values_size = sizeof(struct outputs_values), .max_args = 1, .run = run_outputs,
};
