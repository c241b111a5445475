/* SPDX-License-Identifier: Apache-2.0 */
/* Waits until it is told to stop, and says so. */
#include <runner/plugin.h>

#include <poll.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	struct pollfd p = { .fd = host->cancel_fd(stage), .events = POLLIN };
	host->log(stage, RUNNER_INFO, "waiting");
	poll(&p, 1, -1);
	host->log(stage, RUNNER_INFO, "cancelled: %d", host->cancelled(stage));
	return -1;
}

RUNNER_PLUGIN(.name = "patient", .version = "1", .summary = "waits", .run = run);
