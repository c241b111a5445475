/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_along.h"

#include "rootfs_ahead.h"
#include "rootfs_internal.h"
#include "secret_guard.h"

#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct rootfs_along {
	struct rootfs *rootfs;
	struct layer_raw raw;
	struct unpack_job job;
	char *temp;  /* the folder: becomes that of the layer when its name is known  */
	int to, tar; /* a socket's ends: a broken one says so by an error, not a signal */
	bool broken; /* of the thread that writes                                     */
	int rc;      /* of the thread that unpacks                                    */
	pthread_t thread;
};

static void *work(void *ctx)
{
	struct rootfs_along *a = ctx;
	a->rc = unpack_tar(&a->job, a->tar, NULL);
	close(a->tar); /* who still writes is told */
	return NULL;
}

static void on_bytes(void *ctx, const void *data, size_t n)
{
	struct rootfs_along *a = ctx;
	for (const char *p = data; n && !a->broken;) {
		ssize_t k = send(a->to, p, n, MSG_NOSIGNAL);
		a->broken = k < 0 && errno != EINTR;
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
}

static void drop(struct rootfs_along *a)
{
	rootfs_remove(a->rootfs, a->temp);
	free(a->temp);
	free(a);
}

static int start(struct rootfs_along *a)
{
	int pair[2];
	if (chmod(a->temp, 0755) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	a->to = pair[0];
	a->tar = pair[1];
	if (pthread_create(&a->thread, NULL, work, a) == 0)
		return 0;
	close(a->to);
	close(a->tar);
	return -1;
}

struct rootfs_along *rootfs_along_begin(const struct step *s, const struct layer_raw **ret)
{
	/* a layer that is looked through for secrets first becomes no folder before that */
	struct rootfs *r = rootfs_leads_to_run(s) && !secret_guard_needed(s->b) ? rootfs_get(s->b, NULL) : NULL;
	if (!r || !r->host.overlay || rootfs_remote(r))
		return NULL;
	struct rootfs_along *a = rn_alloc(sizeof(*a));
	a->rootfs = r;
	a->raw = (struct layer_raw){ on_bytes, a };
	a->temp = rn_temp_dir(r->layers, ".new-", NULL);
	if (!a->temp) {
		free(a);
		return NULL;
	}
	a->job = (struct unpack_job){ .to = a->temp, .overlay = true };
	rootfs_unpack_settings(r, &a->job);
	a->job.progress = NULL; /* that of the layer says it */
	if (start(a) < 0) {
		drop(a);
		return NULL;
	}
	*ret = &a->raw;
	return a;
}

void rootfs_along_end(struct rootfs_along *a, struct fs_state *state)
{
	if (!a)
		return;
	close(a->to);
	pthread_join(a->thread, NULL);
	RN_AUTO(rn_freep) char *fs = rn_path_join(a->temp, "fs");
	if (state && a->rc == 0 && !a->broken)
		rootfs_adopt(a->rootfs, fs, true, state);
	drop(a);
}
