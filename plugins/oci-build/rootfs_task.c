/* SPDX-License-Identifier: Apache-2.0 */
/* What touches files of other ids: done here as root. */
#include "rootfs_internal.h"

#include "base/fs.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int rootfs_unpack(struct rootfs *r, const struct unpack_job *j, struct rn_error *err)
{
	(void)r;
	return unpack_run(j, err);
}

int rootfs_diff(struct rootfs *r, const struct diff_job *j, const struct fs_state *state, struct layer_result *ret,
		bool *ret_empty, struct rn_error *err)
{
	(void)r;
	(void)state;
	return diff_overlay(j, ret, ret_empty, err);
}

int rootfs_mkdir(struct rootfs *r, const char *path, const struct unpack_dir *facts, struct rn_error *err)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return rn_fail(err, RN_EIO, "make %s: %m", path);
	return rootfs_own(r, path, facts, err);
}

int rootfs_own(struct rootfs *r, const char *path, const struct unpack_dir *facts, struct rn_error *err)
{
	(void)r;
	if (chown(path, facts->uid, facts->gid) < 0 || chmod(path, facts->mode & 07777) < 0)
		return rn_fail(err, RN_EIO, "set the owner and mode of %s: %m", path);
	return 0;
}

void rootfs_remove(struct rootfs *r, const char *path)
{
	(void)r;
	rn_remove_tree(path, NULL);
}
