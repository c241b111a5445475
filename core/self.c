/* SPDX-License-Identifier: Apache-2.0 */
#include "self.h"

#include "base/fs.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

const char *self_exec(void)
{
	return "/proc/self/exe";
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

char *self_cache(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (base && base[0] == '/')
		return rn_path_join(base, "runner");
	if (home && home[0] == '/')
		return rn_path_join(home, ".cache/runner");
	return NULL;
}
