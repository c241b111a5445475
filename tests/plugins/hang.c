/* SPDX-License-Identifier: Apache-2.0 */
/* Ignores the request to stop, and never returns. */
#include <runner/plugin.h>

#include <signal.h>
#include <unistd.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	signal(SIGTERM, SIG_IGN);
	host->log(stage, RUNNER_INFO, "hanging");
	for (;;)
		pause();
	return 0;
}

RUNNER_PLUGIN(.name = "hang", .version = "1", .summary = "hangs", .run = run);
