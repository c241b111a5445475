/* SPDX-License-Identifier: Apache-2.0 */
/* Prints while it is loaded, and is good otherwise. */
#include <runner/plugin.h>

#include <stdio.h>

__attribute__((constructor)) static void load(void)
{
	puts("{\"name\":\"noisy-on-load\",\"error\":\"fooled\"}");
	fflush(stdout);
}

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
	.name = "noisy-on-load",
	.version = "1",
	.summary = "Prints while it is loaded, and is good otherwise.",
	.run = run,
};
