/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_diff.h"

#include "base/fs.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX 512
#define NAMES_MAX ((size_t)64 << 10)
#define VALUE_MAX ((size_t)64 << 10)
#define COMPARE_PIECE ((size_t)64 << 10)

/* ---- extended attributes ------------------------------------------------------------------ */

void diff_xattrs_clear(struct diff_xattrs *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free((char *)x->v[i].name);
		free((void *)x->v[i].value);
	}
	rn_freep(&x->v);
	x->n = 0;
}

/* File capabilities and what users set; labels of the machine's security modules and marks of overlays are not the image's. */
static bool kept_xattr(const char *name)
{
	return rn_streq(name, "security.capability") || (rn_starts(name, "user.") && !rn_starts(name, "user.overlay."));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct layer_xattr *)a)->name, ((const struct layer_xattr *)b)->name);
}

int diff_xattrs_read(int fd, const char *path, struct diff_xattrs *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *names = rn_alloc(NAMES_MAX);
	ssize_t n = flistxattr(fd, names, NAMES_MAX);
	if (n < 0)
		return errno == ENOTSUP || errno == ENOSYS ? 0 : rn_fail(err, RN_EIO, "list the attributes of /%s: %m", path);
	RN_AUTO(diff_xattrs_clear) struct diff_xattrs x = { 0 };
	size_t cap = 0;
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		if (!kept_xattr(name))
			continue;
		RN_AUTO(rn_freep) char *value = rn_alloc(VALUE_MAX);
		ssize_t size = fgetxattr(fd, name, value, VALUE_MAX);
		if (size < 0)
			return rn_fail(err, RN_EIO, "read %s of /%s: %m", name, path);
		x.v = rn_grow(x.v, &cap, x.n + 1, sizeof(*x.v));
		x.v[x.n++] = (struct layer_xattr){ rn_strdup(name), rn_memdup(value, (size_t)size), (size_t)size };
	}
	if (x.n > 1)
		qsort(x.v, x.n, sizeof(*x.v), by_name);
	*ret = x;
	x.v = NULL; /* they are the caller's */
	x.n = 0;
	return 0;
}

static bool same_xattrs(const struct diff_xattrs *x, const struct layer_node *base)
{
	size_t count = 0;
	for (size_t i = 0; i < base->n_xattrs; i++)
		count += kept_xattr(base->xattrs[i].name);
	if (count != x->n)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		bool found = false;
		for (size_t k = 0; k < base->n_xattrs && !found; k++)
			found = rn_streq(base->xattrs[k].name, x->v[i].name) && base->xattrs[k].size == x->v[i].size &&
				memcmp(base->xattrs[k].value, x->v[i].value, x->v[i].size) == 0;
		if (!found)
			return false;
	}
	return true;
}

/* ---- entries ---------------------------------------------------------------------------------- */

char *diff_join(const char *dir, const char *name)
{
	return *dir ? rn_asprintf("%s/%s", dir, name) : rn_strdup(name);
}

int64_t diff_clamp(const struct diff_job *j, int64_t mtime)
{
	return mtime < j->epoch ? mtime : j->epoch;
}

static enum layer_type type_of(mode_t mode)
{
	return S_ISDIR(mode) ? LAYER_DIR : S_ISREG(mode) ? LAYER_FILE : S_ISLNK(mode) ? LAYER_SYMLINK :
	       S_ISCHR(mode) ? LAYER_CHAR : S_ISBLK(mode) ? LAYER_BLOCK : LAYER_FIFO;
}

static uint32_t owner(const struct diff_job *j, const struct diff_place *p, bool group)
{
	if (!j->single_id)
		return group ? p->st->st_gid : p->st->st_uid;
	if (p->base && p->base->type == type_of(p->st->st_mode))
		return group ? p->base->gid : p->base->uid;
	return group ? j->gid : j->uid;
}

bool diff_same_facts(const struct diff_job *j, const struct diff_place *p, const struct diff_xattrs *x)
{
	const struct layer_node *b = p->base;
	return b && b->type == type_of(p->st->st_mode) && (b->mode & 07777) == (p->st->st_mode & 07777) &&
	       b->uid == owner(j, p, false) && b->gid == owner(j, p, true) && same_xattrs(x, b);
}

void diff_set_time(const struct diff_place *p, int64_t mtime)
{
	const struct timespec times[2] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
	if (*p->name)
		(void)!utimensat(p->dir, p->name, times, AT_SYMLINK_NOFOLLOW);
	else
		(void)!futimens(p->dir, times);
}

static int begin(struct diff_writer *d, struct rn_error *err)
{
	if (d->w)
		return 0;
	d->w = layer_writer_new(d->j->store, &d->j->options, err);
	return d->w ? 0 : -1;
}

int diff_whiteout(struct diff_writer *d, const char *dir, const char *name, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *mark = rn_asprintf(LAYER_WHITEOUT "%s", name);
	RN_AUTO(rn_freep) char *path = diff_join(dir, mark);
	const struct layer_entry e = { .path = path, .type = LAYER_FILE, .mode = 0600, .mtime = d->j->epoch };
	return begin(d, err) < 0 ? -1 : layer_writer_add(d->w, &e, NULL, err);
}

static int add_opaque(struct diff_writer *d, const char *dir, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = diff_join(dir, LAYER_OPAQUE);
	const struct layer_entry e = { .path = path, .type = LAYER_FILE, .mode = 0600, .mtime = d->j->epoch };
	return layer_writer_add(d->w, &e, NULL, err);
}

/* An earlier name of the same inode; notes this one when there is none. */
static const char *first_name(struct diff_writer *d, const struct diff_place *p)
{
	if (!S_ISREG(p->st->st_mode) || p->st->st_nlink < 2)
		return NULL;
	RN_AUTO(rn_freep) char *key = rn_asprintf("%llx:%llx", (unsigned long long)p->st->st_dev, (unsigned long long)p->st->st_ino);
	const char *first = rn_map_get(d->inodes, key);
	if (!first)
		rn_map_set(d->inodes, key, rn_strdup(p->path));
	return first;
}

static int read_link(const struct diff_place *p, char **ret, struct rn_error *err)
{
	char text[4096];
	ssize_t n = readlinkat(p->dir, p->name, text, sizeof(text));
	if (n < 0 || (size_t)n == sizeof(text))
		return rn_fail(err, RN_EIO, "read the link /%s: %m", p->path);
	*ret = rn_strndup(text, (size_t)n);
	return 0;
}

int diff_add(struct diff_writer *d, const struct diff_place *p, const struct diff_xattrs *x, struct rn_error *err)
{
	const struct stat *st = p->st;
	RN_AUTO(rn_freep) char *link = NULL;
	struct layer_entry e = {
		.path = p->path, .type = type_of(st->st_mode), .mode = st->st_mode & 07777, .uid = owner(d->j, p, false),
		.gid = owner(d->j, p, true), .mtime = diff_clamp(d->j, st->st_mtim.tv_sec), .dev_major = major(st->st_rdev),
		.dev_minor = minor(st->st_rdev), .xattrs = x->v, .n_xattrs = x->n,
	};
	if (layer_is_whiteout(p->path)) {
		rn_fail(err, RN_EUNSUPPORTED, "the step made a file /%s: names that begin with .wh. mean something else in a layer", p->path);
		return rn_hint(err, "give it another name, or remove it in the same RUN");
	}
	const char *first = first_name(d, p);
	if (e.type == LAYER_SYMLINK && read_link(p, &link, err) < 0)
		return -1;
	if (e.type == LAYER_SYMLINK)
		e.mode = 0777;
	if (first)
		e.type = LAYER_HARDLINK;
	e.link = first ? first : link;
	e.size = e.type == LAYER_FILE ? (uint64_t)st->st_size : 0;
	const struct layer_source source = { .fd = p->fd };
	if (begin(d, err) < 0 || layer_writer_add(d->w, &e, e.type == LAYER_FILE ? &source : NULL, err) < 0)
		return rn_wrap(err, "/%s", p->path);
	diff_set_time(p, e.mtime);
	return 0;
}

int diff_finish(struct diff_writer *d, struct layer_result *ret, bool *ret_empty, struct rn_error *err)
{
	*ret_empty = !d->w;
	return d->w ? layer_writer_finish(rn_take(&d->w), ret, err) : 0;
}

int diff_list(int dir, const char *path, struct rn_strv *ret, struct rn_error *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		rn_closep(&copy);
		return rn_fail(err, RN_EIO, "list /%s: %m", path);
	}
	errno = 0;
	for (struct dirent *e; (e = readdir(d)); errno = 0)
		if (!rn_streq(e->d_name, ".") && !rn_streq(e->d_name, ".."))
			rn_strv_add(ret, e->d_name);
	int e = errno;
	closedir(d);
	errno = e;
	if (e)
		return rn_fail(err, RN_EIO, "list /%s: %m", path);
	rn_strv_sort(ret);
	return 0;
}

/* ---- the upper folder of an overlay --------------------------------------------------------------- */

static bool is_opaque(int fd)
{
	char value[4];
	return fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)) > 0 ||
	       fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) > 0;
}

static bool same_content(int a, int b)
{
	char x[COMPARE_PIECE], y[COMPARE_PIECE];
	for (off_t at = 0;; ) {
		ssize_t n = pread(a, x, sizeof(x), at), m = pread(b, y, sizeof(y), at);
		if (n < 0 || n != m || memcmp(x, y, (size_t)n) != 0)
			return false;
		if (n == 0)
			return true;
		at += n;
	}
}

/* A file that was opened for writing and then left as it was, or changed back. */
static bool untouched(const struct diff_job *j, const struct diff_place *p, const struct diff_xattrs *x)
{
	const struct layer_node *b = p->base;
	if (!b || p->st->st_nlink > 1 || !diff_same_facts(j, p, x) || b->size != (uint64_t)p->st->st_size ||
	    b->mtime != p->st->st_mtim.tv_sec || p->st->st_mtim.tv_nsec != 0 || b->layer >= j->n_lowers)
		return false;
	RN_AUTO(rn_closep) int root = open(j->lowers[j->n_lowers - 1 - b->layer], O_PATH | O_DIRECTORY | O_CLOEXEC);
	RN_AUTO(rn_closep) int below = root < 0 ? -1 : rn_open_in_root(root, p->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	return below >= 0 && same_content(p->fd, below);
}

/*
 * What is not in the layer must not stay in its folder either, though it changes nothing here: the folder serves every image that has
 * the layer, and in another one such a copy of a file below, or a mark, would be wrong.
 */
static int forget(int dir, const char *name, const char *path, struct rn_error *err)
{
	return unlinkat(dir, name, 0) == 0 ? 0 : rn_fail(err, RN_EIO, "remove /%s: %m", path);
}

static int forget_opaque(const struct diff_place *p, struct rn_error *err)
{
	static const char *const marks[] = { "trusted.overlay.opaque", "user.overlay.opaque" };
	for (size_t i = 0; i < RN_LEN(marks); i++)
		if (fremovexattr(p->fd, marks[i]) < 0 && errno != ENODATA && errno != EPERM && errno != ENOTSUP)
			return rn_fail(err, RN_EIO, "remove a mark of /%s: %m", p->path);
	return 0;
}

static int walk_upper(struct diff_writer *d, const struct diff_place *dir, int depth, struct rn_error *err);

static int upper_folder(struct diff_writer *d, struct diff_place *p, int depth, struct rn_error *err)
{
	RN_AUTO(diff_xattrs_clear) struct diff_xattrs x = { 0 };
	const struct layer_node *base = p->base && p->base->type == LAYER_DIR ? p->base : NULL;
	bool opaque = is_opaque(p->fd);
	if (depth > DEPTH_MAX)
		return rn_fail(err, RN_ELIMIT, "/%s: folders are nested deeper than %d", p->path, DEPTH_MAX);
	if (diff_xattrs_read(p->fd, p->path, &x, err) < 0)
		return -1;
	if (opaque && base)
		p->base = NULL; /* made anew: it is nobody's heir */
	bool same = base && p->base && diff_same_facts(d->j, p, &x);
	if (!same && diff_add(d, p, &x, err) < 0)
		return -1;
	bool hides = opaque && base && base->n_children;
	if (hides ? add_opaque(d, p->path, err) < 0 : opaque && forget_opaque(p, err) < 0)
		return -1;
	p->base = opaque ? NULL : base;
	if (walk_upper(d, p, depth, err) < 0)
		return -1;
	if (same && unlinkat(p->dir, p->name, AT_REMOVEDIR) == 0)
		return 0; /* nothing in it is the layer's */
	diff_set_time(p, same ? base->mtime : diff_clamp(d->j, p->st->st_mtim.tv_sec));
	return 0;
}

static int upper_file(struct diff_writer *d, const struct diff_place *p, struct rn_error *err)
{
	RN_AUTO(diff_xattrs_clear) struct diff_xattrs x = { 0 };
	if (diff_xattrs_read(p->fd, p->path, &x, err) < 0)
		return -1;
	return untouched(d->j, p, &x) ? forget(p->dir, p->name, p->path, err) : diff_add(d, p, &x, err);
}

static int upper_entry(struct diff_writer *d, const struct diff_place *dir, const char *name, int depth, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = diff_join(dir->path, name);
	struct stat st;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rn_fail(err, RN_EIO, "/%s: %m", path);
	const struct layer_node *base = dir->base ? layer_node_child(dir->base, name) : NULL;
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return base ? diff_whiteout(d, dir->path, name, err) : forget(dir->fd, name, path, err);
	if (S_ISSOCK(st.st_mode))
		return forget(dir->fd, name, path, err); /* a layer cannot hold one, and nobody listens any more */
	bool opened = S_ISDIR(st.st_mode) || S_ISREG(st.st_mode);
	RN_AUTO(rn_closep) int fd = opened ? openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	if (opened && fd < 0)
		return rn_fail(err, RN_EIO, "open /%s: %m", path);
	struct diff_place p = { .dir = dir->fd, .name = name, .path = path, .st = &st, .fd = fd, .base = base };
	if (S_ISDIR(st.st_mode))
		return upper_folder(d, &p, depth, err);
	return opened ? upper_file(d, &p, err) : diff_add(d, &p, &(struct diff_xattrs){ 0 }, err);
}

static int walk_upper(struct diff_writer *d, const struct diff_place *dir, int depth, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (d->j->cancelled && d->j->cancelled(d->j->ctx))
		return rn_fail(err, RN_ECANCELLED, "stopped");
	if (diff_list(dir->fd, dir->path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (upper_entry(d, dir, names.v[i], depth + 1, err) < 0)
			return -1;
	return 0;
}

int diff_overlay(const struct diff_job *j, struct layer_result *ret, bool *ret_empty, struct rn_error *err)
{
	struct rn_map inodes;
	rn_map_init(&inodes, free);
	struct diff_writer d = { .j = j, .inodes = &inodes };
	RN_AUTO(rn_closep) int root = open(j->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (root < 0 || fstat(root, &st) < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", j->root);
	struct diff_place top = { .dir = root, .name = "", .path = "", .st = &st, .fd = root, .base = layer_tree_root(j->base) };
	int rc = upper_folder(&d, &top, 0, err);
	if (rc == 0)
		rc = diff_finish(&d, ret, ret_empty, err);
	layer_writer_abort(d.w);
	rn_map_clear(&inodes);
	return rc;
}
