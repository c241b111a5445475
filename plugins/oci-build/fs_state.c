/* SPDX-License-Identifier: Apache-2.0 */
#include "fs_state.h"

#include "step_cache.h"
#include "step_cache_index.h"

#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

#define PASSWD_SIZE_MAX ((size_t)4 << 20)

static void add_descriptor(struct fs_state *s, struct descriptor *d)
{
	s->layers = rn_grow(s->layers, &s->cap_layers, s->n_layers + 1, sizeof(*s->layers));
	s->layers[s->n_layers++] = *d;
	*d = (struct descriptor){ 0 };
}

void fs_state_scratch(struct fs_state *s, const struct platform *platform)
{
	*s = (struct fs_state){ .config = config_new(platform), .lock = PTHREAD_MUTEX_INITIALIZER };
}

/* Layers in the dialect of the manifests that we write. */
static void to_oci(struct descriptor *d)
{
	const char *oci = rn_streq(d->media_type, MEDIA_DOCKER_LAYER_GZIP) ? MEDIA_OCI_LAYER_GZIP :
			  rn_streq(d->media_type, MEDIA_DOCKER_LAYER)	   ? MEDIA_OCI_LAYER :
									     NULL;
	if (!oci)
		return;
	free(d->media_type);
	d->media_type = rn_strdup(oci);
}

void fs_state_image(struct fs_state *s, const struct base_image *image)
{
	static const char *const old[] = { "container", "container_config", "docker_version", "id", "parent", "Size",
					   "created" };
	*s = (struct fs_state){ .config = cJSON_Duplicate(image->config, true), .lock = PTHREAD_MUTEX_INITIALIZER };
	for (size_t i = 0; i < RN_LEN(old); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(s->config, old[i]);
	for (size_t i = 0; i < image->manifest.n_layers; i++) {
		struct descriptor d = { 0 };
		descriptor_copy(&image->manifest.layers[i], &d);
		to_oci(&d);
		add_descriptor(s, &d);
	}
	s->base_layers = s->n_layers;
}

void fs_state_copy(const struct fs_state *from, struct fs_state *ret)
{
	*ret = (struct fs_state){ .config = cJSON_Duplicate(from->config, true), .base_layers = from->base_layers,
				  .lock = PTHREAD_MUTEX_INITIALIZER };
	for (size_t i = 0; i < from->n_layers; i++) {
		struct descriptor d = { 0 };
		descriptor_copy(&from->layers[i], &d);
		add_descriptor(ret, &d);
	}
}

void fs_state_clear(struct fs_state *s)
{
	cJSON_Delete(s->config);
	for (size_t i = 0; i < s->n_layers; i++)
		descriptor_clear(&s->layers[i]);
	free(s->layers);
	layer_tree_free(s->tree);
	*s = (struct fs_state){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

/* Puts the layers on the tree that it lacks. */
static int grow_tree(struct fs_state *s, struct build *b, struct rn_error *err)
{
	const struct layer_tree_options o = { .need = need_blob, .ctx = b, .stop = &b->stop };
	if (!s->tree)
		s->tree = layer_tree_new(b->store, &o);
	layer_tree_watch(s->tree, s->unpack ? &b->unpacking : NULL);
	for (size_t i = s->in_tree; i < s->n_layers; i++)
		if (!cache_index_known(b->store, &s->layers[i].digest)) {
			step_cache_fetch_indexes(b->cache);
			break;
		}
	for (; s->in_tree < s->n_layers; s->in_tree++) {
		struct digest diff_id;
		if (config_diff_id(s->config, s->in_tree, &diff_id, err) < 0 ||
		    layer_tree_add(s->tree, &s->layers[s->in_tree].digest, &diff_id, err) < 0)
			return rn_wrap(err, s->in_tree < s->base_layers ? "layer %zu of the base image" : "layer %zu of the image",
				       s->in_tree + 1);
	}
	return 0;
}

struct layer_tree *fs_state_tree(struct fs_state *s, struct build *b, struct rn_error *err)
{
	pthread_mutex_lock(&s->lock);
	int rc = grow_tree(s, b, err);
	pthread_mutex_unlock(&s->lock);
	return rc < 0 ? NULL : s->tree;
}

struct digest fs_state_chain(const struct fs_state *s)
{
	struct digest chain = { 0 };
	for (size_t i = 0; i < s->n_layers; i++) {
		struct digest diff_id = { 0 };
		config_diff_id(s->config, i, &diff_id, NULL);
		RN_AUTO(rn_freep) char *text = rn_asprintf("%s %s", chain.text, diff_id.text);
		chain = i == 0 ? diff_id : digest_of(text, strlen(text));
	}
	return chain;
}

int fs_state_add(struct fs_state *s, struct build *b, const struct layer_result *layer, const char *created_by,
		 struct rn_error *err)
{
	(void)err; /* the tree takes the layer in when somebody asks for a file */
	struct descriptor d;
	descriptor_init(&d, layer->media_type, &layer->digest, layer->size);
	add_descriptor(s, &d);
	config_add_layer(s->config, &layer->diff_id, b->created, created_by, HISTORY_COMMENT);
	return 0;
}

void fs_state_note(struct fs_state *s, const struct build *b, const char *created_by)
{
	config_add_empty(s->config, b->created, created_by, HISTORY_COMMENT);
}

static int read_names(struct layer_tree *t, const char *path, char **ret, struct rn_error *err)
{
	struct layer_node *n = layer_tree_find(t, path, true, NULL);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (!n || n->type != LAYER_FILE)
		return 0;
	if (layer_tree_read(t, n, PASSWD_SIZE_MAX, &text, err) < 0)
		return rn_wrap(err, "read %s of the image", path);
	*ret = rn_buf_take(&text);
	return 0;
}

/* Both by one pass over the layer that has them; what fails here is said by who reads. */
static void fetch_names(struct layer_tree *t)
{
	static const char *const paths[] = { "/etc/passwd", "/etc/group" };
	struct layer_node *v[RN_LEN(paths)];
	size_t n = 0;
	for (size_t i = 0; i < RN_LEN(paths); i++) {
		struct layer_node *file = layer_tree_find(t, paths[i], true, NULL);
		if (file && file->type == LAYER_FILE && file->size <= PASSWD_SIZE_MAX)
			v[n++] = file;
	}
	(void)layer_tree_fetch(t, v, n, NULL);
}

int fs_state_passwd(struct fs_state *s, struct build *b, struct passwd *ret, struct rn_error *err)
{
	struct layer_tree *t = fs_state_tree(s, b, err);
	if (t)
		fetch_names(t);
	if (!t || read_names(t, "/etc/passwd", &ret->users, err) < 0)
		return -1;
	return read_names(t, "/etc/group", &ret->groups, err);
}
