/* SPDX-License-Identifier: Apache-2.0 */
#include "run_cache.h"

#include "run_bind.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define WAIT_MS 100
#define PRIVATE_MAX 64

/* Takes the lock; waits, and says so, when `wait`. 1, 0 when somebody else has it, -1. */
static int take_lock(struct step *s, const char *path, bool shared, bool wait, int *ret)
{
	RN_AUTO(rn_closep) int fd = rn_lock_file(path, shared, false, s->err);
	for (bool told = false; fd < 0; told = true) {
		if (!s->err || s->err->code != RN_EEXISTS || !wait)
			return s->err && s->err->code == RN_EEXISTS ? 0 : -1;
		if (!told)
			build_log(s->b, RUNNER_INFO, "waiting for another step that uses the same cache");
		if (rn_sleep_ms(WAIT_MS, build_cancel_fd(s->b)) < 0 || build_check_cancel(s->b, s->err) < 0)
			return rn_fail(s->err, RN_ECANCELLED, "stopped while it waited for a cache");
		fd = rn_lock_file(path, shared, false, s->err);
	}
	if (s->err)
		rn_error_clear(s->err);
	*ret = rn_take_fd(&fd);
	return 1;
}

/* New: made aside with its content, so that a cache is whole or not there. */
static int make_cache(struct step *s, const struct run_mount *m, struct df_at at, struct rootfs_step *place, const char *path)
{
	const struct unpack_dir facts = { .mode = m->has_mode ? m->mode : 0755, .uid = m->uid, .gid = m->gid };
	if (rn_exists(path))
		return 0;
	if (!m->from)
		return rootfs_mkdir(place->rootfs, path, &facts, s->err);
	RN_AUTO(rn_freep) char *folder = run_bind_unpack(s, m, at, place, true);
	if (!folder)
		return -1;
	RN_AUTO(rn_freep) char *content = rn_path_join(folder, RUN_BIND_NAME);
	if (rename(content, path) < 0)
		return rn_fail(s->err, RN_EIO, "make the cache: %m");
	return m->has_mode || m->uid || m->gid ? rootfs_own(place->rootfs, path, &facts, s->err) : 0;
}

char *run_cache_open(struct step *s, const struct run_mount *m, struct df_at at, struct rootfs_step *place, const char *target,
		     int *ret_lock)
{
	const char *id = m->id && *m->id ? m->id : target;
	struct digest hash = digest_of(id, strlen(id));
	RN_AUTO(rn_freep) char *dir = rootfs_caches(place->rootfs, s->err);
	/* without mounts the folder itself moves into the root, so one step at a time has it */
	bool movable = rootfs_host(place->rootfs)->rung == SANDBOX_CHROOT;
	bool shared = m->sharing == MOUNT_SHARED && !movable;
	if (!dir)
		return NULL;
	for (unsigned i = 0; i < (m->sharing == MOUNT_PRIVATE ? PRIVATE_MAX : 1); i++) {
		RN_AUTO(rn_freep) char *path = i ? rn_asprintf("%s/%.32s.%u", dir, digest_hex(&hash), i) :
						   rn_asprintf("%s/%.32s", dir, digest_hex(&hash));
		RN_AUTO(rn_freep) char *lock = rn_asprintf("%s.lock", path);
		RN_AUTO(rn_freep) char *making = rn_asprintf("%s.new", lock);
		int got = take_lock(s, lock, shared, m->sharing != MOUNT_PRIVATE, ret_lock);
		if (got < 0)
			return NULL;
		if (got == 0)
			continue;
		RN_AUTO(rn_closep) int made = rn_lock_file(making, false, true, s->err);
		if (made >= 0 && make_cache(s, m, at, place, path) == 0)
			return rn_take(&path);
		rn_closep(ret_lock);
		return NULL;
	}
	rn_fail(s->err, RN_ELIMIT, "more than %d steps use the private cache \"%s\" at the same time", PRIVATE_MAX, id);
	return NULL;
}
