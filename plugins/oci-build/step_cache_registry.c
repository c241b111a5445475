/* SPDX-License-Identifier: Apache-2.0 */
#include "step_cache_registry.h"

#include "origin.h"
#include "output.h"
#include "step_cache_index.h"

#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

#define ATTEMPTS 2 /* a build without its cache is better than one that waits for it */
#define RECORDS_MAX 4000

static struct registry *open_registry(struct build *b)
{
	const struct registry_options o = {
		.auth = b->auth, .cancel_fd = build_cancel_fd(b), .insecure = b->params->insecure_registries.v,
		.n_insecure = b->params->insecure_registries.n, .attempts = ATTEMPTS,
	};
	return registry_new(&o);
}

/* ---- the config ------------------------------------------------------------------------------- */

static cJSON *record_entry(const struct cache_record *r, const struct manifest *m)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "key", r->key.text);
	cJSON_AddStringToObject(j, "how", r->how);
	cJSON_AddStringToObject(j, "created_by", r->created_by);
	if (digest_is_set(&r->content))
		cJSON_AddStringToObject(j, "content", r->content.text);
	cache_searched_to_json(&r->searched, j);
	for (size_t i = 0; r->has_layer && i < m->n_layers; i++)
		if (digest_equal(&m->layers[i].digest, &r->layer.digest)) {
			cJSON_AddNumberToObject(j, "layer", (double)i);
			break;
		}
	return j;
}

void cache_config_print(const struct cache_record *records, size_t n, const struct manifest *m, const struct digest *diff_ids,
			int64_t indexes, struct rn_buf *ret)
{
	struct platform host = { 0 };
	platform_host(&host);
	RN_AUTO(rn_json_freep) cJSON *config = config_new(&host);
	platform_clear(&host);
	for (size_t i = 0; i < m->n_layers; i++)
		config_add_layer(config, &diff_ids[i], NULL, "layer of a build cache", NULL);
	cJSON *ours = cJSON_AddObjectToObject(config, CACHE_MEMBER);
	cJSON_AddNumberToObject(ours, "version", CACHE_VERSION);
	if (indexes >= 0)
		cJSON_AddNumberToObject(ours, "indexes", (double)indexes);
	cJSON *list = cJSON_AddArrayToObject(ours, "records");
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, record_entry(&records[i], m));
	config_print(config, ret);
}

static void free_record(void *p)
{
	if (p)
		cache_record_clear(p);
	free(p);
}

/* One record of the list; NULL when it is none. */
static struct cache_record *read_record(const cJSON *j, const cJSON *config, const struct manifest *m)
{
	struct cache_record r = { 0 };
	const char *key = rn_json_str(j, "key"), *how = rn_json_str(j, "how"), *created_by = rn_json_str(j, "created_by");
	const char *content = rn_json_str(j, "content");
	const cJSON *layer = rn_json_get(j, "layer");
	int64_t number = layer ? rn_json_int(j, "layer", -1) : 0;
	if (!key || !how || !created_by || digest_parse(key, &r.key, NULL) < 0 || (content && digest_parse(content, &r.content, NULL) < 0))
		return NULL;
	if (layer && (number < 0 || (size_t)number >= m->n_layers || config_diff_id(config, (size_t)number, &r.diff_id, NULL) < 0 ||
		      !media_is_layer(m->layers[number].media_type)))
		return NULL;
	r.has_layer = layer != NULL;
	if (layer)
		descriptor_copy(&m->layers[number], &r.layer);
	r.how = rn_strdup(how);
	r.created_by = rn_strdup(created_by);
	cache_searched_from_json(j, &r.searched);
	return rn_memdup(&r, sizeof(r));
}

static void read_indexes(const cJSON *ours, const cJSON *config, const struct manifest *m, struct cache_indexes *ret)
{
	int64_t number = rn_json_int(ours, "indexes", -1);
	struct digest diff_id;
	if (number < 0 || (size_t)number >= m->n_layers || digest_is_set(&ret->remote.digest) ||
	    config_diff_id(config, (size_t)number, &diff_id, NULL) < 0)
		return;
	descriptor_copy(&m->layers[number], &ret->remote);
	ret->remote_diff_id = diff_id;
}

bool cache_config_read(const void *data, size_t n, const struct manifest *m, struct rn_map *to, struct cache_indexes *ret_indexes)
{
	RN_AUTO(rn_json_freep) cJSON *config = config_parse(data, n, NULL);
	const cJSON *ours = rn_json_get(config, CACHE_MEMBER), *item;
	size_t count = 0;
	if (!ours || rn_json_int(ours, "version", 0) != CACHE_VERSION)
		return false;
	if (ret_indexes)
		read_indexes(ours, config, m, ret_indexes);
	cJSON_ArrayForEach(item, rn_json_get(ours, "records")) {
		struct cache_record *r = count++ < RECORDS_MAX ? read_record(item, config, m) : NULL;
		if (!r)
			continue;
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s %s", r->key.text, r->how);
		if (rn_map_has(to, name))
			free_record(r);
		else
			rn_map_set(to, name, r);
	}
	return true;
}

/* ---- cache_from --------------------------------------------------------------------------------- */

static int into_buffer(void *ctx, const void *data, size_t n)
{
	return rn_buf_add(ctx, data, n);
}

static int fetch(struct build *b, const struct reference *ref, struct rn_map *to, struct cache_indexes *indexes, struct rn_error *err)
{
	RN_AUTO(registry_freep) struct registry *r = open_registry(b);
	RN_AUTO(descriptor_clear) struct descriptor d = { 0 };
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	RN_AUTO(rn_buf_clear) struct rn_buf config = { .max = CONFIG_SIZE_MAX };
	if (!r || registry_manifest(r, ref, &d, &body, err) < 0 ||
	    manifest_parse(rn_buf_str(&body), body.len, d.media_type, &m, err) < 0)
		return -1;
	if (m.kind != MANIFEST_IMAGE || m.config.size > CONFIG_SIZE_MAX)
		return rn_fail(err, RN_EINVAL, "it is no cache of this program");
	if (registry_read_blob(r, ref, &m.config, into_buffer, &config, err) < 0)
		return -1;
	if (!cache_config_read(rn_buf_str(&config), config.len, &m, to, indexes))
		return rn_fail(err, RN_EINVAL, "it is an image, but no cache of this program (or of another version)");
	for (size_t i = 0; i < m.n_layers; i++)
		origin_remember(b, &m.layers[i], ref, NULL, true);
	return 0;
}

static void warn(const struct build *b, const char *what, const char *text, const struct rn_error *err)
{
	build_log(b, RUNNER_WARN, "%s %s: %s%s%s; the build goes on without it", what, text, err->msg, err->hint[0] ? ": " : "", err->hint);
}

void cache_registry_load(struct build *b, const char *text, struct rn_map *to, struct cache_indexes *indexes)
{
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	struct rn_error err = { 0 };
	size_t before = to->live;
	to->free_value = free_record;
	if (reference_parse(text, &ref, &err) == 0 && fetch(b, &ref, to, indexes, &err) == 0)
		build_log(b, RUNNER_INFO, "cache_from %s: %zu steps", text, to->live - before);
	else if (err.code == RN_ENOTFOUND)
		build_log(b, RUNNER_INFO, "cache_from %s: there is nothing yet", text);
	else if (err.code != RN_ECANCELLED)
		warn(b, "cache_from", text, &err);
}

/* ---- cache_to ---------------------------------------------------------------------------------------- */

struct saving {
	struct cache_record *records;
	size_t n, cap;
	struct manifest m;
	struct digest *diff_ids;
	size_t cap_diff_ids;
	int64_t indexes; /* number of the layer with indexes; -1: none */
};

static void saving_clear(struct saving *s)
{
	for (size_t i = 0; i < s->n; i++)
		cache_record_clear(&s->records[i]);
	free(s->records);
	free(s->diff_ids);
	manifest_clear(&s->m);
}

static void add_layer(struct saving *s, const struct descriptor *layer, const struct digest *diff_id)
{
	struct descriptor d = { 0 };
	for (size_t i = 0; i < s->m.n_layers; i++)
		if (digest_equal(&s->m.layers[i].digest, &layer->digest))
			return;
	s->diff_ids = rn_grow(s->diff_ids, &s->cap_diff_ids, s->m.n_layers + 1, sizeof(*s->diff_ids));
	s->diff_ids[s->m.n_layers] = *diff_id;
	descriptor_copy(layer, &d);
	manifest_add(&s->m, &d);
}

/* Nothing new was made: what the registry has of them is still right, and need not be fetched. Else all that is known. */
static int add_indexes(struct build *b, struct saving *s, struct rn_error *err)
{
	struct cache_indexes *all = step_cache_indexes(b->cache);
	struct layer_result layer;
	size_t count = 0;
	RN_AUTO(descriptor_clear) struct descriptor d = { 0 };
	s->indexes = (int64_t)s->m.n_layers;
	if (b->missed == 0 && digest_is_set(&all->remote.digest)) {
		add_layer(s, &all->remote, &all->remote_diff_id);
		return 0;
	}
	step_cache_fetch_indexes(b->cache);
	if (cache_index_write(b, &all->layers, &layer, &count, err) < 0)
		return -1;
	if (count) {
		descriptor_init(&d, layer.media_type, &layer.digest, layer.size);
		add_layer(s, &d, &layer.diff_id);
	} else {
		s->indexes = -1;
	}
	return 0;
}

static void add_record(void *ctx, const struct cache_record *r)
{
	struct saving *s = ctx;
	if (s->n == RECORDS_MAX || (r->has_layer && s->m.n_layers == MANIFEST_LAYERS_MAX))
		return;
	s->records = rn_grow(s->records, &s->cap, s->n + 1, sizeof(*s->records));
	cache_record_copy(r, &s->records[s->n++]);
	if (r->has_layer)
		add_layer(s, &r->layer, &r->diff_id);
}

static int by_key(const void *a, const void *b)
{
	const struct cache_record *x = a, *y = b;
	return strcmp(x->key.text, y->key.text);
}

static int put(struct build *b, const struct rn_buf *text, const char *media_type, struct descriptor *ret, struct rn_error *err)
{
	struct digest d;
	if (rn_buf_check(text, "the cache's description", err) < 0 || blob_store_put(b->store, rn_buf_str(text), text->len, &d, err) < 0)
		return -1;
	descriptor_init(ret, media_type, &d, text->len);
	return 0;
}

/* In the order of keys: stages that ran side by side shall not change the digest. */
static int push(struct build *b, struct saving *s, const struct reference *ref, bool *ret_written, struct rn_error *err)
{
	RN_AUTO(registry_freep) struct registry *r = open_registry(b);
	RN_AUTO(descriptor_clear) struct descriptor d = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (add_indexes(b, s, err) < 0)
		return -1;
	cache_config_print(s->records, s->n, &s->m, s->diff_ids, s->indexes, &text);
	if (!r || put(b, &text, MEDIA_OCI_CONFIG, &s->m.config, err) < 0)
		return -1;
	rn_buf_reset(&text);
	manifest_print(&s->m, &text);
	if (put(b, &text, MEDIA_OCI_MANIFEST, &d, err) < 0)
		return -1;
	return output_push(b, r, &d, ref, ret_written, err);
}

void cache_registry_save(struct build *b)
{
	RN_AUTO(saving_clear) struct saving all = { 0 };
	RN_AUTO(saving_clear) struct saving s = { 0 };
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	const char *text = b->params->cache_to;
	struct rn_error err = { 0 };
	bool written = false;
	if (!text || !*text)
		return;
	manifest_init(&all.m, MANIFEST_IMAGE);
	manifest_init(&s.m, MANIFEST_IMAGE);
	step_cache_each_used(b->cache, add_record, &all);
	if (all.n)
		qsort(all.records, all.n, sizeof(*all.records), by_key);
	for (size_t i = 0; i < all.n; i++)
		add_record(&s, &all.records[i]);
	if (s.m.n_layers == 0)
		return; /* registries refuse an image without layers */
	b->host->step(b->stage, "write the cache");
	if (reference_parse(text, &ref, &err) < 0 || push(b, &s, &ref, &written, &err) < 0)
		warn(b, "cache_to", text, &err);
	else
		build_log(b, RUNNER_INFO, "cache_to %s: %zu steps, %zu layers%s", text, s.n, s.m.n_layers, written ? "" : ", unchanged");
	b->host->step(b->stage, NULL);
}
