/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_writer.h"

#include "layer_locale.h"
#include "layer_pipe.h"
#include "layer_record.h"
#include "libarchive.h"

#include "base/fs.h"
#include "base/map.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)128 << 10)

struct layer_writer {
	struct blob_store *store;
	struct layer_pipe *pipe;
	struct archive *a;
	struct rn_buf records;
	struct rn_map paths; /* what is in the layer already */
	uint64_t entries;
	struct rn_error failed; /* what stopped the pipe, seen through libarchive */
	char *piece;
	const struct rn_stop *stop;
	bool given_up;
};

/* A failure is not told to libarchive, which would then keep its own state for ever; whoever writes looks at `failed`. */
static la_ssize_t on_write(struct archive *a, void *ctx, const void *data, size_t n)
{
	struct layer_writer *w = ctx;
	(void)a;
	if (w->given_up)
		return -1; /* so that the rest of an entry is not made of zeros */
	if (w->failed.code == RN_OK)
		layer_pipe_write(w->pipe, data, n, &w->failed);
	return (la_ssize_t)n;
}

/* What a call of libarchive came to, and the pipe behind it. */
static bool went_well(const struct layer_writer *w, int rc)
{
	return rc >= ARCHIVE_WARN && w->failed.code == RN_OK;
}

static int archive_failed(struct layer_writer *w, struct rn_error *err)
{
	if (w->failed.code != RN_OK) {
		if (err)
			*err = w->failed;
		return -1;
	}
	return rn_fail(err, RN_EINTERNAL, "tar: %s", archive_error_string(w->a) ? archive_error_string(w->a) : "failed");
}

struct layer_writer *layer_writer_new(struct blob_store *store, const struct layer_options *o, struct rn_error *err)
{
	if (oci_archive_load(err) < 0)
		return NULL;
	struct layer_writer *w = rn_alloc(sizeof(*w));
	w->store = store;
	w->stop = o ? o->stop : NULL;
	w->records.max = (size_t)2 << 30;
	w->pipe = layer_pipe_new(store, o, err);
	if (!w->pipe) {
		free(w);
		return NULL;
	}
	w->a = archive_write_new();
	if (!w->a)
		rn_die("out of memory");
	locale_t old = layer_locale_enter();
	archive_write_set_format_pax_restricted(w->a);
	archive_write_set_format_option(w->a, "pax", "xattrheader", "SCHILY");
	archive_write_set_bytes_per_block(w->a, 0);
	int rc = archive_write_open(w->a, w, NULL, on_write, NULL);
	layer_locale_leave(old);
	if (rc == ARCHIVE_OK)
		return w;
	archive_failed(w, err);
	layer_writer_abort(w);
	return NULL;
}

void layer_writer_abort(struct layer_writer *w)
{
	if (!w)
		return;
	w->given_up = true; /* writes nothing more; archive_write_fail would leave libarchive's own state behind */
	if (w->a)
		archive_write_free(w->a);
	layer_pipe_abort(w->pipe);
	rn_buf_clear(&w->records);
	rn_map_clear(&w->paths);
	free(w->piece);
	free(w);
}

void layer_writer_abortp(struct layer_writer **w)
{
	layer_writer_abort(*w);
	*w = NULL;
}

/* ---- entries ------------------------------------------------------------------------------ */

static unsigned file_type(enum layer_type t)
{
	switch (t) {
	case LAYER_DIR: return AE_IFDIR;
	case LAYER_SYMLINK: return AE_IFLNK;
	case LAYER_CHAR: return AE_IFCHR;
	case LAYER_BLOCK: return AE_IFBLK;
	case LAYER_FIFO: return AE_IFIFO;
	case LAYER_FILE:
	case LAYER_HARDLINK: break;
	}
	return AE_IFREG;
}

static int check_entry(struct layer_writer *w, const struct layer_entry *e, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *clean = NULL;
	if (layer_path_clean(e->path, false, &clean) < 0 || strcmp(clean, e->path) != 0)
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a path for a layer", e->path);
	if (rn_map_has(&w->paths, e->path))
		return rn_fail(err, RN_EINVAL, "\"%s\" is in the layer twice", e->path);
	if (e->type == LAYER_FILE && layer_pipe_total(w->pipe) + e->size > LAYER_BYTES_MAX) {
		rn_fail(err, RN_ELIMIT, "\"%s\" has %llu bytes, and with it the layer would have more than the limit of %llu", e->path,
			(unsigned long long)e->size, (unsigned long long)LAYER_BYTES_MAX);
		return rn_hint(err, "the holes of a sparse file count too; /var/log/lastlog grows with the highest user id: useradd --no-log-init leaves it "
				    "alone, or remove it in the same RUN");
	}
	if (e->type == LAYER_HARDLINK && !rn_map_has(&w->paths, e->link ? e->link : ""))
		return rn_fail(err, RN_EINVAL, "hard link \"%s\" comes before its target \"%s\"", e->path, e->link ? e->link : "");
	return 0;
}

static int write_header(struct layer_writer *w, const struct layer_entry *e, struct rn_error *err)
{
	struct archive_entry *x = archive_entry_new();
	/* folders carry a '/' as every tar writes them; the root is "./" */
	RN_AUTO(rn_freep) char *name = e->type == LAYER_DIR ? rn_asprintf("%s/", e->path[0] ? e->path : ".") : rn_strdup(e->path);
	archive_entry_copy_pathname(x, name);
	archive_entry_set_filetype(x, file_type(e->type));
	archive_entry_set_perm(x, e->mode);
	archive_entry_set_uid(x, e->uid);
	archive_entry_set_gid(x, e->gid);
	archive_entry_set_mtime(x, e->mtime, 0);
	archive_entry_set_size(x, e->type == LAYER_FILE ? (la_int64_t)e->size : 0);
	if (e->type == LAYER_HARDLINK)
		archive_entry_copy_hardlink(x, e->link);
	if (e->type == LAYER_SYMLINK)
		archive_entry_copy_symlink(x, e->link);
	if (e->type == LAYER_CHAR || e->type == LAYER_BLOCK) {
		archive_entry_set_rdevmajor(x, e->dev_major);
		archive_entry_set_rdevminor(x, e->dev_minor);
	}
	for (size_t i = 0; i < e->n_xattrs; i++)
		archive_entry_xattr_add_entry(x, e->xattrs[i].name, e->xattrs[i].value, e->xattrs[i].size);
	int rc = archive_write_header(w->a, x);
	archive_entry_free(x);
	return went_well(w, rc) ? 0 : archive_failed(w, err);
}

/* The next piece of a content: count, 0 at its end, -1. */
static ssize_t read_piece(struct layer_writer *w, const struct layer_source *s, uint64_t done, size_t want, struct rn_error *err)
{
	if (s->read)
		return s->read(s->ctx, w->piece, want, err);
	size_t hole = done || want == PIECE ? rn_hole(s->fd, s->offset + (off_t)done, want) : 0;
	if (hole) {
		memset(w->piece, 0, hole);
		return (ssize_t)hole;
	}
	ssize_t n;
	do
		n = pread(s->fd, w->piece, want, s->offset + (off_t)done);
	while (n < 0 && errno == EINTR);
	return n < 0 ? rn_fail(err, RN_EIO, "read: %m") : n;
}

static int write_content(struct layer_writer *w, const struct layer_entry *e, const struct layer_source *s, struct rn_error *err)
{
	if (s->data)
		return archive_write_data(w->a, s->data, e->size) == (la_ssize_t)e->size && went_well(w, ARCHIVE_OK) ? 0 : archive_failed(w, err);
	if (!w->piece)
		w->piece = rn_alloc(PIECE);
	uint64_t done = 0;
	while (done < e->size) {
		size_t want = e->size - done < PIECE ? (size_t)(e->size - done) : PIECE;
		if (rn_stop_check(w->stop, err) < 0)
			return -1;
		ssize_t n = read_piece(w, s, done, want, err);
		if (n < 0)
			return rn_wrap(err, "%s", e->path);
		if (n == 0)
			return rn_fail(err, RN_EIO, "%s became shorter while it was read: %llu of %llu bytes", e->path,
				       (unsigned long long)done, (unsigned long long)e->size);
		if (archive_write_data(w->a, w->piece, (size_t)n) != n || !went_well(w, ARCHIVE_OK))
			return archive_failed(w, err);
		done += (uint64_t)n;
	}
	return 0;
}

int layer_writer_add(struct layer_writer *w, const struct layer_entry *e, const struct layer_source *source, struct rn_error *err)
{
	if (check_entry(w, e, err) < 0)
		return -1;
	uint64_t offset = layer_pipe_total(w->pipe);
	locale_t old = layer_locale_enter();
	int rc = write_header(w, e, err);
	if (rc == 0 && e->type == LAYER_FILE && e->size)
		rc = source ? write_content(w, e, source, err) : rn_fail(err, RN_EINTERNAL, "%s has no content", e->path);
	if (rc == 0 && !went_well(w, archive_write_finish_entry(w->a)))
		rc = archive_failed(w, err);
	layer_locale_leave(old);
	if (rc < 0)
		return -1;
	rn_map_set(&w->paths, e->path, w);
	layer_record_add(&w->records, e, offset);
	w->entries++;
	return 0;
}

int layer_writer_finish(struct layer_writer *w, struct layer_result *ret, struct rn_error *err)
{
	struct layer_result result = { 0 };
	int rc = went_well(w, archive_write_close(w->a)) ? 0 : archive_failed(w, err);
	if (rc == 0)
		rc = layer_pipe_finish(rn_take(&w->pipe), &result, err);
	if (rc == 0) {
		result.entries = w->entries;
		layer_record_store(w->store, &result.digest, &result.diff_id, &w->records);
		*ret = result;
	}
	layer_writer_abort(w);
	return rc;
}
