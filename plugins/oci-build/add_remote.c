/* SPDX-License-Identifier: Apache-2.0 */
/* ADD of a URL: downloaded into scratch space, its digest checked, mode 0600. */
#include "copy_job.h"
#include "git_url.h"
#include "provenance.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"
#include "http/http.h"
#include "http/retry.h"
#include "http/url.h"
#include "oci/layer_reader.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool add_is_url(const char *text)
{
	return (rn_starts(text, "http://") || rn_starts(text, "https://")) && !git_url_is(text);
}

struct download {
	struct copy_job *j;
	int fd;
	struct digester *hash;
	uint64_t size;
};

void remote_file_free(void *p)
{
	struct remote_file *f = p;
	if (f)
		rn_closep(&f->fd);
	free(f);
}

static int sink(void *ctx, const void *data, size_t n)
{
	struct download *d = ctx;
	digester_update(d->hash, data, n);
	d->size += n;
	return rn_write_full(d->fd, data, n);
}

static void on_progress(void *ctx, uint64_t sent, uint64_t to_send, uint64_t got, uint64_t to_get)
{
	const struct build *b = ((struct download *)ctx)->j->s->b;
	(void)sent;
	(void)to_send;
	b->host->progress(b->stage, "download", got, to_get, "bytes");
}

/* Last part of the URL's path, decoded; new string, NULL when there is none. */
static char *file_name(const char *url)
{
	const char *path = strstr(url, "://");
	path = path ? strchr(path + 3, '/') : NULL;
	if (!path)
		return NULL;
	RN_AUTO(rn_freep) char *plain = rn_strndup(path, strcspn(path, "?#"));
	RN_AUTO(rn_freep) char *name = rn_percent_decode(rn_path_base(plain), false);
	return *name && !strchr(name, '/') && !rn_streq(name, ".") && !rn_streq(name, "..") ? rn_take(&name) : NULL;
}

/* ---- what a URL gave before: its ETag and what stood behind it ------------------------------- */

static char *memory_path(const struct build *b, const char *url)
{
	struct digest d = digest_of(url, strlen(url));
	return rn_asprintf("%s/urls/%s", blob_store_dir(b->store), digest_hex(&d));
}

/* The ETag (new string) and the file that had it; NULL: none is known. */
static char *recall(const struct build *b, const char *url, struct remote_file *ret)
{
	RN_AUTO(rn_freep) char *path = memory_path(b, url);
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, 16384, NULL);
	const char *etag = rn_json_str(j, "etag"), *digest = rn_json_str(j, "digest");
	if (!etag || !digest || digest_parse(digest, &ret->digest, NULL) < 0)
		return NULL;
	ret->size = (uint64_t)rn_json_int(j, "size", 0);
	ret->mtime = rn_json_int(j, "mtime", 0);
	return rn_strdup(etag);
}

/* A weak ETag does not promise equal bytes. */
static void note(const struct build *b, const char *url, const char *etag, const struct remote_file *f)
{
	struct rn_error ignored = { 0 };
	if (!etag || *etag != '"' || strlen(etag) > 1024)
		return;
	RN_AUTO(rn_freep) char *path = memory_path(b, url);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "etag", etag);
	cJSON_AddStringToObject(j, "digest", f->digest.text);
	cJSON_AddNumberToObject(j, "size", (double)f->size);
	cJSON_AddNumberToObject(j, "mtime", (double)f->mtime);
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	if (rn_mkdirs(dir, 0700, &ignored) == 0)
		rn_write_file(path, text, strlen(text), 0600, &ignored);
}

/* ---- downloading ---------------------------------------------------------------------------------- */

/* Status of the answer, or -1. `etag`: only if it changed. */
static int ask(struct download *d, const char *url, const char *etag, struct http_response *r)
{
	const struct build *b = d->j->s->b;
	struct rn_error *err = d->j->s->err;
	const struct http_options o = { .cancel_fd = build_cancel_fd(b) };
	RN_AUTO(http_client_freep) struct http_client *c = http_client_new(&o);
	struct http_request q = { .url = url, .sink = sink, .sink_ctx = d, .progress = on_progress, .progress_ctx = d,
				  .max_redirects = 10 };
	struct http_retry retry = HTTP_RETRY_INIT;
	retry.cancel_fd = o.cancel_fd;
	if (etag)
		http_headers_add(&q.headers, "If-None-Match", etag);
	int rc = http_send_retry(c, &q, &retry, r, err);
	http_headers_clear(&q.headers);
	return rc < 0 ? rn_wrap(err, "ADD %s", url) : r->status;
}

/* Fetches into f->fd, or finds (304) that the file is as it was. The digest is of `want`'s algorithm when that is set. */
static int fetch(struct copy_job *j, const char *url, const struct digest *want, bool may_keep, struct remote_file *f)
{
	const struct build *b = j->s->b;
	RN_AUTO(http_response_clear) struct http_response r = { 0 };
	RN_AUTO(digester_freep) struct digester *hash = digester_new(digest_is_set(want) ? want : NULL);
	struct remote_file old = { .fd = -1 };
	RN_AUTO(rn_freep) char *etag = may_keep ? recall(b, url, &old) : NULL;
	f->fd = blob_store_scratch(b->store, j->s->err);
	struct download d = { .j = j, .fd = f->fd, .hash = hash };
	int status = d.fd < 0 ? -1 : ask(&d, url, etag, &r);
	if (status < 0)
		return -1;
	if (status == 304 && etag) {
		rn_closep(&f->fd);
		*f = old;
		return 0;
	}
	if (status / 100 != 2)
		return rn_fail(j->s->err, status == 404 ? RN_ENOTFOUND : RN_EREMOTE, "ADD %s: the server answered %d", url, status);
	const char *modified = http_headers_get(&r.headers, "Last-Modified");
	int64_t ms;
	f->mtime = modified && rn_parse_http_date(modified, &ms, NULL) == 0 ? ms / 1000 : b->epoch;
	f->size = d.size;
	f->digest = digester_peek(hash);
	if (!digest_is_set(want))
		note(b, url, http_headers_get(&r.headers, "ETag"), f);
	return 0;
}

/* The file behind the URL, fetched once for a step. In a survey it may be known without being here (fd -1). Borrowed. */
static const struct remote_file *find(struct copy_job *j, const char *url, const struct digest *want)
{
	const struct step *s = j->s;
	struct remote_file *f = s->downloads ? rn_map_get(s->downloads, url) : NULL;
	if (f && (f->fd >= 0 || j->survey))
		return f;
	f = rn_alloc(sizeof(*f));
	*f = (struct remote_file){ .fd = -1 };
	if (j->survey && digest_is_set(want)) {
		f->digest = *want;
	} else if (fetch(j, url, want, j->survey, f) < 0) {
		remote_file_free(f);
		return NULL;
	}
	rn_map_set(s->downloads, url, f);
	return f;
}

static int check_digest(const struct copy_job *j, const struct remote_file *f, const char *url, const struct digest *want)
{
	if (!digest_is_set(want) || digest_equal(&f->digest, want))
		return 0;
	rn_fail(j->s->err, RN_EINVAL, "ADD %s: --checksum wants %s, but the file has %s", url, want->text, f->digest.text);
	return rn_hint(j->s->err, "the file changed, or the checksum is of another version");
}

static int enter_file(struct copy_job *j, const struct remote_file *f, const char *url)
{
	RN_AUTO(rn_freep) char *name = file_name(url);
	if (!name && j->dest_is_folder) {
		rn_fail(j->s->err, RN_EINVAL, "the URL %s names no file", url);
		return rn_hint(j->s->err, "give the file's whole name as the destination");
	}
	RN_AUTO(rn_freep) char *target = copy_target(j, name ? name : "__unnamed__");
	if (!target)
		return -1;
	struct draft_owner owner = copy_owner(j, 0, 0);
	struct layer_entry e = { .path = target, .type = LAYER_FILE, .mode = copy_mode(j, 0600, LAYER_FILE),
				 .uid = owner.uid, .gid = owner.gid, .mtime = f->mtime, .size = f->size };
	struct draft_content content = { .fd = f->fd };
	if (j->survey) { /* the digest stands for the file, which need not be here */
		e.size = strlen(f->digest.text);
		content = (struct draft_content){ .data = f->digest.text, .fd = -1 };
	}
	return layer_draft_add(j->draft, &e, &content, NULL, j->s->err);
}

/* As of git repositories: it would stand in the history of every image. */
static int refuse_user(const char *url, struct rn_error *err)
{
	const char *host = strstr(url, "://") + 3;
	if (!memchr(host, '@', strcspn(host, "/?#")))
		return 0;
	rn_fail(err, RN_EINVAL, "the URL holds a user or a password, which would be in the image's history");
	return rn_hint(err, "fetch it in a RUN with --mount=type=secret, or before the build and COPY it");
}

int add_remote(struct copy_job *j, const char *url, const char *checksum, bool unpack)
{
	struct digest want = { 0 };
	if (refuse_user(url, j->s->err) < 0)
		return -1;
	if (checksum && digest_parse(checksum, &want, j->s->err) < 0)
		return rn_wrap(j->s->err, "--checksum");
	const struct remote_file *f = find(j, url, &want);
	if (!f || check_digest(j, f, url, &want) < 0)
		return -1;
	/* a query often is a permission */
	RN_AUTO(rn_freep) char *shown = url_for_display(url);
	build_material(j->s->b, shown, digest_algorithm(&f->digest), digest_hex(&f->digest));
	if (unpack && !j->survey) {
		if (lseek(f->fd, 0, SEEK_SET) < 0)
			return rn_fail(j->s->err, RN_EIO, "scratch space: %m");
		if (layer_is_archive(f->fd))
			return add_archive(j, f->fd);
	}
	return enter_file(j, f, url);
}
