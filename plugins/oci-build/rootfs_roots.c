/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without overlays a step has the whole root as a folder of its own. It goes from step to step of a stage, and what
 * other instructions put on top in between is unpacked onto it.
 */
#include "rootfs_internal.h"

#include "base/fs.h"
#include "oci/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A root that nobody uses now. */
struct plain_root {
	char *dir;
	int lock;
};

static int chain_of(const struct fs_state *state, struct rn_buf *ret, struct rn_error *err)
{
	for (size_t i = 0; i < state->n_layers; i++) {
		struct digest diff_id;
		if (config_diff_id(state->config, i, &diff_id, err) < 0)
			return -1;
		rn_buf_addf(ret, "%s\n", diff_id.text);
	}
	return 0;
}

static size_t lines(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* The unused root with most of the wanted layers; *ret_layers: how many it has. */
static struct plain_root *take_best(struct rootfs *r, const char *wanted, size_t *ret_layers)
{
	struct plain_root *best = NULL;
	RN_AUTO(rn_freep) char *key = NULL;
	pthread_mutex_lock(&r->lock);
	RN_MAP_EACH(&r->roots, it) {
		size_t n = lines(it->key);
		if (!rn_starts(wanted, it->key) || (best && n <= *ret_layers))
			continue;
		best = it->value;
		*ret_layers = n;
		free(key);
		key = rn_strdup(it->key);
	}
	if (key)
		rn_map_remove(&r->roots, key);
	pthread_mutex_unlock(&r->lock);
	return best;
}

static int make_root(struct rootfs_step *s, struct rn_error *err)
{
	s->root_lock = rootfs_make_locked(s->rootfs->steps, "root-", &s->root_dir, err);
	if (s->root_lock < 0)
		return -1;
	return chmod(s->root_dir, 0711) < 0 ? rn_fail(err, RN_EIO, "chmod %s: %m", s->root_dir) : 0;
}

static int add_layers(struct rootfs_step *s, const struct fs_state *state, size_t first, struct rn_error *err)
{
	size_t n = state->n_layers - first;
	RN_AUTO(rn_freep) struct digest *layers = rn_alloc((n + 1) * sizeof(*layers));
	for (size_t i = 0; i < n; i++)
		layers[i] = state->layers[first + i].digest;
	struct unpack_job job = { .layers = layers, .n_layers = n, .to = s->root_dir, .onto = true };
	rootfs_unpack_settings(s->rootfs, &job);
	if (need_blobs(s->rootfs->b, state->layers + first, n, err) < 0)
		return -1;
	return n || !rn_exists(s->root) ? rootfs_unpack(s->rootfs, &job, err) : 0;
}

int rootfs_root_take(struct rootfs_step *s, struct fs_state *state, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf chain = RN_BUF_INIT;
	size_t have = 0;
	if (chain_of(state, &chain, err) < 0)
		return -1;
	struct plain_root *old = take_best(s->rootfs, rn_buf_str(&chain), &have);
	if (old) {
		s->root_dir = old->dir;
		s->root_lock = old->lock;
		free(old);
	} else if (make_root(s, err) < 0) {
		return -1;
	}
	s->root = rn_path_join(s->root_dir, "fs");
	s->before = rn_path_join(s->dir, "before");
	return add_layers(s, state, have, err) < 0 ? -1 : rootfs_scan(s->rootfs, s->root, s->before, err);
}

void rootfs_root_give(struct rootfs_step *s, struct fs_state *state)
{
	RN_AUTO(rn_buf_clear) struct rn_buf chain = RN_BUF_INIT;
	if (!s->root || chain_of(state, &chain, NULL) < 0)
		return;
	struct plain_root *p = rn_alloc(sizeof(*p));
	pthread_mutex_lock(&s->rootfs->lock);
	bool another = rn_map_has(&s->rootfs->roots, rn_buf_str(&chain));
	if (!another) {
		p->dir = rn_take(&s->root_dir);
		p->lock = rn_take_fd(&s->root_lock);
		rn_map_set(&s->rootfs->roots, rn_buf_str(&chain), p);
	}
	pthread_mutex_unlock(&s->rootfs->lock);
	if (another)
		free(p);
}

void rootfs_roots_clear(struct rootfs *r)
{
	RN_MAP_EACH(&r->roots, it) {
		struct plain_root *p = it->value;
		rootfs_remove(r, p->dir);
		rn_closep(&p->lock);
		free(p->dir);
		free(p);
	}
	rn_map_clear(&r->roots);
}
