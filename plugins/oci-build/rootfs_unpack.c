/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_unpack.h"

#include "base/fs.h"
#include "oci/layer_apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void unpack_job_clear(struct unpack_job *j)
{
	for (size_t i = 0; i < j->n_dirs; i++)
		free(j->dirs[i].path);
	rn_freep(&j->dirs);
	j->n_dirs = 0;
}

/* A folder inside of the root, whatever links an image has put on the way. */
static int open_inside(int root, const char *path)
{
	return rn_open_in_root(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

/* The folder that holds `path`. A missing one is made: the layer itself has an entry for it, which says what it is like. */
static int open_above(int root, const char *path)
{
	RN_AUTO(rn_freep) char *above = rn_path_dir(path);
	int fd = open_inside(root, above);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	RN_AUTO(rn_closep) int parent = open_above(root, above);
	if (parent < 0 || (mkdirat(parent, rn_path_base(above), 0700) < 0 && errno != EEXIST))
		return -1;
	return open_inside(parent, rn_path_base(above));
}

static int make_dir(const struct unpack_job *j, int root, const struct unpack_dir *d, struct rn_error *err)
{
	RN_AUTO(rn_closep) int parent = open_above(root, d->path);
	if (parent < 0 || (mkdirat(parent, rn_path_base(d->path), 0700) < 0 && errno != EEXIST))
		return rn_fail(err, RN_EIO, "make folder \"%s\": %m", d->path);
	RN_AUTO(rn_closep) int fd = open_inside(parent, rn_path_base(d->path));
	if (fd < 0)
		return rn_fail(err, RN_EIO, "folder \"%s\": %m", d->path);
	if (j->owners && fchown(fd, d->uid, d->gid) < 0)
		return rn_fail(err, RN_EIO, "give \"%s\" to %u:%u: %m", d->path, d->uid, d->gid);
	return fchmod(fd, d->mode & 07777) == 0 ? 0 : rn_fail(err, RN_EIO, "set the mode of \"%s\": %m", d->path);
}

/* The paths come sorted, folders before what is in them. */
static int make_dirs(const struct unpack_job *j, int root, struct rn_error *err)
{
	for (size_t i = 0; i < j->n_dirs; i++)
		if (make_dir(j, root, &j->dirs[i], err) < 0)
			return -1;
	return 0;
}

static void set_times(const struct unpack_job *j, int root)
{
	for (size_t i = 0; i < j->n_dirs; i++) {
		const struct timespec times[2] = { { .tv_sec = j->dirs[i].mtime }, { .tv_sec = j->dirs[i].mtime } };
		RN_AUTO(rn_closep) int fd = open_inside(root, j->dirs[i].path);
		if (fd >= 0)
			(void)!futimens(fd, times);
	}
}

/* The folder `fs` in `dir`, made and open. */
static int open_fs(const struct unpack_job *j, const char *dir, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *fs = rn_path_join(dir, "fs");
	if ((mkdir(fs, 0755) < 0 && (errno != EEXIST || !j->onto)) || (!j->onto && chmod(fs, 0755) < 0))
		return rn_fail(err, RN_EIO, "make %s: %m", fs);
	int root = open(fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root >= 0 ? root : rn_fail(err, RN_EIO, "open %s: %m", fs);
}

static struct layer_apply_options apply_options(const struct unpack_job *j)
{
	struct layer_apply_options o = LAYER_APPLY_INIT;
	o.owners = j->owners;
	o.devices = j->devices;
	o.skip_devices = !j->devices;
	o.xattrs = true;
	o.overlay = j->overlay;
	o.user_marks = j->user_marks;
	o.cancel_fd = j->cancel_fd;
	o.progress = j->progress;
	o.ctx = j->ctx;
	return o;
}

static int fill(const struct unpack_job *j, const char *dir, struct rn_error *err)
{
	const struct layer_apply_options o = apply_options(j);
	RN_AUTO(rn_closep) int root = open_fs(j, dir, err);
	if (root < 0 || make_dirs(j, root, err) < 0)
		return -1;
	for (size_t i = 0; i < j->n_layers; i++) {
		RN_AUTO(rn_closep) int blob = blob_store_open_blob(j->store, &j->layers[i], NULL, err);
		if (blob < 0 || layer_apply(root, blob, &o, NULL, err) < 0)
			return rn_wrap(err, "unpack layer %.19s", j->layers[i].text);
	}
	set_times(j, root);
	return 0;
}

int unpack_run(const struct unpack_job *j, struct rn_error *err)
{
	if (j->onto)
		return rn_mkdirs(j->to, 0755, err) < 0 ? -1 : fill(j, j->to, err);
	if (rn_exists(j->to))
		return 0;
	RN_AUTO(rn_freep) char *parent = rn_path_dir(j->to);
	RN_AUTO(rn_freep) char *temp = rn_temp_dir(parent, ".new-", err);
	if (!temp)
		return -1;
	int rc = chmod(temp, 0755) < 0 ? rn_fail(err, RN_EIO, "chmod %s: %m", temp) : fill(j, temp, err);
	if (rc == 0 && rename(temp, j->to) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		rc = rn_fail(err, RN_EIO, "rename %s: %m", temp);
	if (rc < 0 || rn_exists(temp))
		rn_remove_tree(temp, NULL);
	return rc;
}

int unpack_tar(const struct unpack_job *j, const struct layer_pieces *tar, struct rn_error *err)
{
	struct layer_apply_options o = apply_options(j);
	o.pieces = tar;
	RN_AUTO(rn_closep) int root = open_fs(j, j->to, err);
	return root < 0 ? -1 : layer_apply(root, -1, &o, NULL, err);
}

int unpack_dirs(const struct unpack_job *j, const char *fs, struct rn_error *err)
{
	RN_AUTO(rn_closep) int root = open(fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", fs);
	if (make_dirs(j, root, err) < 0)
		return -1;
	set_times(j, root);
	return 0;
}
