/* SPDX-License-Identifier: Apache-2.0 */
/* `runner plan`: what a run would change. Reads only. */
#include "execute.h"
#include "loaded.h"
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- --output json: one document at the end ---- */

static cJSON *change_json(const struct view_stage *s, const struct view_change *c)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "stage", s->id);
	cJSON_AddStringToObject(j, "action", event_action_name(c->action));
	cJSON_AddStringToObject(j, "resource", c->resource);
	if (c->detail)
		cJSON_AddStringToObject(j, "detail", c->detail);
	if (c->fields)
		cJSON_AddItemToObject(j, "fields", cJSON_Duplicate(c->fields, true));
	return j;
}

static cJSON *stage_json(const struct view_stage *s)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "id", s->id);
	cJSON_AddStringToObject(j, "uses", s->uses);
	cJSON_AddStringToObject(j, "status", event_status_name(s->status));
	if (s->reason)
		cJSON_AddStringToObject(j, "reason", s->reason);
	if (s->failure.message)
		cJSON_AddStringToObject(j, "error", s->failure.message);
	return j;
}

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	(void)r;
	if (e->kind == EVENT_NOTICE && e->level >= RUNNER_WARN)
		fprintf(stderr, "runner: %s\n", e->text);
	if (e->kind != EVENT_RUN_END)
		return;
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "pipeline", v->pipeline);
	cJSON *stages = cJSON_AddArrayToObject(j, "stages"), *changes = cJSON_AddArrayToObject(j, "changes");
	for (size_t i = 0; i < v->n; i++) {
		cJSON_AddItemToArray(stages, stage_json(&v->stages[i]));
		for (size_t k = 0; k < v->stages[i].n_changes; k++)
			cJSON_AddItemToArray(changes, change_json(&v->stages[i], &v->stages[i].changes[k]));
	}
	cJSON *counts = cJSON_AddObjectToObject(j, "counts");
	for (enum runner_action a = RUNNER_UNCHANGED; a <= RUNNER_DELETED; a++)
		cJSON_AddNumberToObject(counts, event_action_name(a), (double)view_count(v, a));
	RN_AUTO(rn_freep) char *text = rn_json_pretty(j);
	puts(text);
}

static void on_free(struct reporter *r)
{
	free(r);
}

struct reporter *report_plan_json_new(void)
{
	struct reporter *r = rn_alloc(sizeof(*r));
	*r = (struct reporter){ .event = on_event, .free = on_free };
	return r;
}

/* ---- the command ---- */

enum { PLAN_ERROR = 1, PLAN_CHANGES = 2 };

/* Offline: only what the plugins declare. */
static int print_policy(const char *path, const struct execute_values *v)
{
	struct loaded l = { 0 };
	struct rn_error err = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv silent = { 0 };
	if (v->from || v->until || v->junit || v->output || v->local || v->detailed_exitcode) {
		rn_fail(&err, RN_EINVAL, "--iam-policy runs nothing: it goes with --set, --only and --plugin-path alone");
		return command_fail(EXIT_USAGE, &err);
	}
	int code = loaded_read(&l, path, &v->sets, &v->plugin_path, 0, &err) < 0 ? command_fail(EXIT_MACHINE, &err) :
										   loaded_print(&l, path);
	if (code == EXIT_DONE) {
		RN_AUTO(rn_json_freep) cJSON *policy = policy_of(&l, &v->only, &silent, &err);
		RN_AUTO(rn_freep) char *text = policy ? rn_json_pretty(policy) : NULL;
		RN_AUTO(rn_freep) char *names = rn_strv_join(&silent, ", ");
		if (text)
			puts(text);
		else
			code = command_fail(EXIT_MACHINE, &err);
		if (text && silent.n)
			fprintf(stderr, "runner: no permissions are declared for: %s\n", names);
	}
	loaded_clear(&l);
	return code == EXIT_DONE && fflush(stdout) != 0 ? EXIT_MACHINE : code;
}

static int run_plan(struct command_call *call)
{
	const struct execute_values *v = call->values;
	size_t changes = 0;
	if (v->iam_policy)
		return print_policy(call->args.v[0], v);
	int code = execute(SCHEDULE_PLAN, call->args.v[0], v, &changes);
	if (!v->detailed_exitcode || code == EXIT_INTERRUPTED)
		return code;
	return code != EXIT_DONE ? PLAN_ERROR : changes ? PLAN_CHANGES : EXIT_DONE;
}

static const struct option_row options[] = {
	EXECUTE_ROWS,
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, json),
	  .help = "the same as --output json: one document at the end" },
	{ .name = "detailed-exitcode", .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, detailed_exitcode),
	  .help = "exit with 0: nothing to change, 1: error, 2: there are changes" },
	{ .name = "iam-policy", .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, iam_policy),
	  .help = "print the permissions that the stages need, as a policy document; contacts nothing" },
	{ 0 },
};

const struct command command_plan = {
	.name = "plan", .summary = "show what a run would change, without changing anything",
	.usage = "[OPTION]... FILE",
	.help = "Asks each stage to compare what is with what should be: created, updated, unchanged, deleted.\n"
		"Nothing is written, here or there. Values that depend on outputs of stages that have not run\n"
		"are not known yet. A stage that cannot tell beforehand says so.\n"
		"\n"
		"With --output json there is one document: {pipeline, stages: [{id, uses, status, reason, error}],\n"
		"changes: [{stage, action, resource, detail, fields: [{name, before, after, secret}]}], counts}.\n"
		"The values of secret fields are \"***\".\n"
		"\n"
		"With --iam-policy each stage has its statements in the document, limited to the resources that\n"
		"its parameters name where the plugin says so. Parameters that are outputs of other stages are\n"
		"not known offline and count as any resource.",
	.examples = "runner plan pipelines/serverless.pipe\n"
		    "runner plan --detailed-exitcode --output json app.pipe\tfor scripts\n"
		    "runner plan --iam-policy app.pipe > policy.json\twhat the pipeline needs to be allowed\n",
	.options = options, .values_size = sizeof(struct execute_values), .min_args = 1, .max_args = 1,
	.run = run_plan,
};
