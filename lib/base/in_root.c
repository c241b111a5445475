/* SPDX-License-Identifier: Apache-2.0 */
/* Paths below a root that links cannot leave: by openat2(2), and in steps where the kernel (before
 * Linux 5.6) or a container's filter has none. */
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's MAXSYMLINKS */

/* Where a walk is: no name in `names` was a link when it was entered, and none is followed. */
struct walk {
	int root;
	int dir;              /* the folder that `names` lead to; owned */
	struct rn_strv names; /* its path from the root                 */
	char *rest;           /* what is still to be resolved; owned    */
	int links;            /* followed so far                        */
};

static void walk_clear(struct walk *w)
{
	rn_closep(&w->dir);
	rn_strv_clear(&w->names);
	free(w->rest);
}

static int fail_with(int e)
{
	errno = e;
	return -1;
}

/* The folder after the first `n` names becomes the place. */
static int go_back(struct walk *w, size_t n)
{
	while (w->names.n > n)
		free(w->names.v[--w->names.n]);
	int dir = fcntl(w->root, F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < n && dir >= 0; i++) {
		int next = openat(dir, w->names.v[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int e = errno;
		close(dir);
		dir = next;
		errno = e;
	}
	rn_closep(&w->dir);
	w->dir = dir;
	return dir < 0 ? -1 : 0;
}

static int enter(struct walk *w, const char *name)
{
	int next = openat(w->dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0)
		return -1;
	rn_closep(&w->dir);
	w->dir = next;
	rn_strv_add(&w->names, name);
	return 0;
}

/* Puts the target of the link `name` before what is left. 0, or -1 with the errno of before when
 * `name` is no link. */
static int follow(struct walk *w, const char *name, const char *left)
{
	int before = errno;
	char target[PATH_MAX];
	ssize_t n = readlinkat(w->dir, name, target, sizeof(target) - 1);
	if (n < 0)
		return fail_with(before);
	if (n == 0)
		return fail_with(ENOENT);
	if (++w->links > LINKS_MAX)
		return fail_with(ELOOP);
	target[n] = '\0';
	char *rest = *left ? rn_asprintf("%s/%s", target, left) : rn_strdup(target);
	free(w->rest);
	w->rest = rest;
	return rest[0] == '/' ? go_back(w, 0) : 0;
}

/* Opens the last name of a path: a descriptor, -1, or -2 when it was a link that is followed now.
 */
static int open_last(struct walk *w, const char *name, int flags, mode_t mode)
{
	int fd = openat(w->dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	if (flags & O_NOFOLLOW || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return fd;
	if (fd < 0 && errno != ELOOP && errno != ENOTDIR)
		return -1;
	struct stat st;
	if (fd >= 0 && !(flags & O_PATH && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)))
		return fd;
	rn_closep(&fd);
	return follow(w, name, "") < 0 ? -1 : -2;
}

/* One component; the result of the walk once that was the last, else -2. */
static int step(struct walk *w, int flags, mode_t mode)
{
	const char *begin = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(begin, "/");
	if (n == 0) /* the path ended with a slash, or in a folder that was gone back to */
		return openat(w->dir, ".", flags | O_CLOEXEC, mode);
	RN_AUTO(rn_freep) char *name = rn_strndup(begin, n);
	RN_AUTO(rn_freep) char *left = rn_strdup(begin + n);
	bool stays = rn_streq(name, "."), up = rn_streq(name, "..");
	if (!*left && !stays && !up)
		return open_last(w, name, flags, mode);
	if (flags & O_CREAT && !left[strspn(left, "/")])
		return fail_with(flags & O_EXCL && (stays || up) ? EEXIST : EISDIR);
	if (up && w->names.n && go_back(w, w->names.n - 1) < 0)
		return -1;
	if (!stays && !up && enter(w, name) < 0)
		return (errno == ELOOP || errno == ENOTDIR) && follow(w, name, left) == 0 ? -2 : -1;
	free(w->rest);
	w->rest = rn_take(&left);
	return -2;
}

int rn_open_in_root_steps(int root_fd, const char *path, int flags, mode_t mode)
{
	if (!*path)
		return fail_with(ENOENT);
	RN_AUTO(walk_clear) struct walk w = { .root = root_fd, .dir = -1, .rest = rn_strdup(path) };
	int fd = go_back(&w, 0) < 0 ? -1 : -2;
	while (fd == -2)
		fd = step(&w, flags, mode);
	return fd;
}

int rn_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0, /* else it must be 0 */
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* EPERM: filters that do not know it */
			return rn_open_in_root_steps(root_fd, path, flags, mode);
		if (fd >= 0 || errno != EAGAIN || tries > 100) /* EAGAIN: raced with a rename */
			return (int)fd;
	}
}
