/* SPDX-License-Identifier: Apache-2.0 */
#include "registry_upload.h"

#include "base/time.h"
#include "http/retry.h"
#include "http/url.h"

#include <stdio.h>
#include <string.h>

#define AFTER_MAX_MS 120000 /* a longer Retry-After gives up */

int upload_has_blob(struct registry *r, const struct endpoint *to, const struct reference *ref, const struct digest *d, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("/blobs/%s", d->text);
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct registry_call c = { .to = to, .repository = ref->repository, .path = path, .push = true };
	c.http.method = "HEAD";
	c.http.max_redirects = 5;
	if (registry_call(r, &c, &a, err) < 0)
		return -1;
	if (a.status == 200)
		return 1;
	return a.status == 404 ? 0 : registry_refused(&a, "look for a blob in", ref, err);
}

/* Location of an answer as an absolute URL. */
static int take_location(struct upload *u, const struct http_response *a, struct rn_error *err)
{
	const char *location = http_headers_get(&a->headers, "Location");
	if (!location)
		return rn_fail(err, RN_EREMOTE, "the registry started an upload without a Location");
	char *url = url_resolve(a->url ? a->url : u->to->base, location, err);
	if (!url)
		return rn_wrap(err, "Location of an upload");
	rn_freep(&u->location);
	u->location = url;
	return 0;
}

int upload_begin(struct upload *u, const char *mount_from, struct rn_error *err)
{
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	RN_AUTO(rn_freep) char *from = mount_from ? rn_replace(mount_from, "/", "%2F") : NULL;
	RN_AUTO(rn_freep) char *path = mount_from ? rn_asprintf("/blobs/uploads/?mount=%s&from=%s", u->blob->digest.text, from)
						 : rn_strdup("/blobs/uploads/");
	struct registry_call c = { .to = u->to, .repository = u->ref->repository, .path = path, .push = true, .also_pull = mount_from };
	c.http.method = "POST";
	c.http.body = HTTP_BODY_MEMORY;
	c.http.data = "";
	if (registry_call(u->r, &c, &a, err) < 0)
		return -1;
	if (a.status == 201 && mount_from)
		return 1;
	if (a.status != 202) {
		registry_refused(&a, "upload to", u->ref, err);
		return -1;
	}
	u->offset = 0;
	return take_location(u, &a, err);
}

static void on_progress(void *ctx, uint64_t sent, uint64_t to_send, uint64_t got, uint64_t to_get)
{
	struct upload *u = ctx;
	(void)to_send;
	(void)got;
	(void)to_get;
	if (sent)
		registry_tell(u->r, REGISTRY_MOVING, true, u->blob, u->offset + sent, NULL);
}

static void body_from_file(struct upload *u, struct registry_call *c, uint64_t n)
{
	c->http.body = HTTP_BODY_FD;
	c->http.fd = u->fd;
	c->http.offset = (off_t)u->offset;
	c->http.length = (int64_t)n;
	c->http.progress = on_progress;
	c->http.progress_ctx = u;
	c->once = c->http.body_once = true; /* after a cut the registry says where to go on */
	http_headers_set(&c->http.headers, "Content-Type", "application/octet-stream");
}

static int refused(struct upload *u, const struct http_response *a, struct rn_error *err)
{
	u->after_ms = http_retry_after_ms(&a->headers);
	return registry_refused(a, "upload to", u->ref, err);
}

/* PATCHes one piece at u->offset. */
static int send_chunk(struct upload *u, uint64_t n, struct http_response *ret, struct rn_error *err)
{
	struct registry_call c = { .to = u->to, .repository = u->ref->repository, .push = true };
	c.http.method = "PATCH";
	c.http.url = u->location;
	body_from_file(u, &c, n);
	http_headers_addf(&c.http.headers, "Content-Range", "%llu-%llu", (unsigned long long)u->offset, (unsigned long long)(u->offset + n - 1));
	int rc = registry_call(u->r, &c, ret, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return -1;
	if (ret->status != 202)
		return refused(u, ret, err);
	u->offset += n;
	return take_location(u, ret, err);
}

/* PUTs the rest (all of it, or nothing after chunks) and closes the session. */
static int send_last(struct upload *u, struct http_response *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *url = rn_asprintf("%s%cdigest=%s", u->location, strchr(u->location, '?') ? '&' : '?', u->blob->digest.text);
	struct registry_call c = { .to = u->to, .repository = u->ref->repository, .push = true };
	c.http.method = "PUT";
	c.http.url = url;
	body_from_file(u, &c, u->blob->size - u->offset);
	int rc = registry_call(u->r, &c, ret, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return -1;
	return ret->status == 201 || ret->status == 204 ? 0 : refused(u, ret, err);
}

int upload_find_offset(struct upload *u, struct rn_error *err)
{
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct registry_call c = { .to = u->to, .repository = u->ref->repository, .push = true };
	c.http.url = u->location;
	if (registry_call(u->r, &c, &a, err) < 0)
		return -1;
	unsigned long long last = 0;
	const char *range = http_headers_get(&a.headers, "Range");
	if (range && rn_starts(range, "bytes="))
		range += 6;
	if (a.status / 100 != 2 || !range || sscanf(range, "0-%llu", &last) != 1) {
		rn_freep(&u->location); /* forgotten, or it will not say: begin again */
		u->offset = 0;
		return 0;
	}
	u->offset = last ? last + 1 : 0;
	if (u->blob && u->offset > u->blob->size)
		rn_freep(&u->location);
	return http_headers_get(&a.headers, "Location") && u->location ? take_location(u, &a, err) : 0;
}

/* Sends what the registry lacks. After a cut only chunks can go on, so the rest goes as PATCH and an empty PUT. */
static int send_rest(struct upload *u, struct rn_error *err)
{
	uint64_t step = u->r->options.chunk_size;
	if (!step && u->offset)
		step = u->blob->size;
	while (step && u->offset < u->blob->size) {
		uint64_t left = u->blob->size - u->offset;
		RN_AUTO(http_response_clear) struct http_response a = { 0 };
		if (send_chunk(u, left < step ? left : step, &a, err) < 0)
			return -1;
	}
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	return send_last(u, &a, err);
}

/* May the upload go on after this error? Denials and digests that do not fit are final. */
static bool can_go_on(const struct rn_error *err)
{
	return err->retryable || err->code == RN_ENOTFOUND || (err->code == RN_EREMOTE && strstr(err->msg, "answered 416"));
}

int upload_run(struct upload *u, struct rn_error *err)
{
	struct registry *r = u->r;
	for (unsigned attempt = 0;; attempt++) {
		u->after_ms = 0;
		if (!u->location && upload_begin(u, NULL, err) < 0)
			return -1;
		if (send_rest(u, err) == 0)
			return 0;
		if (!can_go_on(err) || attempt + 1 >= REGISTRY_ATTEMPTS(r))
			return -1;
		registry_tell(r, REGISTRY_RETRY, true, u->blob, u->offset, err->msg);
		int64_t wait = u->after_ms > 0 ? u->after_ms : rn_backoff_ms(attempt, 200, 10000);
		if (wait > AFTER_MAX_MS)
			return -1;
		if (rn_sleep_ms(wait, r->options.cancel_fd) < 0)
			return rn_fail(err, RN_ECANCELLED, "stopped");
		/* the last try may have arrived although its answer did not */
		int there = upload_has_blob(r, u->to, u->ref, &u->blob->digest, err);
		if (there != 0)
			return there < 0 ? -1 : 0;
		if (upload_find_offset(u, err) < 0)
			return -1;
	}
}

/* ---- an upload whose end is not known yet ---- */

int upload_pour(struct upload *u, ssize_t (*pull)(void *ctx, void *to, size_t n), void *ctx, struct rn_error *err)
{
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct registry_call c = { .to = u->to, .repository = u->ref->repository, .push = true, .once = true };
	c.http.method = "PATCH";
	c.http.url = u->location;
	c.http.body = HTTP_BODY_PULL;
	c.http.length = -1;
	c.http.pull = pull;
	c.http.pull_ctx = ctx;
	c.http.body_once = true;
	http_headers_set(&c.http.headers, "Content-Type", "application/octet-stream");
	int rc = registry_call(u->r, &c, &a, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return -1;
	return a.status == 202 ? take_location(u, &a, err) : registry_refused(&a, "upload to", u->ref, err);
}

void upload_cancel(struct upload *u)
{
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct registry_call c = { .to = u->to, .repository = u->ref->repository, .push = true, .once = true };
	struct rn_error ignored = { 0 };
	if (!u->location)
		return;
	c.http.method = "DELETE";
	c.http.url = u->location;
	c.http.timeout_ms = 5000;
	registry_call(u->r, &c, &a, &ignored);
	rn_freep(&u->location);
}
