/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_internal.h"
#include "rootfs_places.h"

#include "base/fs.h"
#include "oci/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 10
#define MAKE_TRIES 100

/* ---- where, and on which rung ---------------------------------------------------------------- */

/* Names this start of the machine: what is not synced is trusted only until its end. */
static char *boot_name(void)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file("/proc/sys/kernel/random/boot_id", 256, &b, NULL) < 0 || b.len < 8)
		return rn_strdup("boot");
	return rn_strndup(rn_buf_str(&b), 8);
}

static const char *kind_name(const struct sandbox_host *h)
{
	if (!h->overlay)
		return "plain";
	if (h->rung == SANDBOX_SINGLE_ID)
		return "one";
	if (h->rung == SANDBOX_MAPPED)
		return "ids";
	return h->userxattr ? "root-user" : "root";
}

/* What steps that were killed left behind: their folders are not locked any more. */
static void sweep_steps(struct rootfs *r)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_list_dir(r->steps, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(r->steps, names.v[i]);
		RN_AUTO(rn_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			rootfs_remove(r, path);
	}
}

/* Folders of earlier starts of the machine and of other kinds that nobody uses go. */
static void sweep_boots(struct rootfs *r, const char *boot)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_list_dir(r->dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		if (rn_starts(names.v[i], boot) || rn_streq(names.v[i], "mounts"))
			continue;
		RN_AUTO(rn_freep) char *path = rn_path_join(r->dir, names.v[i]);
		RN_AUTO(rn_freep) char *lock = rn_path_join(path, "lock");
		RN_AUTO(rn_closep) int fd = rn_exists(lock) ? rn_lock_file(lock, false, false, NULL) : -1;
		if (fd >= 0)
			rootfs_remove(r, path);
	}
}

/* Is the lock that we hold still the one that lies there? `runner cache prune` removes it with all beside it. */
static bool lock_lies_there(int fd, const char *path)
{
	struct stat ours, there;
	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* Makes the folders and holds them against being removed. */
static int hold_folders(struct rootfs *r, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *lock = rn_path_join(r->base, "lock");
	for (unsigned tries = 0; tries < LOCK_TRIES; tries++) {
		if (rn_mkdirs(r->layers, 0755, err) < 0 || rn_mkdirs(r->steps, 0755, err) < 0)
			return -1;
		r->use_lock = rn_lock_file(lock, false, false, NULL);
		if (r->use_lock >= 0) {
			rootfs_sweep_layers(r); /* nobody else is here */
			rn_closep(&r->use_lock);
		}
		r->use_lock = rn_lock_file(lock, true, true, err);
		if (r->use_lock < 0)
			return -1;
		if (lock_lies_there(r->use_lock, lock) && rn_exists(r->layers) && rn_exists(r->steps))
			return 0;
		rn_closep(&r->use_lock);
	}
	return rn_fail(err, RN_EIO, "%s is removed again and again while it is opened", r->base);
}

static int open_folders(struct rootfs *r, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *boot = boot_name();
	r->kind = kind_name(&r->host);
	r->base = rn_asprintf("%s/%s-%s", r->dir, boot, r->kind);
	r->layers = rn_path_join(r->base, "layers");
	r->steps = rn_path_join(r->base, "steps");
	(void)!chmod(r->dir, 0700); /* an image's setuid programs are nothing for this machine's other users */
	if (hold_folders(r, err) < 0)
		return -1;
	sweep_steps(r);
	sweep_boots(r, boot);
	return 0;
}

static void tell(const struct rootfs *r)
{
	build_log(r->b, RUNNER_INFO, "sandbox of RUN: %s", r->host.summary);
	if (r->host.rung == SANDBOX_SINGLE_ID)
		build_log(r->b, RUNNER_INFO, "there is one user id here: chown has no effect, what RUN makes belongs to USER");
	if (r->host.cure)
		build_log(r->b, RUNNER_DEBUG, "a better sandbox: %s", r->host.cure);
}

/*
 * Where an overlay's upper folder may not lie (a container's own root is an overlay often, a home may be NFS) another
 * place may do: beside the working folder, or a folder for temporary files.
 */
static void probe_elsewhere(struct rootfs *r)
{
	const char *state = r->b->host->info(r->b->stage, RUNNER_INFO_STATE), *temp = getenv("TMPDIR");
	RN_AUTO(rn_strv_clear) struct rn_strv places = { 0 };
	struct stat first;
	if (state)
		rn_strv_addf(&places, "%s/rootfs", state);
	if (temp && *temp == '/')
		rn_strv_addf(&places, "%s/runner-%u/rootfs", temp, geteuid());
	rn_strv_addf(&places, "/var/tmp/runner-%u/rootfs", geteuid());
	rn_strv_addf(&places, "/tmp/runner-%u/rootfs", geteuid());
	for (size_t i = 0; i < places.n && stat(r->dir, &first) == 0; i++) {
		struct sandbox_host other = { 0 };
		if (!rootfs_place_usable(places.v[i], first.st_dev) || sandbox_probe(places.v[i], &other, NULL) < 0)
			continue;
		if (other.rung == r->host.rung && other.overlay) {
			build_log(r->b, RUNNER_INFO, "images are unpacked in %s: %s takes no overlay", places.v[i], r->dir);
			sandbox_host_clear(&r->host);
			r->host = other;
			free(r->dir);
			r->dir = rn_strdup(places.v[i]);
			rootfs_place_remember(r->b->host->info(r->b->stage, RUNNER_INFO_CACHE), r->dir);
			return;
		}
		sandbox_host_clear(&other);
	}
}

static struct rootfs *open_rootfs(struct build *b, struct rn_error *err)
{
	const char *cache = b->host->info(b->stage, RUNNER_INFO_CACHE);
	struct rootfs *r = rn_alloc(sizeof(*r));
	r->b = b;
	r->use_lock = -1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->machines_lock, NULL);
	rn_map_init(&r->machines, NULL);
	rn_map_init(&r->known, free);
	rn_map_init(&r->roots, NULL);
	r->dir = rn_path_join(cache ? cache : "", "rootfs");
	int rc = cache ? sandbox_probe(r->dir, &r->host, err) : rn_fail(err, RN_EIO, "the host has no cache folder");
	if (rc == 0 && r->host.rung == SANDBOX_NONE) {
		rn_fail(err, RN_EUNSUPPORTED, "RUN cannot execute anything on this machine: %s", r->host.summary);
		rc = rn_hint(err, "%s. `runner doctor` shows all that was tried; everything but RUN works without",
			     r->host.cure ? r->host.cure : "use another machine");
	}
	if (rc == 0 && !r->host.overlay && r->host.rung != SANDBOX_CHROOT)
		probe_elsewhere(r);
	if (rc == 0)
		rc = open_folders(r, err);
	if (rc < 0) {
		rootfs_free(r);
		return NULL;
	}
	tell(r);
	return r;
}

struct rootfs *rootfs_get(struct build *b, struct rn_error *err)
{
	pthread_mutex_lock(&b->rootfs_lock);
	if (!b->rootfs)
		b->rootfs = open_rootfs(b, err);
	struct rootfs *r = b->rootfs;
	pthread_mutex_unlock(&b->rootfs_lock);
	return r;
}

void rootfs_free(struct rootfs *r)
{
	if (!r)
		return;
	rootfs_roots_clear(r);
	sandbox_host_clear(&r->host);
	rn_map_clear(&r->known);
	rootfs_foreign_clear(r);
	rn_closep(&r->use_lock);
	pthread_mutex_destroy(&r->machines_lock);
	pthread_mutex_destroy(&r->lock);
	free(r->dir);
	free(r->base);
	free(r->layers);
	free(r->steps);
	free(r);
}

const struct sandbox_host *rootfs_host(const struct rootfs *r)
{
	return &r->host;
}

bool rootfs_single_id(const struct rootfs *r)
{
	return r->host.rung == SANDBOX_SINGLE_ID;
}

/* ---- a step's place ------------------------------------------------------------------------------- */

int rootfs_make_locked(const char *steps, const char *prefix, char **ret_dir, struct rn_error *err)
{
	for (unsigned tries = 0; tries < MAKE_TRIES; tries++) {
		RN_AUTO(rn_freep) char *dir = rn_temp_dir(steps, prefix, err);
		if (!dir)
			return -1;
		RN_AUTO(rn_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && lock_lies_there(fd, dir)) {
			*ret_dir = rn_take(&dir);
			return rn_take_fd(&fd);
		}
		if (fd < 0 && errno != ENOENT)
			return rn_fail(err, RN_EIO, "open %s: %m", dir);
	}
	return rn_fail(err, RN_EIO, "folders below %s are removed again and again while they are made", steps);
}

static int make_place(struct rootfs_step *s, struct rn_error *err)
{
	s->lock = rootfs_make_locked(s->rootfs->steps, "", &s->dir, err);
	if (s->lock < 0)
		return -1;
	return chmod(s->dir, 0711) < 0 ? rn_fail(err, RN_EIO, "chmod %s: %m", s->dir) : 0;
}

static int make_upper(struct rootfs_step *s, struct fs_state *state, struct rn_error *err)
{
	struct layer_tree *tree = fs_state_tree(state, s->rootfs->b, err);
	int stacked = tree ? rootfs_lowers(s->rootfs, state, &s->lowers, err) : -1;
	if (stacked <= 0)
		return stacked < 0 ? -1 : rootfs_root_take(s, state, err);
	const struct layer_node *top = layer_tree_root(tree);
	s->upper = rn_path_join(s->dir, "upper");
	s->work = rn_path_join(s->dir, "work");
	const struct unpack_dir facts = { .mode = top->mode, .uid = top->uid, .gid = top->gid, .mtime = top->mtime };
	if (rootfs_mkdir(s->rootfs, s->upper, &facts, err) < 0)
		return -1;
	if (mkdir(s->work, 0755) < 0)
		return rn_fail(err, RN_EIO, "make %s: %m", s->work);
	if (s->lowers.n == 0) { /* FROM scratch: an overlay has at least one folder below */
		RN_AUTO(rn_freep) char *empty = rn_path_join(s->dir, "empty");
		if (rootfs_mkdir(s->rootfs, empty, &facts, err) < 0)
			return -1;
		rn_strv_add(&s->lowers, empty);
	}
	return 0;
}

int rootfs_step_begin(struct rootfs *r, struct fs_state *state, struct rootfs_step *ret, struct rn_error *err)
{
	*ret = (struct rootfs_step){ .rootfs = r, .lock = -1, .root_lock = -1 };
	int rc = make_place(ret, err);
	state->unpack = true;
	if (rc == 0)
		rc = r->host.overlay ? make_upper(ret, state, err) : rootfs_root_take(ret, state, err);
	if (rc < 0)
		rootfs_step_clear(ret);
	return rc;
}

void rootfs_step_clear(struct rootfs_step *s)
{
	if (s->dir)
		rootfs_remove(s->rootfs, s->dir);
	if (s->root_dir)
		rootfs_remove(s->rootfs, s->root_dir);
	rn_closep(&s->lock);
	rn_closep(&s->root_lock);
	rn_strv_clear(&s->lowers);
	rn_freep(&s->root_dir);
	rn_freep(&s->before);
	rn_freep(&s->dir);
	rn_freep(&s->upper);
	rn_freep(&s->work);
	rn_freep(&s->root);
}

/* ---- kept for a look inside ---------------------------------------------------------------------- */

char *rootfs_kept(const struct rootfs *r, const char *name)
{
	return rn_asprintf("%s/kept/%.32s", r->base, name);
}

char *rootfs_step_keep(struct rootfs_step *s, const char *name)
{
	RN_AUTO(rn_freep) char *kept = rootfs_kept(s->rootfs, name);
	RN_AUTO(rn_freep) char *to = rn_path_join(kept, "fs");
	const char *from = s->upper ? s->upper : s->root;
	rootfs_forget(s->rootfs, kept);
	if (rn_mkdirs(kept, 0711, NULL) < 0 || rename(from, to) < 0) {
		rootfs_forget(s->rootfs, kept);
		return NULL;
	}
	return rn_take(&kept);
}

int rootfs_step_restore(struct rootfs_step *s, const char *kept, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *from = rn_path_join(kept, "fs");
	const char *to = s->upper ? s->upper : s->root;
	rootfs_remove(s->rootfs, to);
	return rename(from, to) == 0 ? 0 : rn_fail(err, RN_EIO, "take %s again: %m", from);
}

void rootfs_forget(struct rootfs *r, const char *kept)
{
	rootfs_remove(r, kept);
}

char *rootfs_step_folder(struct rootfs_step *s, const char *what, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s%u", s->dir, what, s->names++);
	if (mkdir(path, 0755) < 0) {
		rn_fail(err, RN_EIO, "make %s: %m", path);
		return NULL;
	}
	return rn_take(&path);
}

char *rootfs_step_copy(struct rootfs_step *s, const struct digest *blob, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *to = rn_asprintf("%s/copy%u", s->dir, s->names++);
	struct unpack_job job = { .layers = blob, .n_layers = 1, .to = to };
	rootfs_unpack_settings(s->rootfs, &job);
	return rootfs_unpack(s->rootfs, &job, err) < 0 ? NULL : rn_path_join(to, "fs");
}

char *rootfs_caches(struct rootfs *r, struct rn_error *err)
{
	const char *owners = r->host.rung == SANDBOX_SINGLE_ID ? "one" : r->host.rung == SANDBOX_MAPPED ? "ids" : "root";
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/mounts/%s", r->dir, owners);
	return rn_mkdirs(path, 0755, err) < 0 ? NULL : rn_take(&path);
}

int rootfs_step_mkdir(struct rootfs_step *s, struct fs_state *state, const char *path, struct rn_error *err)
{
	struct layer_tree *tree = fs_state_tree(state, s->rootfs->b, err);
	RN_AUTO(rn_freep) char *real = tree ? layer_tree_resolve(tree, path, err) : NULL;
	if (!real)
		return -1;
	if (!*real || layer_tree_find(tree, real, false, NULL))
		return 0;
	for (char *p = real; *p;) {
		p += strcspn(p, "/");
		char end = *p;
		*p = '\0';
		const struct layer_node *n = layer_tree_find(tree, real, false, NULL);
		const struct unpack_dir facts = { .mode = n ? n->mode : 0755, .uid = n ? n->uid : 0, .gid = n ? n->gid : 0,
						  .mtime = n ? n->mtime : s->rootfs->b->epoch };
		RN_AUTO(rn_freep) char *full = rn_path_join(s->upper ? s->upper : s->root, real);
		if (!(s->root && n) && rootfs_mkdir(s->rootfs, full, &facts, err) < 0)
			return -1;
		*p = end;
		p += end != '\0';
	}
	return 0;
}

/* ---- what came of it --------------------------------------------------------------------------------- */

static bool on_cancel(void *ctx)
{
	const struct build *b = ctx;
	return build_stopped(b);
}

static int make_layer(struct rootfs_step *s, struct fs_state *state, const struct rootfs_commit *c, struct layer_result *ret,
		      bool *ret_empty, struct rn_error *err)
{
	struct build *b = s->rootfs->b;
	struct layer_tree *tree = fs_state_tree(state, b, err);
	RN_AUTO(rn_strv_clear) struct rn_strv covered = { 0 };
	for (size_t i = 0; tree && i < c->n_covered; i++) {
		/* what lies behind a link was covered where the link leads */
		char *real = layer_tree_resolve(tree, c->covered[i], NULL);
		rn_strv_take(&covered, real ? real : rn_strdup(c->covered[i]));
	}
	const struct diff_job job = {
		.store = b->store, .base = tree, .root = s->upper ? s->upper : s->root,
		.lowers = (const char *const *)s->lowers.v, .n_lowers = state->n_layers ? s->lowers.n : 0, .before = s->before,
		.covered = (const char *const *)covered.v, .n_covered = covered.n, .epoch = b->epoch,
		.options = *c->options, .single_id = rootfs_single_id(s->rootfs), .uid = c->uid, .gid = c->gid,
		.cancelled = on_cancel, .ctx = b,
	};
	if (!job.base)
		return -1;
	return rootfs_diff(s->rootfs, &job, state, ret, ret_empty, err);
}

int rootfs_step_commit(struct rootfs_step *s, struct fs_state *state, const struct rootfs_commit *c, struct rn_error *err)
{
	struct build *b = s->rootfs->b;
	struct layer_result layer = { 0 };
	bool empty;
	if (make_layer(s, state, c, &layer, &empty, err) < 0)
		return rn_wrap(err, "make a layer of what changed");
	if (empty) {
		fs_state_note(state, b, c->created_by);
		rootfs_root_give(s, state);
		return 0;
	}
	char size[32];
	build_log(b, RUNNER_INFO, "%llu entries, %s, layer %.19s", (unsigned long long)layer.entries,
		  rn_format_size(layer.tar_size, size, sizeof(size)), layer.digest.text);
	if (fs_state_add(state, b, &layer, c->created_by, err) < 0)
		return -1;
	if (s->root)
		rootfs_root_give(s, state);
	else
		rootfs_adopt(s->rootfs, s->upper, false, fs_state_tree(state, s->rootfs->b, NULL));
	return 0;
}
