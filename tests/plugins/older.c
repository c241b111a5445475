/* SPDX-License-Identifier: Apache-2.0 */
/* Built when the descriptor ended at the entry points. */
#include <runner/plugin.h>

#include <stddef.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	return 0;
}

RUNNER_EXPORT extern const struct runner_plugin runner_plugin_v1;
RUNNER_EXPORT const struct runner_plugin runner_plugin_v1 = {
	.magic = RUNNER_PLUGIN_MAGIC,
	.abi_major = RUNNER_ABI_MAJOR,
	.abi_minor = RUNNER_ABI_MINOR,
	.size = offsetof(struct runner_plugin, help),
	.row_size = sizeof(struct runner_param),
	.output_row_size = sizeof(struct runner_output),
	.name = "older",
	.version = "1",
	.summary = "Built when the descriptor ended at the entry points.",
	.run = run,
};
