/* SPDX-License-Identifier: Apache-2.0 */
/* OCI image layout on disk. */
#include "layout.h"

#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAYOUT_VERSION "1.0.0"
#define INDEX_SIZE_MAX ((size_t)16 << 20)
#define DEPTH_MAX 8 /* indexes within indexes */

struct layout {
	char *path;
	struct blob_store *blobs;
};

/* Checks oci-layout, or writes it. */
static int prepare(const char *path, bool create, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *file = rn_path_join(path, "oci-layout");
	if (!rn_exists(file)) {
		if (!create)
			return rn_fail(err, RN_ENOTFOUND, "%s is not an OCI layout (no file oci-layout)",
				       path);
		static const char text[] = "{\"imageLayoutVersion\":\"" LAYOUT_VERSION "\"}";
		return rn_mkdirs(path, 0755, err) < 0 ||
				       rn_replace_file(file, text, strlen(text), 0644, err) < 0 ?
			       -1 :
			       0;
	}
	RN_AUTO(rn_json_freep) cJSON *doc = rn_json_read_file(file, 4096, err);
	if (!doc)
		return -1;
	const char *version = rn_json_str(doc, "imageLayoutVersion");
	if (!version || !rn_starts(version, "1."))
		return rn_fail(err, RN_EINVAL, "%s: layout version %s, wanted " LAYOUT_VERSION, file,
			       version ? version : "missing");
	return 0;
}

struct layout *layout_open(const char *path, bool create, struct rn_error *err)
{
	if (prepare(path, create, err) < 0)
		return NULL;
	RN_AUTO(blob_store_closep) struct blob_store *blobs = blob_store_open(path, err);
	if (!blobs)
		return NULL;
	struct layout *l = rn_alloc(sizeof(*l));
	l->path = rn_strdup(path);
	l->blobs = rn_take(&blobs);
	return l;
}

void layout_close(struct layout *l)
{
	if (!l)
		return;
	blob_store_close(l->blobs);
	free(l->path);
	free(l);
}

void layout_closep(struct layout **l)
{
	layout_close(*l);
	*l = NULL;
}

struct blob_store *layout_blobs(struct layout *l)
{
	return l->blobs;
}

const char *layout_path(const struct layout *l)
{
	return l->path;
}

int layout_index(struct layout *l, struct manifest *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *file = rn_path_join(l->path, "index.json");
	if (!rn_exists(file)) {
		manifest_init(ret, MANIFEST_INDEX);
		return 0;
	}
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file(file, INDEX_SIZE_MAX, &b, err) < 0)
		return -1;
	struct manifest m;
	if (manifest_parse(rn_buf_str(&b), b.len, MEDIA_OCI_INDEX, &m, err) < 0)
		return rn_wrap(err, "%s", file);
	if (m.kind != MANIFEST_INDEX) {
		manifest_clear(&m);
		return rn_fail(err, RN_EINVAL, "%s is not an index", file);
	}
	*ret = m;
	return 0;
}

static int write_index(struct layout *l, const struct manifest *index, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *file = rn_path_join(l->path, "index.json");
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	RN_AUTO(rn_buf_clear) struct rn_buf old = RN_BUF_INIT;
	manifest_print(index, &b);
	if (rn_read_file(file, b.len + 1, &old, NULL) == 0 && rn_streq(rn_buf_str(&old), rn_buf_str(&b)))
		return 0; /* it says that already */
	return rn_replace_file(file, rn_buf_str(&b), b.len, 0644, err); /* blobs are not synced either */
}

static int lock_index(struct layout *l, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_path_join(l->path, ".tmp/index.lock");
	return rn_lock_file(path, false, true, err);
}

static void named(const struct descriptor *d, const char *name, struct descriptor *ret)
{
	descriptor_copy(d, ret);
	if (name)
		descriptor_annotate(ret, ANNOTATION_REF_NAME, name);
}

/* The entry that `d` under `name` replaces. */
static bool replaces(const struct descriptor *entry, const struct descriptor *d, const char *name)
{
	const char *have = descriptor_annotation(entry, ANNOTATION_REF_NAME);
	if (name && have)
		return !strcmp(name, have);
	return !have && digest_equal(&entry->digest, &d->digest);
}

int layout_enter(struct layout *l, const struct descriptor *d, const char *name,
		 struct rn_error *err)
{
	RN_AUTO(rn_closep) int lock = lock_index(l, err);
	if (lock < 0)
		return -1;
	RN_AUTO(manifest_clear) struct manifest index = { 0 };
	if (layout_index(l, &index, err) < 0)
		return -1;
	struct descriptor entry;
	named(d, name, &entry);
	for (size_t i = 0; i < index.n_layers; i++)
		if (replaces(&index.layers[i], d, name)) {
			descriptor_clear(&index.layers[i]);
			index.layers[i] = entry;
			return write_index(l, &index, err);
		}
	manifest_add(&index, &entry);
	return write_index(l, &index, err);
}

int layout_set(struct layout *l, const struct descriptor *d, const char *name, struct rn_error *err)
{
	RN_AUTO(rn_closep) int lock = lock_index(l, err);
	if (lock < 0)
		return -1;
	RN_AUTO(manifest_clear) struct manifest index = { 0 };
	manifest_init(&index, MANIFEST_INDEX);
	struct descriptor entry;
	named(d, name, &entry);
	manifest_add(&index, &entry);
	return write_index(l, &index, err);
}

static char *list_entries(const struct manifest *index)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	for (size_t i = 0; i < index->n_layers; i++) {
		const char *name = descriptor_annotation(&index->layers[i], ANNOTATION_REF_NAME);
		rn_strv_add(&names, name ? name : index->layers[i].digest.text);
	}
	return rn_strv_join(&names, ", ");
}

/* The one entry that is no artifact about another; NULL: several. */
static const struct descriptor *only_image(const struct manifest *index)
{
	const struct descriptor *found = NULL;
	for (size_t i = 0; i < index->n_layers; i++) {
		if (index->layers[i].artifact_type && index->n_layers > 1)
			continue;
		if (found)
			return NULL;
		found = &index->layers[i];
	}
	return found;
}

int layout_find(struct layout *l, const char *name, struct descriptor *ret, struct rn_error *err)
{
	RN_AUTO(manifest_clear) struct manifest index = { 0 };
	if (layout_index(l, &index, err) < 0)
		return -1;
	if (!index.n_layers)
		return rn_fail(err, RN_ENOTFOUND, "the layout %s has no image", l->path);
	RN_AUTO(rn_freep) char *all = list_entries(&index);
	if (!name) {
		const struct descriptor *only = only_image(&index);
		if (!only)
			return rn_fail(err, RN_EINVAL,
				       "the layout %s has several images; name one of: %s", l->path,
				       all);
		descriptor_copy(only, ret);
		return 0;
	}
	for (size_t i = 0; i < index.n_layers; i++) {
		const char *have = descriptor_annotation(&index.layers[i], ANNOTATION_REF_NAME);
		if ((have && !strcmp(have, name)) || !strcmp(index.layers[i].digest.text, name)) {
			descriptor_copy(&index.layers[i], ret);
			return 0;
		}
	}
	return rn_fail(err, RN_ENOTFOUND, "the layout %s has no image \"%.200s\"; it has: %s",
		       l->path, name, all);
}

int layout_manifest(struct layout *l, const struct descriptor *d, struct manifest *ret,
		    struct rn_error *err)
{
	return store_manifest(l->blobs, d, ret, err);
}

int store_manifest(struct blob_store *s, const struct descriptor *d, struct manifest *ret,
		   struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (blob_store_read(s, &d->digest, MANIFEST_SIZE_MAX, &b, err) < 0)
		return -1;
	if (manifest_parse(rn_buf_str(&b), b.len, d->media_type, ret, err) < 0)
		return rn_wrap(err, "%s", d->digest.text);
	return 0;
}

static int copy_image(struct blob_store *from, struct blob_store *to, const struct descriptor *d,
		      int depth, struct rn_error *err)
{
	if (depth > DEPTH_MAX)
		return rn_fail(err, RN_EINVAL, "indexes are nested more than %d deep", DEPTH_MAX);
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	if (store_manifest(from, d, &m, err) < 0)
		return -1;
	for (size_t i = 0; i < m.n_layers; i++) {
		const struct descriptor *c = &m.layers[i];
		bool nested = m.kind == MANIFEST_INDEX && manifest_kind_of(c->media_type);
		if (m.kind == MANIFEST_IMAGE && media_is_foreign(c->media_type) &&
		    !blob_store_has(from, &c->digest, NULL))
			continue;
		if (nested ? copy_image(from, to, c, depth + 1, err) < 0 :
			     blob_store_copy(from, to, &c->digest, err) < 0)
			return -1;
	}
	if (m.kind == MANIFEST_IMAGE && blob_store_copy(from, to, &m.config.digest, err) < 0)
		return -1;
	return blob_store_copy(from, to, &d->digest, err);
}

int store_copy_image(struct blob_store *from, struct blob_store *to, const struct descriptor *d,
		     struct rn_error *err)
{
	return copy_image(from, to, d, 0, err);
}
