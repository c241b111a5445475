/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers as folders of an overlay, by content: a folder is named by the layer's diff_id. A layer that puts
 * something into a folder of which it does not speak shows that folder as the layers below have it; what
 * they have is then part of the name.
 */
#include "rootfs_internal.h"

#include "base/fs.h"
#include "base/time.h"
#include "oci/config.h"
#include "oci/layer_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED_SECONDS (7 * 86400)
#define OVERLAY_LAYERS_MAX 120 /* what one page of mount options holds, with room */

/* ---- folders that a layer implies ------------------------------------------------------------------ */

static void note_parents(const char *path, const struct rn_map *own, struct rn_map *seen)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(path);
	for (char *slash; (slash = strrchr(copy, '/'));) {
		*slash = '\0';
		if (rn_map_has(seen, copy))
			return;
		if (!rn_map_has(own, copy))
			rn_map_set(seen, copy, seen);
	}
}

static int read_parents(struct rootfs *r, const struct digest *layer, struct rn_map *seen, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf records = RN_BUF_INIT;
	RN_AUTO(rn_map_clear) struct rn_map own = { 0 };
	struct layer_xattr xattrs[LAYER_RECORD_XATTRS];
	struct layer_entry e;
	uint64_t offset;
	if (!layer_record_load(r->b->store, layer, NULL, &records))
		return rn_fail(err, RN_EIO, "the index of layer %.19s cannot be read", layer->text);
	for (size_t at = 0; layer_record_next(&records, &at, &e, &offset, xattrs);)
		if (e.type == LAYER_DIR)
			rn_map_set(&own, e.path, r);
	for (size_t at = 0; layer_record_next(&records, &at, &e, &offset, xattrs);)
		note_parents(e.path, &own, seen);
	return 0;
}

/* The node at a path of real folders; NULL when there is none, or a link on the way (*ret_link). */
static const struct layer_node *find_plain(struct layer_tree *tree, const char *path, bool *ret_link)
{
	const struct layer_node *n = layer_tree_root(tree);
	RN_AUTO(rn_freep) char *copy = rn_strdup(path);
	char *save = NULL;
	for (char *p = strtok_r(copy, "/", &save); p && n; p = strtok_r(NULL, "/", &save)) {
		n = layer_node_child(n, p);
		if (n && n->type != LAYER_DIR) {
			*ret_link = true;
			return NULL;
		}
	}
	return n;
}

static int by_path(const void *a, const void *b)
{
	return layer_path_compare(((const struct unpack_dir *)a)->path, ((const struct unpack_dir *)b)->path);
}

/* Fills job->dirs from the tree that the layer is the uppermost of. *ret_link: the layer puts things behind a link of a lower one. */
static int find_dirs(struct rootfs *r, struct layer_tree *tree, const struct digest *layer, struct unpack_job *job,
		     bool *ret_link, struct rn_error *err)
{
	RN_AUTO(rn_map_clear) struct rn_map seen = { 0 };
	if (read_parents(r, layer, &seen, err) < 0)
		return -1;
	job->dirs = rn_alloc((seen.live + 1) * sizeof(*job->dirs));
	RN_MAP_EACH(&seen, it) {
		const struct layer_node *n = find_plain(tree, it->key, ret_link);
		struct unpack_dir d = { .path = rn_strdup(it->key), .mode = 0755 };
		if (n) {
			d.mode = n->mode;
			d.uid = n->uid;
			d.gid = n->gid;
			d.mtime = n->mtime;
		}
		job->dirs[job->n_dirs++] = d;
	}
	if (job->n_dirs > 1)
		qsort(job->dirs, job->n_dirs, sizeof(*job->dirs), by_path);
	return 0;
}

static char *folder_name(const struct digest *diff_id, const struct unpack_job *job)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (job->n_dirs == 0)
		return rn_strdup(digest_hex(diff_id));
	for (size_t i = 0; i < job->n_dirs; i++) {
		const struct unpack_dir *d = &job->dirs[i];
		rn_buf_addf(&b, "%s\n%o %u %u %lld\n", d->path, (unsigned)d->mode, d->uid, d->gid, (long long)d->mtime);
	}
	struct digest of_dirs = digest_of(b.p, b.len);
	return rn_asprintf("%s-%.16s", digest_hex(diff_id), digest_hex(&of_dirs));
}

/* ---- unpacking ----------------------------------------------------------------------------------------- */

/* One at a time makes a folder, over all processes. */
static int lock_folder(struct rootfs *r, const char *name, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/.lock-%.2s", r->layers, name);
	return rn_lock_file(path, false, true, err);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	const struct build *b = ctx;
	b->host->progress(b->stage, "unpack", done, total, "bytes");
}

void rootfs_unpack_settings(struct rootfs *r, struct unpack_job *j)
{
	j->store = r->b->store;
	j->owners = r->host.rung != SANDBOX_SINGLE_ID;
	j->devices = r->host.rung == SANDBOX_ROOT || r->host.rung == SANDBOX_CHROOT;
	j->user_marks = r->host.userxattr;
	j->cancel_fd = build_cancel_fd(r->b);
	j->progress = on_progress;
	j->ctx = r->b;
}

static int unpack_to(struct rootfs *r, struct unpack_job *job, const char *name, char **ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *to = rn_path_join(r->layers, name);
	RN_AUTO(rn_freep) char *fs = rn_path_join(to, "fs");
	if (rn_exists(fs)) {
		(void)!utimensat(AT_FDCWD, to, NULL, 0); /* used now, see rootfs_sweep_layers */
		*ret = rn_take(&fs);
		return 0;
	}
	RN_AUTO(rn_closep) int lock = lock_folder(r, name, err);
	if (lock < 0)
		return -1;
	rootfs_unpack_settings(r, job);
	job->to = to;
	if (!rn_exists(fs) && rootfs_unpack(r, job, err) < 0)
		return -1;
	*ret = rn_take(&fs);
	return 0;
}

char *rootfs_layer(struct rootfs *r, const struct digest *blob, const struct digest *diff_id, struct rn_error *err)
{
	struct unpack_job job = { .layers = blob, .n_layers = 1, .overlay = true };
	char *fs = NULL;
	return unpack_to(r, &job, digest_hex(diff_id), &fs, err) < 0 ? NULL : fs;
}

/* The folder of the layer that is the uppermost of `tree`: 1, 0 when it cannot stand alone, -1. */
static int layer_folder(struct rootfs *r, struct layer_tree *tree, const struct descriptor *layer, const struct digest *diff_id,
			char **ret, struct rn_error *err)
{
	RN_AUTO(unpack_job_clear) struct unpack_job job = { .layers = &layer->digest, .n_layers = 1, .overlay = true };
	bool link = false;
	if (find_dirs(r, tree, &layer->digest, &job, &link, err) < 0)
		return -1;
	if (link)
		return 0;
	RN_AUTO(rn_freep) char *name = folder_name(diff_id, &job);
	return need_blobs(r->b, layer, 1, err) < 0 || unpack_to(r, &job, name, ret, err) < 0 ? -1 : 1;
}

void rootfs_sweep_layers(struct rootfs *r)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	int64_t now = rn_wall_ms() / 1000;
	if (rn_list_dir(r->layers, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(r->layers, names.v[i]);
		struct stat st;
		bool unfinished = rn_starts(names.v[i], ".new-");
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (unfinished || now - st.st_mtim.tv_sec > UNUSED_SECONDS))
			rootfs_discard(r, r->steps, path);
	}
}

/* ---- all layers of a state -------------------------------------------------------------------------------- */

/* What all layers of the state are known by, and the diff_id of the uppermost. */
static bool name_chain(const struct fs_state *state, struct rn_buf *chain, struct digest *ret_last)
{
	for (size_t i = 0; i < state->n_layers; i++) {
		if (config_diff_id(state->config, i, ret_last, NULL) < 0)
			return false;
		rn_buf_addf(chain, "%s\n", ret_last->text);
	}
	return true;
}

static char *known(struct rootfs *r, const char *chain)
{
	pthread_mutex_lock(&r->lock);
	char *path = rn_strdup(rn_map_get(&r->known, chain));
	pthread_mutex_unlock(&r->lock);
	return path;
}

static void learn(struct rootfs *r, const char *chain, const char *path)
{
	pthread_mutex_lock(&r->lock);
	rn_map_set(&r->known, chain, rn_strdup(path));
	pthread_mutex_unlock(&r->lock);
}

/* A tree of the first n layers: the state's own when that is all of them. */
static int grow_tree(struct rootfs *r, struct fs_state *state, size_t n, struct layer_tree **own, size_t *ret_have,
		     struct rn_error *err)
{
	const struct layer_tree_options o = { .need = need_blob, .ctx = r->b, .stop = &r->b->stop };
	if (!*own)
		*own = layer_tree_new(r->b->store, &o);
	for (; *ret_have < n; (*ret_have)++) {
		struct digest diff_id;
		if (config_diff_id(state->config, *ret_have, &diff_id, err) < 0 ||
		    layer_tree_add(*own, &state->layers[*ret_have].digest, &diff_id, err) < 0)
			return -1;
	}
	return 0;
}

int rootfs_lowers(struct rootfs *r, struct fs_state *state, struct rn_strv *ret, struct rn_error *err)
{
	RN_AUTO(layer_tree_freep) struct layer_tree *own = NULL;
	RN_AUTO(rn_buf_clear) struct rn_buf chain = RN_BUF_INIT;
	RN_AUTO(rn_strv_clear) struct rn_strv up = { 0 };
	size_t have = 0;
	if (state->n_layers > OVERLAY_LAYERS_MAX)
		return 0;
	if (!fs_state_tree(state, r->b, err)) /* what is read for the first time becomes a folder by that */
		return -1;
	for (size_t i = 0; i < state->n_layers; i++) {
		struct digest diff_id;
		if (config_diff_id(state->config, i, &diff_id, err) < 0)
			return -1;
		rn_buf_addf(&chain, "%s\n", diff_id.text);
		char *path = known(r, rn_buf_str(&chain));
		if (!path) {
			bool last = i + 1 == state->n_layers;
			struct layer_tree *tree = last ? fs_state_tree(state, r->b, err) : NULL;
			if (!last && grow_tree(r, state, i + 1, &own, &have, err) == 0)
				tree = own;
			int rc = tree ? layer_folder(r, tree, &state->layers[i], &diff_id, &path, err) : -1;
			if (rc <= 0)
				return rc;
			learn(r, rn_buf_str(&chain), path);
		}
		rn_strv_take(&up, path);
	}
	for (size_t i = up.n; i-- > 0;)
		rn_strv_add(ret, up.v[i]);
	return 1;
}

/* ---- from upper to lower --------------------------------------------------------------------------------------- */

static int move_upper(struct rootfs *r, const char *upper, const char *to, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *temp = rn_temp_dir(r->layers, ".new-", err);
	RN_AUTO(rn_freep) char *fs = temp ? rn_path_join(temp, "fs") : NULL;
	if (!fs)
		return -1;
	if (chmod(temp, 0755) < 0 || rename(upper, fs) < 0 || rename(temp, to) < 0) {
		rn_fail(err, RN_EIO, "keep %s: %m", upper);
		rootfs_remove(r, temp);
		return -1;
	}
	return 0;
}

/* As name_chain, from the tree; the layer on top is *ret_layer. */
static bool name_tree(const struct layer_tree *tree, struct rn_buf *chain, const struct digest **ret_layer, const struct digest **ret_diff_id)
{
	const struct digest *layer;
	for (size_t i = 0; (layer = layer_tree_layer(tree, i, ret_diff_id)) && digest_is_set(*ret_diff_id); i++) {
		rn_buf_addf(chain, "%s\n", (*ret_diff_id)->text);
		*ret_layer = layer;
	}
	return !layer && chain->len > 0;
}

void rootfs_adopt(struct rootfs *r, const char *upper, bool bare, struct layer_tree *tree)
{
	RN_AUTO(unpack_job_clear) struct unpack_job job = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf chain = RN_BUF_INIT;
	const struct digest *layer = NULL, *diff_id = NULL;
	bool link = false;
	if (!upper || !tree || !name_tree(tree, &chain, &layer, &diff_id) || find_dirs(r, tree, layer, &job, &link, NULL) < 0 || link)
		return;
	RN_AUTO(rn_freep) char *name = folder_name(diff_id, &job);
	RN_AUTO(rn_freep) char *to = rn_path_join(r->layers, name);
	RN_AUTO(rn_freep) char *fs = rn_path_join(to, "fs");
	rootfs_unpack_settings(r, &job);
	if (bare && unpack_dirs(&job, upper, NULL) < 0)
		return;
	RN_AUTO(rn_closep) int lock = lock_folder(r, name, NULL);
	if (lock >= 0 && (rn_exists(fs) || move_upper(r, upper, to, NULL) == 0))
		learn(r, rn_buf_str(&chain), fs);
}

void rootfs_disown(struct rootfs *r, const struct fs_state *state)
{
	RN_AUTO(rn_buf_clear) struct rn_buf chain = RN_BUF_INIT;
	struct digest diff_id;
	if (!name_chain(state, &chain, &diff_id))
		return;
	RN_AUTO(rn_freep) char *fs = known(r, rn_buf_str(&chain));
	RN_AUTO(rn_freep) char *folder = fs ? rn_path_dir(fs) : NULL;
	if (!folder)
		return;
	rootfs_discard(r, r->steps, folder);
	pthread_mutex_lock(&r->lock);
	rn_map_remove(&r->known, rn_buf_str(&chain));
	pthread_mutex_unlock(&r->lock);
}
