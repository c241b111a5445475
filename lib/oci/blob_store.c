/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs by digest. A blob is written to DIR/.tmp and renamed to its name when whole, so no
 * state of the folder is wrong. No fsync: after a power cut a blob may be damaged,
 * which its reader notices by the digest; a kill -9 cannot damage one.
 */
#include "blob_store.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct blob_store {
	char *dir;
	int lock; /* shared; -1: the folder is read-only */
};

static int make_dirs(const char *dir, struct rn_error *err)
{
	static const char *const names[] = { "blobs/sha256", ".tmp" };
	for (size_t i = 0; i < RN_LEN(names); i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, names[i]);
		if (rn_mkdirs(path, 0755, err) < 0)
			return -1;
	}
	return 0;
}

/* What killed processes left: nobody else has the store open while the lock is held alone. */
static void clean_leftovers(const char *dir, const char *lock)
{
	RN_AUTO(rn_freep) char *tmp = rn_path_join(dir, ".tmp");
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_list_dir(tmp, &names, NULL) < 0 || !names.n)
		return;
	RN_AUTO(rn_closep) int alone = rn_lock_file(lock, false, false, NULL);
	if (alone < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(tmp, names.v[i]);
		unlink(path);
	}
}

struct blob_store *blob_store_open(const char *dir, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *lock = rn_path_join(dir, ".lock");
	if (make_dirs(dir, err) < 0) {
		/* a layout on a read-only disk is fine as long as it is only read */
		if (!rn_exists(dir) || access(dir, W_OK) == 0) {
			rn_wrap(err, "blob store %s", dir);
			return NULL;
		}
		rn_error_clear(err);
	}
	struct blob_store *s = rn_alloc(sizeof(*s));
	s->dir = rn_strdup(dir);
	s->lock = -1;
	if (access(dir, W_OK) == 0) {
		clean_leftovers(dir, lock);
		s->lock = rn_lock_file(lock, true, true, err);
		if (s->lock < 0) {
			blob_store_close(s);
			return NULL;
		}
	}
	return s;
}

void blob_store_close(struct blob_store *s)
{
	if (!s)
		return;
	if (s->lock >= 0)
		close(s->lock);
	free(s->dir);
	free(s);
}

void blob_store_closep(struct blob_store **s)
{
	blob_store_close(*s);
	*s = NULL;
}

const char *blob_store_dir(const struct blob_store *s)
{
	return s->dir;
}

char *blob_store_path(const struct blob_store *s, const struct digest *d)
{
	return rn_asprintf("%s/blobs/%s/%s", s->dir, digest_algorithm(d), digest_hex(d));
}

/* The time of last use is the mtime; written at most once an hour. */
static void mark_used(const char *path, const struct stat *st)
{
	enum { HOUR = 3600 };
	if (rn_wall_ms() / 1000 - st->st_mtime > HOUR)
		utimensat(AT_FDCWD, path, NULL, 0);
}

bool blob_store_has(struct blob_store *s, const struct digest *d, uint64_t *ret_size)
{
	RN_AUTO(rn_freep) char *path = blob_store_path(s, d);
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	mark_used(path, &st);
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return true;
}

int blob_store_open_blob(struct blob_store *s, const struct digest *d, uint64_t *ret_size,
			 struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = blob_store_path(s, d);
	RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return rn_fail(err, RN_ENOTFOUND, "blob %s is not in %s", d->text, s->dir);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return rn_fail(err, RN_EIO, "open %s: %m", path);
	mark_used(path, &st);
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return rn_take_fd(&fd);
}

int blob_store_read(struct blob_store *s, const struct digest *d, size_t max, struct rn_buf *ret,
		    struct rn_error *err)
{
	uint64_t size = 0;
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(s, d, &size, err);
	if (fd < 0)
		return -1;
	if (size > max)
		return rn_fail(err, RN_ELIMIT, "blob %s has %llu bytes, %zu are allowed", d->text,
			       (unsigned long long)size, max);
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_init(&b, max);
	if (rn_read_fd(fd, &b, d->text, err) < 0)
		return -1;
	RN_AUTO(digester_freep) struct digester *h = digester_new(d);
	digester_update(h, rn_buf_str(&b), b.len);
	struct digest have = digester_peek(h);
	if (!digest_equal(&have, d)) {
		rn_fail(err, RN_EINVAL, "blob %s in %s is damaged: its content has %s", d->text,
			s->dir, have.text);
		return rn_hint(err, "remove %s/blobs/%s/%s", s->dir, digest_algorithm(d),
			       digest_hex(d));
	}
	rn_buf_clear(ret);
	*ret = b;
	memset(&b, 0, sizeof(b));
	return 0;
}

int blob_store_put(struct blob_store *s, const void *data, size_t n, struct digest *ret_digest,
		   struct rn_error *err)
{
	struct digest d = digest_of(data, n);
	if (!blob_store_has(s, &d, NULL)) {
		struct blob_writer *w = blob_writer_new(s, &d, err);
		if (!w)
			return -1;
		if (blob_writer_write(w, data, n, err) < 0) {
			blob_writer_abort(w);
			return -1;
		}
		if (blob_writer_commit(w, NULL, NULL, err) < 0)
			return -1;
	}
	if (ret_digest)
		*ret_digest = d;
	return 0;
}

/* A file of its own that shares the disk blocks, where the file system can do that. */
static bool reflink(const char *from, const char *to)
{
	RN_AUTO(rn_closep) int in = open(from, O_RDONLY | O_CLOEXEC);
	RN_AUTO(rn_closep) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (in < 0 || out < 0)
		return false;
	if (ioctl(out, FICLONE, in) == 0)
		return true;
	unlink(to);
	return false;
}

static int copy_verified(struct blob_store *from, struct blob_store *to, const struct digest *d,
			 struct rn_error *err)
{
	enum { BLOCK = 256 * 1024 };
	RN_AUTO(rn_closep) int in = blob_store_open_blob(from, d, NULL, err);
	RN_AUTO(blob_writer_abortp) struct blob_writer *w =
		in < 0 ? NULL : blob_writer_new(to, d, err);
	if (!w)
		return -1;
	RN_AUTO(rn_freep) char *block = rn_alloc(BLOCK);
	for (;;) {
		ssize_t n = rn_read_full(in, block, BLOCK);
		if (n < 0)
			return rn_fail(err, RN_EIO, "read blob %s: %m", d->text);
		if (n == 0)
			break;
		if (blob_writer_write(w, block, (size_t)n, err) < 0)
			return -1;
	}
	return blob_writer_commit(rn_take(&w), NULL, NULL, err);
}

static char *temp_path(const struct blob_store *s)
{
	char id[25];
	return rn_asprintf("%s/.tmp/%s", s->dir, rn_random_hex(12, id));
}

static char *final_path(struct blob_store *s, const struct digest *d, struct rn_error *err)
{
	char *path = blob_store_path(s, d);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	if (rn_mkdirs(dir, 0755, err) == 0)
		return path;
	free(path);
	return NULL;
}

int blob_store_copy(struct blob_store *from, struct blob_store *to, const struct digest *d,
		    struct rn_error *err)
{
	if (blob_store_has(to, d, NULL))
		return 0;
	RN_AUTO(rn_freep) char *source = blob_store_path(from, d);
	RN_AUTO(rn_freep) char *target = final_path(to, d, err);
	RN_AUTO(rn_freep) char *temp = temp_path(to);
	if (!target)
		return -1;
	if (reflink(source, temp) || link(source, temp) == 0) {
		if (rename(temp, target) == 0) {
			unlink(temp); /* rename leaves both names when they are one file */
			return 0;
		}
		unlink(temp);
	}
	return copy_verified(from, to, d, err);
}

int blob_store_import(struct blob_store *from, struct blob_store *to, const struct digest *d,
		      struct rn_error *err)
{
	return blob_store_has(to, d, NULL) ? 0 : copy_verified(from, to, d, err);
}

int blob_store_remove(struct blob_store *s, const struct digest *d, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = blob_store_path(s, d);
	if (unlink(path) < 0 && errno != ENOENT)
		return rn_fail(err, RN_EIO, "remove %s: %m", path);
	return 0;
}

int blob_store_lock(struct blob_store *s, const struct digest *d, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *dir = rn_path_join(s->dir, ".locks");
	if (rn_mkdirs(dir, 0755, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *path = rn_path_join(dir, digest_hex(d));
	return rn_lock_file(path, false, true, err);
}

char *blob_store_derived(const struct blob_store *s, const struct digest *d, const char *kind)
{
	char *path = rn_asprintf("%s/derived/%s/%s-%s", s->dir, kind, digest_algorithm(d),
				 digest_hex(d));
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	rn_mkdirs(dir, 0755, NULL);
	return path;
}

int blob_store_scratch(struct blob_store *s, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = temp_path(s);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return rn_fail(err, RN_EIO, "create %s: %m", path);
	unlink(path);
	return fd;
}

/* ---- writing ---- */

struct blob_writer {
	struct blob_store *store;
	char *path;
	int fd;
	struct digester *hash;
	struct digest expect;
	uint64_t size;
};

struct blob_writer *blob_writer_new(struct blob_store *s, const struct digest *expect,
				    struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = temp_path(s);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		rn_fail(err, RN_EIO, "create %s: %m", path);
		return NULL;
	}
	struct blob_writer *w = rn_alloc(sizeof(*w));
	w->store = s;
	w->path = rn_take(&path);
	w->fd = fd;
	if (expect)
		w->expect = *expect;
	w->hash = digester_new(expect);
	return w;
}

int blob_writer_write(struct blob_writer *w, const void *data, size_t n, struct rn_error *err)
{
	digester_update(w->hash, data, n);
	if (rn_write_full(w->fd, data, n) < 0) {
		rn_fail(err, RN_EIO, "write %s: %m", w->path);
		if (errno == ENOSPC || errno == EDQUOT)
			rn_hint(err, "free space on the disk of %s", w->store->dir);
		return -1;
	}
	w->size += n;
	return 0;
}

uint64_t blob_writer_size(const struct blob_writer *w)
{
	return w->size;
}

int blob_writer_fd(const struct blob_writer *w)
{
	return w->fd;
}

int blob_writer_rewind(struct blob_writer *w, struct rn_error *err)
{
	if (ftruncate(w->fd, 0) < 0 || lseek(w->fd, 0, SEEK_SET) < 0)
		return rn_fail(err, RN_EIO, "truncate %s: %m", w->path);
	digester_free(w->hash);
	w->hash = digester_new(digest_is_set(&w->expect) ? &w->expect : NULL);
	w->size = 0;
	return 0;
}

int blob_writer_commit(struct blob_writer *writer, struct digest *ret_digest, uint64_t *ret_size,
		       struct rn_error *err)
{
	RN_AUTO(blob_writer_abortp) struct blob_writer *w = writer;
	struct digest d = digester_peek(w->hash);
	if (digest_is_set(&w->expect) && !digest_equal(&d, &w->expect))
		return rn_fail(err, RN_EINVAL, "the content of blob %s has the digest %s",
			       w->expect.text, d.text);
	RN_AUTO(rn_freep) char *path = final_path(w->store, &d, err);
	if (!path)
		return -1;
	if (fchmod(w->fd, 0444) < 0)
		return rn_fail(err, RN_EIO, "chmod %s: %m", w->path);
	int fd = rn_take_fd(&w->fd);
	if (close(fd) < 0) /* network file systems report a full disk here */
		return rn_fail(err, RN_EIO, "write %s: %m", w->path);
	if (rename(w->path, path) < 0)
		return rn_fail(err, RN_EIO, "rename %s to %s: %m", w->path, path);
	if (ret_digest)
		*ret_digest = d;
	if (ret_size)
		*ret_size = w->size;
	return 0;
}

void blob_writer_abort(struct blob_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	unlink(w->path); /* gone already after commit */
	digester_free(w->hash);
	free(w->path);
	free(w);
}

void blob_writer_abortp(struct blob_writer **w)
{
	blob_writer_abort(*w);
	*w = NULL;
}
