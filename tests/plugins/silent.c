/* SPDX-License-Identifier: Apache-2.0 */
/* Fails without a reason. */
#include <runner/plugin.h>



static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	return -1;
}

RUNNER_PLUGIN(.name = "silent", .version = "1", .summary = "fails silently", .run = run);
