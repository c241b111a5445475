/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What touches files of other ids: done here as root, and as a plain user by runner-rootfs in a user namespace
 * (the machine's own root with the ids of the sandbox).
 */
#include "rootfs_internal.h"

#include "rootfs_plain.h"
#include "rootfs_wire.h"

#include "base/fs.h"
#include "base/time.h"
#include "oci/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)1 << 20)

bool rootfs_remote(const struct rootfs *r)
{
	return r->host.rung == SANDBOX_MAPPED || r->host.rung == SANDBOX_SINGLE_ID;
}

static void collect(void *data, int stream, const char *bytes, size_t n)
{
	struct rn_buf *out = data;
	if (stream == 1)
		rn_buf_add(&out[0], bytes, n);
	else
		rn_buf_add(&out[1], bytes, n);
}

static int request_fd(const cJSON *request, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(request);
	RN_AUTO(rn_closep) int fd = memfd_create("request", MFD_CLOEXEC);
	if (fd < 0 || rn_write_full(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return rn_fail(err, RN_EIO, "hand over a request: %m");
	return rn_take_fd(&fd);
}

static int run_program(struct rootfs *r, int request, struct rn_buf out[2], struct rn_error *err)
{
	const char *libexec = r->b->host->info(r->b->stage, RUNNER_INFO_LIBEXEC);
	RN_AUTO(rn_freep) char *program = rn_path_join(libexec ? libexec : "", "runner-rootfs");
	const char *argv[] = { program, NULL }, *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	struct sandbox_spec s = SANDBOX_SPEC_INIT;
	s.host = &r->host;
	s.rootfs = "/";
	s.argv = argv;
	s.env = env;
	s.keep_caps = true;
	s.stdin_fd = request;
	const struct sandbox_io io = { .output = collect, .data = out, .cancel_fd = build_cancel_fd(r->b) };
	struct sandbox_status status;
	if (sandbox_run(&s, &io, &status, err) < 0)
		return -1;
	return status.code == 0 ? 0 : rn_fail(err, RN_EINTERNAL, "runner-rootfs ended with %d: %s", status.code, rn_buf_str(&out[1]));
}

/* Consumes the request. The answer is the caller's; NULL with the error, also the one that the answer holds. */
static cJSON *ask(struct rootfs *r, cJSON *request, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = request_fd(request, err);
	struct rn_buf out[2];
	cJSON *answer = NULL;
	cJSON_Delete(request);
	rn_buf_init(&out[0], ANSWER_MAX);
	rn_buf_init(&out[1], ANSWER_MAX);
	if (fd >= 0 && run_program(r, fd, out, err) == 0)
		answer = rn_json_parse(rn_buf_str(&out[0]), out[0].len, err);
	if (answer && wire_check(answer, err) < 0) {
		cJSON_Delete(answer);
		answer = NULL;
	}
	rn_buf_clear(&out[0]);
	rn_buf_clear(&out[1]);
	return answer;
}

static int ask_only(struct rootfs *r, cJSON *request, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *answer = ask(r, request, err);
	return answer ? 0 : -1;
}

int rootfs_unpack(struct rootfs *r, const struct unpack_job *j, struct rn_error *err)
{
	if (!rootfs_remote(r))
		return unpack_run(j, err);
	if (ask_only(r, wire_unpack(j), err) == 0)
		return 0;
	if (err && r->host.rung == SANDBOX_MAPPED && strstr(err->msg, "Invalid argument"))
		rn_hint(err, "the image has files of users beyond the %llu that exist here: give this user more ids in /etc/subuid and "
			     "/etc/subgid", (unsigned long long)r->host.ids);
	return -1;
}

int rootfs_diff(struct rootfs *r, const struct diff_job *j, const struct fs_state *state, struct layer_result *ret,
		bool *ret_empty, struct rn_error *err)
{
	if (!rootfs_remote(r))
		return diff_any(j, ret, ret_empty, err);
	RN_AUTO(rn_freep) struct digest *layers = rn_alloc((state->n_layers + 1) * sizeof(*layers));
	RN_AUTO(rn_freep) struct digest *diff_ids = rn_alloc((state->n_layers + 1) * sizeof(*diff_ids));
	for (size_t i = 0; i < state->n_layers; i++) {
		layers[i] = state->layers[i].digest;
		if (config_diff_id(state->config, i, &diff_ids[i], err) < 0)
			return -1;
	}
	RN_AUTO(rn_json_freep) cJSON *answer = ask(r, wire_diff(j, layers, diff_ids, state->n_layers), err);
	return answer ? wire_diff_result(answer, j->options.compression, ret, ret_empty, err) : -1;
}

int rootfs_scan(struct rootfs *r, const char *root, const char *to, struct rn_error *err)
{
	return rootfs_remote(r) ? ask_only(r, wire_scan(root, to), err) : plain_scan(root, to, err);
}

int rootfs_mkdir(struct rootfs *r, const char *path, const struct unpack_dir *facts, struct rn_error *err)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return rn_fail(err, RN_EIO, "make %s: %m", path);
	return rootfs_own(r, path, facts, err);
}

int rootfs_own(struct rootfs *r, const char *path, const struct unpack_dir *facts, struct rn_error *err)
{
	bool ours = r->host.rung == SANDBOX_SINGLE_ID || (facts->uid == 0 && facts->gid == 0);
	if (rootfs_remote(r) && !ours)
		return ask_only(r, wire_own(path, facts), err);
	/* what we make is root's inside */
	if ((!rootfs_remote(r) && chown(path, facts->uid, facts->gid) < 0) || chmod(path, facts->mode & 07777) < 0)
		return rn_fail(err, RN_EIO, "set the owner and mode of %s: %m", path);
	return 0;
}

void rootfs_remove(struct rootfs *r, const char *path)
{
	if (rn_remove_tree(path, NULL) < 0 && rootfs_remote(r))
		ask_only(r, wire_remove(path), NULL);
}

void rootfs_discard(struct rootfs *r, const char *steps, const char *path)
{
	char id[25];
	RN_AUTO(rn_freep) char *gone = rn_asprintf("%s/gone-%s", steps, rn_random_hex(12, id));
	rootfs_remove(r, rename(path, gone) == 0 ? gone : path);
}
