/* SPDX-License-Identifier: Apache-2.0 */
#include "self.h"

#include "base/fs.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The link leads to this very file, also when another one lies in its place by now. Under an emulator (valgrind,
 * qemu-user) the kernel's link leads to the emulator, while readlink is answered for the program: then its path it is.
 */
const char *self_exec(void)
{
	static char path[PATH_MAX];
	static const char link[] = "/proc/self/exe";
	struct stat told, real;
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	bool emulated = n > 0 && stat(path, &told) == 0 && stat(link, &real) == 0 &&
			(told.st_ino != real.st_ino || told.st_dev != real.st_dev);
	return emulated ? path : link;
}

char *self_prefix(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return rn_strdup("/usr");
	path[n] = '\0';
	RN_AUTO(rn_freep) char *bin = rn_path_dir(path);
	return rn_path_dir(bin);
}

char *self_libexec(void)
{
	RN_AUTO(rn_freep) char *prefix = self_prefix();
	return rn_path_join(prefix, "libexec/runner");
}
