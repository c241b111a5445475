/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_reader.h"

#include "digest_behind.h"
#include "layer_locale.h"
#include "layer_stream.h"
#include "libarchive.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BLOCK_SIZE ((size_t)256 << 10)

struct layer_reader {
	struct layer_reader_options o;
	struct layer_limits limits;
	struct layer_stream *stream; /* NULL: libarchive decompresses (any_compression) */
	int fd;
	struct archive *a;
	unsigned char *blocks[DIGEST_BEHIND_DEPTH + 1]; /* used in turns where the tar is hashed: those of before may still be read for that */
	size_t n_blocks, turn;
	struct digest_behind *hash;
	struct rn_error failed; /* what stopped the stream, seen through libarchive */
	uint64_t entries;
	/* the present entry */
	char *path, *link;
	struct layer_xattr *xattrs;
	size_t cap_xattrs;
};

/* ---- bytes for libarchive ------------------------------------------------------------- */

static ssize_t read_block(struct layer_reader *r, const void **ret, struct rn_error *err)
{
	if (r->o.pieces) {
		if (r->hash) /* the piece is gone with the next one */
			digest_behind_peek(r->hash);
		return (ssize_t)r->o.pieces->next(r->o.pieces->ctx, ret);
	}
	unsigned char *block = r->blocks[r->turn];
	*ret = block;
	if (r->stream)
		return layer_stream_read(r->stream, block, BLOCK_SIZE, err);
	ssize_t n = rn_read_full(r->fd, block, BLOCK_SIZE);
	if (n < 0)
		return rn_fail(err, RN_EIO, "read an archive: %m");
	return n;
}

static ssize_t next_block(struct layer_reader *r, const void **ret, struct rn_error *err)
{
	ssize_t n = rn_stop_check(r->o.stop, err) < 0 ? -1 : read_block(r, ret, err);
	if (n > 0 && r->hash) {
		digest_behind_update(r->hash, *ret, (size_t)n);
		r->turn = r->n_blocks ? (r->turn + 1) % r->n_blocks : 0;
	}
	if (n > 0 && r->o.raw)
		r->o.raw->bytes(r->o.raw->ctx, *ret, (size_t)n);
	return n;
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret)
{
	struct layer_reader *r = ctx;
	ssize_t n = next_block(r, ret, &r->failed);
	if (n < 0) {
		archive_set_error(a, EIO, "%s", r->failed.msg);
		return -1;
	}
	return n;
}

/* Drops the tar before o.start, so that the first header read is the one there. */
static int skip_to_start(struct layer_reader *r, struct rn_error *err)
{
	uint64_t left = r->o.start;
	while (left) {
		size_t want = left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE;
		ssize_t n = layer_stream_read(r->stream, r->blocks[0], want, err);
		if (n < 0)
			return -1;
		if (n == 0)
			return rn_fail(err, RN_EINVAL, "the layer ends before offset %llu", (unsigned long long)r->o.start);
		left -= (uint64_t)n;
	}
	return 0;
}

static int open_archive(struct layer_reader *r, struct rn_error *err)
{
	if (oci_archive_load(err) < 0)
		return -1;
	r->a = archive_read_new();
	if (!r->a)
		rn_die("out of memory");
	archive_read_support_format_tar(r->a);
	archive_read_support_format_empty(r->a);
	if (r->o.any_compression) {
		archive_read_support_filter_gzip(r->a);
		archive_read_support_filter_bzip2(r->a);
		archive_read_support_filter_xz(r->a);
		archive_read_support_filter_zstd(r->a);
	}
	if (archive_read_open(r->a, r, NULL, on_read, NULL) == ARCHIVE_OK)
		return 0;
	if (r->failed.code != RN_OK) {
		*err = r->failed;
		return -1;
	}
	return rn_fail(err, RN_EINVAL, "not a tar archive: %s", archive_error_string(r->a));
}

struct layer_reader *layer_reader_new(int fd, const struct layer_reader_options *o, struct rn_error *err)
{
	struct layer_reader *r = rn_alloc(sizeof(*r));
	struct rn_error own = { 0 };
	if (o)
		r->o = *o;
	r->limits = layer_limits_effective(&r->o.limits);
	r->fd = fd;
	r->n_blocks = r->o.pieces ? 0 : r->o.need_diff_id ? RN_LEN(r->blocks) : 1;
	for (size_t i = 0; i < r->n_blocks; i++)
		r->blocks[i] = rn_alloc(BLOCK_SIZE);
	r->hash = r->o.need_diff_id ? digest_behind_new() : NULL;
	bool packed = !r->o.any_compression && !r->o.pieces;
	if (packed)
		r->stream = layer_stream_new(fd, r->limits.max_bytes, r->limits.max_ratio, &own);
	locale_t old = layer_locale_enter();
	bool ok = (!packed || (r->stream && skip_to_start(r, &own) == 0)) && open_archive(r, &own) == 0;
	layer_locale_leave(old);
	if (ok)
		return r;
	if (err)
		*err = own;
	layer_reader_free(r);
	return NULL;
}

void layer_reader_free(struct layer_reader *r)
{
	if (!r)
		return;
	archive_read_free(r->a);
	layer_stream_free(r->stream);
	digest_behind_free(r->hash);
	for (size_t i = 0; i < r->n_blocks; i++)
		free(r->blocks[i]);
	free(r->path);
	free(r->link);
	free(r->xattrs);
	free(r);
}

void layer_reader_freep(struct layer_reader **r)
{
	layer_reader_free(*r);
	*r = NULL;
}

/* ---- entries ------------------------------------------------------------------------------ */

static int archive_failed(struct layer_reader *r, struct rn_error *err)
{
	if (r->failed.code != RN_OK) {
		if (err)
			*err = r->failed;
		return -1;
	}
	const char *why = archive_error_string(r->a);
	return rn_fail(err, RN_EINVAL, "the layer is damaged: %s", why ? why : "not a tar archive");
}

static int type_of(struct archive_entry *e, enum layer_type *ret, struct rn_error *err)
{
	if (archive_entry_hardlink(e)) {
		*ret = LAYER_HARDLINK;
		return 0;
	}
	switch (archive_entry_filetype(e)) {
	case AE_IFREG: *ret = LAYER_FILE; return 0;
	case AE_IFDIR: *ret = LAYER_DIR; return 0;
	case AE_IFLNK: *ret = LAYER_SYMLINK; return 0;
	case AE_IFCHR: *ret = LAYER_CHAR; return 0;
	case AE_IFBLK: *ret = LAYER_BLOCK; return 0;
	case AE_IFIFO: *ret = LAYER_FIFO; return 0;
	default: return rn_fail(err, RN_EINVAL, "an entry of a type that layers do not have");
	}
}

static int take_name(struct layer_reader *r, const char *name, const char *what, char **ret, struct rn_error *err)
{
	rn_freep(ret);
	if (!name)
		return rn_fail(err, RN_EINVAL, "an entry without a %s", what);
	if (strlen(name) > r->limits.max_path)
		return rn_fail(err, RN_ELIMIT, "a %s of %zu bytes is longer than the limit of %zu", what, strlen(name), r->limits.max_path);
	if (layer_path_clean(name, r->o.clamp_names, ret) < 0)
		return rn_fail(err, RN_EINVAL, "the %s \"%.200s\" leaves the root", what, name);
	return 0;
}

static int take_xattrs(struct layer_reader *r, struct archive_entry *e, struct layer_entry *ret, struct rn_error *err)
{
	const char *name;
	const void *value;
	size_t size, sum = 0;
	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
		sum += size + strlen(name);
		if (sum > r->limits.max_xattrs)
			return rn_fail(err, RN_ELIMIT, "extended attributes of \"%s\" are larger than %zu bytes", r->path, r->limits.max_xattrs);
		if (rn_starts(name, "user.overlay.") || rn_starts(name, "trusted.overlay."))
			continue; /* marks of a file system, not of the image */
		r->xattrs = rn_grow(r->xattrs, &r->cap_xattrs, ret->n_xattrs + 1, sizeof(*r->xattrs));
		r->xattrs[ret->n_xattrs++] = (struct layer_xattr){ name, value, size };
	}
	ret->xattrs = r->xattrs;
	return 0;
}

static int take_entry(struct layer_reader *r, struct archive_entry *e, struct layer_entry *ret, struct rn_error *err)
{
	*ret = (struct layer_entry){ 0 };
	if (take_name(r, archive_entry_pathname(e), "name", &r->path, err) < 0 || type_of(e, &ret->type, err) < 0)
		return -1;
	ret->path = r->path;
	if (ret->type == LAYER_HARDLINK) {
		if (take_name(r, archive_entry_hardlink(e), "link target", &r->link, err) < 0)
			return -1;
		ret->link = r->link;
	} else if (ret->type == LAYER_SYMLINK) {
		rn_freep(&r->link);
		r->link = rn_strdup(archive_entry_symlink(e));
		if (!r->link || strlen(r->link) > r->limits.max_path)
			return rn_fail(err, RN_EINVAL, "the link \"%s\" has no target, or one over %zu bytes", r->path, r->limits.max_path);
		ret->link = r->link;
	}
	ret->mode = archive_entry_perm(e) & 07777;
	int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);
	if (uid < 0 || gid < 0 || uid > UINT32_MAX || gid > UINT32_MAX)
		return rn_fail(err, RN_EINVAL, "\"%s\" has an owner that does not exist", r->path);
	ret->uid = (uint32_t)uid;
	ret->gid = (uint32_t)gid;
	ret->mtime = archive_entry_mtime(e);
	ret->size = ret->type == LAYER_FILE ? (uint64_t)archive_entry_size(e) : 0;
	if (ret->size > r->limits.max_bytes) /* a sparse one may be larger than the tar */
		return rn_fail(err, RN_ELIMIT, "\"%s\" has %llu bytes, more than the limit of %llu", r->path, (unsigned long long)ret->size,
			       (unsigned long long)r->limits.max_bytes);
	if (ret->type == LAYER_CHAR || ret->type == LAYER_BLOCK) {
		ret->dev_major = (uint32_t)archive_entry_rdevmajor(e);
		ret->dev_minor = (uint32_t)archive_entry_rdevminor(e);
	}
	return take_xattrs(r, e, ret, err);
}

int layer_reader_next(struct layer_reader *r, struct layer_entry *ret, struct rn_error *err)
{
	struct archive_entry *e = NULL;
	locale_t old = layer_locale_enter();
	int rc = archive_read_next_header(r->a, &e);
	layer_locale_leave(old);
	if (rc == ARCHIVE_EOF)
		return r->failed.code == RN_OK ? 0 : archive_failed(r, err);
	if (rc < ARCHIVE_WARN)
		return archive_failed(r, err);
	if (++r->entries > r->limits.max_entries)
		return rn_fail(err, RN_ELIMIT, "the layer has more than %llu entries", (unsigned long long)r->limits.max_entries);
	old = layer_locale_enter();
	rc = take_entry(r, e, ret, err);
	layer_locale_leave(old);
	return rc < 0 ? -1 : 1;
}

ssize_t layer_reader_read(struct layer_reader *r, void *to, size_t n, struct rn_error *err)
{
	la_ssize_t k = archive_read_data(r->a, to, n);
	return k < 0 ? archive_failed(r, err) : (ssize_t)k;
}

int layer_reader_piece(struct layer_reader *r, const void **ret, size_t *ret_n, uint64_t *ret_at, struct rn_error *err)
{
	la_int64_t at = 0;
	int rc = archive_read_data_block(r->a, ret, ret_n, &at);
	*ret_at = (uint64_t)at;
	if (rc == ARCHIVE_EOF)
		return 0;
	return rc < ARCHIVE_WARN ? archive_failed(r, err) : 1;
}

uint64_t layer_reader_offset(const struct layer_reader *r)
{
	return r->o.start + (uint64_t)archive_read_header_position(r->a);
}

int layer_reader_finish(struct layer_reader *r, struct digest *ret_diff_id, uint64_t *ret_tar_size, struct rn_error *err)
{
	const void *block;
	for (ssize_t n = 1; n > 0;) {
		n = next_block(r, &block, err);
		if (n < 0)
			return -1;
	}
	if (ret_diff_id && r->hash)
		*ret_diff_id = digest_behind_peek(r->hash);
	if (ret_tar_size)
		*ret_tar_size = r->stream ? layer_stream_total(r->stream) : 0;
	return 0;
}

bool layer_is_archive(int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;
	if (at < 0 || fstat(fd, &st) < 0 || st.st_size - at < 20)
		return false;
	struct layer_reader_options o = { .any_compression = true, .clamp_names = true };
	struct layer_reader *r = layer_reader_new(fd, &o, NULL);
	struct layer_entry e;
	/* a tar of nothing but zeros is no archive to ADD */
	bool is = r && layer_reader_next(r, &e, NULL) > 0;
	layer_reader_free(r);
	return lseek(fd, at, SEEK_SET) >= 0 && is;
}
