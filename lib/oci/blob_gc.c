/* SPDX-License-Identifier: Apache-2.0 */
/* Removing blobs that nobody used for long, with what was derived from them. */
#include "blob_store.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct item {
	struct digest digest;
	uint64_t size;
	int64_t used_ms;
};

struct items {
	struct item *v;
	size_t n, cap;
	uint64_t bytes;
};

static void items_clear(struct items *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static int list_blobs(const char *dir, const char *algorithm, struct items *l, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *folder = rn_asprintf("%s/blobs/%s", dir, algorithm);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (!rn_exists(folder))
		return 0;
	if (rn_list_dir(folder, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("%s:%s", algorithm, names.v[i]);
		RN_AUTO(rn_freep) char *path = rn_path_join(folder, names.v[i]);
		struct item item = { 0 };
		struct stat st;
		if (digest_parse(text, &item.digest, NULL) < 0 || stat(path, &st) < 0)
			continue;
		item.size = (uint64_t)st.st_size;
		item.used_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
		l->v = rn_grow(l->v, &l->cap, l->n + 1, sizeof(*l->v));
		l->v[l->n++] = item;
		l->bytes += item.size;
	}
	return 0;
}

static int oldest_first(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	if (x->used_ms != y->used_ms)
		return x->used_ms < y->used_ms ? -1 : 1;
	return strcmp(x->digest.text, y->digest.text);
}

static void remove_derived(const char *dir, const struct digest *d)
{
	RN_AUTO(rn_freep) char *derived = rn_path_join(dir, "derived");
	RN_AUTO(rn_strv_clear) struct rn_strv kinds = { 0 };
	if (rn_list_dir(derived, &kinds, NULL) < 0)
		return;
	for (size_t i = 0; i < kinds.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_asprintf("%s/%s/%s-%s", derived, kinds.v[i],
							   digest_algorithm(d), digest_hex(d));
		unlink(path);
	}
}

static int remove_item(const char *dir, const struct item *item, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/blobs/%s/%s", dir,
						   digest_algorithm(&item->digest),
						   digest_hex(&item->digest));
	if (unlink(path) < 0 && errno != ENOENT)
		return rn_fail(err, RN_EIO, "remove %s: %m", path);
	remove_derived(dir, &item->digest);
	return 0;
}

static int sweep(const char *dir, struct items *l, struct blob_gc *gc, struct rn_error *err)
{
	int64_t now = rn_wall_ms();
	uint64_t left = l->bytes;
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), oldest_first);
	for (size_t i = 0; i < l->n; i++) {
		const struct item *item = &l->v[i];
		bool old = gc->max_age_ms > 0 && now - item->used_ms > gc->max_age_ms;
		bool excess = gc->max_bytes > 0 && left > gc->max_bytes;
		if ((!old && !excess) || (gc->keep && gc->keep(gc->ctx, &item->digest))) {
			gc->kept++;
			gc->kept_bytes += item->size;
			continue;
		}
		if (!gc->dry_run && remove_item(dir, item, err) < 0)
			return -1;
		left -= item->size;
		gc->removed++;
		gc->removed_bytes += item->size;
	}
	return 0;
}

static void remove_all_in(const char *dir, const char *name)
{
	RN_AUTO(rn_freep) char *folder = rn_path_join(dir, name);
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (rn_list_dir(folder, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_join(folder, names.v[i]);
		unlink(path);
	}
}

int blob_store_gc(const char *dir, struct blob_gc *gc, struct rn_error *err)
{
	gc->kept = gc->removed = 0;
	gc->kept_bytes = gc->removed_bytes = 0;
	if (!rn_exists(dir))
		return 0;
	RN_AUTO(rn_freep) char *lock_path = rn_path_join(dir, ".lock");
	RN_AUTO(rn_closep) int lock = rn_lock_file(lock_path, false, gc->wait, err);
	if (lock < 0)
		return rn_wrap(err, "cache %s", dir);
	RN_AUTO(items_clear) struct items l = { 0 };
	if (list_blobs(dir, "sha256", &l, err) < 0 || list_blobs(dir, "sha512", &l, err) < 0)
		return -1;
	if (!gc->dry_run) {
		remove_all_in(dir, ".tmp");
		remove_all_in(dir, ".locks");
	}
	return sweep(dir, &l, gc, err);
}
