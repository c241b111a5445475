/* SPDX-License-Identifier: Apache-2.0 */
#include "file_source.h"

#include "path_resolve.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct file_source {
	char *label;
	struct layer_tree *tree; /* an image, or */
	int fd;                  /* a folder     */
	const struct ignore_list *ignore;
};

void file_node_clear(struct file_node *n)
{
	rn_freep(&n->path);
	rn_freep(&n->link);
	rn_freep(&n->xattrs);
	rn_freep(&n->xattr_data);
	*n = (struct file_node){ 0 };
}

struct file_source *file_source_dir(const char *path, const struct ignore_list *ignore, const char *label,
				    struct rn_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		rn_fail(err, errno == ENOENT || errno == ENOTDIR ? RN_ENOTFOUND : RN_EIO, "cannot open %s \"%s\": %m", label, path);
		return NULL;
	}
	struct file_source *s = rn_alloc(sizeof(*s));
	*s = (struct file_source){ .label = rn_strdup(label), .fd = fd, .ignore = ignore };
	return s;
}

struct file_source *file_source_tree(struct layer_tree *tree, const char *label)
{
	struct file_source *s = rn_alloc(sizeof(*s));
	*s = (struct file_source){ .label = rn_strdup(label), .fd = -1, .tree = tree };
	return s;
}

void file_source_free(struct file_source *s)
{
	if (!s)
		return;
	rn_closep(&s->fd);
	free(s->label);
	free(s);
}

void file_source_freep(struct file_source **s)
{
	file_source_free(*s);
	*s = NULL;
}

const char *file_source_label(const struct file_source *s)
{
	return s->label;
}

bool file_source_is_dir(const struct file_source *s)
{
	return !s->tree;
}

struct layer_tree *file_source_layers(const struct file_source *s)
{
	return s->tree;
}

/* ---- folders of this machine ------------------------------------------------------ */

static enum layer_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return LAYER_DIR;
	case S_IFLNK:
		return LAYER_SYMLINK;
	case S_IFCHR:
		return LAYER_CHAR;
	case S_IFBLK:
		return LAYER_BLOCK;
	case S_IFIFO:
		return LAYER_FIFO;
	default:
		return LAYER_FILE;
	}
}

static char *read_link(int fd, const char *path, struct rn_error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, path, target, sizeof(target));
	if (n < 0 || (size_t)n == sizeof(target)) {
		rn_fail(err, RN_EIO, "read the link %s: %m", path);
		return NULL;
	}
	return rn_strndup(target, (size_t)n);
}

static int look_dir(void *ctx, const char *path, enum layer_type *ret_type, char **ret_link, struct rn_error *err)
{
	const struct file_source *s = ctx;
	struct stat st;
	if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : rn_fail(err, RN_EIO, "look at %s in %s: %m", path, s->label);
	*ret_type = type_of(st.st_mode);
	if (*ret_type == LAYER_SYMLINK) {
		*ret_link = read_link(s->fd, path, err);
		return *ret_link ? 1 : -1;
	}
	return 1;
}

/* File capabilities travel with a file; other attributes belong to this machine. */
static void read_capability(const struct file_source *s, struct file_node *n)
{
	RN_AUTO(rn_closep) int fd = openat(s->fd, n->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char value[64];
	ssize_t size = fd < 0 ? -1 : fgetxattr(fd, "security.capability", value, sizeof(value));
	if (size <= 0)
		return;
	n->xattr_data = rn_memdup(value, (size_t)size);
	n->xattrs = rn_alloc(sizeof(*n->xattrs));
	n->xattrs[0] = (struct layer_xattr){ "security.capability", n->xattr_data, (size_t)size };
	n->n_xattrs = 1;
}

/* The node at a real path of the folder; false (and no error) for what .dockerignore hides. */
static int stat_dir(struct file_source *s, const char *path, struct file_node *ret, struct rn_error *err)
{
	struct stat st;
	if (fstatat(s->fd, *path ? path : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rn_fail(err, errno == ENOENT || errno == ENOTDIR ? RN_ENOTFOUND : RN_EIO, "look at %s in %s: %m", path, s->label);
	struct file_node n = { .type = type_of(st.st_mode), .mode = st.st_mode & 07777, .mtime = st.st_mtime };
	bool ignored = s->ignore && *path && ignore_matches(s->ignore, path);
	if (ignored && (n.type != LAYER_DIR || !ignore_may_keep_below(s->ignore, path))) {
		rn_fail(err, RN_ENOTFOUND, "\"%s\" is not in %s", path, s->label);
		return rn_hint(err, "the file exists, but a pattern of .dockerignore leaves it out");
	}
	n.hollow = ignored;
	if (n.type == LAYER_SYMLINK && !(n.link = read_link(s->fd, path, err)))
		return -1;
	if (n.type == LAYER_CHAR || n.type == LAYER_BLOCK) {
		n.dev_major = major(st.st_rdev);
		n.dev_minor = minor(st.st_rdev);
	}
	n.path = rn_strdup(path);
	if (n.type == LAYER_FILE) {
		n.size = (uint64_t)st.st_size;
		n.look = file_look_of(&st);
		if (st.st_mode & 0111)
			read_capability(s, &n);
	}
	*ret = n;
	return 0;
}

static bool is_socket(const struct file_source *s, const char *path)
{
	struct stat st;
	return fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

static int list_dir(struct file_source *s, const struct file_node *dir, struct rn_strv *ret, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = openat(s->fd, *dir->path ? dir->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		rn_fail(err, RN_EIO, "list \"%s\" in %s: %m", dir->path, s->label);
		return rn_hint(err, "leave it out with .dockerignore, or make it readable");
	}
	rn_take_fd(&fd); /* it is d's now */
	for (struct dirent *e; (e = readdir(d));) {
		if (rn_streq(e->d_name, ".") || rn_streq(e->d_name, ".."))
			continue;
		RN_AUTO(rn_freep) char *path = rn_path_below(dir->path, e->d_name);
		if (e->d_type == DT_SOCK || (e->d_type == DT_UNKNOWN && is_socket(s, path)))
			continue;
		if (s->ignore && ignore_matches(s->ignore, path) &&
		    (e->d_type != DT_DIR || !ignore_may_keep_below(s->ignore, path)))
			continue;
		rn_strv_add(ret, e->d_name);
	}
	closedir(d);
	rn_strv_sort(ret);
	return 0;
}

/* ---- files of an image --------------------------------------------------------------- */

static void from_tree(struct layer_node *t, struct file_node *ret)
{
	*ret = (struct file_node){
		.path = layer_node_path(t), .type = t->type, .mode = t->mode, .uid = t->uid, .gid = t->gid,
		.mtime = t->mtime, .size = t->type == LAYER_FILE ? t->size : 0, .link = rn_strdup(t->link),
		.dev_major = t->dev_major, .dev_minor = t->dev_minor, .n_xattrs = t->n_xattrs,
		.inode = t->type == LAYER_FILE ? t->origin : NULL, .node = t,
	};
	if (t->n_xattrs)
		ret->xattrs = rn_memdup(t->xattrs, t->n_xattrs * sizeof(*t->xattrs));
}

static int look_tree(void *ctx, const char *path, enum layer_type *ret_type, char **ret_link, struct rn_error *err)
{
	(void)err;
	struct layer_node *n = layer_tree_find(((struct file_source *)ctx)->tree, path, false, NULL);
	if (!n)
		return 0;
	*ret_type = n->type;
	if (n->type == LAYER_SYMLINK)
		*ret_link = rn_strdup(n->link);
	return 1;
}

/* ---- both ------------------------------------------------------------------------------ */

int file_source_find(struct file_source *s, const char *path, bool follow, struct file_node *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	if (path_resolve(path, follow, s->tree ? look_tree : look_dir, s, &real, &type, err) < 0)
		return err && err->code == RN_EINVAL ? rn_fail(err, RN_ENOTFOUND, "\"%s\" is not in %s", path, s->label) : -1;
	if (!type)
		return rn_fail(err, RN_ENOTFOUND, "\"%s\" is not in %s", path, s->label);
	if (!s->tree)
		return stat_dir(s, real, ret, err);
	struct layer_node *n = layer_tree_find(s->tree, real, false, err);
	if (!n)
		return -1;
	from_tree(n, ret);
	return 0;
}

int file_source_list(struct file_source *s, const struct file_node *dir, struct rn_strv *ret, struct rn_error *err)
{
	if (!s->tree)
		return list_dir(s, dir, ret, err);
	for (size_t i = 0; i < dir->node->n_children; i++)
		rn_strv_add(ret, dir->node->children[i]->name);
	return 0;
}

int file_source_child(struct file_source *s, const struct file_node *dir, const char *name, struct file_node *ret,
		      struct rn_error *err)
{
	if (s->tree) {
		struct layer_node *n = layer_node_child(dir->node, name);
		if (!n)
			return rn_fail(err, RN_ENOTFOUND, "\"%s\" is not in %s", name, s->label);
		from_tree(n, ret);
		return 0;
	}
	RN_AUTO(rn_freep) char *path = rn_path_below(dir->path, name);
	return stat_dir(s, path, ret, err);
}

int file_source_open(struct file_source *s, const struct file_node *n, struct layer_source *ret, int *ret_fd,
		     struct rn_error *err)
{
	*ret_fd = -1;
	*ret = (struct layer_source){ .fd = -1 };
	if (s->tree)
		return layer_tree_content(s->tree, n->node, &ret->fd, &ret->offset, err);
	*ret_fd = openat(s->fd, n->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* it may be a pipe by now */
	if (*ret_fd < 0) {
		rn_fail(err, RN_EIO, "read \"%s\" of %s: %m", n->path, s->label);
		return rn_hint(err, "leave it out with .dockerignore, or make it readable");
	}
	ret->fd = *ret_fd;
	return 0;
}
