/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_plain.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 512
#define SCAN_MAX ((size_t)1 << 30)

/* What is remembered of an inode; the path follows in the file. */
struct seen {
	uint64_t dev, ino, size, rdev, links;
	int64_t mtime, mtime_ns, ctime, ctime_ns;
	uint32_t mode, uid, gid, path_size; /* of the path with its NUL */
};

static struct seen see(const struct stat *st)
{
	return (struct seen){
		.dev = st->st_dev, .ino = st->st_ino, .size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size, .rdev = st->st_rdev,
		.links = S_ISDIR(st->st_mode) ? 0 : st->st_nlink, .mtime = st->st_mtim.tv_sec, .mtime_ns = st->st_mtim.tv_nsec,
		.ctime = st->st_ctim.tv_sec, .ctime_ns = st->st_ctim.tv_nsec, .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid,
	};
}

/* ---- before ------------------------------------------------------------------------------------ */

static int scan_folder(int dir, const char *path, int depth, struct rn_buf *out, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (depth > DEPTH_MAX)
		return rn_fail(err, RN_ELIMIT, "/%s: folders are nested deeper than %d", path, DEPTH_MAX);
	if (diff_list(dir, path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *below = diff_join(path, names.v[i]);
		struct stat st;
		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return rn_fail(err, RN_EIO, "/%s: %m", below);
		struct seen s = see(&st);
		s.path_size = (uint32_t)strlen(below) + 1;
		rn_buf_add(out, &s, sizeof(s));
		rn_buf_add(out, below, s.path_size);
		if (!S_ISDIR(st.st_mode))
			continue;
		RN_AUTO(rn_closep) int fd = openat(dir, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return rn_fail(err, RN_EIO, "open /%s: %m", below);
		if (scan_folder(fd, below, depth + 1, out, err) < 0)
			return -1;
	}
	return 0;
}

int plain_scan(const char *root, const char *to, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT;
	rn_buf_init(&out, SCAN_MAX);
	RN_AUTO(rn_closep) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", root);
	if (scan_folder(fd, "", 0, &out, err) < 0 || rn_buf_check(&out, "the list of the image's files", err) < 0)
		return -1;
	RN_AUTO(rn_closep) int file = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0 || rn_write_full(file, out.p, out.len) < 0)
		return rn_fail(err, RN_EIO, "write %s: %m", to);
	return 0;
}

/* ---- after --------------------------------------------------------------------------------------- */

/* Both lists are walked side by side, in the same order. */
struct compare {
	struct diff_writer *d;
	struct rn_buf before;
	size_t at;
	struct seen s;        /* the present one of before */
	const char *path;     /* NULL: no more            */
	char *gone;           /* the folder that was removed or replaced last: what was below it needs no mark */
};

static void next_before(struct compare *c)
{
	c->path = NULL;
	if (c->before.len - c->at < sizeof(c->s))
		return;
	memcpy(&c->s, c->before.p + c->at, sizeof(c->s));
	c->at += sizeof(c->s);
	if (c->s.path_size == 0 || c->before.len - c->at < c->s.path_size)
		return;
	c->path = c->before.p + c->at;
	c->at += c->s.path_size;
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = folder ? strlen(folder) : 0;
	return folder && strncmp(path, folder, n) == 0 && path[n] == '/';
}

static void set_gone(struct compare *c, const char *path)
{
	free(c->gone);
	c->gone = rn_strdup(path);
}

/* What stood before `path` in the list and is not there now; NULL: all the rest. */
static int remove_before(struct compare *c, const char *path, struct rn_error *err)
{
	while (c->path && (!path || layer_path_compare(c->path, path) < 0)) {
		if (!is_below(c->path, c->gone)) {
			RN_AUTO(rn_freep) char *dir = rn_path_dir(c->path);
			/* what no layer can hold was never in one */
			if (!S_ISSOCK(c->s.mode) && diff_whiteout(c->d, rn_streq(dir, ".") ? "" : dir, rn_path_base(c->path), err) < 0)
				return -1;
			set_gone(c, c->path);
		}
		next_before(c);
	}
	return 0;
}

/* Something was laid over it, by renaming it away and back: that alone is no change. */
static bool was_covered(const struct diff_job *j, const char *path)
{
	for (size_t i = 0; i < j->n_covered; i++)
		if (rn_streq(j->covered[i] + strspn(j->covered[i], "/"), path))
			return true;
	return false;
}

static bool changed(const struct compare *c, const char *path, const struct stat *st)
{
	struct seen now = see(st), was = c->s;
	now.path_size = was.path_size;
	if (was_covered(c->d->j, path))
		now.ctime = was.ctime, now.ctime_ns = was.ctime_ns;
	return memcmp(&now, &was, sizeof(now)) != 0;
}

static int compare_folder(struct compare *c, const struct diff_place *dir, int depth, struct rn_error *err);

static int changed_entry(struct compare *c, const struct diff_place *p, struct rn_error *err)
{
	RN_AUTO(diff_xattrs_clear) struct diff_xattrs x = { 0 };
	if (p->fd >= 0 && diff_xattrs_read(p->fd, p->path, &x, err) < 0)
		return -1;
	/* a folder changes by what is put into it: that is told by what is in it */
	if (S_ISDIR(p->st->st_mode) && diff_same_facts(c->d->j, p, &x))
		return 0;
	return diff_add(c->d, p, &x, err);
}

static int compare_entry(struct compare *c, const struct diff_place *dir, const char *name, int depth, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = diff_join(dir->path, name);
	struct stat st;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rn_fail(err, RN_EIO, "/%s: %m", path);
	if (S_ISSOCK(st.st_mode)) {
		(void)!unlinkat(dir->fd, name, 0);
		return 0;
	}
	if (remove_before(c, path, err) < 0)
		return -1;
	bool known = c->path && rn_streq(c->path, path), differs = !known || changed(c, path, &st);
	if (known) {
		if (S_ISDIR(c->s.mode) && !S_ISDIR(st.st_mode))
			set_gone(c, path);
		next_before(c);
	}
	if (!differs && !S_ISDIR(st.st_mode))
		return 0;
	bool opened = S_ISDIR(st.st_mode) || S_ISREG(st.st_mode);
	RN_AUTO(rn_closep) int fd = opened ? openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	if (opened && fd < 0)
		return rn_fail(err, RN_EIO, "open /%s: %m", path);
	const struct layer_node *base = dir->base ? layer_node_child(dir->base, name) : NULL;
	struct diff_place p = { .dir = dir->fd, .name = name, .path = path, .st = &st, .fd = fd, .base = base };
	if (differs && changed_entry(c, &p, err) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return 0;
	p.base = base && base->type == LAYER_DIR ? base : NULL;
	if (compare_folder(c, &p, depth, err) < 0)
		return -1;
	if (differs)
		diff_set_time(&p, p.base ? p.base->mtime : diff_clamp(c->d->j, st.st_mtim.tv_sec));
	return 0;
}

static int compare_folder(struct compare *c, const struct diff_place *dir, int depth, struct rn_error *err)
{
	const struct diff_job *j = c->d->j;
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (depth > DEPTH_MAX)
		return rn_fail(err, RN_ELIMIT, "/%s: folders are nested deeper than %d", dir->path, DEPTH_MAX);
	if (j->cancelled && j->cancelled(j->ctx))
		return rn_fail(err, RN_ECANCELLED, "stopped");
	if (diff_list(dir->fd, dir->path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (compare_entry(c, dir, names.v[i], depth + 1, err) < 0)
			return -1;
	return 0;
}

static int compare_root(struct compare *c, const char *root, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", root);
	struct diff_place top = { .dir = fd, .name = "", .path = "", .st = &st, .fd = fd, .base = layer_tree_root(c->d->j->base) };
	next_before(c);
	return changed_entry(c, &top, err) < 0 || compare_folder(c, &top, 0, err) < 0 ? -1 : remove_before(c, NULL, err);
}

int diff_plain(const struct diff_job *j, struct layer_result *ret, bool *ret_empty, struct rn_error *err)
{
	struct rn_map inodes;
	rn_map_init(&inodes, free);
	struct diff_writer d = { .j = j, .inodes = &inodes };
	struct compare c = { .d = &d };
	int rc = rn_read_file(j->before, SCAN_MAX, &c.before, err);
	if (rc == 0)
		rc = compare_root(&c, j->root, err);
	if (rc == 0)
		rc = diff_finish(&d, ret, ret_empty, err);
	layer_writer_abort(d.w);
	rn_buf_clear(&c.before);
	free(c.gone);
	rn_map_clear(&inodes);
	return rc;
}

int diff_any(const struct diff_job *j, struct layer_result *ret, bool *ret_empty, struct rn_error *err)
{
	return j->before ? diff_plain(j, ret, ret_empty, err) : diff_overlay(j, ret, ret_empty, err);
}
