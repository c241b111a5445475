/* SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40

void undo_add(struct apply *a, enum undo_kind kind, const char *path, const char *other)
{
	a->undo = rn_grow(a->undo, &a->cap_undo, a->n_undo + 1, sizeof(*a->undo));
	a->undo[a->n_undo++] = (struct undo){ kind, rn_strdup(path), rn_strdup(other) };
}

int target_parent(int root, const char *path, const char **ret_name, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	int fd = rn_open_in_root(root, dir, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "open %s in the root: %m", dir);
	*ret_name = rn_path_base(path);
	return fd;
}

static int make(struct apply *a, int root, const char *path, bool folder, bool keep, int depth, struct rn_error *err);

/* A link that leads nowhere yet: what it points at is what has to be made. */
static int make_link_target(struct apply *a, int root, const char *path, int parent, const char *name, bool folder,
			    bool keep, int depth, struct rn_error *err)
{
	char link[4096];
	ssize_t n = readlinkat(parent, name, link, sizeof(link) - 1);
	if (n < 0 || depth >= LINKS_MAX)
		return rn_fail(err, RN_EIO, "%s in the root is in the way", path);
	link[n] = '\0';
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	RN_AUTO(rn_freep) char *to = rn_path_join(dir, link);
	RN_AUTO(rn_freep) char *clean = rn_path_clean(to);
	return make(a, root, clean, folder, keep, depth + 1, err);
}

char *target_path(int root, int fd)
{
	char link[32], top[PATH_MAX], real[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	ssize_t n = readlink(link, top, sizeof(top) - 1);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t m = readlink(link, real, sizeof(real) - 1);
	if (n < 0 || m < n || memcmp(top, real, (size_t)n) != 0)
		return NULL;
	real[m] = '\0';
	return rn_strdup(m > n ? real + n : "/");
}

/* What was made is found again at the end, also when the program changed the links that lead there. */
static void undo_made(struct apply *a, int root, enum undo_kind kind, int parent, const char *name, const char *path)
{
	RN_AUTO(rn_freep) char *dir = target_path(root, parent);
	RN_AUTO(rn_freep) char *real = dir ? rn_path_join(dir, name) : NULL;
	undo_add(a, kind, real ? real : path, NULL);
}

static int make_one(struct apply *a, int root, const char *path, bool folder, bool keep, int depth,
		    struct rn_error *err)
{
	const char *name = NULL;
	RN_AUTO(rn_closep) int parent = target_parent(root, path, &name, err);
	if (parent < 0)
		return -1;
	if (folder && mkdirat(parent, name, 0755) == 0) {
		if (!keep)
			undo_made(a, root, UNDO_REMOVE_DIR, parent, name, path);
		return 0;
	}
	if (!folder) {
		RN_AUTO(rn_closep) int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0) {
			if (!keep)
				undo_made(a, root, UNDO_REMOVE_FILE, parent, name, path);
			return 0;
		}
	}
	if (errno == EROFS) {
		rn_fail(err, RN_EIO, "make %s in the root: %m", path);
		return rn_hint(err, "it lies in something that is mounted read-only and has no such %s: make it there, or mount that writable",
			       folder ? "folder" : "file");
	}
	if (errno != EEXIST)
		return rn_fail(err, RN_EIO, "make %s in the root: %m", path);
	return make_link_target(a, root, path, parent, name, folder, keep, depth, err);
}

static int make(struct apply *a, int root, const char *path, bool folder, bool keep, int depth, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *prefix = rn_strdup(path);
	for (char *p = prefix + 1;; p++) {
		if (*p && *p != '/')
			continue;
		bool last = *p == '\0';
		*p = '\0';
		RN_AUTO(rn_closep) int fd = rn_open_in_root(root, prefix, O_PATH, 0);
		if (fd < 0 && errno != ENOENT)
			return rn_fail(err, RN_EIO, "look up %s in the root: %m", prefix);
		if (fd < 0 && make_one(a, root, prefix, !last || folder, keep, depth, err) < 0)
			return -1;
		if (last)
			return 0;
		*p = '/';
	}
}

int target_other_kind(const char *target, bool folder, struct rn_error *err)
{
	rn_fail(err, RN_EINVAL, "%s is a %s, and what is to be mounted there is a %s", target, folder ? "file" : "folder",
		folder ? "folder" : "file");
	return rn_hint(err, "choose another target");
}

int target_make(struct apply *a, int root, const char *path, bool folder, bool keep, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *clean = rn_path_clean(path);
	return make(a, root, clean, folder, keep, 0, err);
}
