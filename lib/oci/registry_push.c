/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs and manifests to a registry: looked for first, mounted where possible, resumed after a cut. */
#include "registry_upload.h"

#include "base/fs.h"
#include "layout.h"

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

int registry_has_blob(struct registry *r, const struct reference *ref, const struct digest *d, struct rn_error *err)
{
	RN_AUTO(endpoint_clear) struct endpoint to = { 0 };
	return registry_endpoint(r, reference_api_host(ref), &to, err) < 0 ? -1 : upload_has_blob(r, &to, ref, d, err);
}

static int push_one(void *ctx, size_t i, struct rn_error *err)
{
	struct push *p = ctx;
	const struct descriptor *d = &p->blobs[i];
	struct rn_error own = { 0 };
	int there = upload_has_blob(p->r, &p->to, p->ref, &d->digest, &own);
	if (there) {
		if (there < 0)
			*err = own;
		else
			registry_tell(p->r, REGISTRY_PRESENT, true, d, d->size, NULL);
		return there < 0 ? -1 : 0;
	}
	struct upload u = { .r = p->r, .ref = p->ref, .to = &p->to, .blob = d, .fd = -1 };
	int rc = 0;
	for (size_t k = 0; k < p->n_mount && rc == 0; k++) {
		rn_freep(&u.location);
		rc = upload_begin(&u, p->mount_from[k], &own);
	}
	if (rc == 1)
		registry_tell(p->r, REGISTRY_MOUNTED, true, d, d->size, NULL);
	if (rc != 1) {
		/* a refused mount is no reason to stop: it is an upload then */
		uint64_t size = 0;
		u.fd = blob_store_open_blob(p->store, &d->digest, &size, err);
		rc = u.fd < 0 ? -1 : size != d->size ? rn_fail(err, RN_EINVAL, "blob %s has %llu bytes, its manifest says %llu", d->digest.text, (unsigned long long)size, (unsigned long long)d->size)
						    : upload_run(&u, err);
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

int registry_put_manifest(struct registry *r, const struct reference *ref, const char *target, const char *media_type, const void *data,
			  size_t n, bool *ret_subject, struct rn_error *err)
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
	*ret_subject = http_headers_get(&a.headers, "OCI-Subject") != NULL;
	return 0;
}

int registry_push_manifest(struct registry *r, const struct reference *ref, const char *target, const char *media_type, const void *data,
			   size_t n, struct digest *ret, struct rn_error *err)
{
	bool subject;
	if (registry_put_manifest(r, ref, target, media_type, data, n, &subject, err) < 0)
		return -1;
	if (ret)
		*ret = digest_of(data, n);
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
