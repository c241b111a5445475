/* SPDX-License-Identifier: Apache-2.0 */
/* `runner run` (implied by a file name) and what --dry-run prints. */
#include "execute.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- --dry-run ---- */

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	(void)r;
	if (e->kind == EVENT_RUN_START)
		printf("%s would do, in this order:\n", v->pipeline);
	if (e->kind == EVENT_NOTICE)
		printf("  %s\n", e->text);
	if (e->kind == EVENT_FAILURE)
		printf("  %-*s  cannot run: %s\n", (int)v->width, e->stage, e->failure.message);
	if (e->kind != EVENT_STAGE_END)
		return;
	const struct view_stage *s = &v->stages[e->index];
	if (e->status == EVENT_OK)
		printf("  %-*s  run %s%s%s%s\n", (int)v->width, s->id, s->uses, e->text ? " (" : "", e->text ? e->text : "",
		       e->text ? ")" : "");
	else if (e->status != EVENT_FAILED)
		printf("  %-*s  not run: %s\n", (int)v->width, s->id, e->text ? e->text : event_status_name(e->status));
}

static void on_free(struct reporter *r)
{
	free(r);
}

struct reporter *report_dry_new(void)
{
	struct reporter *r = rn_alloc(sizeof(*r));
	*r = (struct reporter){ .event = on_event, .free = on_free };
	return r;
}

/* ---- the command ---- */

static int run_run(struct command_call *call)
{
	return execute(SCHEDULE_RUN, call->args.v[0], call->values, NULL);
}

static const struct option_row options[] = {
	EXECUTE_ROWS,
	{ .name = "resume", .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, resume),
	  .help = "do not repeat finished stages whose parameters and plugin are unchanged" },
	{ .name = "dry-run", .letter = 'n', .kind = OPTION_FLAG, .offset = offsetof(struct execute_values, dry_run),
	  .help = "say what would run, and run nothing" },
	EXECUTE_LOCK_ROWS,
	{ 0 },
};

const struct command command_run = {
	.name = "run", .summary = "run a pipeline (implied by a file name)", .usage = "[OPTION]... FILE",
	.help = "Runs the stages of the file in their order, those that are free in parallel. The journal, the\n"
		"logs and the outputs are kept in .runner/ in the working directory.\n"
		"\n"
		"With --resume a stage that finished in an earlier run is not run again when its resolved\n"
		"parameters, its variables and its plugin are the same; each stage says why it ran or did not.\n"
		"Files that a stage reads are not compared: use --from to repeat from there.\n"
		"\n"
		"Exit codes: 0 done, 1 a stage failed, 2 usage or an invalid pipeline, 3 this machine or a plugin\n"
		"cannot, 130 interrupted.",
	.examples = "runner pipelines/serverless.pipe\truns against AWS\n"
		    "runner --local pipelines/serverless.pipe\tagainst the embedded local cloud\n"
		    "runner run --resume build.pipe\tgoes on where the last run failed\n",
	.options = options, .values_size = sizeof(struct execute_values), .min_args = 1, .max_args = 1,
	.run = run_run,
};
