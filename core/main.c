/* SPDX-License-Identifier: Apache-2.0 */
/* argv to the table of commands. The two inner roles of this program, worker and probe, come first. */
#include "command.h"
#include "plugin.h"
#include "worker.h"

#include "base/fs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Descriptors 0 to 2 exist, so that no file opened later becomes somebody's stdout. */
static void open_standard_streams(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR); /* NOLINT: kept open on purpose when it is 0, 1 or 2 */
	while (fd >= 0 && fd < 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	open_standard_streams();
	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return worker_main();
	if (argc == 2 && strcmp(argv[1], "--probe") == 0)
		return plugin_probe_main();
	return rn_end_output(command_dispatch(argc - 1, argv + 1), EXIT_MACHINE);
}
