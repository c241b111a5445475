/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

#include "provenance.h"

#include "base/fs.h"
#include "oci/config.h"
#include "oci/layout.h"

#include <stdlib.h>
#include <string.h>

void origin_free(void *origin)
{
	struct origin *o = origin;
	if (!o)
		return;
	reference_clear(&o->ref);
	descriptor_clear(&o->blob);
	free(o->layout);
	free(o);
}

void base_image_clear(struct base_image *i)
{
	rn_freep(&i->name);
	manifest_clear(&i->manifest);
	cJSON_Delete(i->config);
	descriptor_clear(&i->descriptor);
	*i = (struct base_image){ 0 };
}

static void remember(struct build *b, const struct manifest *m, const struct reference *ref, const char *layout)
{
	for (size_t i = 0; i < m->n_layers; i++)
		origin_remember(b, &m->layers[i], ref, layout, false);
}

void origin_remember(struct build *b, const struct descriptor *blob, const struct reference *ref, const char *layout, bool cache)
{
	pthread_mutex_lock(&b->lock);
	if (!rn_map_has(&b->origins, blob->digest.text)) {
		struct origin *o = rn_alloc(sizeof(*o));
		if (ref)
			reference_copy(ref, &o->ref);
		o->layout = rn_strdup(layout);
		o->cache = cache;
		descriptor_copy(blob, &o->blob);
		rn_map_set(&b->origins, blob->digest.text, o);
	}
	pthread_mutex_unlock(&b->lock);
}

const struct origin *origin_find(struct build *b, const struct digest *d)
{
	pthread_mutex_lock(&b->lock);
	const struct origin *o = rn_map_get(&b->origins, d->text); /* never replaced while the build lasts */
	pthread_mutex_unlock(&b->lock);
	return o;
}

/* ---- registries --------------------------------------------------------------------- */

/* What a tag stood for when it was last asked for (`pull: false`): one small file by name and platform. */
static char *memory_path(const struct build *b, const struct reference *ref, const struct platform *platform)
{
	RN_AUTO(rn_freep) char *name = reference_format(ref);
	RN_AUTO(rn_freep) char *os = platform_format(platform);
	RN_AUTO(rn_freep) char *key = rn_asprintf("%s %s", name, os);
	struct digest d = digest_of(key, strlen(key));
	return rn_asprintf("%s/references/%s", blob_store_dir(b->store), digest_hex(&d));
}

static bool read_memory(const char *path, struct digest *ret)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	return rn_read_file(path, 4096, &text, NULL) == 0 && digest_parse(rn_buf_str(&text), ret, NULL) == 0;
}

static void write_memory(const char *path, const struct digest *d)
{
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	struct rn_error ignored = { 0 };
	struct digest old = { 0 };
	if (read_memory(path, &old) && digest_equal(&old, d))
		return;
	if (rn_mkdirs(dir, 0755, &ignored) == 0)
		rn_replace_file(path, d->text, strlen(d->text), 0644, &ignored);
}

/*
 * What the tag stands for, when that can be told without fetching a manifest: it was asked for in this run, or need not be
 * asked for (`pull: false`), or the registry confirms by HEAD, which does not count where pulls are limited, what is here.
 */
static void settle_tag(struct build *b, const char *memory, struct reference *ref)
{
	const struct digest *asked = rn_map_get(&b->tags, memory);
	RN_AUTO(descriptor_clear) struct descriptor now = { 0 };
	struct digest known;
	if (asked) {
		ref->digest = *asked;
	} else if (read_memory(memory, &known) && !b->params->pull) {
		ref->digest = known;
		build_log(b, RUNNER_DEBUG, "pull is false: taking %s as it was found before", known.text);
	} else if (read_memory(memory, &known) && blob_store_has(b->store, &known, NULL) &&
		   registry_resolve(b->registry, ref, &now, NULL) == 0) {
		ref->digest = now.digest;
	}
}

static void note_tag(struct build *b, const char *memory, const struct digest *d)
{
	rn_map_set(&b->tags, memory, rn_memdup(d, sizeof(*d)));
	write_memory(memory, d);
}

/* Stages of one base ask one after the other, so that the registry is asked once. */
static int load_image(struct build *b, const struct reference *ref, const struct platform *platform, struct registry_image *ret,
		      struct rn_error *err)
{
	RN_AUTO(reference_clear) struct reference ask = { 0 };
	RN_AUTO(rn_freep) char *memory = memory_path(b, ref, platform);
	reference_copy(ref, &ask);
	pthread_mutex_lock(&b->tags_lock);
	if (!digest_is_set(&ref->digest))
		settle_tag(b, memory, &ask);
	int rc = registry_image(b->registry, &ask, platform, b->store, ret, err);
	if (rc == 0 && !digest_is_set(&ref->digest))
		note_tag(b, memory, &ret->top.digest);
	pthread_mutex_unlock(&b->tags_lock);
	return rc;
}

static int from_registry(struct build *b, const char *name, const struct platform *platform, struct base_image *ret,
			 struct rn_error *err)
{
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	struct registry_image image = { 0 };
	if (reference_parse(name, &ref, err) < 0)
		return -1;
	if (load_image(b, &ref, platform, &image, err) < 0) /* the error names it */
		return -1;
	remember(b, &image.manifest, &ref, NULL);
	ret->name = reference_familiar(&ref);
	ret->manifest = image.manifest;
	ret->config = rn_take(&image.config);
	ret->descriptor = image.descriptor;
	image.manifest = (struct manifest){ 0 };
	image.descriptor = (struct descriptor){ 0 };
	registry_image_clear(&image);
	return 0;
}

/* ---- layouts -------------------------------------------------------------------------- */

/* PATH[:TAG] or PATH[@DIGEST] -> path and name (both new; name NULL: none). */
static void split_layout(const struct build *b, const char *text, char **ret_path, char **ret_name)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(text);
	char *slash = strrchr(copy, '/');
	char *mark = strchr(slash ? slash : copy, '@');
	if (!mark)
		mark = strchr(slash ? slash : copy, ':');
	*ret_name = mark ? rn_strdup(mark + 1) : NULL;
	if (mark)
		*mark = '\0';
	*ret_path = rn_path_abs(b->host->info(b->stage, RUNNER_INFO_DIR), copy);
}

static int pick_manifest(struct layout *l, const struct platform *platform, struct descriptor *d, struct manifest *m,
			 struct rn_error *err)
{
	for (unsigned depth = 0; layout_manifest(l, d, m, err) == 0; depth++) {
		if (m->kind == MANIFEST_IMAGE)
			return 0;
		const struct descriptor *child = manifest_choose(m, platform, err);
		struct descriptor next = { 0 };
		if (child)
			descriptor_copy(child, &next);
		manifest_clear(m);
		if (!child || depth > 4)
			return child ? rn_fail(err, RN_EINVAL, "indexes are nested too deeply") : -1;
		descriptor_clear(d);
		*d = next;
	}
	return -1;
}

static int from_layout(struct build *b, const char *name, const struct platform *platform, struct base_image *ret,
		       struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = NULL;
	RN_AUTO(rn_freep) char *tag = NULL;
	split_layout(b, name, &path, &tag);
	RN_AUTO(layout_closep) struct layout *l = layout_open(path, false, err);
	RN_AUTO(descriptor_clear) struct descriptor d = { 0 };
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (!l || layout_find(l, tag, &d, err) < 0 || pick_manifest(l, platform, &d, &m, err) < 0 ||
	    blob_store_read(layout_blobs(l), &m.config.digest, CONFIG_SIZE_MAX, &text, err) < 0)
		return rn_wrap(err, "%s", name);
	ret->config = config_parse(rn_buf_str(&text), text.len, err);
	if (!ret->config)
		return rn_wrap(err, "%s", name);
	remember(b, &m, NULL, path);
	ret->name = rn_asprintf("oci-layout://%s", name);
	ret->manifest = m;
	ret->descriptor = d;
	m = (struct manifest){ 0 };
	d = (struct descriptor){ 0 };
	return 0;
}

int base_image_load(struct build *b, const char *name, const struct platform *platform, struct base_image *ret,
		    struct rn_error *err)
{
	bool layout = rn_starts(name, "oci-layout://");
	if (rn_starts(name, "docker-image://"))
		name += strlen("docker-image://");
	int rc = layout ? from_layout(b, name + strlen("oci-layout://"), platform, ret, err) : from_registry(b, name, platform, ret, err);
	if (rc < 0)
		return -1;
	RN_AUTO(rn_freep) char *uri = layout ? rn_strdup(ret->name) : rn_asprintf("docker-image://%s", ret->name);
	build_material(b, uri, digest_algorithm(&ret->descriptor.digest), digest_hex(&ret->descriptor.digest));
	return 0;
}

/* ---- blobs ------------------------------------------------------------------------------ */

static int copy_from_layout(struct build *b, const struct origin *o, struct rn_error *err)
{
	RN_AUTO(layout_closep) struct layout *l = layout_open(o->layout, false, err);
	return l ? blob_store_import(layout_blobs(l), b->store, &o->blob.digest, err) : -1;
}

static int pull(struct build *b, const struct origin *from, const struct descriptor *blobs, size_t n, struct rn_error *err)
{
	if (registry_pull_blobs(b->registry, &from->ref, blobs, n, b->store, err) == 0)
		return 0;
	if (from->cache && err && err->code != RN_ECANCELLED)
		b->cache_lost = true;
	return -1;
}

int need_blob(void *build, const struct digest *d, struct rn_error *err)
{
	struct build *b = build;
	if (blob_store_has(b->store, d, NULL))
		return 0;
	const struct origin *o = origin_find(b, d);
	if (!o)
		return rn_fail(err, RN_ENOTFOUND, "the layer %s is not in the cache any more", d->text);
	return o->layout ? copy_from_layout(b, o, err) : pull(b, o, &o->blob, 1, err);
}

static bool same_repository(const struct origin *a, const struct origin *b)
{
	return rn_streq(a->ref.registry, b->ref.registry) && rn_streq(a->ref.repository, b->ref.repository);
}

/* Blobs of one repository are asked for together. */
int need_blobs(struct build *b, const struct descriptor *blobs, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_freep) const struct origin **from = rn_alloc((n + 1) * sizeof(struct origin *));
	RN_AUTO(rn_freep) struct descriptor *together = rn_alloc((n + 1) * sizeof(*together));
	for (size_t i = 0; i < n; i++) {
		const struct origin *o = origin_find(b, &blobs[i].digest);
		if (blob_store_has(b->store, &blobs[i].digest, NULL))
			continue;
		if (o && !o->layout)
			from[i] = o;
		else if (need_blob(b, &blobs[i].digest, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		const struct origin *o = from[i];
		size_t count = 0;
		for (size_t k = i; o && k < n; k++)
			if (from[k] && same_repository(from[k], o)) {
				together[count++] = from[k]->blob; /* borrowed */
				from[k] = NULL;
			}
		if (count && pull(b, o, together, count, err) < 0)
			return -1;
	}
	return 0;
}
