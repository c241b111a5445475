/* SPDX-License-Identifier: Apache-2.0 */
#include "step_cache.h"

#include "origin.h"
#include "step_cache_index.h"
#include "step_cache_registry.h"

#include "base/fs.h"
#include "base/time.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_SIZE_MAX ((size_t)1 << 20)

struct step_cache {
	struct build *b;
	char *folder;
	char *how;
	bool off;              /* no_cache: true                              */
	cJSON *off_stages;     /* or the stages that it lists                 */
	pthread_mutex_t lock;
	struct rn_map used;    /* key -> struct cache_record                  */
	pthread_mutex_t remote_lock;
	bool asked;            /* `cache_from` was read                       */
	struct rn_map remote;  /* "KEY HOW" -> struct cache_record            */
	struct cache_indexes indexes;
};

void cache_record_clear(struct cache_record *r)
{
	descriptor_clear(&r->layer);
	rn_freep(&r->how);
	rn_freep(&r->created_by);
	rn_strv_clear(&r->searched);
	*r = (struct cache_record){ 0 };
}

void cache_record_copy(const struct cache_record *from, struct cache_record *ret)
{
	*ret = *from;
	ret->layer = (struct descriptor){ 0 };
	if (from->has_layer)
		descriptor_copy(&from->layer, &ret->layer);
	ret->how = rn_strdup(from->how);
	ret->created_by = rn_strdup(from->created_by);
	ret->searched = (struct rn_strv){ 0 };
	for (size_t i = 0; i < from->searched.n; i++)
		rn_strv_add(&ret->searched, from->searched.v[i]);
}

static void free_record(void *p)
{
	if (p)
		cache_record_clear(p);
	free(p);
}

char *step_cache_folder(const char *dir)
{
	return rn_path_join(dir, "steps");
}

/* With the level that 0 stands for: another program, or a later one, may have another default. */
static char *how_text(const struct layer_options *o)
{
	static const char *const names[] = { [LAYER_GZIP] = "gzip", [LAYER_ZSTD] = "zstd", [LAYER_PLAIN] = "none" };
	return rn_asprintf("%s-%d", names[o->compression], layer_level(o->compression, o->level));
}

struct step_cache *step_cache_open(struct build *b)
{
	struct step_cache *c = rn_alloc(sizeof(*c));
	RN_AUTO(rn_json_freep) cJSON *off = b->params->no_cache.text ? rn_json_parse_str(b->params->no_cache.text, NULL) : NULL;
	*c = (struct step_cache){ .b = b, .folder = step_cache_folder(blob_store_dir(b->store)), .how = how_text(&b->layer_options),
				  .off = cJSON_IsTrue(off) };
	if (cJSON_IsArray(off))
		c->off_stages = rn_take(&off);
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->remote_lock, NULL);
	rn_map_init(&c->remote, free_record);
	rn_map_init(&c->used, free_record);
	return c;
}

void step_cache_close(struct step_cache *c)
{
	if (!c)
		return;
	rn_map_clear(&c->used);
	rn_map_clear(&c->remote);
	rn_map_clear(&c->indexes.layers);
	descriptor_clear(&c->indexes.remote);
	pthread_mutex_destroy(&c->remote_lock);
	pthread_mutex_destroy(&c->lock);
	cJSON_Delete(c->off_stages);
	free(c->folder);
	free(c->how);
	free(c);
}

static bool is_stage(const char *text, const char *name, size_t index)
{
	int64_t number;
	return (name && strcasecmp(text, name) == 0) || (rn_parse_int(text, 0, INT32_MAX, &number, NULL) == 0 && (size_t)number == index);
}

int step_cache_check(const struct step_cache *c, const char *const *names, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_freep) const char **known = rn_alloc((n + 1) * sizeof(char *));
	const cJSON *item;
	cJSON_ArrayForEach(item, c->off_stages) {
		bool found = false;
		size_t count = 0;
		for (size_t i = 0; i < n; i++) {
			found |= is_stage(item->valuestring, names[i], i);
			if (names[i])
				known[count++] = names[i];
		}
		if (found)
			continue;
		const char *near = rn_nearest(item->valuestring, known, count);
		rn_fail(err, RN_ENOTFOUND, "no_cache: the Dockerfile has no stage \"%s\"", item->valuestring);
		return near ? rn_hint(err, "did you mean \"%s\"?", near) : -1;
	}
	return 0;
}

bool step_cache_enabled(const struct step_cache *c, const char *stage_name, size_t stage_index)
{
	const cJSON *item;
	if (c->off)
		return false;
	cJSON_ArrayForEach(item, c->off_stages)
		if (is_stage(item->valuestring, stage_name, stage_index))
			return false;
	return true;
}

bool step_cache_may_have(const struct step_cache *c, const char *stage_name, size_t stage_index)
{
	return step_cache_enabled(c, stage_name, stage_index) && (c->b->params->cache_from.n > 0 || rn_dir_has_names(c->folder));
}

/* ---- records as JSON ------------------------------------------------------------------------ */

#define SEARCHED_MAX 100

void cache_searched_to_json(const struct rn_strv *searched, cJSON *record)
{
	cJSON *list = searched->n ? cJSON_AddArrayToObject(record, "searched") : NULL;
	for (size_t i = 0; i < searched->n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(searched->v[i]));
}

void cache_searched_from_json(const cJSON *record, struct rn_strv *ret)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, rn_json_get(record, "searched"))
		if (cJSON_IsString(one) && ret->n < SEARCHED_MAX)
			rn_strv_add(ret, one->valuestring);
}

cJSON *cache_record_to_json(const struct cache_record *r)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "key", r->key.text);
	cJSON_AddStringToObject(j, "how", r->how);
	cJSON_AddStringToObject(j, "created_by", r->created_by);
	if (digest_is_set(&r->content))
		cJSON_AddStringToObject(j, "content", r->content.text);
	cache_searched_to_json(&r->searched, j);
	if (r->has_layer) {
		cJSON *layer = descriptor_to_json(&r->layer);
		cJSON_AddStringToObject(layer, "diff_id", r->diff_id.text);
		cJSON_AddItemToObject(j, "layer", layer);
	}
	return j;
}

static bool read_layer(const cJSON *j, struct cache_record *r)
{
	const char *diff_id = rn_json_str(j, "diff_id");
	r->has_layer = true;
	return diff_id && digest_parse(diff_id, &r->diff_id, NULL) == 0 && descriptor_parse(j, &r->layer, NULL) == 0 &&
	       media_is_layer(r->layer.media_type);
}

bool cache_record_from_json(const cJSON *j, struct cache_record *ret)
{
	struct cache_record r = { 0 };
	const char *key = rn_json_str(j, "key"), *how = rn_json_str(j, "how"), *created_by = rn_json_str(j, "created_by");
	const char *content = rn_json_str(j, "content");
	const cJSON *layer = rn_json_get(j, "layer");
	if (!key || !how || !created_by || digest_parse(key, &r.key, NULL) < 0 ||
	    (content && digest_parse(content, &r.content, NULL) < 0) || (layer && !read_layer(layer, &r))) {
		cache_record_clear(&r);
		return false;
	}
	r.how = rn_strdup(how);
	r.created_by = rn_strdup(created_by);
	cache_searched_from_json(j, &r.searched);
	*ret = r;
	return true;
}

/* ---- files ------------------------------------------------------------------------------------- */

static char *record_path(const struct step_cache *c, const struct digest *key)
{
	return rn_asprintf("%s/%s.%s", c->folder, digest_hex(key), c->how);
}

/* The time of last use is the file's; written at most once an hour, as for blobs. */
static void mark_used(const char *path)
{
	struct stat st;
	if (stat(path, &st) == 0 && rn_wall_ms() / 1000 - st.st_mtime > 3600)
		utimensat(AT_FDCWD, path, NULL, 0);
}

/* Is the layer here as the record says? One of another size was damaged, and goes. */
static bool layer_is_here(struct step_cache *c, const struct cache_record *r)
{
	uint64_t size = 0;
	if (!r->has_layer)
		return true;
	if (!blob_store_has(c->b->store, &r->layer.digest, &size))
		return false;
	if (size == r->layer.size)
		return true;
	build_log(c->b, RUNNER_WARN, "cache: the layer %.19s has %llu bytes instead of %llu, it is made again", r->layer.digest.text,
		  (unsigned long long)size, (unsigned long long)r->layer.size);
	blob_store_remove(c->b->store, &r->layer.digest, NULL);
	return false;
}

static bool find_file(struct step_cache *c, const struct digest *key, struct cache_record *ret)
{
	RN_AUTO(rn_freep) char *path = record_path(c, key);
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, RECORD_SIZE_MAX, NULL);
	struct cache_record r = { 0 };
	if (!j || !cache_record_from_json(j, &r))
		return false;
	if (!digest_equal(&r.key, key) || !rn_streq(r.how, c->how) || !layer_is_here(c, &r)) {
		cache_record_clear(&r);
		return false;
	}
	mark_used(path);
	*ret = r;
	return true;
}

/* Aside and renamed, without waiting for the disk: after a power cut it may be torn, and is a miss then. */
static void write_file(struct step_cache *c, const struct cache_record *r)
{
	char id[25];
	RN_AUTO(rn_json_freep) cJSON *j = cache_record_to_json(r);
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	RN_AUTO(rn_freep) char *path = record_path(c, &r->key);
	RN_AUTO(rn_freep) char *temp = rn_asprintf("%s/.tmp/%s", blob_store_dir(c->b->store), rn_random_hex(12, id));
	struct rn_error ignored = { 0 };
	if (rn_mkdirs(c->folder, 0700, &ignored) < 0)
		return;
	RN_AUTO(rn_closep) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (rn_write_full(fd, text, strlen(text)) < 0 || rename(temp, path) < 0)
		unlink(temp);
}

/* ---- finding and keeping ---------------------------------------------------------------------------- */

static void note_used(struct step_cache *c, const struct cache_record *r, const struct digest *key)
{
	struct cache_record *copy = rn_alloc(sizeof(*copy));
	cache_record_copy(r, copy);
	copy->key = *key;
	if (digest_equal(key, &r->content))
		copy->content = (struct digest){ 0 };
	pthread_mutex_lock(&c->lock);
	rn_map_set(&c->used, key->text, copy);
	pthread_mutex_unlock(&c->lock);
}

static void note_both_used(struct step_cache *c, const struct cache_record *r)
{
	note_used(c, r, &r->key);
	if (digest_is_set(&r->content))
		note_used(c, r, &r->content);
}

/* At the first step that is not on this machine, and then never again. */
static void ask_registries(struct step_cache *c)
{
	const struct runner_list *from = &c->b->params->cache_from;
	for (size_t i = 0; !c->asked && i < from->n; i++)
		cache_registry_load(c->b, from->v[i], &c->remote, &c->indexes);
	c->asked = true;
}

static bool find_remote(struct step_cache *c, const struct digest *key, struct cache_record *ret)
{
	RN_AUTO(rn_freep) char *name = rn_asprintf("%s %s", key->text, c->how);
	pthread_mutex_lock(&c->remote_lock);
	ask_registries(c);
	const struct cache_record *r = rn_map_get(&c->remote, name);
	if (r)
		cache_record_copy(r, ret);
	pthread_mutex_unlock(&c->remote_lock);
	if (r)
		write_file(c, ret); /* a hit on this machine too, once somebody needed the layer */
	return r != NULL;
}

void step_cache_fetch_indexes(struct step_cache *c)
{
	struct rn_error err = { 0 };
	pthread_mutex_lock(&c->remote_lock);
	ask_registries(c);
	bool want = !c->indexes.fetched && digest_is_set(&c->indexes.remote.digest);
	c->indexes.fetched = true;
	if (want && (need_blob(c->b, &c->indexes.remote.digest, &err) < 0 || cache_index_read(c->b, &c->indexes.remote.digest, &err) < 0)) {
		c->b->cache_lost = false; /* nothing that the image needs */
		build_log(c->b, RUNNER_DEBUG, "the indexes of cache_from: %s", err.msg);
	}
	pthread_mutex_unlock(&c->remote_lock);
}

void step_cache_note_layer(struct step_cache *c, const struct digest *layer)
{
	pthread_mutex_lock(&c->remote_lock);
	rn_map_set(&c->indexes.layers, layer->text, c);
	pthread_mutex_unlock(&c->remote_lock);
}

struct cache_indexes *step_cache_indexes(struct step_cache *c)
{
	return &c->indexes;
}

bool step_cache_find(struct step_cache *c, const struct digest *key, struct cache_record *ret)
{
	if (!find_file(c, key, ret) && !find_remote(c, key, ret))
		return false;
	note_both_used(c, ret);
	return true;
}

void step_cache_distrust(struct step_cache *c)
{
	pthread_mutex_lock(&c->remote_lock);
	c->asked = true;
	rn_map_clear(&c->remote);
	pthread_mutex_unlock(&c->remote_lock);
	pthread_mutex_lock(&c->lock);
	rn_map_clear(&c->used);
	rn_map_init(&c->used, free_record);
	pthread_mutex_unlock(&c->lock);
}

void step_cache_put(struct step_cache *c, const struct cache_record *record)
{
	RN_AUTO(cache_record_clear) struct cache_record r = { 0 };
	cache_record_copy(record, &r);
	free(r.how);
	r.how = rn_strdup(c->how);
	write_file(c, &r);
	note_both_used(c, &r);
	if (!digest_is_set(&r.content))
		return;
	r.key = r.content;
	r.content = (struct digest){ 0 };
	write_file(c, &r);
}

void step_cache_each_used(struct step_cache *c, void (*fn)(void *ctx, const struct cache_record *r), void *ctx)
{
	pthread_mutex_lock(&c->lock);
	RN_MAP_EACH(&c->used, it)
		fn(ctx, it->value);
	pthread_mutex_unlock(&c->lock);
}
