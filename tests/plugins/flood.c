/* SPDX-License-Identifier: Apache-2.0 */
/* Prints 100 MB. */
#include <runner/plugin.h>

#include <stdio.h>
#include <string.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	char line[1000];
	memset(line, 0x78, sizeof(line));
	line[sizeof(line) - 1] = 0x0a;
	for (int i = 0; i < 100000; i++)
		if (fwrite(line, sizeof(line), 1, stdout) != 1)
			return -1;
	return 0;
}

RUNNER_PLUGIN(.name = "flood", .version = "1", .summary = "floods", .run = run);
