/* SPDX-License-Identifier: Apache-2.0 */
/* Adds a byte to $HOME/loads each time it is loaded, and is good otherwise. */
#include <runner/plugin.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void load(void)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/loads", getenv("HOME") ? getenv("HOME") : "/nowhere");
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	(void)!write(fd, "x", 1);
	close(fd);
}

struct params {
	const char *word;
};

static const struct runner_param params[] = {
	RUNNER_PARAM(struct params, word, .help = "Any word.", .example = "hello"),
	{ 0 },
};

static int run(struct runner_stage *stage, const struct runner_host *host, const void *p)
{
	(void)stage, (void)host, (void)p;
	return 0;
}

RUNNER_PLUGIN(.name = "counts-loads", .version = "1", .summary = "Adds a byte to $HOME/loads each time it is loaded.",
	      .param_size = sizeof(struct params), .params = params, .run = run);
