/* SPDX-License-Identifier: Apache-2.0 */
#include "run_mounts.h"

#include "run_bind.h"
#include "run_cache.h"
#include "run_secret.h"
#include "run_ssh.h"
#include "secret_guard.h"

#include "base/fs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 8 /* besides those of secrets */

static const char *keep(struct run_mounts *m, char *text)
{
	rn_strv_take(&m->paths, text);
	return text;
}

/* Absolute, or below WORKDIR. */
static const char *target_of(struct run_mounts *m, const struct run_spec *r, const char *path)
{
	RN_AUTO(rn_freep) char *full = *path == '/' ? rn_strdup(path) : rn_asprintf("%s/%s", r->cwd, path);
	return keep(m, rn_path_clean(full));
}

void run_mounts_file(struct run_mounts *m, const char *target, const char *data, size_t n, mode_t mode)
{
	rn_strv_add(&m->targets, target);
	m->files[m->n_files++] = (struct sandbox_file){ .target = keep(m, rn_strdup(target)), .data = data, .size = n, .mode = mode };
}

static int add_bind(struct step *s, const struct run_mount *m, struct df_at at, struct rootfs_step *place, const char *target,
		    struct run_mounts *ret)
{
	bool own = !m->readonly && !rootfs_host(place->rootfs)->overlay; /* writes go to a copy that is thrown away */
	RN_AUTO(rn_freep) char *folder = run_bind_unpack(s, m, at, place, own);
	if (!folder)
		return -1;
	struct sandbox_bind b = { .source = keep(ret, rn_path_join(folder, RUN_BIND_NAME)), .target = target, .writable = !m->readonly };
	if (!m->readonly && !own) {
		b.discard = true;
		b.scratch = keep(ret, rootfs_step_folder(place, "scratch", s->err));
		if (!b.scratch)
			return -1;
	}
	ret->binds[ret->n_binds++] = b;
	return 0;
}

static const char *cache_id(struct run_mounts *ret, const struct run_spec *r, const struct run_mount *m)
{
	return m->id && *m->id ? m->id : target_of(ret, r, m->target);
}

/* A cache that the command has twice is opened once, as the stricter of the two asks. */
static int open_cache(struct step *s, const struct run_spec *r, struct rootfs_step *place, size_t at, const char **ids, struct run_mounts *ret)
{
	struct run_mount m = r->mounts[at]; /* borrowed */
	int lock = -1;
	for (size_t i = 0; i < r->n_mounts && m.sharing == MOUNT_SHARED; i++)
		if (ids[i] && rn_streq(ids[i], ids[at]) && r->mounts[i].sharing == MOUNT_LOCKED)
			m.sharing = MOUNT_LOCKED;
	char *folder = run_cache_open(s, &m, r->mounts_at[at], place, ids[at], &lock);
	if (!folder)
		return step_locate(s, r->mounts_at[at]);
	ret->locks[ret->n_locks++] = lock;
	ret->caches[at] = keep(ret, folder);
	for (size_t i = 0; i < r->n_mounts && m.sharing != MOUNT_PRIVATE; i++)
		if (ids[i] && rn_streq(ids[i], ids[at]) && r->mounts[i].sharing != MOUNT_PRIVATE)
			ret->caches[i] = ret->caches[at];
	return 0;
}

/* By name, whatever the order of the mounts: two steps that both want a and b never wait for each other. */
static int open_caches(struct step *s, const struct run_spec *r, struct rootfs_step *place, struct run_mounts *ret)
{
	RN_AUTO(rn_freep) const char **ids = rn_alloc((r->n_mounts + 1) * sizeof(char *));
	for (size_t i = 0; i < r->n_mounts; i++)
		ids[i] = r->mounts[i].type == MOUNT_CACHE ? cache_id(ret, r, &r->mounts[i]) : NULL;
	for (;;) {
		size_t next = r->n_mounts;
		for (size_t i = 0; i < r->n_mounts; i++)
			if (ids[i] && !ret->caches[i] && (next == r->n_mounts || strcmp(ids[i], ids[next]) < 0))
				next = i;
		if (next == r->n_mounts)
			return 0;
		if (open_cache(s, r, place, next, ids, ret) < 0)
			return -1;
	}
}

static int missing(const struct step *s, const struct run_mount *m, struct df_at at, const char *param, const char *how)
{
	if (!m->required)
		return 0;
	step_fail(s, at, RN_ENOTFOUND, "the pipeline gives no %s \"%s\", which this step requires", mount_type_name(m->type), m->id);
	return rn_hint(s->err, "add `%s: {%s: %s}` to the stage, or drop required", param, m->id, how);
}

static int add_secret(struct step *s, const struct run_mount *m, struct df_at at, const struct run_spec *r, struct run_mounts *ret)
{
	struct rn_buf *value = &ret->secrets[ret->n_secrets];
	int rc = run_secret_find(s->b->host, s->b->stage, s->b->params->secrets.text, m->id, value, s->err);
	if (rc < 0)
		return step_locate(s, at);
	if (rc == 0)
		return missing(s, m, at, "secrets", "{file: PATH}");
	ret->n_secrets++;
	secret_guard_add(s->b, rn_buf_str(value));
	if (m->env)
		rn_strv_addf(&ret->env, "%s=%s", m->env, rn_buf_str(value));
	if (!m->target)
		return 0;
	run_mounts_file(ret, target_of(ret, r, m->target), rn_buf_str(value), value->len, m->has_mode ? m->mode : 0400);
	ret->files[ret->n_files - 1].uid = m->uid;
	ret->files[ret->n_files - 1].gid = m->gid;
	return 0;
}

static int add_ssh(struct step *s, const struct run_mount *m, struct df_at at, const struct run_spec *r, struct rootfs_step *place,
		   struct run_mounts *ret)
{
	RN_AUTO(rn_freep) char *agent = build_ssh_agent(s->b, m->id);
	if (!agent)
		return missing(s, m, at, "ssh", "SOCKET");
	RN_AUTO(rn_freep) char *usual = rn_asprintf("/run/buildkit/ssh_agent.%zu", ret->n_agents);
	const char *target = target_of(ret, r, m->target ? m->target : usual);
	RN_AUTO(rn_freep) char *folder = rootfs_step_folder(place, "ssh", s->err);
	RN_AUTO(rn_freep) char *socket = folder ? rn_path_join(folder, "agent") : NULL;
	struct run_ssh *ssh = socket ? run_ssh_start(agent, socket, s->err) : NULL;
	if (!ssh)
		return step_locate(s, at);
	ret->agents[ret->n_agents++] = ssh;
	const struct unpack_dir facts = { .mode = m->has_mode ? m->mode : 0600, .uid = m->uid, .gid = m->gid };
	if (rootfs_own(place->rootfs, socket, &facts, s->err) < 0)
		return step_locate(s, at);
	if (ret->n_agents == 1 && !run_spec_env(r, "SSH_AUTH_SOCK")) /* as BuildKit: of several the first, and ENV may name another */
		rn_strv_addf(&ret->env, "SSH_AUTH_SOCK=%s", target);
	ret->binds[ret->n_binds++] = (struct sandbox_bind){ .source = keep(ret, rn_take(&socket)), .target = target, .writable = true };
	return 0;
}

static int add_mount(struct step *s, size_t number, const struct run_spec *r, struct rootfs_step *place, struct run_mounts *ret)
{
	const struct run_mount *m = &r->mounts[number];
	struct df_at at = r->mounts_at[number];
	const char *target = m->target ? target_of(ret, r, m->target) : NULL;
	if (target && rn_streq(target, "/"))
		return step_fail(s, at, RN_EINVAL, "--mount: the target cannot be the root of the image");
	if (target)
		rn_strv_add(&ret->targets, target);
	switch (m->type) {
	case MOUNT_BIND:
		return add_bind(s, m, at, place, target, ret);
	case MOUNT_CACHE:
		ret->binds[ret->n_binds++] = (struct sandbox_bind){ .source = ret->caches[number], .target = target, .writable = !m->readonly };
		return 0;
	case MOUNT_TMPFS:
		ret->tmpfs[ret->n_tmpfs++] = (struct sandbox_tmpfs){ .target = target, .size = m->size };
		return 0;
	case MOUNT_SECRET:
		return add_secret(s, m, at, r, ret);
	case MOUNT_SSH:
		return add_ssh(s, m, at, r, place, ret);
	}
	return -1;
}

int run_mounts_make(struct step *s, const struct run_spec *r, struct rootfs_step *place, struct run_mounts *ret)
{
	size_t n = r->n_mounts;
	ret->binds = rn_alloc((n + 1) * sizeof(*ret->binds));
	ret->files = rn_alloc((n + FILES_MAX) * sizeof(*ret->files));
	ret->tmpfs = rn_alloc((n + 1) * sizeof(*ret->tmpfs));
	ret->secrets = rn_alloc((n + 1) * sizeof(*ret->secrets));
	ret->locks = rn_alloc((n + 1) * sizeof(*ret->locks));
	ret->agents = rn_alloc((n + 1) * sizeof(struct run_ssh *));
	ret->caches = rn_alloc((n + 1) * sizeof(char *));
	if (open_caches(s, r, place, ret) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (add_mount(s, i, r, place, ret) < 0)
			return step_locate(s, r->mounts_at[i]);
	return 0;
}

void run_mounts_clear(struct run_mounts *m)
{
	for (size_t i = 0; i < m->n_agents; i++)
		run_ssh_stop(m->agents[i]);
	for (size_t i = 0; i < m->n_locks; i++)
		rn_closep(&m->locks[i]);
	for (size_t i = 0; i < m->n_secrets; i++) {
		rn_wipe(m->secrets[i].p, m->secrets[i].len);
		rn_buf_clear(&m->secrets[i]);
	}
	for (size_t i = 0; i < m->env.n; i++)
		rn_wipe(m->env.v[i], strlen(m->env.v[i]));
	rn_strv_clear(&m->env);
	rn_strv_clear(&m->paths);
	rn_strv_clear(&m->targets);
	free(m->caches);
	free(m->binds);
	free(m->files);
	free(m->tmpfs);
	free(m->secrets);
	free(m->locks);
	free(m->agents);
	*m = (struct run_mounts){ 0 };
}
