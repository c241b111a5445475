/* SPDX-License-Identifier: Apache-2.0 */
#include "step_cache_index.h"

#include "base/fs.h"
#include "oci/layer_reader.h"
#include "oci/layer_record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INDEX_MAX ((size_t)64 << 20) /* one layer's; a bigger one stays at home */
#define FOLDER "indexes"

static char *index_path(struct blob_store *store, const struct digest *layer)
{
	return blob_store_derived(store, layer, LAYER_RECORD_KIND);
}

bool cache_index_known(struct blob_store *store, const struct digest *layer)
{
	RN_AUTO(rn_freep) char *path = index_path(store, layer);
	return rn_exists(path) || blob_store_has(store, layer, NULL);
}

/* ---- writing ------------------------------------------------------------------------------ */

static int add_index(struct layer_writer *w, struct build *b, const char *layer, size_t *count, struct rn_error *err)
{
	struct digest d;
	RN_AUTO(rn_buf_clear) struct rn_buf data = RN_BUF_INIT;
	if (digest_parse(layer, &d, err) < 0)
		return -1;
	RN_AUTO(rn_freep) char *path = index_path(b->store, &d);
	RN_AUTO(rn_freep) char *name = rn_asprintf(FOLDER "/%s-%s", digest_algorithm(&d), digest_hex(&d));
	if (rn_read_file(path, INDEX_MAX, &data, NULL) < 0 || data.len == 0)
		return 0;
	const struct layer_entry e = { .path = name, .type = LAYER_FILE, .mode = 0644, .size = data.len };
	const struct layer_source source = { .data = data.p, .fd = -1 };
	++*count;
	return layer_writer_add(w, &e, &source, err);
}

int cache_index_write(struct build *b, const struct rn_map *layers, struct layer_result *ret, size_t *ret_count, struct rn_error *err)
{
	const struct layer_entry folder = { .path = FOLDER, .type = LAYER_DIR, .mode = 0755 };
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	RN_AUTO(layer_writer_abortp) struct layer_writer *w = layer_writer_new(b->store, NULL, err);
	size_t count = 0;
	RN_MAP_EACH(layers, it)
		rn_strv_add(&names, it->key);
	rn_strv_sort(&names);
	if (!w || layer_writer_add(w, &folder, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (add_index(w, b, names.v[i], &count, err) < 0)
			return -1;
	*ret_count = count;
	return count ? layer_writer_finish(rn_take(&w), ret, err) : 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* "indexes/sha256-HEX" */
static bool layer_of(const char *path, struct digest *ret)
{
	if (!rn_starts(path, FOLDER "/"))
		return false;
	RN_AUTO(rn_freep) char *text = rn_strdup(path + strlen(FOLDER "/"));
	char *dash = strchr(text, '-');
	if (dash)
		*dash = ':';
	return digest_parse(text, ret, NULL) == 0;
}

/* It comes from a registry, and its paths are believed as those of a layer that was read here: none leads out of the root. */
static bool is_sound(struct blob_store *store, const struct digest *layer)
{
	RN_AUTO(rn_buf_clear) struct rn_buf records = { .max = INDEX_MAX };
	struct layer_xattr xattrs[LAYER_RECORD_XATTRS];
	struct layer_entry e;
	uint64_t offset;
	bool sound = layer_record_load(store, layer, NULL, &records);
	for (size_t at = 0; sound && at < records.len;) {
		RN_AUTO(rn_freep) char *clean = NULL;
		sound = layer_record_next(&records, &at, &e, &offset, xattrs) && layer_path_clean(e.path, false, &clean) == 0 && rn_streq(clean, e.path);
	}
	return sound;
}

static int take_index(struct build *b, struct layer_reader *r, const struct layer_entry *e, struct rn_error *err)
{
	struct digest d;
	if (e->type != LAYER_FILE || e->size > INDEX_MAX || !layer_of(e->path, &d) || cache_index_known(b->store, &d))
		return 0;
	RN_AUTO(rn_buf_clear) struct rn_buf data = { .max = INDEX_MAX };
	char *to = rn_buf_reserve(&data, e->size);
	size_t have = 0;
	for (ssize_t n; to && have < e->size; have += (size_t)n)
		if ((n = layer_reader_read(r, to + have, e->size - have, err)) <= 0)
			return n < 0 ? -1 : rn_fail(err, RN_EINVAL, "the layer of indexes is cut off");
	data.len = have;
	RN_AUTO(rn_freep) char *path = index_path(b->store, &d);
	if (rn_write_file(path, data.p, data.len, 0600, err) < 0)
		return -1;
	if (is_sound(b->store, &d))
		return 0;
	unlink(path);
	return rn_fail(err, RN_EINVAL, "the index of layer %.19s is damaged", d.text);
}

int cache_index_read(struct build *b, const struct digest *layer, struct rn_error *err)
{
	const struct layer_reader_options o = { 0 };
	RN_AUTO(rn_closep) int fd = blob_store_open_blob(b->store, layer, NULL, err);
	RN_AUTO(layer_reader_freep) struct layer_reader *r = fd < 0 ? NULL : layer_reader_new(fd, &o, err);
	struct layer_entry e;
	int rc = r ? 0 : -1;
	while (r && (rc = layer_reader_next(r, &e, err)) > 0)
		if (take_index(b, r, &e, err) < 0)
			return -1;
	return rc;
}
