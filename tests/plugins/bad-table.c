/* SPDX-License-Identifier: Apache-2.0 */
/* Declares a parameter outside of its struct. */
#include <runner/plugin.h>

#include <stddef.h>

static const struct runner_param table[] = {
	{ .name = "far", .type = RUNNER_INTEGER, .offset = 1 << 20 },
	{ 0 },
};

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
	.size = sizeof(struct runner_plugin),
	.row_size = sizeof(struct runner_param),
	.output_row_size = sizeof(struct runner_output),
	.name = "bad-table",
	.params = table,
	.version = "1",
	.summary = "Declares a parameter outside of its struct.",
	.run = run,
};
