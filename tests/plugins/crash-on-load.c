/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes while it is loaded. */
#include <runner/plugin.h>

#include <signal.h>

__attribute__((constructor)) static void load(void)
{
	raise(SIGSEGV);
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
	.name = "crash-on-load",
	.version = "1",
	.summary = "Crashes while it is loaded.",
	.run = run,
};
