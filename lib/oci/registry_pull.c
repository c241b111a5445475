/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and blobs from a registry or its mirrors, verified; downloads go on where they were cut off. */
#include "registry_internal.h"

#include "base/fs.h"
#include "base/time.h"
#include "config.h"
#include "http/retry.h"
#include "http/url.h"
#include "layout.h"

#include <string.h>
#include <unistd.h>

#define ACCEPT_MANIFESTS                                                                            \
	MEDIA_OCI_INDEX ", " MEDIA_DOCKER_LIST ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_MANIFEST
#define REDIRECTS 5

/* ---- where to ask: mirrors first -------------------------------------------------------- */

struct endpoints {
	struct endpoint v[16];
	size_t n;
};

static void endpoints_clear(struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		endpoint_clear(&e->v[i]);
}

/* "HOST=URL" entries of that host, then the host itself. */
static int endpoints_for(struct registry *r, const struct reference *ref, bool direct, struct endpoints *ret, struct rn_error *err)
{
	size_t len = strlen(ref->registry);
	for (size_t i = 0; !direct && i < r->mirrors.n && ret->n + 1 < RN_LEN(ret->v); i++) {
		const char *m = r->mirrors.v[i];
		RN_AUTO(url_clear) struct url u = { 0 };
		if (strncmp(m, ref->registry, len) != 0 || m[len] != '=')
			continue;
		if (url_parse(m + len + 1, &u, err) < 0)
			return rn_wrap(err, "mirror of %s", ref->registry);
		struct endpoint *e = &ret->v[ret->n++];
		e->base = url_format(&u);
		while (rn_ends(e->base, "/"))
			e->base[strlen(e->base) - 1] = '\0';
		e->host = url_authority(&u);
		e->insecure = url_is_loopback(&u) || rn_strv_has(&r->insecure, e->host);
	}
	return registry_endpoint(r, reference_api_host(ref), &ret->v[ret->n++], err);
}

/* Tries each endpoint in turn until `ask` succeeds; the last one's error counts. `direct`: no mirrors. */
static int each_endpoint(struct registry *r, const struct reference *ref, bool direct,
			 int (*ask)(struct registry *r, const struct endpoint *to, const struct reference *ref, void *ctx,
				    struct rn_error *err),
			 void *ctx, struct rn_error *err)
{
	RN_AUTO(endpoints_clear) struct endpoints all = { 0 };
	struct rn_error own = { 0 };
	if (endpoints_for(r, ref, direct, &all, &own) < 0) {
		if (err)
			*err = own;
		return -1;
	}
	for (size_t i = 0; i < all.n; i++) {
		if (ask(r, &all.v[i], ref, ctx, &own) == 0)
			return 0;
		bool more = i + 1 < all.n && own.code != RN_ECANCELLED;
		if (more) {
			RN_AUTO(rn_freep) char *text = rn_asprintf("mirror %s: %s", all.v[i].base, own.msg);
			registry_tell(r, REGISTRY_RETRY, false, NULL, 0, text);
		} else {
			if (err)
				*err = own;
			return -1;
		}
	}
	return -1;
}

/* ---- manifests ---------------------------------------------------------------------------- */

struct manifest_ask {
	bool head;
	struct descriptor *ret;
	struct rn_buf *body;
	bool incomplete; /* HEAD: the answer lacks what a descriptor needs */
};

static char *media_type_of(const struct http_response *a)
{
	const char *type = http_headers_get(&a->headers, "Content-Type");
	return type ? rn_trim(rn_strndup(type, strcspn(type, ";"))) : NULL;
}

/* The digest must be what was asked for, what the registry says, and what the bytes are. */
static int verify_manifest(const struct http_response *a, const struct reference *ref, struct digest *ret, struct rn_error *err)
{
	const char *said = http_headers_get(&a->headers, "Docker-Content-Digest");
	struct digest claimed = { 0 };
	const struct digest *want = digest_is_set(&ref->digest) ? &ref->digest : NULL;
	if (said && digest_parse(said, &claimed, err) < 0)
		return rn_wrap(err, "Docker-Content-Digest");
	struct digester *h = digester_new(want ? want : said ? &claimed : NULL);
	digester_update(h, rn_buf_str(&a->body), a->body.len);
	*ret = digester_peek(h);
	digester_free(h);
	if (want && !digest_equal(want, ret))
		return rn_fail(err, RN_EREMOTE, "the registry sent a manifest of digest %s for %s", ret->text, want->text);
	if (said && strcmp(digest_algorithm(&claimed), digest_algorithm(ret)) == 0 && !digest_equal(&claimed, ret))
		return rn_fail(err, RN_EREMOTE, "the registry says digest %s, the manifest has %s", said, ret->text);
	return 0;
}

static int ask_manifest(struct registry *r, const struct endpoint *to, const struct reference *ref, void *ctx, struct rn_error *err)
{
	struct manifest_ask *m = ctx;
	RN_AUTO(rn_freep) char *path = rn_asprintf("/manifests/%s", reference_target(ref)), *type = NULL;
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct registry_call c = { .to = to, .repository = ref->repository, .path = path };
	c.http.method = m->head ? "HEAD" : "GET";
	c.http.max_body = MANIFEST_SIZE_MAX;
	c.http.max_redirects = REDIRECTS;
	http_headers_add(&c.http.headers, "Accept", ACCEPT_MANIFESTS);
	int rc = registry_call(r, &c, &a, err);
	http_headers_clear(&c.http.headers);
	if (rc < 0)
		return rn_wrap(err, "%s", ref->registry);
	if (a.status != 200)
		return registry_refused(&a, "manifest of", ref, err);
	struct digest d = { 0 };
	type = media_type_of(&a);
	if (m->head) {
		const char *said = http_headers_get(&a.headers, "Docker-Content-Digest"), *length = http_headers_get(&a.headers, "Content-Length");
		int64_t size = 0;
		m->incomplete = !said || !type || digest_parse(said, &d, NULL) < 0 || !length || rn_parse_int(length, 1, INT64_MAX, &size, NULL) < 0;
		if (!m->incomplete)
			descriptor_init(m->ret, type, &d, (uint64_t)size);
		return 0;
	}
	if (verify_manifest(&a, ref, &d, err) < 0)
		return -1;
	struct manifest parsed = { 0 };
	if (manifest_parse(rn_buf_str(&a.body), a.body.len, type, &parsed, err) < 0)
		return -1;
	descriptor_init(m->ret, parsed.media_type, &d, a.body.len);
	manifest_clear(&parsed);
	rn_buf_clear(m->body);
	*m->body = a.body;
	a.body = (struct rn_buf){ 0 };
	return 0;
}

int registry_manifest(struct registry *r, const struct reference *ref, struct descriptor *ret, struct rn_buf *ret_body,
		      struct rn_error *err)
{
	struct manifest_ask m = { .ret = ret, .body = ret_body };
	return each_endpoint(r, ref, false, ask_manifest, &m, err);
}

int registry_resolve(struct registry *r, const struct reference *ref, struct descriptor *ret, struct rn_error *err)
{
	struct manifest_ask m = { .head = true, .ret = ret };
	if (each_endpoint(r, ref, false, ask_manifest, &m, err) < 0)
		return -1;
	if (!m.incomplete)
		return 0;
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	return registry_manifest(r, ref, ret, &body, err);
}

/* ---- images ---------------------------------------------------------------------------------- */

void registry_image_clear(struct registry_image *i)
{
	reference_clear(&i->ref);
	descriptor_clear(&i->top);
	descriptor_clear(&i->descriptor);
	manifest_clear(&i->manifest);
	rn_json_freep(&i->config);
}

/* The manifest from the store when the digest is known and there, else from the registry (and then stored). */
static int fetch_manifest(struct registry *r, const struct reference *ref, struct blob_store *store, struct descriptor *ret,
			  struct manifest *ret_manifest, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf body = RN_BUF_INIT;
	if (digest_is_set(&ref->digest) && blob_store_has(store, &ref->digest, NULL) &&
	    blob_store_read(store, &ref->digest, MANIFEST_SIZE_MAX, &body, NULL) == 0 &&
	    manifest_parse(rn_buf_str(&body), body.len, NULL, ret_manifest, NULL) == 0) {
		descriptor_init(ret, ret_manifest->media_type, &ref->digest, body.len);
		return 0;
	}
	if (registry_manifest(r, ref, ret, &body, err) < 0)
		return -1;
	if (manifest_parse(rn_buf_str(&body), body.len, ret->media_type, ret_manifest, err) < 0)
		return -1;
	RN_AUTO(blob_writer_abortp) struct blob_writer *w = blob_writer_new(store, &ret->digest, err);
	if (!w || blob_writer_write(w, rn_buf_str(&body), body.len, err) < 0)
		return -1;
	return blob_writer_commit(rn_take(&w), NULL, NULL, err);
}

/* From an index to the platform's manifest; `image` is left with the image manifest. */
static int descend(struct registry *r, struct registry_image *image, const struct platform *platform, struct blob_store *store,
		   struct rn_error *err)
{
	for (int depth = 0; image->manifest.kind == MANIFEST_INDEX; depth++) {
		const struct descriptor *child = depth < 4 ? manifest_choose(&image->manifest, platform, err) : NULL;
		if (!child)
			return depth < 4 ? -1 : rn_fail(err, RN_ELIMIT, "indexes are nested too deep");
		RN_AUTO(reference_clear) struct reference ref = { 0 };
		reference_copy(&image->ref, &ref);
		ref.digest = child->digest;
		struct descriptor d = { 0 };
		struct manifest m = { 0 };
		if (fetch_manifest(r, &ref, store, &d, &m, err) < 0) {
			descriptor_clear(&d);
			manifest_clear(&m);
			return -1;
		}
		descriptor_clear(&image->descriptor);
		manifest_clear(&image->manifest);
		image->descriptor = d;
		image->manifest = m;
	}
	return 0;
}

int registry_image(struct registry *r, const struct reference *ref, const struct platform *platform, struct blob_store *store,
		   struct registry_image *ret, struct rn_error *err)
{
	struct registry_image image = { 0 };
	RN_AUTO(rn_freep) char *name = reference_familiar(ref);
	RN_AUTO(rn_buf_clear) struct rn_buf config = RN_BUF_INIT;
	reference_copy(ref, &image.ref);
	if (fetch_manifest(r, ref, store, &image.descriptor, &image.manifest, err) < 0)
		goto failed;
	descriptor_copy(&image.descriptor, &image.top);
	if (descend(r, &image, platform, store, err) < 0 ||
	    registry_pull_blobs(r, ref, &image.manifest.config, 1, store, err) < 0 ||
	    blob_store_read(store, &image.manifest.config.digest, CONFIG_SIZE_MAX, &config, err) < 0)
		goto failed;
	image.config = config_parse(rn_buf_str(&config), config.len, err);
	if (image.config) {
		*ret = image;
		return 0;
	}
failed:
	registry_image_clear(&image);
	return rn_wrap(err, "%s", name);
}

/* ---- blobs --------------------------------------------------------------------------------------- */

/* A download that may take several requests: what is behind `got` is hashed and handed on once. */
struct download {
	struct registry *r;
	const struct descriptor *blob;
	struct digester *hash;
	uint64_t got;   /* handed on                                    */
	uint64_t skip;  /* bytes of this answer that were handed on before */
	bool too_long;
	int (*sink)(void *ctx, const void *data, size_t n);
	void *ctx;
};

static int on_status(void *ctx, int status, const struct http_headers *headers)
{
	struct download *d = ctx;
	(void)headers;
	d->skip = status == 206 ? 0 : d->got; /* a registry without ranges starts over */
	return 0;
}

static int on_data(void *ctx, const void *data, size_t n)
{
	struct download *d = ctx;
	const char *p = data;
	size_t drop = d->skip < n ? (size_t)d->skip : n;
	d->skip -= drop;
	p += drop;
	n -= drop;
	if (d->got + n > d->blob->size) {
		d->too_long = true;
		return -1;
	}
	if (n && d->sink(d->ctx, p, n) < 0)
		return -1;
	digester_update(d->hash, p, n);
	d->got += n;
	registry_tell(d->r, REGISTRY_MOVING, false, d->blob, d->got, NULL);
	return 0;
}

/* One request for the rest. 0: answered and read to its end; 1: cut off, may go on; -1. */
static int download_once(struct download *d, const struct endpoint *to, const struct reference *ref, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("/blobs/%s", d->blob->digest.text);
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct registry_call c = { .to = to, .repository = ref->repository, .path = path };
	uint64_t before = d->got;
	c.http.sink = on_data;
	c.http.sink_ctx = d;
	c.http.on_headers = on_status;
	c.http.on_headers_ctx = d;
	c.http.max_redirects = REDIRECTS;
	c.resumes = true;
	if (d->got)
		http_headers_addf(&c.http.headers, "Range", "bytes=%llu-", (unsigned long long)d->got);
	int rc = registry_call(d->r, &c, &a, err);
	http_headers_clear(&c.http.headers);
	if (rc == 0 && a.status != 200 && a.status != 206)
		return registry_refused(&a, "blob of", ref, err);
	if (rc == 0)
		return 0;
	if (d->too_long)
		return rn_fail(err, RN_EREMOTE, "the registry sent more than the %llu bytes of the blob", (unsigned long long)d->blob->size);
	if (err->code == RN_ECANCELLED || err->code == RN_EAUTH || (!err->retryable && d->got == before))
		return -1;
	return d->got > before || err->retryable ? 1 : -1;
}

static int ask_blob(struct registry *r, const struct endpoint *to, const struct reference *ref, void *ctx, struct rn_error *err)
{
	struct download *d = ctx;
	for (unsigned attempt = 0;; attempt++) {
		int rc = download_once(d, to, ref, err);
		if (rc < 0)
			return -1;
		if (rc == 0 && d->got == d->blob->size)
			return 0;
		if (attempt + 1 >= REGISTRY_ATTEMPTS(r)) {
			if (rc == 0)
				rn_fail(err, RN_EREMOTE, "the blob ends after %llu of %llu bytes", (unsigned long long)d->got,
					(unsigned long long)d->blob->size);
			return -1;
		}
		RN_AUTO(rn_freep) char *text = rn_asprintf("%.19s was cut off at %llu of %llu bytes, goes on", d->blob->digest.text,
							  (unsigned long long)d->got, (unsigned long long)d->blob->size);
		registry_tell(r, REGISTRY_RETRY, false, d->blob, d->got, text);
		if (rn_sleep_ms(rn_backoff_ms(attempt, 200, 5000), r->options.cancel_fd) < 0)
			return rn_fail(err, RN_ECANCELLED, "stopped");
	}
}

/* *ret_lied: all bytes came, and they are others. */
static int read_blob(struct registry *r, const struct reference *ref, const struct descriptor *blob, bool direct,
		     int (*sink)(void *ctx, const void *data, size_t n), void *ctx, bool *ret_lied, struct rn_error *err)
{
	*ret_lied = false;
	struct download d = { .r = r, .blob = blob, .hash = digester_new(&blob->digest), .sink = sink, .ctx = ctx };
	int rc = each_endpoint(r, ref, direct, ask_blob, &d, err);
	struct digest have = digester_peek(d.hash);
	digester_free(d.hash);
	if (rc < 0)
		return rn_wrap(err, "blob %.19s", blob->digest.text);
	*ret_lied = !digest_equal(&have, &blob->digest);
	if (*ret_lied)
		return rn_fail(err, RN_EREMOTE, "the registry sent other bytes for blob %s: they have digest %s", blob->digest.text, have.text);
	registry_tell(r, REGISTRY_DONE, false, blob, blob->size, NULL);
	return 0;
}

int registry_read_blob(struct registry *r, const struct reference *ref, const struct descriptor *blob,
		       int (*sink)(void *ctx, const void *data, size_t n), void *ctx, struct rn_error *err)
{
	bool lied;
	return read_blob(r, ref, blob, false, sink, ctx, &lied, err);
}

struct pull {
	struct registry *r;
	const struct reference *ref;
	const struct descriptor *blobs;
	struct blob_store *store;
};

struct into_store {
	struct blob_writer *w;
	struct rn_error err;
};

static int write_blob(void *ctx, const void *data, size_t n)
{
	struct into_store *s = ctx;
	return blob_writer_write(s->w, data, n, &s->err);
}

static int pull_one(void *ctx, size_t i, struct rn_error *err)
{
	struct pull *p = ctx;
	const struct descriptor *d = &p->blobs[i];
	if (blob_store_has(p->store, &d->digest, NULL)) {
		registry_tell(p->r, REGISTRY_PRESENT, false, d, d->size, NULL);
		return 0;
	}
	RN_AUTO(rn_closep) int lock = blob_store_lock(p->store, &d->digest, err);
	if (lock < 0)
		return -1;
	if (blob_store_has(p->store, &d->digest, NULL)) /* another process was faster */
		return 0;
	struct into_store s = { .w = blob_writer_new(p->store, &d->digest, err) };
	if (!s.w)
		return -1;
	bool lied;
	int rc = read_blob(p->r, p->ref, d, false, write_blob, &s, &lied, err);
	if (rc < 0 && lied && p->r->mirrors.n && blob_writer_rewind(s.w, err) == 0) { /* a mirror may be, the registry itself is not */
		registry_tell(p->r, REGISTRY_RETRY, false, d, 0, "a mirror sent other bytes, the registry itself is asked");
		rc = read_blob(p->r, p->ref, d, true, write_blob, &s, &lied, err);
	}
	if (rc < 0) {
		blob_writer_abort(s.w);
		if (s.err.code != RN_OK && err) /* the disk, not the registry */
			*err = s.err;
		return -1;
	}
	return blob_writer_commit(s.w, NULL, NULL, err);
}

int registry_pull_blobs(struct registry *r, const struct reference *ref, const struct descriptor *blobs, size_t n,
			struct blob_store *store, struct rn_error *err)
{
	struct pull p = { r, ref, blobs, store };
	return registry_parallel(r, n, pull_one, &p, err);
}
