/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_apply_file.h"

#include "base/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PIECE ((size_t)128 << 10)

mode_t layer_apply_mode(const struct layer_apply_options *o, const struct layer_entry *e)
{
	mode_t add = !o->user_access ? 0 : e->type == LAYER_DIR ? 0700 : e->type == LAYER_FILE ? 0600 : 0;
	return e->mode | add;
}

static int set_xattrs(const struct layer_apply_options *o, int fd, const struct layer_entry *e, struct rn_error *err)
{
	for (size_t i = 0; o->xattrs && i < e->n_xattrs; i++) {
		const struct layer_xattr *x = &e->xattrs[i];
		if (fsetxattr(fd, x->name, x->value, x->size, 0) == 0 || errno == EPERM || errno == ENOTSUP || errno == EINVAL)
			continue; /* a plain user, or a file system without them */
		return rn_fail(err, RN_EIO, "set %s of \"%s\": %m", x->name, e->path);
	}
	return 0;
}

/* Owner first: changing it clears setuid bits and capabilities. What is right already is not set: a look costs less than a change. */
int layer_apply_facts(const struct layer_apply_options *o, int fd, const struct layer_entry *e, struct rn_error *err)
{
	const struct timespec times[2] = { { .tv_sec = e->mtime }, { .tv_sec = e->mtime } };
	mode_t mode = layer_apply_mode(o, e);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return rn_fail(err, RN_EIO, "look at \"%s\": %m", e->path);
	bool give = o->owners && (st.st_uid != e->uid || st.st_gid != e->gid);
	if (give && fchown(fd, e->uid, e->gid) < 0)
		return rn_fail(err, RN_EIO, "give \"%s\" to %u:%u: %m", e->path, e->uid, e->gid);
	if ((give || (st.st_mode & 07777) != mode) && fchmod(fd, mode) < 0)
		return rn_fail(err, RN_EIO, "set the mode of \"%s\": %m", e->path);
	if (set_xattrs(o, fd, e, err) < 0)
		return -1;
	return futimens(fd, times) == 0 ? 0 : rn_fail(err, RN_EIO, "set the time of \"%s\": %m", e->path);
}

static bool all_zero(const char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

int layer_apply_write(int fd, const char *p, size_t n, uint64_t at, uint64_t *end)
{
	for (size_t k; n; p += k, n -= k, at += k) {
		k = n < PIECE ? n : PIECE;
		if (all_zero(p, k))
			continue;
		if ((*end != at && lseek(fd, (off_t)at, SEEK_SET) < 0) || rn_write_full(fd, p, k) < 0)
			return -1;
		*end = at + k;
	}
	return 0;
}

int layer_apply_end(const struct layer_apply_options *o, int fd, const struct layer_entry *e, uint64_t end, struct rn_error *err)
{
	if (end != e->size && ftruncate(fd, (off_t)e->size) < 0)
		return rn_fail(err, RN_EIO, "write \"%s\": %m", e->path);
	return layer_apply_facts(o, fd, e, err);
}
