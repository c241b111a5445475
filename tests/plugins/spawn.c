/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves processes behind: in its group, in a session of its own, and one that was orphaned twice. */
#include <runner/plugin.h>

#include <stddef.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	static const char *const commands[] = { "sleep 1001 &", "setsid sleep 1002 &", "(setsid sh -c 'sleep 1003 & sleep 1004' &)" };
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const char *const argv[] = { "sh", "-c", commands[i], NULL };
		struct runner_command c = { .size = sizeof(c), .argv = argv };
		if (host->command(stage, &c) < 0)
			return -1;
	}
	return 0;
}

RUNNER_PLUGIN(.name = "spawn", .version = "1", .summary = "leaves processes behind", .run = run);
