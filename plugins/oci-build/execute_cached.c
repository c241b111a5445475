/* SPDX-License-Identifier: Apache-2.0 */
#include "execute_cached.h"

#include "copy.h"
#include "metadata.h"
#include "rootfs.h"
#include "rootfs_ahead.h"
#include "secret_guard.h"
#include "step_cache.h"
#include "step_key.h"
#include "step_notes.h"

#include "oci/config.h"

#include <string.h>

/* Brings the stage to where the step would have brought it, without looking into any layer. */
static int apply(struct step *s, const struct step_key *k, const struct cache_record *r)
{
	if (k->workdir)
		step_workdir_set(s, k->workdir);
	build_log(s->b, RUNNER_INFO, "cached");
	if (!r->has_layer) {
		fs_state_note(&s->stage->state, s->b, r->created_by);
		return 0;
	}
	const struct layer_result layer = { .digest = r->layer.digest, .size = r->layer.size, .diff_id = r->diff_id,
					    .media_type = r->layer.media_type };
	return fs_state_add(&s->stage->state, s->b, &layer, r->created_by, s->err);
}

/* What the step did to the state, from the state. */
static void remember(struct step *s, const struct step_key *k, const struct step_key *content, size_t layers_before)
{
	struct fs_state *state = &s->stage->state;
	const cJSON *history = rn_json_get(state->config, "history");
	const char *created_by = rn_json_str(cJSON_GetArrayItem(history, cJSON_GetArraySize(history) - 1), "created_by");
	struct cache_record r = { .key = k->id, .created_by = (char *)(created_by ? created_by : "") }; /* borrowed */
	if (content)
		r.content = content->id;
	r.has_layer = state->n_layers == layers_before + 1;
	if (r.has_layer)
		r.layer = state->layers[layers_before];
	RN_AUTO(rn_strv_clear) struct rn_strv searched = { 0 };
	secret_guard_names(s->b, &searched);
	r.searched = searched; /* borrowed */
	if (r.has_layer ? config_diff_id(state->config, layers_before, &r.diff_id, NULL) == 0 : state->n_layers == layers_before)
		step_cache_put(s->b->cache, &r);
}

/* Files that changed while the step read them would be remembered under the wrong key. */
static bool still_the_same(struct step *s, const struct step_key *before)
{
	struct rn_error ignored = { 0 }, *err = s->err;
	RN_AUTO(step_key_clear) struct step_key now = { 0 };
	if (before->files.len == 0)
		return true;
	s->err = &ignored;
	int rc = before->of_content ? step_key_by_content(s, &now) : step_key(s, &now);
	s->err = err;
	return rc == 0 && now.files.len == before->files.len && memcmp(rn_buf_str(&now.files), rn_buf_str(&before->files), now.files.len) == 0;
}

/* What keys cannot say (a file over a folder, on an empty image) is said by the step itself. */
static bool is_verdict(const struct rn_error *err)
{
	return err->code != RN_EINVAL && err->code != RN_EINTERNAL;
}

static bool find(struct step *s, const struct step_key *k, struct cache_record *ret)
{
	const struct build_stage *stage = s->stage;
	return step_cache_enabled(s->b->cache, stage->name, stage->index) && step_cache_find(s->b->cache, &k->id, ret);
}

static void count(struct step *s, bool hit)
{
	pthread_mutex_lock(&s->b->lock);
	s->b->cached += hit;
	s->b->missed += !hit;
	pthread_mutex_unlock(&s->b->lock);
}

/* In plan nothing is run or copied: what the image will be is known as far as the cache knows its steps. */
static int not_cached(struct step *s)
{
	s->b->uncached = true;
	return rn_fail(s->err, RN_ECANCELLED, "the step is not in the cache");
}

/* Runs the step; its layers are looked through before anybody keeps them. */
static int run_guarded(struct step *s, step_fn *fn)
{
	struct fs_state *state = &s->stage->state;
	size_t before = state->n_layers;
	if (fn(s) < 0)
		return -1;
	for (size_t i = before; i < state->n_layers; i++)
		if (secret_guard_layer(s->b, &state->layers[i].digest, s->err) < 0) {
			blob_store_remove(s->b->store, &state->layers[i].digest, NULL);
			if (s->b->rootfs)
				rootfs_disown(s->b->rootfs, state);
			return -1;
		}
	return 0;
}

static int run_and_remember(struct step *s, step_fn *fn, const struct step_key *k, const struct step_key *content)
{
	size_t layers = s->stage->state.n_layers;
	rootfs_ahead(s);
	if (run_guarded(s, fn) < 0)
		return -1;
	const struct step_key *files = content ? content : k;
	if (!still_the_same(s, files)) {
		build_log(s->b, RUNNER_WARN, "files changed while they were read: the step is not kept in the cache");
		return 0;
	}
	remember(s, k, content, layers);
	return 0;
}

/* Its layer may have been made before a secret was one, or by a run that had none: the key cannot know. */
static int use_hit(struct step *s, const struct step_key *key, const struct step_key *content, struct cache_record *r)
{
	bool searched_more = false;
	if (r->has_layer && secret_guard_cached(s->b, &r->layer.digest, &r->searched, &searched_more, s->err) < 0)
		return -1;
	if (content->parts.n > 0) /* next time without looking into the source */
		r->content = content->id;
	if (content->parts.n > 0 || searched_more) {
		r->key = key->id;
		step_cache_put(s->b->cache, r);
	}
	return apply(s, key, r);
}

/* Known before its key is. */
static bool certain_to_run(const struct step *s)
{
	return !s->b->only_cached && !step_cache_may_have(s->b->cache, s->stage->name, s->stage->index);
}

int execute_cached(struct step *s, step_fn *fn)
{
	RN_AUTO(step_key_clear) struct step_key key = { 0 }, content = { 0 };
	RN_AUTO(cache_record_clear) struct cache_record r = { 0 };
	struct rn_error err = { 0 }, *outer = s->err;
	s->err = &err;
	if (certain_to_run(s))
		rootfs_ahead(s); /* while its files are hashed */
	int rc = step_key(s, &key);
	bool hit = rc == 0 && find(s, &key, &r);
	if (rc == 0 && !hit && key.by_source) {
		rc = step_key_by_content(s, &content);
		hit = rc == 0 && find(s, &content, &r);
	}
	s->err = outer;
	if (rc < 0 && is_verdict(&err)) {
		if (outer)
			*outer = err;
		return -1;
	}
	s->surveyed = rc == 0;
	count(s, hit);
	if (s->b->only_cached && !hit)
		return not_cached(s);
	if (rc < 0)
		return run_guarded(s, fn);
	step_notes_add(s, &key, content.parts.n ? &content : NULL, hit);
	if (!hit)
		return run_and_remember(s, fn, &key, key.by_source ? &content : NULL);
	return use_hit(s, &key, &content, &r);
}
