/* SPDX-License-Identifier: Apache-2.0 */
/* `runner destroy`: removes what the pipeline made, in reverse order. */
#include "execute.h"

static int run_destroy(struct command_call *call)
{
	return execute(SCHEDULE_DESTROY, call->args.v[0], call->values, NULL);
}

static const struct option_row options[] = {
	EXECUTE_ROWS,
	EXECUTE_LOCK_ROWS,
	{ 0 },
};

const struct command command_destroy = {
	.name = "destroy", .summary = "remove what the pipeline made, in reverse order", .usage = "[OPTION]... FILE",
	.help = "Asks each stage, from the last to the first, to remove what carries the pipeline's and the\n"
		"stage's name. What was made by others stays. When a stage cannot be undone, those that it\n"
		"depends on are left alone, and the rest goes on.",
	.examples = "runner destroy pipelines/serverless.pipe\n",
	.options = options, .values_size = sizeof(struct execute_values), .min_args = 1, .max_args = 1,
	.run = run_destroy,
};
