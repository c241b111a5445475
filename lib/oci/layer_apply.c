/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_apply.h"

#include "layer_apply_file.h"
#include "layer_apply_pool.h"
#include "layer_reader.h"

#include "base/fs.h"
#include "base/map.h"
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Times and modes of folders are set last: what is put into them changes the one and may need the other. */
struct late_dir {
	char *path;
	mode_t mode;
	int64_t mtime;
};

struct apply {
	int root;
	const struct layer_apply_options *o;
	struct layer_reader *r;
	struct apply_pool *pool; /* NULL: none */
	struct rn_map made; /* paths of this layer, which its own whiteouts spare */
	struct late_dir *late;
	size_t n_late, cap_late;
	/* the folder of the last entry, open: most follow one in the same */
	char *near;
	int near_fd;
};

/* ---- places ------------------------------------------------------------------------------ */

/* An open folder for `dir` inside the root, made where missing; links in it stay inside. */
static int open_dir(const struct apply *a, const char *dir, struct rn_error *err)
{
	int fd = rn_open_in_root(a->root, dir[0] ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : rn_fail(err, RN_EINVAL, "folder \"%s\": %m", dir);
	RN_AUTO(rn_freep) char *above = rn_path_dir(dir);
	RN_AUTO(rn_closep) int parent = open_dir(a, strcmp(above, ".") == 0 ? "" : above, err);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, rn_path_base(dir), 0755) < 0 && errno != EEXIST)
		return rn_fail(err, RN_EIO, "make folder \"%s\": %m", dir);
	fd = openat(parent, rn_path_base(dir), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : rn_fail(err, RN_EIO, "folder \"%s\": %m", dir);
}

/* Makes the descriptors of files that are still to be written free, if there were too many (errno): then it is tried once more. */
static bool free_descriptors(struct apply *a)
{
	if (errno != EMFILE && errno != ENFILE)
		return false;
	apply_pool_drain(a->pool);
	return true;
}

static int open_parent(struct apply *a, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *above = rn_path_dir(path);
	const char *dir = strcmp(above, ".") == 0 ? "" : above;
	int fd = open_dir(a, dir, err);
	return fd < 0 && free_descriptors(a) ? open_dir(a, dir, err) : fd;
}

/* The same, kept open until an entry lies elsewhere. Borrowed. */
static int near_parent(struct apply *a, const char *path, struct rn_error *err)
{
	size_t n = (size_t)(rn_path_base(path) - path);
	if (a->near_fd >= 0 && strncmp(a->near, path, n) == 0 && a->near[n] == '\0')
		return a->near_fd;
	rn_closep(&a->near_fd);
	free(a->near);
	a->near = rn_strndup(path, n);
	return a->near_fd = open_parent(a, path, err);
}

/* Removes a name and all below it; what is not there is fine. */
static int remove_at(int dir, const char *name, struct rn_error *err)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	RN_AUTO(rn_freep) char *path = rn_asprintf("/proc/self/fd/%d/%s", dir, name);
	return rn_remove_tree(path, err);
}

/* ---- whiteouts ------------------------------------------------------------------------------ */

static int mark_opaque(const struct apply *a, int dir, struct rn_error *err)
{
	const char *name = a->o->owners && !a->o->user_marks ? "trusted.overlay.opaque" : "user.overlay.opaque";
	return fsetxattr(dir, name, "y", 1, 0) == 0 ? 0 : rn_fail(err, RN_EIO, "mark an opaque folder: %m");
}

/* What the layer itself has put there stays, and of a folder all that is below it. */
static int mark_removed(const struct apply *a, int dir, const char *path, struct rn_error *err)
{
	const char *name = rn_path_base(path);
	if (rn_map_has(&a->made, path)) {
		RN_AUTO(rn_closep) int own = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return own >= 0 ? mark_opaque(a, own, err) : 0;
	}
	if (remove_at(dir, name, err) < 0)
		return -1;
	return mknodat(dir, name, S_IFCHR, makedev(0, 0)) == 0 ? 0 : rn_fail(err, RN_EIO, "mark \"%s\" as removed: %m", path);
}

static bool is_mark(const struct apply *a, const struct stat *st)
{
	return a->o->overlay && S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Empties a folder of what lower layers left there. */
static int make_opaque(const struct apply *a, int dir, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	RN_AUTO(rn_freep) char *proc = rn_asprintf("/proc/self/fd/%d", dir);
	if (rn_list_dir(proc, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *full = path[0] ? rn_path_join(path, names.v[i]) : rn_strdup(names.v[i]);
		if (!rn_map_has(&a->made, full) && remove_at(dir, names.v[i], err) < 0)
			return -1;
	}
	return 0;
}

static int apply_whiteout(struct apply *a, const char *path, struct rn_error *err)
{
	bool opaque;
	RN_AUTO(rn_freep) char *target = layer_whiteout_target(path, &opaque);
	if (!target)
		return 0;
	rn_closep(&a->near_fd); /* it may be what goes */
	RN_AUTO(rn_closep) int dir = opaque ? open_dir(a, target, err) : open_parent(a, target, err);
	if (dir < 0)
		return -1;
	if (a->o->overlay)
		return opaque ? mark_opaque(a, dir, err) : mark_removed(a, dir, target, err);
	if (opaque)
		return make_opaque(a, dir, target, err);
	return rn_map_has(&a->made, target) ? 0 : remove_at(dir, rn_path_base(target), err);
}

/* ---- entries ----------------------------------------------------------------------------------- */

static int damaged_size(const struct layer_entry *e, uint64_t have, struct rn_error *err)
{
	return rn_fail(err, RN_EINVAL, "\"%s\" has %llu bytes, its header says %llu", e->path, (unsigned long long)have, (unsigned long long)e->size);
}

/* Content piece by piece, whatever its size; then the facts. */
static int write_file(struct apply *a, int fd, const struct layer_entry *e, struct rn_error *err)
{
	uint64_t size = 0, end = 0, at;
	const void *p;
	size_t n;
	int rc;
	while ((rc = layer_reader_piece(a->r, &p, &n, &at, err)) > 0) {
		if (layer_apply_write(fd, p, n, at, &end) < 0)
			return rn_fail(err, RN_EIO, "write \"%s\": %m", e->path);
		size = at + n;
	}
	if (rc < 0)
		return -1;
	size = at > size ? at : size; /* a hole at the end */
	return size == e->size ? layer_apply_end(a->o, fd, e, end, err) : damaged_size(e, size, err);
}

/* All of the content into memory, holes as zeros. */
static int read_file(struct apply *a, const struct layer_entry *e, char *to, struct rn_error *err)
{
	uint64_t end = 0, at;
	const void *p;
	size_t n;
	int rc;
	while ((rc = layer_reader_piece(a->r, &p, &n, &at, err)) > 0) {
		if (at < end || at > e->size || n > e->size - at)
			return damaged_size(e, at + n, err);
		memset(to + end, 0, (size_t)(at - end));
		memcpy(to + at, p, n);
		end = at + n;
	}
	if (rc < 0)
		return -1;
	uint64_t size = at > end ? at : end;
	if (size != e->size)
		return damaged_size(e, size, err);
	memset(to + end, 0, (size_t)(size - end));
	return 0;
}

static int put_dir(struct apply *a, int parent, const char *name, const struct layer_entry *e, struct rn_error *err)
{
	struct stat st;
	bool there = fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0, anew = there && is_mark(a, &st);
	if (there && !S_ISDIR(st.st_mode) && remove_at(parent, name, err) < 0)
		return -1;
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return rn_fail(err, RN_EIO, "make folder \"%s\": %m", e->path);
	const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	RN_AUTO(rn_closep) int fd = openat(parent, name, how);
	if (fd < 0 && free_descriptors(a))
		fd = openat(parent, name, how);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "folder \"%s\": %m", e->path);
	if ((anew && mark_opaque(a, fd, err) < 0) || layer_apply_facts(a->o, fd, e, err) < 0)
		return -1;
	if (!(layer_apply_mode(a->o, e) & 0200) || !(layer_apply_mode(a->o, e) & 0100))
		(void)!fchmod(fd, layer_apply_mode(a->o, e) | 0700); /* until all is in it */
	a->late = rn_grow(a->late, &a->cap_late, a->n_late + 1, sizeof(*a->late));
	a->late[a->n_late++] = (struct late_dir){ rn_strdup(e->path), layer_apply_mode(a->o, e), e->mtime };
	return 0;
}

/* What has the name goes, if that is why an entry could not be made (errno): then it is tried once more. */
static bool make_room(int parent, const char *name)
{
	return errno == EEXIST && remove_at(parent, name, NULL) == 0;
}

static int put_file(struct apply *a, int parent, const char *name, const struct layer_entry *e, struct rn_error *err)
{
	const int how = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	mode_t mode = layer_apply_mode(a->o, e) & 0777; /* mostly the right one, but for the umask */
	RN_AUTO(rn_closep) int fd = openat(parent, name, how, mode);
	if (fd < 0 && free_descriptors(a))
		fd = openat(parent, name, how, mode);
	if (fd < 0 && make_room(parent, name))
		fd = openat(parent, name, how, mode);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "make \"%s\": %m", e->path);
	if (!apply_pool_takes(a->pool, e))
		return write_file(a, fd, e, err);
	char *room = apply_pool_room(a->pool, e, err);
	if (!room || read_file(a, e, room, err) < 0)
		return -1;
	apply_pool_put(a->pool, rn_take_fd(&fd), e);
	return 0;
}

static int put_hardlink(struct apply *a, int parent, const char *name, const struct layer_entry *e, struct rn_error *err)
{
	RN_AUTO(rn_closep) int from = open_parent(a, e->link, err);
	if (from < 0)
		return -1;
	int rc = linkat(from, rn_path_base(e->link), parent, name, 0);
	if (rc < 0 && make_room(parent, name))
		rc = linkat(from, rn_path_base(e->link), parent, name, 0);
	if (rc < 0)
		return rn_fail(err, errno == ENOENT ? RN_EINVAL : RN_EIO, "hard link \"%s\" to \"%s\": %m", e->path, e->link);
	return 0;
}

static int make_other(int parent, const char *name, const struct layer_entry *e)
{
	mode_t type = e->type == LAYER_CHAR ? S_IFCHR : e->type == LAYER_BLOCK ? S_IFBLK : S_IFIFO;
	if (e->type == LAYER_SYMLINK)
		return symlinkat(e->link, parent, name);
	return mknodat(parent, name, type | 0600, e->type == LAYER_FIFO ? 0 : makedev(e->dev_major, e->dev_minor));
}

/* Links and nodes have no descriptor to set facts by. */
static int put_other(const struct apply *a, int parent, const char *name, const struct layer_entry *e, struct rn_error *err)
{
	const struct timespec times[2] = { { .tv_sec = e->mtime }, { .tv_sec = e->mtime } };
	bool device = e->type == LAYER_CHAR || e->type == LAYER_BLOCK;
	if (device && !a->o->devices)
		return a->o->skip_devices ? remove_at(parent, name, err) :
					    rn_fail(err, RN_EUNSUPPORTED, "\"%s\" is a device, which is not allowed here", e->path);
	int rc = make_other(parent, name, e);
	if (rc < 0 && make_room(parent, name))
		rc = make_other(parent, name, e);
	if (rc < 0)
		return rn_fail(err, RN_EIO, "make \"%s\": %m", e->path);
	if (a->o->owners && fchownat(parent, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return rn_fail(err, RN_EIO, "give \"%s\" to %u:%u: %m", e->path, e->uid, e->gid);
	if (e->type != LAYER_SYMLINK && fchmodat(parent, name, e->mode, 0) < 0)
		return rn_fail(err, RN_EIO, "set the mode of \"%s\": %m", e->path);
	(void)!utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int put_root(struct apply *a, const struct layer_entry *e, struct rn_error *err)
{
	if (e->type != LAYER_DIR)
		return rn_fail(err, RN_EINVAL, "the root of a layer is not a folder");
	return layer_apply_facts(a->o, a->root, e, err);
}

static int put(struct apply *a, const struct layer_entry *e, struct rn_error *err)
{
	if (layer_is_whiteout(e->path))
		return apply_whiteout(a, e->path, err);
	if (!e->path[0])
		return put_root(a, e, err);
	int parent = near_parent(a, e->path, err);
	const char *name = rn_path_base(e->path);
	if (parent < 0)
		return -1;
	rn_map_set(&a->made, e->path, a);
	if (e->type == LAYER_DIR)
		return put_dir(a, parent, name, e, err);
	if (e->type == LAYER_FILE)
		return put_file(a, parent, name, e, err);
	return e->type == LAYER_HARDLINK ? put_hardlink(a, parent, name, e, err) : put_other(a, parent, name, e, err);
}

/* Deepest first, so that a folder without write permission does not lock out what is below. Of two entries the last one counts. */
static void finish_dirs(struct apply *a)
{
	RN_AUTO(rn_map_clear) struct rn_map done = { 0 };
	while (a->n_late) {
		struct late_dir *d = &a->late[--a->n_late];
		RN_AUTO(rn_freep) char *path = rn_take(&d->path);
		if (rn_map_get(&done, path))
			continue;
		rn_map_set(&done, path, a);
		const struct timespec times[2] = { { .tv_sec = d->mtime }, { .tv_sec = d->mtime } };
		RN_AUTO(rn_closep) int fd = rn_open_in_root(a->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0)
			continue;
		(void)!fchmod(fd, d->mode);
		(void)!futimens(fd, times);
	}
	free(a->late);
}

int layer_apply(int root_fd, int fd, const struct layer_apply_options *o, struct digest *ret_diff_id, struct rn_error *err)
{
	int cancel_fd = o->cancel_fd;
	const struct rn_stop stop = { rn_stop_fd, &cancel_fd };
	const struct layer_reader_options ro = { .limits = o->limits, .need_diff_id = ret_diff_id != NULL, .pieces = o->pieces, .stop = &stop };
	struct apply a = { .root = root_fd, .o = o, .r = layer_reader_new(fd, &ro, err), .near_fd = -1 };
	struct stat st = { 0 };
	struct layer_entry e;
	if (!a.r)
		return -1;
	a.pool = apply_pool_new(o);
	(void)!fstat(fd, &st);
	int rc;
	while ((rc = layer_reader_next(a.r, &e, err)) > 0) {
		rc = put(&a, &e, err);
		if (rc < 0)
			break;
		if (o->progress && !o->pieces)
			o->progress(o->ctx, (uint64_t)lseek(fd, 0, SEEK_CUR), (uint64_t)st.st_size);
	}
	if (rc == 0)
		rc = layer_reader_finish(a.r, ret_diff_id, NULL, err);
	if (apply_pool_finish(a.pool, rc == 0 ? err : NULL) < 0)
		rc = -1;
	finish_dirs(&a);
	layer_reader_free(a.r);
	rn_map_clear(&a.made);
	rn_closep(&a.near_fd);
	free(a.near);
	return rc;
}

/* ---- images ---------------------------------------------------------------------------------------- */

struct image_progress {
	const struct layer_apply_options *o;
	uint64_t before, total;
};

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct image_progress *p = ctx;
	(void)total;
	p->o->progress(p->o->ctx, p->before + done, p->total);
}

int layer_apply_image(struct blob_store *store, const struct manifest *m, const cJSON *config, const char *dir,
		      const struct layer_apply_options *o, struct rn_error *err)
{
	struct image_progress p = { .o = o };
	struct layer_apply_options each = *o;
	each.progress = o->progress ? on_progress : NULL;
	each.ctx = &p;
	if (rn_mkdirs(dir, 0755, err) < 0)
		return -1;
	RN_AUTO(rn_closep) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", dir);
	for (size_t i = 0; i < m->n_layers; i++)
		p.total += m->layers[i].size;
	for (size_t i = 0; i < m->n_layers; i++) {
		struct digest have = { 0 }, want = { 0 };
		RN_AUTO(rn_closep) int fd = blob_store_open_blob(store, &m->layers[i].digest, NULL, err);
		if (fd < 0 || (config && config_diff_id(config, i, &want, err) < 0) ||
		    layer_apply(root, fd, &each, config ? &have : NULL, err) < 0)
			return rn_wrap(err, "layer %.19s", m->layers[i].digest.text);
		if (config && !digest_equal(&have, &want))
			return rn_fail(err, RN_EINVAL, "layer %s unpacks to %s, the image says %s", m->layers[i].digest.text, have.text, want.text);
		p.before += m->layers[i].size;
	}
	return 0;
}
