/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include "attest.h"
#include "secret_guard.h"

#include "base/fs.h"
#include "oci/config.h"
#include "oci/docker_archive.h"
#include "oci/layout.h"

#include <stdlib.h>
#include <string.h>

void built_clear(struct built *b)
{
	descriptor_clear(&b->descriptor);
}

/* ---- config and manifest --------------------------------------------------------------- */

static void add_labels(const struct build *b, cJSON *config)
{
	cJSON *run = config_run(config), *labels = rn_json_get(run, "Labels");
	if (b->params->labels.n == 0)
		return;
	if (!cJSON_IsObject(labels)) {
		cJSON_DeleteItemFromObjectCaseSensitive(run, "Labels");
		labels = cJSON_AddObjectToObject(run, "Labels");
	}
	for (size_t i = 0; i < b->params->labels.n; i++) {
		const struct runner_pair *p = &b->params->labels.v[i];
		cJSON_DeleteItemFromObjectCaseSensitive(labels, p->key);
		cJSON_AddStringToObject(labels, p->key, p->value);
	}
}

static int put(struct build *b, const struct rn_buf *text, const char *media_type, struct descriptor *ret, struct rn_error *err)
{
	struct digest d;
	if (rn_buf_check(text, media_type, err) < 0 || blob_store_put(b->store, rn_buf_str(text), text->len, &d, err) < 0)
		return -1;
	descriptor_init(ret, media_type, &d, text->len);
	return 0;
}

static void annotate(const struct build *b, struct manifest *m)
{
	for (size_t i = 0; i < b->params->annotations.n; i++)
		manifest_annotate(m, b->params->annotations.v[i].key, b->params->annotations.v[i].value);
}

int output_image(struct stage_graph *g, struct built *ret, struct rn_error *err)
{
	struct build *b = g->b;
	struct fs_state *s = &g->target->state;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	manifest_init(&m, MANIFEST_IMAGE);
	add_labels(b, s->config);
	cJSON_DeleteItemFromObjectCaseSensitive(s->config, "created");
	cJSON_AddStringToObject(s->config, "created", b->created);
	if (secret_guard_config(b, s->config, err) < 0)
		return -1;
	config_print(s->config, &text);
	if (put(b, &text, MEDIA_OCI_CONFIG, &m.config, err) < 0)
		return -1;
	uint64_t size = m.config.size;
	for (size_t i = 0; i < s->n_layers; i++) {
		struct descriptor d = { 0 };
		descriptor_copy(&s->layers[i], &d);
		size += d.size;
		manifest_add(&m, &d);
	}
	annotate(b, &m);
	rn_buf_reset(&text);
	manifest_print(&m, &text);
	if (put(b, &text, MEDIA_OCI_MANIFEST, &ret->descriptor, err) < 0)
		return -1;
	config_platform(s->config, &ret->descriptor.platform);
	ret->size = size;
	return 0;
}

int output_index(struct build *b, const struct built *images, size_t n, struct built *ret, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	manifest_init(&m, MANIFEST_INDEX);
	uint64_t size = 0;
	for (size_t i = 0; i < n; i++) {
		struct descriptor d = { 0 };
		descriptor_copy(&images[i].descriptor, &d);
		size += images[i].size;
		manifest_add(&m, &d);
	}
	annotate(b, &m);
	manifest_print(&m, &text);
	if (put(b, &text, MEDIA_OCI_INDEX, &ret->descriptor, err) < 0)
		return -1;
	ret->size = size;
	return 0;
}

/* ---- all blobs of an image ---------------------------------------------------------------- */

static int need_all(struct build *b, const struct descriptor *d, struct rn_error *err)
{
	RN_AUTO(manifest_clear) struct manifest m = { 0 };
	if (store_manifest(b->store, d, &m, err) < 0)
		return -1;
	if (m.kind == MANIFEST_IMAGE)
		return need_blobs(b, m.layers, m.n_layers, err);
	for (size_t i = 0; i < m.n_layers; i++)
		if (need_all(b, &m.layers[i], err) < 0)
			return -1;
	return 0;
}

/* ---- layout and archive ---------------------------------------------------------------------- */

char *output_default_layout(const struct build *b)
{
	const char *state = b->host->info(b->stage, RUNNER_INFO_STATE);
	return rn_path_join(state ? state : ".", "layout");
}

static int to_layout(struct build *b, const struct built *image, const char *path, struct rn_error *err)
{
	RN_AUTO(layout_closep) struct layout *l = layout_open(path, true, err);
	RN_AUTO(descriptor_clear) struct descriptor old = { 0 };
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	if (!l || need_all(b, &image->descriptor, err) < 0)
		return -1;
	const char *name = b->params->tags.n && reference_parse(b->params->tags.v[0], &ref, NULL) == 0 ? ref.tag : NULL;
	bool had = layout_find(l, NULL, &old, NULL) == 0;
	bool same = had && digest_equal(&old.digest, &image->descriptor.digest);
	if (store_copy_image(b->store, layout_blobs(l), &image->descriptor, err) < 0 ||
	    layout_set(l, &image->descriptor, name, err) < 0 || attest_to_layout(b, l, err) < 0)
		return rn_wrap(err, "write the layout %s", path);
	b->host->change(b->stage, same ? RUNNER_UNCHANGED : had ? RUNNER_UPDATED : RUNNER_CREATED, path,
			image->descriptor.digest.text);
	b->host->output(b->stage, "layout", path);
	return 0;
}

static int to_archive(struct build *b, const struct built *image, struct rn_error *err)
{
	const char *path = b->params->archive;
	if (need_all(b, &image->descriptor, err) < 0 ||
	    docker_archive_write(b->store, &image->descriptor, b->params->tags.v, b->params->tags.n, path, err) < 0)
		return rn_wrap(err, "write the archive %s", path);
	b->host->change(b->stage, RUNNER_UPDATED, path, image->descriptor.digest.text);
	return 0;
}

/* ---- registries -------------------------------------------------------------------------------- */

/* Repositories of the same registry that layers come from, or went to: they can be mounted instead of sent. */
static void mount_sources(struct build *b, const struct reference *ref, struct rn_strv *ret)
{
	for (size_t i = 0; i < b->params->tags.n; i++) {
		RN_AUTO(reference_clear) struct reference other = { 0 };
		if (reference_parse(b->params->tags.v[i], &other, NULL) < 0 || rn_streq(other.repository, ref->repository))
			break; /* those behind it have not been pushed to yet */
		if (rn_streq(other.registry, ref->registry) && !rn_strv_has(ret, other.repository))
			rn_strv_add(ret, other.repository);
	}
	pthread_mutex_lock(&b->lock);
	RN_MAP_EACH(&b->origins, it)
	{
		const struct origin *o = it->value;
		if (!o->layout && rn_streq(o->ref.registry, ref->registry) && !rn_streq(o->ref.repository, ref->repository) &&
		    !rn_strv_has(ret, o->ref.repository))
			rn_strv_add(ret, o->ref.repository);
	}
	pthread_mutex_unlock(&b->lock);
}

int output_push(struct build *b, struct registry *r, const struct descriptor *image, const struct reference *ref, bool *ret_written,
		struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv mounts = { 0 };
	const char *tag = reference_target(ref);
	mount_sources(b, ref, &mounts);
	const char *const *from = (const char *const *)mounts.v;
	if (registry_push_image(r, ref, b->store, image, &tag, 1, from, mounts.n, ret_written, err) == 0)
		return 0;
	/* what the repository neither has nor can mount must be here before it can be sent */
	if (!err || err->code != RN_ENOTFOUND)
		return -1;
	rn_error_clear(err);
	return need_all(b, image, err) < 0 ? -1 : registry_push_image(r, ref, b->store, image, &tag, 1, from, mounts.n, ret_written, err);
}

static int push_tag(struct build *b, const struct built *image, const char *text, char **ret_image, struct rn_error *err)
{
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	bool written = false;
	if (reference_parse(text, &ref, err) < 0)
		return -1;
	if (output_push(b, b->registry, &image->descriptor, &ref, &written, err) < 0)
		return rn_wrap(err, "push %s", text);
	if (attest_push(b, &ref, err) < 0)
		return rn_wrap(err, "push what refers to %s", text);
	b->host->change(b->stage, written ? RUNNER_UPDATED : RUNNER_UNCHANGED, text, image->descriptor.digest.text);
	if (!*ret_image)
		*ret_image = rn_asprintf("%s/%s@%s", ref.registry, ref.repository, image->descriptor.digest.text);
	return 0;
}

static int push(struct build *b, const struct built *image, char **ret_image, struct rn_error *err)
{
	size_t streamed = b->streams ? push_streams_wait(b->streams) : 0;
	if (streamed)
		build_log(b, RUNNER_INFO, "%zu layers were sent while they were built", streamed);
	for (size_t i = 0; i < b->params->tags.n; i++) {
		RN_AUTO(rn_freep) char *step = rn_asprintf("push %s", b->params->tags.v[i]);
		b->host->step(b->stage, step);
		if (push_tag(b, image, b->params->tags.v[i], ret_image, err) < 0)
			return -1;
	}
	return 0;
}

static void set_outputs(struct build *b, const struct built *image, const char *pushed)
{
	char size[32];
	build_log(b, RUNNER_INFO, "image %s, %s", image->descriptor.digest.text, rn_format_size(image->size, size, sizeof(size)));
	RN_AUTO(rn_freep) char *bytes = rn_asprintf("%llu", (unsigned long long)image->size);
	b->host->output(b->stage, "digest", image->descriptor.digest.text);
	b->host->output_json(b->stage, "size", bytes);
	const char *name = pushed ? pushed : b->params->tags.n ? b->params->tags.v[0] : image->descriptor.digest.text;
	b->host->output(b->stage, "image", name);
}

/* A place where the image will be: what is there now is `old`, not set: nothing. */
static bool foresee(const struct build *b, const char *place, const struct digest *old, const struct digest *new)
{
	bool had = digest_is_set(old), same = had && digest_equal(old, new);
	const struct runner_field digest = { .name = "digest", .before = had ? old->text : NULL, .after = new->text };
	b->host->changed(b->stage, &(struct runner_change){
		.size = sizeof(struct runner_change), .action = same ? RUNNER_UNCHANGED : had ? RUNNER_UPDATED : RUNNER_CREATED,
		.resource = place, .fields = &digest, .n_fields = same ? 0 : 1, .field_size = sizeof(digest) });
	return same;
}

static void foresee_layout(const struct build *b, const struct digest *new)
{
	RN_AUTO(rn_freep) char *path = b->params->layout ? rn_strdup(b->params->layout) : output_default_layout(b);
	RN_AUTO(layout_closep) struct layout *l = rn_exists(path) ? layout_open(path, false, NULL) : NULL;
	RN_AUTO(descriptor_clear) struct descriptor old = { 0 };
	if (l)
		layout_find(l, NULL, &old, NULL);
	if (foresee(b, path, &old.digest, new))
		b->host->output(b->stage, "layout", path); /* what reads it in plan finds this very image */
}

static int foresee_push(const struct build *b, const char *tag, const struct digest *new, char **ret_image, struct rn_error *err)
{
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	RN_AUTO(descriptor_clear) struct descriptor old = { 0 };
	struct rn_error why = { 0 };
	if (reference_parse(tag, &ref, err) < 0)
		return -1;
	if (registry_resolve(b->registry, &ref, &old, &why) < 0 && why.code != RN_ENOTFOUND) {
		*err = why;
		return -1;
	}
	foresee(b, tag, &old.digest, new);
	if (!*ret_image)
		*ret_image = rn_asprintf("%s/%s@%s", ref.registry, ref.repository, new->text);
	return 0;
}

int output_foresee(struct build *b, const struct built *image, struct rn_error *err)
{
	const struct build_params *p = b->params;
	const struct digest *new = &image->descriptor.digest;
	RN_AUTO(rn_freep) char *pushed = NULL;
	if (!p->push || p->layout)
		foresee_layout(b, new);
	if (p->archive)
		b->host->change(b->stage, RUNNER_UPDATED, p->archive, new->text);
	for (size_t i = 0; p->push && i < p->tags.n; i++)
		if (foresee_push(b, p->tags.v[i], new, &pushed, err) < 0)
			return -1;
	set_outputs(b, image, pushed);
	return 0;
}

void output_unforeseen(const struct build *b)
{
	const struct build_params *p = b->params;
	RN_AUTO(rn_freep) char *path = p->layout ? rn_strdup(p->layout) : output_default_layout(b);
	static const char how[] = "the digest is known when it is built";
	if (!p->push || p->layout)
		b->host->change(b->stage, rn_exists(path) ? RUNNER_UPDATED : RUNNER_CREATED, path, how);
	if (p->archive)
		b->host->change(b->stage, rn_exists(p->archive) ? RUNNER_UPDATED : RUNNER_CREATED, p->archive, how);
	for (size_t i = 0; p->push && i < p->tags.n; i++)
		b->host->change(b->stage, RUNNER_UPDATED, p->tags.v[i], how);
}

int output_deliver(struct build *b, const struct built *image, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *layout = b->params->layout ? rn_strdup(b->params->layout) : output_default_layout(b);
	RN_AUTO(rn_freep) char *pushed = NULL;
	b->host->step(b->stage, "write the image");
	if ((!b->params->push || b->params->layout) && to_layout(b, image, layout, err) < 0)
		return -1;
	if (b->params->archive && to_archive(b, image, err) < 0)
		return -1;
	if (b->params->push && push(b, image, &pushed, err) < 0)
		return -1;
	b->host->step(b->stage, NULL);
	set_outputs(b, image, pushed);
	return 0;
}
