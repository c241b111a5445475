/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_along.h"

#include "byte_ring.h"
#include "rootfs_ahead.h"
#include "rootfs_internal.h"
#include "secret_guard.h"

#include "base/fs.h"
#include "oci/layer_reader.h"

#include <stdlib.h>
#include <sys/stat.h>

struct rootfs_along {
	struct rootfs *rootfs;
	struct layer_raw raw;
	struct unpack_job job;
	char *temp; /* the folder: becomes that of the layer when its name is known */
	struct byte_ring *ring;
	bool broken; /* of the thread that has the tar  */
	int rc;      /* of the thread that unpacks      */
	pthread_t thread;
};

static size_t next_piece(void *ctx, const void **ret)
{
	return byte_ring_next(ctx, ret);
}

static void *work(void *ctx)
{
	struct rootfs_along *a = ctx;
	const struct layer_pieces pieces = { next_piece, a->ring };
	a->rc = unpack_tar(&a->job, &pieces, NULL);
	byte_ring_leave(a->ring);
	return NULL;
}

static void on_bytes(void *ctx, const void *data, size_t n)
{
	struct rootfs_along *a = ctx;
	a->broken = a->broken || !byte_ring_write(a->ring, data, n);
}

static void drop(struct rootfs_along *a)
{
	if (a->temp)
		rootfs_remove(a->rootfs, a->temp);
	byte_ring_free(a->ring);
	free(a->temp);
	free(a);
}

static struct rootfs_along *start(struct rootfs *r, const struct layer_raw **ret)
{
	struct rootfs_along *a = rn_alloc(sizeof(*a));
	a->rootfs = r;
	a->raw = (struct layer_raw){ on_bytes, a };
	a->ring = byte_ring_new();
	a->temp = rn_temp_dir(r->layers, ".new-", NULL);
	a->job = (struct unpack_job){ .to = a->temp, .overlay = true };
	rootfs_unpack_settings(r, &a->job);
	a->job.progress = NULL; /* who has the tar says it */
	if (!a->temp || chmod(a->temp, 0755) < 0 || pthread_create(&a->thread, NULL, work, a) != 0) {
		drop(a);
		return NULL;
	}
	*ret = &a->raw;
	return a;
}

/* The tar is complete: keeps what came of it as the folder of the uppermost layer of `tree`; NULL: drops it. */
static void finish(struct rootfs_along *a, struct layer_tree *tree)
{
	RN_AUTO(rn_freep) char *fs = rn_path_join(a->temp, "fs");
	if (tree && a->rc == 0 && !a->broken)
		rootfs_adopt(a->rootfs, fs, true, tree);
	drop(a);
}

static void wait_for(struct rootfs_along *a)
{
	byte_ring_end(a->ring);
	pthread_join(a->thread, NULL);
}

void rootfs_along_complete(struct rootfs_along *a)
{
	if (a)
		byte_ring_end(a->ring);
}

/* ---- a layer that is written ------------------------------------------------------------------- */

struct rootfs_along *rootfs_along_begin(const struct step *s, const struct layer_raw **ret)
{
	/* a layer that is looked through for secrets first becomes no folder before that */
	struct rootfs *r = rootfs_leads_to_run(s) && !secret_guard_needed(s->b) ? rootfs_get(s->b, NULL) : NULL;
	return r && r->host.overlay && !rootfs_remote(r) ? start(r, ret) : NULL;
}

void rootfs_along_end(struct rootfs_along *a, struct fs_state *state)
{
	if (!a)
		return;
	byte_ring_end(a->ring);
	struct layer_tree *tree = state ? fs_state_tree(state, a->rootfs->b, NULL) : NULL; /* meanwhile: the RUN wants it too */
	wait_for(a);
	finish(a, tree);
}

/* ---- layers of a base, that are read -------------------------------------------------------------- */

static void *on_begin(void *ctx, const struct digest *layer, const struct layer_raw **ret)
{
	(void)layer;
	struct rootfs *r = rootfs_get(ctx, NULL);
	return r && r->host.overlay && !rootfs_remote(r) ? start(r, ret) : NULL;
}

static void on_end(void *reading, struct layer_tree *tree)
{
	wait_for(reading);
	finish(reading, tree);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	const struct build *b = ctx;
	b->host->progress(b->stage, "unpack", done, total, "bytes");
}

void rootfs_along_init(struct build *b)
{
	b->unpacking = (struct layer_watch){ on_begin, on_end, on_progress, b };
}
