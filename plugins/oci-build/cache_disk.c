/* SPDX-License-Identifier: Apache-2.0 */
#include "cache_disk.h"

#include "rootfs_internal.h"
#include "rootfs_places.h"
#include "step_cache.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_SIZE_MAX ((size_t)1 << 20)
#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)
/* What stays behind without its blob (names of layers of a registry's cache, lists of files) is kept this long after its last change. */
#define LEFTOVER_MS (30 * DAY_MS)

int cache_disk_limit(uint64_t *ret, struct rn_error *err)
{
	const char *text = getenv("RUNNER_CACHE_SIZE");
	*ret = CACHE_SIZE_DEFAULT;
	if (text && *text && rn_parse_size(text, ret, err) < 0)
		return rn_wrap(err, "RUNNER_CACHE_SIZE");
	return 0;
}

static const struct {
	const char *name, *help, *folders[5]; /* below the cache; counted with all that is in them */
} kinds[CACHE_KINDS] = {
	[CACHE_BLOBS] = { "blobs", "layers, configs and manifests", { "oci/blobs" } },
	[CACHE_STEPS] = { "steps", "results of steps", { "oci/steps" } },
	[CACHE_INDEXES] = { "indexes", "names in layers", { "oci/derived" } },
	[CACHE_LISTS] = { "lists", "what steps read", { "oci/inputs", "oci/why", "oci/urls", "oci/references" } },
	[CACHE_UNPACKED] = { "unpacked", "layers that RUN stood on", { NULL } },
	[CACHE_MOUNTS] = { "mounts", "folders of --mount=type=cache", { NULL } },
};

const char *cache_kind_name(enum cache_kind k)
{
	return kinds[k].name;
}

const char *cache_kind_help(enum cache_kind k)
{
	return kinds[k].help;
}

/* ---- adding up ------------------------------------------------------------------------------- */

static void add_tree(const char *path, size_t *n, uint64_t *bytes)
{
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat st;
		if (rn_streq(e->d_name, ".") || rn_streq(e->d_name, "..") || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			RN_AUTO(rn_freep) char *below = rn_path_join(path, e->d_name);
			add_tree(below, n, bytes);
			continue;
		}
		++*n;
		*bytes += (uint64_t)st.st_blocks * 512;
	}
	if (d)
		closedir(d);
}

/* Folders of unpacked layers, PLACE/BOOT-KIND. */
static void unpacked_folders(const char *dir, struct rn_strv *ret)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (!rn_exists(dir) || rn_list_dir(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, names.v[i]);
		RN_AUTO(rn_freep) char *lock = rn_path_join(path, "lock");
		if (!rn_streq(names.v[i], "mounts") && rn_exists(lock))
			rn_strv_add(ret, path);
	}
}

void cache_disk_usage(const char *cache, struct cache_usage *ret)
{
	RN_AUTO(rn_strv_clear) struct rn_strv unpacked = { 0 }, places = { 0 };
	*ret = (struct cache_usage){ 0 };
	for (size_t k = 0; k < CACHE_KINDS; k++)
		for (size_t i = 0; kinds[k].folders[i]; i++) {
			RN_AUTO(rn_freep) char *path = rn_path_join(cache, kinds[k].folders[i]);
			add_tree(path, &ret->n[k], &ret->bytes[k]);
		}
	rootfs_places(cache, &places);
	for (size_t i = 0; i < places.n; i++) {
		RN_AUTO(rn_freep) char *mounts = rn_path_join(places.v[i], "mounts");
		add_tree(mounts, &ret->n[CACHE_MOUNTS], &ret->bytes[CACHE_MOUNTS]);
		unpacked_folders(places.v[i], &unpacked);
	}
	for (size_t i = 0; i < unpacked.n; i++)
		add_tree(unpacked.v[i], &ret->n[CACHE_UNPACKED], &ret->bytes[CACHE_UNPACKED]);
}

/* ---- removing ----------------------------------------------------------------------------------- */

static bool older(const char *path, int64_t age_ms)
{
	struct stat st;
	return age_ms > 0 && lstat(path, &st) == 0 && rn_wall_ms() - (int64_t)st.st_mtime * 1000 > age_ms;
}

/* The layer that a record names is gone, or it names none that can be read. */
static bool is_orphan(const char *store, const char *path)
{
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, RECORD_SIZE_MAX, NULL);
	RN_AUTO(cache_record_clear) struct cache_record r = { 0 };
	if (!j || !cache_record_from_json(j, &r))
		return true;
	if (!r.has_layer)
		return false;
	RN_AUTO(rn_freep) char *blob = rn_asprintf("%s/blobs/%s/%s", store, digest_algorithm(&r.layer.digest), digest_hex(&r.layer.digest));
	return !rn_exists(blob);
}

static void prune_steps(const char *store, const struct cache_prune *p)
{
	RN_AUTO(rn_freep) char *dir = step_cache_folder(store);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (!rn_exists(dir) || rn_list_dir(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, names.v[i]);
		if (p->all || older(path, p->max_age_ms) || is_orphan(store, path))
			unlink(path);
	}
}

/* Small files that say something about something else: they go by their age alone. */
static void prune_leftovers(const char *store, const char *name, const struct cache_prune *p)
{
	RN_AUTO(rn_freep) char *dir = rn_path_join(store, name);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	int64_t age = p->max_age_ms && p->max_age_ms < LEFTOVER_MS ? p->max_age_ms : LEFTOVER_MS;
	struct stat st;
	if (!rn_exists(dir) || rn_list_dir(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *below = rn_asprintf("%s/%s", name, names.v[i]);
		RN_AUTO(rn_freep) char *path = rn_path_join(store, below);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			prune_leftovers(store, below, p);
		else if (p->all || older(path, age))
			unlink(path);
	}
}

/* All unpacked layers at once get out of the way of a build that comes while, or after, they are removed. */
static void set_aside(const char *folder)
{
	char id[25];
	RN_AUTO(rn_freep) char *layers = rn_path_join(folder, "layers");
	RN_AUTO(rn_freep) char *gone = rn_asprintf("%s/steps/gone-%s", folder, rn_random_hex(12, id));
	(void)!rename(layers, gone);
}

/* Folders that may hold files of other user ids: their owners are known to the sandbox alone. */
static int remove_folder(const char *place, const char *path, struct cache_prune *p, struct rn_error *err)
{
	size_t files = 0;
	uint64_t bytes = 0;
	add_tree(path, &files, &bytes);
	if (rn_remove_tree(path, NULL) < 0) {
		struct rootfs r = { 0 };
		if (sandbox_probe(place, &r.host, err) == 0)
			rootfs_remove(&r, path);
		sandbox_host_clear(&r.host);
		if (rn_exists(path))
			return rn_fail(err, RN_EIO, "remove %s: files of other users are in it", path);
	}
	p->removed++;
	p->removed_bytes += bytes;
	return 0;
}

static int prune_unpacked(const char *place, struct cache_prune *p, bool *ret_busy, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv folders = { 0 };
	unpacked_folders(place, &folders);
	for (size_t i = 0; i < folders.n; i++) {
		RN_AUTO(rn_freep) char *lock_path = rn_path_join(folders.v[i], "lock");
		RN_AUTO(rn_closep) int lock = rn_lock_file(lock_path, false, p->wait, NULL);
		size_t files = 0;
		uint64_t bytes = 0;
		if (lock < 0) {
			*ret_busy = true;
			continue;
		}
		add_tree(folders.v[i], &files, &bytes);
		bool excess = p->max_bytes && p->kept_bytes + bytes > p->max_bytes;
		if (!p->all && !excess && !older(lock_path, p->max_age_ms))
			p->kept_bytes += bytes;
		else if (set_aside(folders.v[i]), remove_folder(place, folders.v[i], p, err) < 0)
			return -1;
	}
	return 0;
}

/* What a build that was killed while it tried out the sandbox left behind. */
static void prune_probes(const char *dir)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (!rn_exists(dir) || rn_list_dir(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(dir, names.v[i]);
		if (rn_starts(names.v[i], ".probe-") && older(path, HOUR_MS))
			rn_remove_tree(path, NULL);
	}
}

/* Unpacked layers, and with `all` the folders of cache mounts, unless a RUN may be using them. */
static int prune_place(const char *place, struct cache_prune *p, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *mounts = rn_path_join(place, "mounts");
	bool busy = false;
	prune_probes(place);
	if (prune_unpacked(place, p, &busy, err) < 0)
		return -1;
	return p->all && !busy && rn_exists(mounts) ? remove_folder(place, mounts, p, err) : 0;
}

/* A place outside of the cache that nothing is left in goes itself. */
static int prune_rootfs(const char *cache, struct cache_prune *p, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv places = { 0 };
	rootfs_places(cache, &places);
	for (size_t i = 0; i < places.n; i++) {
		if (prune_place(places.v[i], p, err) < 0)
			return -1;
		if (i > 0)
			rmdir(places.v[i]);
	}
	rootfs_places_forget(cache);
	return 0;
}

int cache_disk_prune(const char *cache, struct cache_prune *p, struct rn_error *err)
{
	static const char *const leftovers[] = { "derived", "inputs", "why", "urls", "references" };
	RN_AUTO(rn_freep) char *store = rn_path_join(cache, "oci");
	RN_AUTO(rn_freep) char *hashes = rn_path_join(store, "file-hashes");
	struct blob_gc gc = { .max_bytes = p->all ? 1 : p->max_bytes, .max_age_ms = p->all ? 0 : p->max_age_ms, .wait = p->wait };
	if (blob_store_gc(store, &gc, err) < 0)
		return -1;
	p->removed = gc.removed;
	p->removed_bytes = gc.removed_bytes;
	p->kept_bytes = gc.kept_bytes;
	if (p->light && gc.removed == 0)
		return 0;
	prune_steps(store, p);
	for (size_t i = 0; i < RN_LEN(leftovers); i++)
		prune_leftovers(store, leftovers[i], p);
	if (p->all)
		unlink(hashes);
	return p->light ? 0 : prune_rootfs(cache, p, err);
}

/* Unpacked layers are many files to add up: once a day, and not at the end of the build that begins a cache. */
static bool all_is_due(const char *cache)
{
	RN_AUTO(rn_freep) char *stamp = rn_path_join(cache, "oci/.trimmed");
	bool fresh = !rn_exists(stamp);
	if (!fresh && !older(stamp, DAY_MS))
		return false;
	RN_AUTO(rn_closep) int fd = open(stamp, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		futimens(fd, NULL);
	return fd >= 0 && !fresh;
}

void cache_disk_trim(const char *cache)
{
	struct cache_prune p = { 0 };
	struct rn_error ignored = { 0 };
	if (cache_disk_limit(&p.max_bytes, &ignored) < 0 || p.max_bytes == 0)
		return;
	p.light = !all_is_due(cache);
	cache_disk_prune(cache, &p, &ignored);
}
