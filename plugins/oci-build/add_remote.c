/* SPDX-License-Identifier: Apache-2.0 */
/* ADD of a URL: downloaded into scratch space, its digest checked, mode 0600. */
#include "copy_job.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/time.h"
#include "http/http.h"
#include "http/retry.h"
#include "oci/layer_reader.h"

#include <string.h>
#include <unistd.h>

bool add_is_git(const char *text)
{
	static const char *const schemes[] = { "git://", "ssh://", "git@" };
	for (size_t i = 0; i < RN_LEN(schemes); i++)
		if (rn_starts(text, schemes[i]))
			return true;
	if (!rn_starts(text, "http://") && !rn_starts(text, "https://"))
		return false;
	RN_AUTO(rn_freep) char *path = rn_strndup(text, strcspn(text, "?#"));
	return rn_ends(path, ".git");
}

bool add_is_url(const char *text)
{
	return (rn_starts(text, "http://") || rn_starts(text, "https://")) && !add_is_git(text);
}

struct download {
	struct copy_job *j;
	int fd;
	struct digester *hash;
	uint64_t size;
};

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

static int fetch(struct download *d, const char *url, int64_t *ret_mtime)
{
	const struct build *b = d->j->s->b;
	struct rn_error *err = d->j->s->err;
	const struct http_options o = { .cancel_fd = b->host->cancel_fd(b->stage) };
	RN_AUTO(http_client_freep) struct http_client *c = http_client_new(&o, err);
	RN_AUTO(http_response_clear) struct http_response r = { 0 };
	struct http_request q = { .url = url, .sink = sink, .sink_ctx = d, .progress = on_progress, .progress_ctx = d,
				  .max_redirects = 10 };
	struct http_retry retry = HTTP_RETRY_INIT;
	retry.cancel_fd = o.cancel_fd;
	if (!c || http_send_retry(c, &q, &retry, &r, err) < 0)
		return rn_wrap(err, "ADD %s", url);
	if (r.status / 100 != 2)
		return rn_fail(err, r.status == 404 ? RN_ENOTFOUND : RN_EREMOTE, "ADD %s: the server answered %d", url, r.status);
	const char *modified = http_headers_get(&r.headers, "Last-Modified");
	int64_t ms;
	*ret_mtime = modified && rn_parse_http_date(modified, &ms, NULL) == 0 ? ms / 1000 : b->epoch;
	return 0;
}

static int check_digest(struct download *d, const char *url, const struct digest *want)
{
	struct digest have = digester_peek(d->hash);
	if (!digest_is_set(want) || digest_equal(&have, want))
		return 0;
	rn_fail(d->j->s->err, RN_EINVAL, "ADD %s: --checksum wants %s, but the file has %s", url, want->text, have.text);
	return rn_hint(d->j->s->err, "the file changed, or the checksum is of another version");
}

static int enter_file(struct copy_job *j, const struct download *d, const char *url, int64_t mtime)
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
				 .uid = owner.uid, .gid = owner.gid, .mtime = mtime, .size = d->size };
	struct draft_content content = { .fd = d->fd };
	return layer_draft_add(j->draft, &e, &content, NULL, j->s->err);
}

int add_remote(struct copy_job *j, const char *url, const char *checksum, bool unpack)
{
	struct digest want = { 0 };
	int64_t mtime = 0;
	if (checksum && digest_parse(checksum, &want, j->s->err) < 0)
		return rn_wrap(j->s->err, "--checksum");
	struct download d = { .j = j, .fd = copy_scratch(j) };
	if (d.fd < 0)
		return -1;
	RN_AUTO(digester_freep) struct digester *hash = digester_new(digest_is_set(&want) ? &want : NULL);
	d.hash = hash;
	if (fetch(&d, url, &mtime) < 0 || check_digest(&d, url, &want) < 0)
		return -1;
	if (unpack) {
		if (lseek(d.fd, 0, SEEK_SET) < 0)
			return rn_fail(j->s->err, RN_EIO, "scratch space: %m");
		if (layer_is_archive(d.fd))
			return add_archive(j, d.fd);
	}
	return enter_file(j, &d, url, mtime);
}
