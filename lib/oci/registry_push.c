/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs and manifests to a registry: looked for first, mounted where possible, resumed after a cut. */
#include "registry_internal.h"

#include "base/fs.h"
#include "base/time.h"
#include "http/retry.h"
#include "http/url.h"
#include "layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a push of several blobs shares. */
struct push {
	struct registry *r;
	const struct reference *ref;
	struct endpoint to;
	struct blob_store *store;
	const struct descriptor *blobs;
	const char *const *mount_from;
	size_t n_mount;
};

static int has_blob(struct registry *r, const struct endpoint *to, const struct reference *ref, const struct digest *d, struct rn_error *err)
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

int registry_has_blob(struct registry *r, const struct reference *ref, const struct digest *d, struct rn_error *err)
{
	RN_AUTO(endpoint_clear) struct endpoint to = { 0 };
	return registry_endpoint(r, reference_api_host(ref), &to, err) < 0 ? -1 : has_blob(r, &to, ref, d, err);
}

/* ---- one upload ------------------------------------------------------------------------- */

struct upload {
	struct push *p;
	const struct descriptor *blob;
	int fd;
	char *location; /* where it goes on; NULL: no session */
	uint64_t offset; /* what the registry has             */
};

/* Location of an answer as an absolute URL. */
static int take_location(struct upload *u, const struct http_response *a, struct rn_error *err)
{
	const char *location = http_headers_get(&a->headers, "Location");
	if (!location)
		return rn_fail(err, RN_EREMOTE, "the registry started an upload without a Location");
	char *url = url_resolve(a->url ? a->url : u->p->to.base, location, err);
	if (!url)
		return rn_wrap(err, "Location of an upload");
	rn_freep(&u->location);
	u->location = url;
	return 0;
}

/* Starts a session, or mounts. 1: mounted, 0: session begun, -1. */
static int begin(struct upload *u, const char *mount_from, struct rn_error *err)
{
	struct push *p = u->p;
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	RN_AUTO(rn_freep) char *from = mount_from ? rn_replace(mount_from, "/", "%2F") : NULL;
	RN_AUTO(rn_freep) char *path = mount_from ? rn_asprintf("/blobs/uploads/?mount=%s&from=%s", u->blob->digest.text, from)
						 : rn_strdup("/blobs/uploads/");
	struct registry_call c = { .to = &p->to, .repository = p->ref->repository, .path = path, .push = true, .also_pull = mount_from };
	c.http.method = "POST";
	c.http.body = HTTP_BODY_MEMORY;
	c.http.data = "";
	if (registry_call(p->r, &c, &a, err) < 0)
		return -1;
	if (a.status == 201 && mount_from)
		return 1;
	if (a.status != 202)
		return registry_refused(&a, "upload to", p->ref, err);
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
		registry_tell(u->p->r, REGISTRY_MOVING, true, u->blob, u->offset + sent, NULL);
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

/* PATCHes one piece at u->offset. */
static int send_chunk(struct upload *u, uint64_t n, struct http_response *ret, struct rn_error *err)
{
	struct registry_call c = { .to = &u->p->to, .repository = u->p->ref->repository, .push = true };
	c.http.method = "PATCH";
	c.http.url = u->location;
	body_from_file(u, &c, n);
	http_headers_addf(&c.http.headers, "Content-Range", "%llu-%llu", (unsigned long long)u->offset, (unsigned long long)(u->offset + n - 1));
	int rc = registry_call(u->p->r, &c, ret, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return -1;
	if (ret->status != 202)
		return registry_refused(ret, "upload to", u->p->ref, err);
	u->offset += n;
	return take_location(u, ret, err);
}

/* PUTs the rest (all of it, or nothing after chunks) and closes the session. */
static int send_last(struct upload *u, struct http_response *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *url = rn_asprintf("%s%cdigest=%s", u->location, strchr(u->location, '?') ? '&' : '?', u->blob->digest.text);
	struct registry_call c = { .to = &u->p->to, .repository = u->p->ref->repository, .push = true };
	c.http.method = "PUT";
	c.http.url = url;
	body_from_file(u, &c, u->blob->size - u->offset);
	int rc = registry_call(u->p->r, &c, ret, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return -1;
	return ret->status == 201 || ret->status == 204 ? 0 : registry_refused(ret, "upload to", u->p->ref, err);
}

/* Asks how much of a cut-off upload arrived. A session that is gone (404) starts over. */
static int find_offset(struct upload *u, struct rn_error *err)
{
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct registry_call c = { .to = &u->p->to, .repository = u->p->ref->repository, .push = true };
	c.http.url = u->location;
	if (registry_call(u->p->r, &c, &a, err) < 0)
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
	if (u->offset > u->blob->size)
		rn_freep(&u->location);
	return http_headers_get(&a.headers, "Location") && u->location ? take_location(u, &a, err) : 0;
}

/* Sends what the registry lacks. After a cut only chunks can go on, so the rest goes as PATCH and an empty PUT. */
static int send_rest(struct upload *u, bool resumed, struct rn_error *err)
{
	uint64_t step = u->p->r->options.chunk_size;
	if (!step && resumed && u->offset)
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

static int upload_blob(struct upload *u, struct rn_error *err)
{
	struct registry *r = u->p->r;
	for (unsigned attempt = 0;; attempt++) {
		if (!u->location && begin(u, NULL, err) < 0)
			return -1;
		if (send_rest(u, attempt > 0, err) == 0)
			return 0;
		if (!can_go_on(err) || attempt + 1 >= REGISTRY_ATTEMPTS(r))
			return -1;
		registry_tell(r, REGISTRY_RETRY, true, u->blob, u->offset, err->msg);
		if (rn_sleep_ms(rn_backoff_ms(attempt, 200, 10000), r->options.cancel_fd) < 0)
			return rn_fail(err, RN_ECANCELLED, "stopped");
		/* the last try may have arrived although its answer did not */
		int there = has_blob(r, &u->p->to, u->p->ref, &u->blob->digest, err);
		if (there != 0)
			return there < 0 ? -1 : 0;
		if (find_offset(u, err) < 0)
			return -1;
	}
}

static int push_one(void *ctx, size_t i, struct rn_error *err)
{
	struct push *p = ctx;
	const struct descriptor *d = &p->blobs[i];
	struct rn_error own = { 0 };
	int there = has_blob(p->r, &p->to, p->ref, &d->digest, &own);
	if (there) {
		if (there < 0)
			*err = own;
		else
			registry_tell(p->r, REGISTRY_PRESENT, true, d, d->size, NULL);
		return there < 0 ? -1 : 0;
	}
	struct upload u = { .p = p, .blob = d, .fd = -1 };
	int rc = 0;
	for (size_t k = 0; k < p->n_mount && rc == 0; k++) {
		rn_freep(&u.location);
		rc = begin(&u, p->mount_from[k], &own);
	}
	if (rc == 1)
		registry_tell(p->r, REGISTRY_MOUNTED, true, d, d->size, NULL);
	if (rc != 1) {
		/* a refused mount is no reason to stop: it is an upload then */
		uint64_t size = 0;
		u.fd = blob_store_open_blob(p->store, &d->digest, &size, err);
		rc = u.fd < 0 ? -1 : size != d->size ? rn_fail(err, RN_EINVAL, "blob %s has %llu bytes, its manifest says %llu", d->digest.text, (unsigned long long)size, (unsigned long long)d->size)
						    : upload_blob(&u, err);
		if (rc == 0)
			registry_tell(p->r, REGISTRY_DONE, true, d, d->size, NULL);
	}
	rn_closep(&u.fd);
	rn_freep(&u.location);
	return rc < 0 ? rn_wrap(err, "blob %.19s", d->digest.text) : 0;
}

int registry_push_blobs(struct registry *r, const struct reference *ref, struct blob_store *store, const struct descriptor *blobs, size_t n,
			const char *const *mount_from, size_t n_mount, struct rn_error *err)
{
	struct push p = { .r = r, .ref = ref, .store = store, .blobs = blobs, .mount_from = mount_from, .n_mount = n_mount };
	int rc = registry_endpoint(r, reference_api_host(ref), &p.to, err);
	if (rc == 0)
		rc = registry_parallel(r, n, push_one, &p, err);
	endpoint_clear(&p.to);
	return rc;
}

/* ---- manifests ------------------------------------------------------------------------------- */

int registry_push_manifest(struct registry *r, const struct reference *ref, const char *target, const char *media_type, const void *data,
			   size_t n, struct digest *ret, struct rn_error *err)
{
	RN_AUTO(endpoint_clear) struct endpoint to = { 0 };
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	RN_AUTO(rn_freep) char *path = rn_asprintf("/manifests/%s", target);
	struct digest own = digest_of(data, n), said = { 0 };
	if (registry_endpoint(r, reference_api_host(ref), &to, err) < 0)
		return -1;
	struct registry_call c = { .to = &to, .repository = ref->repository, .path = path, .push = true };
	c.http.method = "PUT";
	c.http.body = HTTP_BODY_MEMORY;
	c.http.data = data;
	c.http.length = (int64_t)n;
	http_headers_add(&c.http.headers, "Content-Type", media_type);
	int rc = registry_call(r, &c, &a, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return -1;
	if (a.status != 201)
		return registry_refused(&a, "manifest for", ref, err);
	const char *header = http_headers_get(&a.headers, "Docker-Content-Digest");
	if (header && digest_parse(header, &said, NULL) == 0 && strcmp(digest_algorithm(&said), "sha256") == 0 && !digest_equal(&said, &own))
		return rn_fail(err, RN_EREMOTE, "the registry stored manifest %s as %s", own.text, said.text);
	if (ret)
		*ret = own;
	return 0;
}

/* Does `target` stand for this digest already? 1, 0, -1. */
static int has_manifest(struct registry *r, const struct reference *ref, const char *target, const struct digest *d, struct rn_error *err)
{
	RN_AUTO(endpoint_clear) struct endpoint to = { 0 };
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	RN_AUTO(rn_freep) char *path = rn_asprintf("/manifests/%s", target);
	if (registry_endpoint(r, reference_api_host(ref), &to, err) < 0)
		return -1;
	struct registry_call c = { .to = &to, .repository = ref->repository, .path = path, .push = true };
	c.http.method = "HEAD";
	http_headers_add(&c.http.headers, "Accept", MEDIA_OCI_INDEX ", " MEDIA_DOCKER_LIST ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_MANIFEST);
	int rc = registry_call(r, &c, &a, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return -1;
	if (a.status == 404)
		return 0;
	if (a.status != 200)
		return registry_refused(&a, "look for a manifest in", ref, err);
	return rn_streq(http_headers_get(&a.headers, "Docker-Content-Digest"), d->text);
}

struct image_push {
	struct registry *r;
	const struct reference *ref;
	struct blob_store *store;
	const char *const *mount_from;
	size_t n_mount;
};

static int push_tree(const struct image_push *p, const struct descriptor *d, const char *target, int depth, struct rn_error *err);

/* Children of an index, or config and layers of an image. */
static int push_content(const struct image_push *p, const struct manifest *m, int depth, struct rn_error *err)
{
	if (m->kind == MANIFEST_INDEX) {
		for (size_t i = 0; i < m->n_layers; i++)
			if (push_tree(p, &m->layers[i], m->layers[i].digest.text, depth + 1, err) < 0)
				return -1;
		return 0;
	}
	RN_AUTO(rn_freep) struct descriptor *blobs = rn_alloc((m->n_layers + 1) * sizeof(*blobs));
	size_t n = 0;
	for (size_t i = 0; i < m->n_layers; i++)
		if (!media_is_foreign(m->layers[i].media_type))
			blobs[n++] = m->layers[i]; /* borrowed */
	blobs[n++] = m->config;
	return registry_push_blobs(p->r, p->ref, p->store, blobs, n, p->mount_from, p->n_mount, err);
}

static int push_tree(const struct image_push *p, const struct descriptor *d, const char *target, int depth, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	struct manifest m = { 0 };
	if (depth > 4)
		return rn_fail(err, RN_ELIMIT, "indexes are nested too deep");
	if (depth > 0) {
		int there = has_manifest(p->r, p->ref, target, &d->digest, err);
		if (there)
			return there < 0 ? -1 : 0;
	}
	if (blob_store_read(p->store, &d->digest, MANIFEST_SIZE_MAX, &body, err) < 0 ||
	    manifest_parse(rn_buf_str(&body), body.len, d->media_type, &m, err) < 0)
		return -1;
	int rc = push_content(p, &m, depth, err);
	if (rc == 0)
		rc = registry_push_manifest(p->r, p->ref, target, m.media_type, rn_buf_str(&body), body.len, NULL, err);
	manifest_clear(&m);
	return rc;
}

int registry_push_image(struct registry *r, const struct reference *ref, struct blob_store *store, const struct descriptor *d,
			const char *const *tags, size_t n_tags, const char *const *mount_from, size_t n_mount, bool *ret_written,
			struct rn_error *err)
{
	struct image_push p = { r, ref, store, mount_from, n_mount };
	const char *by_digest[] = { d->digest.text };
	bool written = false;
	for (size_t i = 0; i < (n_tags ? n_tags : 1); i++) {
		const char *target = n_tags ? tags[i] : by_digest[0];
		int there = has_manifest(r, ref, target, &d->digest, err);
		if (there < 0)
			return -1;
		if (there)
			continue;
		if (push_tree(&p, d, target, 0, err) < 0)
			return -1;
		written = true;
	}
	if (ret_written)
		*ret_written = written;
	return 0;
}
