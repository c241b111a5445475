/* SPDX-License-Identifier: Apache-2.0 */
/* Lists the descriptors that it was given, and leaves one open for its command. */
#include <runner/plugin.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int run(struct runner_stage *stage, const struct runner_host *host, const void *params)
{
	(void)stage, (void)host, (void)params;
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return -1;
	struct dirent *e;
	while ((e = readdir(dir))) {
		char path[300], to[300] = { 0 };
		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		if (e->d_name[0] != 0x2e && readlink(path, to, sizeof(to) - 1) > 0)
			host->log(stage, RUNNER_INFO, "fd %s -> %s", e->d_name, to);
	}
	closedir(dir);
	(void)!open("/etc/passwd", O_RDONLY);
	const char *const argv[] = { "ls", "-l", "/proc/self/fd", NULL };
	struct runner_command c = { .size = sizeof(c), .argv = argv };
	return host->command(stage, &c);
}

RUNNER_PLUGIN(.name = "leak-fd", .version = "1", .summary = "lists descriptors", .run = run);
