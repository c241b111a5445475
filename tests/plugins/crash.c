/* SPDX-License-Identifier: Apache-2.0 */
/* Dies of a signal in the middle. */
#include <runner/plugin.h>

#include <signal.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	host->log(stage, RUNNER_INFO, "about to crash");
	raise(SIGSEGV);
	return 0;
}

RUNNER_PLUGIN(.name = "crash", .version = "1", .summary = "crashes", .run = run);
