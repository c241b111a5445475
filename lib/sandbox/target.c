/* SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
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

static int make_one(struct apply *a, int root, const char *path, bool folder, bool keep, int depth,
		    struct rn_error *err)
{
	const char *name = NULL;
	RN_AUTO(rn_closep) int parent = target_parent(root, path, &name, err);
	if (parent < 0)
		return -1;
	if (folder && mkdirat(parent, name, 0755) == 0) {
		if (!keep)
			undo_add(a, UNDO_REMOVE_DIR, path, NULL);
		return 0;
	}
	if (!folder) {
		RN_AUTO(rn_closep) int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0) {
			if (!keep)
				undo_add(a, UNDO_REMOVE_FILE, path, NULL);
			return 0;
		}
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

int target_make(struct apply *a, int root, const char *path, bool folder, bool keep, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *clean = rn_path_clean(path);
	return make(a, root, clean, folder, keep, 0, err);
}
