/* SPDX-License-Identifier: Apache-2.0 */
/* Writes nonsense into the descriptor of the host. */
#include <runner/plugin.h>

#include <unistd.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	return write(3, "nonsense", 8) == 8 ? 0 : -1;
}

RUNNER_PLUGIN(.name = "garble", .version = "1", .summary = "writes nonsense", .run = run);
