/* SPDX-License-Identifier: Apache-2.0 */
/* ADD of an archive: unpacked into the destination as tar -x does, straight into the layer. */
#include "copy_job.h"

#include "base/fs.h"
#include "oci/layer_reader.h"

#include <string.h>

#define PIECE 65536

/* Content goes to scratch space, since the layer is written in sorted order. */
static int spool(struct copy_job *j, struct layer_reader *r, int fd, off_t *at, struct layer_entry *e)
{
	RN_AUTO(rn_freep) char *piece = rn_alloc(PIECE);
	uint64_t left = e->size;
	while (left > 0) {
		if (build_check_cancel(j->s->b, j->s->err) < 0)
			return -1;
		ssize_t n = layer_reader_read(r, piece, left < PIECE ? (size_t)left : PIECE, j->s->err);
		if (n < 0)
			return -1;
		if (n == 0)
			return rn_fail(j->s->err, RN_EINVAL, "the archive ends inside %s", e->path);
		if (rn_write_full(fd, piece, (size_t)n) < 0)
			return rn_fail(j->s->err, RN_EIO, "write scratch space: %m");
		left -= (uint64_t)n;
	}
	*at += (off_t)e->size;
	return 0;
}

/* Where the entry lands: folders on the way made, links in them followed, the last name not. */
static char *entry_target(struct copy_job *j, const char *folder, const char *path)
{
	RN_AUTO(rn_freep) char *joined = *folder ? rn_asprintf("%s/%s", folder, path) : rn_strdup(path);
	RN_AUTO(rn_freep) char *above = rn_path_dir(joined);
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	const char *dir = rn_streq(above, ".") ? "" : above;
	if (layer_draft_resolve(j->draft, dir, true, &real, &type, j->s->err) < 0 ||
	    layer_draft_parents(j->draft, real, copy_owner(j, 0, 0), j->s->err) < 0)
		return NULL;
	const char *base = rn_path_base(joined);
	return *real ? rn_asprintf("%s/%s", real, base) : rn_strdup(base);
}

static int add_entry(struct copy_job *j, struct layer_reader *r, const char *folder, int fd, off_t *at, struct layer_entry *e)
{
	if (layer_is_whiteout(e->path)) {
		rn_fail(j->s->err, RN_EINVAL, "the archive has a file \"%s\"", e->path);
		return rn_hint(j->s->err, "names that begin with .wh. would delete files of the image");
	}
	RN_AUTO(rn_freep) char *target = entry_target(j, folder, e->path);
	if (!target)
		return -1;
	if (e->type == LAYER_HARDLINK) {
		RN_AUTO(rn_freep) char *to = entry_target(j, folder, e->link);
		return to ? layer_draft_link(j->draft, target, to, j->s->err) : -1;
	}
	struct draft_owner owner = copy_owner(j, e->uid, e->gid);
	struct draft_content content = { .fd = fd, .offset = *at };
	struct layer_entry out = *e;
	out.path = target;
	out.uid = owner.uid;
	out.gid = owner.gid;
	out.mode = e->type == LAYER_SYMLINK ? 0777 : e->mode & 07777; /* --chmod is for what is copied, not for what is unpacked */
	if (e->type == LAYER_FILE && spool(j, r, fd, at, e) < 0)
		return -1;
	return layer_draft_replace(j->draft, &out, e->type == LAYER_FILE ? &content : NULL, j->s->err);
}

int add_archive(struct copy_job *j, int fd)
{
	const struct layer_reader_options o = { .any_compression = true, .clamp_names = true };
	struct rn_error *err = j->s->err;
	RN_AUTO(rn_freep) char *folder = NULL;
	enum layer_type type;
	if (layer_draft_resolve(j->draft, j->dest, true, &folder, &type, err) < 0)
		return -1;
	if (type && type != LAYER_DIR)
		return rn_fail(err, RN_EINVAL, "\"%s\" is a file in the image, and an archive needs a folder", j->dest);
	if (layer_draft_parents(j->draft, folder, copy_owner(j, 0, 0), err) < 0)
		return -1;
	int scratch = copy_scratch(j);
	RN_AUTO(layer_reader_freep) struct layer_reader *r = scratch < 0 ? NULL : layer_reader_new(fd, &o, err);
	if (!r)
		return -1;
	off_t at = 0;
	struct layer_entry e;
	int rc;
	while ((rc = layer_reader_next(r, &e, err)) > 0) {
		if (build_check_cancel(j->s->b, err) < 0)
			return -1;
		if (*e.path && add_entry(j, r, folder, scratch, &at, &e) < 0)
			return -1;
	}
	return rc < 0 ? -1 : layer_reader_finish(r, NULL, NULL, err);
}
