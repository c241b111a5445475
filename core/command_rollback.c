/* SPDX-License-Identifier: Apache-2.0 */
/* `runner rollback`: puts back by hand what a run changed. */
#include "execute.h"

static int run_rollback(struct command_call *call)
{
	return execute(SCHEDULE_ROLLBACK, call->args.v[0], call->values, NULL);
}

static const struct option_row options[] = {
	EXECUTE_ROWS,
	{ .name = "run", .kind = OPTION_STRING, .offset = offsetof(struct execute_values, run), .arg = "ID",
	  .help = "the run to put back (default: the newest one that changed something)" },
	EXECUTE_LOCK_ROWS,
	{ 0 },
};

const struct command command_rollback = {
	.name = "rollback", .summary = "put back what the last run changed", .usage = "[OPTION]... FILE",
	.help = "Stages whose plugin has a rollback remember what was there before they change something: an\n"
		"image, an alias, a deployment. This command asks them, from the last to the first, to put that\n"
		"back, whether the run went well, failed or was killed. What they did not touch stays as it is.\n"
		"\n"
		"A stage that says `on_failure: rollback` in the pipeline file is put back without this command\n"
		"when its run fails. A run that was put back already is not put back twice; --run goes further\n"
		"back.",
	.examples = "runner rollback pipelines/serverless.pipe\n"
		    "runner rollback --only function app.pipe\tthis stage alone\n",
	.options = options, .values_size = sizeof(struct execute_values), .min_args = 1, .max_args = 1,
	.run = run_rollback,
};
