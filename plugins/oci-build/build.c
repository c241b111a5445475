/* SPDX-License-Identifier: Apache-2.0 */
#include "build.h"

#include "attest.h"
#include "dockerfile_parser.h"
#include "origin.h"
#include "own_files.h"
#include "rootfs.h"
#include "rootfs_ahead.h"
#include "rootfs_along.h"
#include "secret_guard.h"
#include "step_cache.h"
#include "step_notes.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Stages run in threads, and all that happens in one shall say so: see build_step. */
static _Thread_local char line_mark[96];

void build_log(const struct build *b, unsigned level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char text[4096];
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->host->log(b->stage, level, "%s%s%s", line_mark, *line_mark ? ": " : "", text);
}

void build_step(const struct build *b, const char *number, const char *text, const char *mark)
{
	RN_AUTO(rn_freep) char *name = rn_asprintf("%s %.200s", mark ? mark : number, text);
	name[strcspn(name, "\n")] = '\0';
	build_set_mark(mark);
	b->host->step(b->stage, name);
}

const char *build_mark(void)
{
	return *line_mark ? line_mark : NULL;
}

void build_set_mark(const char *mark)
{
	snprintf(line_mark, sizeof(line_mark), "%.*s", (int)sizeof(line_mark) - 1, mark ? mark : "");
}

/* ---- stopping ------------------------------------------------------------------------ */

/* One descriptor for both reasons to stop, since a request or a program waits for one. */
static int open_cancel(struct build *b, struct rn_error *err)
{
	struct epoll_event e = { .events = EPOLLIN };
	b->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->cancel_fd = epoll_create1(EPOLL_CLOEXEC);
	int host = b->host->cancel_fd(b->stage);
	if (b->stop_fd < 0 || b->cancel_fd < 0 || epoll_ctl(b->cancel_fd, EPOLL_CTL_ADD, b->stop_fd, &e) < 0 ||
	    (host >= 0 && epoll_ctl(b->cancel_fd, EPOLL_CTL_ADD, host, &e) < 0 && errno != EPERM))
		return rn_fail(err, RN_EIO, "watch for cancellation: %m");
	return 0;
}

void build_stop(struct build *b)
{
	b->stopped = true;
	eventfd_write(b->stop_fd, 1);
}

void build_unstop(struct build *b)
{
	eventfd_t ignored;
	eventfd_read(b->stop_fd, &ignored);
	b->stopped = false;
}

static bool stop_asked(void *ctx)
{
	return build_stopped(ctx);
}

bool build_stopped(const struct build *b)
{
	return b->stopped || b->host->cancelled(b->stage);
}

int build_check_cancel(const struct build *b, struct rn_error *err)
{
	return build_stopped(b) ? rn_fail(err, RN_ECANCELLED, "the build was stopped") : 0;
}

char *build_ssh_agent(const struct build *b, const char *id)
{
	const struct runner_map *ssh = &b->params->ssh;
	for (size_t i = 0; i < ssh->n; i++)
		if (rn_streq(ssh->v[i].key, id) && *ssh->v[i].value)
			return rn_path_home(b->host->info(b->stage, RUNNER_INFO_DIR), ssh->v[i].value);
	return NULL;
}

int build_cancel_fd(const struct build *b)
{
	return b->cancel_fd;
}

const char *build_arg(struct build *b, const char *name)
{
	const struct runner_map *args = &b->params->build_args;
	for (size_t i = 0; i < args->n; i++) {
		if (!rn_streq(args->v[i].key, name))
			continue;
		pthread_mutex_lock(&b->lock);
		rn_map_set(&b->used_args, name, b);
		pthread_mutex_unlock(&b->lock);
		return args->v[i].value;
	}
	return NULL;
}

static uint32_t failure_class(enum rn_code code)
{
	switch (code) {
	case RN_EINVAL:
	case RN_ENOTFOUND:
	case RN_EEXISTS:
	case RN_ELIMIT:
		return RUNNER_FAIL_CONFIG;
	case RN_EAUTH:
		return RUNNER_FAIL_AUTH;
	case RN_ENET:
	case RN_ETIMEOUT:
		return RUNNER_FAIL_NETWORK;
	case RN_EREMOTE:
		return RUNNER_FAIL_REMOTE;
	case RN_EIO:
		return RUNNER_FAIL_MACHINE;
	case RN_EUNSUPPORTED:
		return RUNNER_FAIL_UNSUPPORTED;
	case RN_ECANCELLED:
		return RUNNER_FAIL_CANCELLED;
	case RN_OK:
	case RN_EINTERNAL:
		break;
	}
	return RUNNER_FAIL_STAGE;
}

int build_fail(const struct build *b, const struct rn_error *err)
{
	struct runner_failure f = {
		.size = sizeof(f), .cls = failure_class(err->code), .message = err->msg,
		.hint = err->hint[0] ? err->hint : NULL, .retryable = err->retryable,
	};
	if (err->line) {
		f.file = b->source.name;
		f.line = err->line;
		f.column = err->column;
	}
	return b->host->fail(b->stage, &f);
}

/* ---- what a build begins with ----------------------------------------------------- */

static int find_epoch(struct build *b, struct rn_error *err)
{
	b->epoch = b->params->source_date_epoch;
	if (!b->host->is_set(b->stage, "source_date_epoch")) {
		const char *arg = build_arg(b, "SOURCE_DATE_EPOCH");
		const char *env = arg ? arg : getenv("SOURCE_DATE_EPOCH");
		b->epoch = 0;
		if (env && *env && rn_parse_int(env, 0, INT64_C(253402300799), &b->epoch, err) < 0)
			return rn_wrap(err, "SOURCE_DATE_EPOCH");
	}
	if (b->epoch < 0)
		return rn_fail(err, RN_EINVAL, "source_date_epoch is negative");
	rn_iso8601(b->epoch * 1000, false, b->created);
	return 0;
}

/* The Dockerfile: a path inside the context, or an absolute one. */
static int read_dockerfile(struct build *b, char **ret_path, struct rn_error *err)
{
	const char *name = b->params->dockerfile ? b->params->dockerfile : "Dockerfile";
	RN_AUTO(rn_freep) char *path = rn_path_abs(b->context, name);
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (rn_read_file(path, DF_TEXT_MAX, &text, err) < 0) {
		if (err->code == RN_ENOTFOUND)
			rn_hint(err, "`dockerfile` is a path inside `context` (%s), or an absolute path", b->context);
		return -1;
	}
	if (df_source_init(&b->source, path, rn_buf_str(&text), text.len, err) < 0)
		return -1;
	b->file = dockerfile_parse(&b->source, err);
	if (!b->file)
		return -1;
	for (size_t i = 0; i < b->file->n_warnings; i++) {
		const struct df_warning *w = &b->file->warnings[i];
		build_log(b, RUNNER_WARN, "%s:%u:%u: %s", rn_path_base(path), w->at.line, w->at.column, w->text);
	}
	*ret_path = rn_take(&path);
	return 0;
}

/* <Dockerfile>.dockerignore beside the Dockerfile, else .dockerignore of the context. */
static int read_ignore(struct build *b, const char *dockerfile, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *own = rn_asprintf("%s.dockerignore", dockerfile);
	return context_ignore(b, b->context, rn_exists(own) ? own : NULL, &b->ignore, err);
}

/* ---- store and registries ----------------------------------------------------------- */

static void auth_warn(void *ctx, const char *text)
{
	build_log(ctx, RUNNER_WARN, "%s", text);
}

static void auth_secret(void *ctx, const char *value)
{
	const struct build *b = ctx;
	b->host->mask(b->stage, value);
}

static void on_blob(void *ctx, const struct registry_event *e)
{
	const struct build *b = ctx;
	char what[64];
	if (e->blob)
		snprintf(what, sizeof(what), "%s %.12s", e->push ? "push" : "pull", digest_hex(&e->blob->digest));
	else
		snprintf(what, sizeof(what), "%s manifest", e->push ? "push" : "pull");
	if (e->step == REGISTRY_MOVING)
		b->host->progress(b->stage, what, e->done, e->total, "bytes");
	else if (e->step == REGISTRY_RETRY && !e->blob)
		build_log(b, RUNNER_WARN, "%s; trying again", e->text);
	else if (e->step == REGISTRY_RETRY)
		build_log(b, RUNNER_WARN, "%s: %s; trying again", what, e->text);
	else
		build_log(b, RUNNER_DEBUG, "%s: %s", what,
			  e->step == REGISTRY_PRESENT ? "present" : e->step == REGISTRY_MOUNTED ? "mounted" : "done");
}

static int open_store(struct build *b, struct rn_error *err)
{
	const char *cache = b->host->info(b->stage, RUNNER_INFO_CACHE);
	if (!cache)
		return rn_fail(err, RN_EIO, "the host has no cache folder");
	RN_AUTO(rn_freep) char *dir = rn_path_join(cache, "oci");
	b->store = blob_store_open(dir, err);
	if (!b->store)
		return err && err->hint[0] ? -1 : rn_hint(err, "the cache must be a folder that this user can write to: set XDG_CACHE_HOME to one (it is in runner/ below)");
	const struct registry_auth_options auth = { .warn = auth_warn, .secret = auth_secret, .ctx = b };
	b->auth = registry_auth_new(&auth);
	const struct registry_options o = {
		.auth = b->auth, .cancel_fd = build_cancel_fd(b), .insecure = b->params->insecure_registries.v,
		.n_insecure = b->params->insecure_registries.n, .mirrors = b->params->registry_mirrors.v,
		.n_mirrors = b->params->registry_mirrors.n, .event = on_blob, .ctx = b,
	};
	b->registry = registry_new(&o);
	RN_AUTO(rn_freep) char *hashes = rn_path_join(dir, "file-hashes");
	b->hashes = file_hashes_open(hashes, &b->stop);
	b->cache = step_cache_open(b);
	b->notes = rn_alloc(sizeof(*b->notes));
	if (b->params->push && b->params->tags.n)
		b->streams = push_streams_new(b->registry, b->params->tags.v[0]);
	b->streamed = b->layer_options;
	b->streamed.tee = b->streams ? push_streams_tee(b->streams) : NULL;
	return 0;
}

static int layer_settings(struct build *b, struct rn_error *err)
{
	const char *how = b->params->compression ? b->params->compression : "gzip";
	b->layer_options.compression = rn_streq(how, "zstd") ? LAYER_ZSTD : rn_streq(how, "none") ? LAYER_PLAIN : LAYER_GZIP;
	b->layer_options.level = (int)b->params->compression_level;
	b->layer_options.stop = &b->stop;
	int64_t highest = b->layer_options.compression == LAYER_ZSTD ? 19 : b->layer_options.compression == LAYER_GZIP ? 12 : 0;
	if (b->params->compression_level < 0 || b->params->compression_level > highest)
		return rn_fail(err, RN_EINVAL, "compression_level is 0 (default) to %d for %s", (int)highest, how);
	return 0;
}

int build_init(struct build *b, struct runner_stage *stage, const struct runner_host *host,
	       const struct build_params *params, struct rn_error *err)
{
	*b = (struct build){ .stage = stage, .host = host, .params = params, .lock = PTHREAD_MUTEX_INITIALIZER, .tags_lock = PTHREAD_MUTEX_INITIALIZER,
			     .rootfs_lock = PTHREAD_MUTEX_INITIALIZER, .stop_fd = -1, .cancel_fd = -1, .stop = { stop_asked, b } };
	rootfs_along_init(b);
	rn_map_init(&b->used_args, NULL);
	rn_map_init(&b->origins, origin_free);
	rn_map_init(&b->tags, free);
	rn_map_init(&b->materials, free);
	b->context = rn_strdup(params->context ? params->context : host->info(stage, RUNNER_INFO_DIR));
	RN_AUTO(rn_freep) char *dockerfile = NULL;
	if (secret_guard_params(b, err) < 0 || open_cancel(b, err) < 0 || find_epoch(b, err) < 0 || layer_settings(b, err) < 0 ||
	    read_dockerfile(b, &dockerfile, err) < 0 || read_ignore(b, dockerfile, err) < 0)
		return -1;
	secret_guard_gather(b);
	return open_store(b, err);
}

void build_clear(struct build *b)
{
	rootfs_ahead_end(b);
	secret_guard_clear(b);
	rootfs_free(b->rootfs);
	push_streams_free(b->streams);
	step_cache_close(b->cache);
	if (b->notes)
		step_notes_clear(b->notes);
	rn_freep(&b->notes);
	file_hashes_close(b->hashes);
	registry_free(b->registry);
	registry_auth_free(b->auth);
	blob_store_close(b->store);
	rn_map_clear(&b->origins);
	rn_map_clear(&b->tags);
	rn_map_clear(&b->materials);
	artifacts_clear(b);
	rn_map_clear(&b->used_args);
	ignore_clear(&b->ignore);
	dockerfile_free(b->file);
	df_source_clear(&b->source);
	rn_freep(&b->context);
	rn_closep(&b->cancel_fd);
	rn_closep(&b->stop_fd);
	*b = (struct build){ 0 };
}
