/* SPDX-License-Identifier: Apache-2.0 */
/* Two pieces of work go on at once and tell their progress very often, their end too. */
#include <runner/plugin.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)params;
	for (uint64_t i = 0; i < 2000; i++) {
		host->progress(stage, "one", i, 2000, "parts");
		host->progress(stage, "two", i, 2000, "parts");
	}
	for (int i = 0; i < 50; i++) {
		host->progress(stage, "one", 2000, 2000, "parts");
		host->progress(stage, "two", 2000, 2000, "parts");
	}
	return 0;
}

RUNNER_PLUGIN(.name = "two-works", .version = "1", .summary = "tells much of two works", .run = run);
