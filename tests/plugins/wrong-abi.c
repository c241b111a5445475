/* SPDX-License-Identifier: Apache-2.0 */
/* Of an ABI that is long gone. */
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
	.abi_major = 0,
	.abi_minor = RUNNER_ABI_MINOR,
	.size = sizeof(struct runner_plugin),
	.row_size = sizeof(struct runner_param),
	.output_row_size = sizeof(struct runner_output),
	.name = "wrong-abi",
	.version = "1",
	.summary = "Of an ABI that is long gone.",
	.run = run,
};
