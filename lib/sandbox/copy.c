/* SPDX-License-Identifier: Apache-2.0 */
/* Copying and removing trees by descriptor, following no link. */
#include "apply.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 512

static void dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

static DIR *open_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	return d;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static int copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
	RN_AUTO(rn_closep) int in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	RN_AUTO(rn_closep) int out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		return -1;
	ssize_t n;
	while ((n = copy_file_range(in, NULL, out, NULL, (size_t)1 << 30, 0)) > 0)
		;
	if (n == 0)
		return 0;
	char chunk[65536];
	while ((n = read(in, chunk, sizeof(chunk))) > 0)
		if (rn_write_full(out, chunk, (size_t)n) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int copy_link(int from_dir, const char *from, int to_dir, const char *to)
{
	char link[4096];
	ssize_t n = readlinkat(from_dir, from, link, sizeof(link) - 1);
	if (n < 0)
		return -1;
	link[n] = '\0';
	return symlinkat(link, to_dir, to);
}

static int copy_any(int from_dir, const char *from, int to_dir, const char *to, int depth);

static int copy_dir(int from_dir, const char *from, int to_dir, const char *to, int depth)
{
	RN_AUTO(dir_closep) DIR *d = open_dir(from_dir, from);
	if (!d || depth > DEPTH_MAX || mkdirat(to_dir, to, 0700) < 0)
		return -1;
	RN_AUTO(rn_closep) int out = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -1;
	for (struct dirent *e; (errno = 0, e = readdir(d));)
		if (!is_dots(e->d_name) && copy_any(dirfd(d), e->d_name, out, e->d_name, depth + 1) < 0)
			return -1;
	return errno ? -1 : 0;
}

static int copy_any(int from_dir, const char *from, int to_dir, const char *to, int depth)
{
	struct stat st;
	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	int rc = S_ISDIR(st.st_mode)   ? copy_dir(from_dir, from, to_dir, to, depth)
		 : S_ISLNK(st.st_mode) ? copy_link(from_dir, from, to_dir, to)
		 : S_ISREG(st.st_mode) ? copy_file(from_dir, from, to_dir, to)
				       : mknodat(to_dir, to, st.st_mode, st.st_rdev);
	if (rc < 0)
		return -1;
	if (fchownat(to_dir, to, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISLNK(st.st_mode) && fchmodat(to_dir, to, st.st_mode & 07777, 0) < 0)
		return -1;
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	return utimensat(to_dir, to, times, AT_SYMLINK_NOFOLLOW);
}

int copy_tree(int from_dir, const char *from, int to_dir, const char *to, struct rn_error *err)
{
	if (copy_any(from_dir, from, to_dir, to, 0) < 0)
		return rn_fail(err, RN_EIO, "copy %s: %m", from);
	return 0;
}

static int remove_any(int dir, const char *name, int depth)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	RN_AUTO(dir_closep) DIR *d = depth > DEPTH_MAX ? NULL : open_dir(dir, name);
	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		if (!is_dots(e->d_name))
			remove_any(dirfd(d), e->d_name, depth + 1);
	return unlinkat(dir, name, AT_REMOVEDIR);
}

int remove_tree_at(int dir, const char *name)
{
	return remove_any(dir, name, 0);
}
