/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include "registry_internal.h"

#include "base/json.h"
#include "base/time.h"
#include "http/retry.h"
#include "http/url.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PARALLEL_DEFAULT 4
#define PARALLEL_MAX 32

static void free_challenge(void *p)
{
	if (p)
		challenge_clear(p);
	free(p);
}

struct registry *registry_new(const struct registry_options *o)
{
	struct registry *r = rn_alloc(sizeof(*r));
	r->options = *o;
	for (size_t i = 0; i < o->n_insecure; i++)
		rn_strv_add(&r->insecure, o->insecure[i]);
	for (size_t i = 0; i < o->n_mirrors; i++)
		rn_strv_add(&r->mirrors, o->mirrors[i]);
	r->ca_file = rn_strdup(o->ca_file);
	r->auth = o->auth;
	if (!r->auth)
		r->auth = r->own_auth = registry_auth_new(NULL);
	pthread_mutex_init(&r->lock, NULL);
	rn_map_init(&r->bases, free);
	rn_map_init(&r->challenges, free_challenge);
	struct http_options h = HTTP_OPTIONS_INIT;
	h.cancel_fd = o->cancel_fd;
	h.ca_file = r->ca_file;
	h.http1 = true; /* one connection a blob: HTTP/2 would share one window among the layers */
	r->http = http_client_new(&h);
	h.insecure = true;
	r->http_insecure = http_client_new(&h);
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	http_client_free(r->http);
	http_client_free(r->http_insecure);
	registry_auth_free(r->own_auth);
	rn_strv_clear(&r->insecure);
	rn_strv_clear(&r->mirrors);
	rn_freep(&r->ca_file);
	rn_map_clear(&r->bases);
	rn_map_clear(&r->challenges);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void registry_freep(struct registry **r)
{
	registry_free(*r);
	*r = NULL;
}

void registry_tell(struct registry *r, enum registry_step step, bool push, const struct descriptor *blob, uint64_t done,
		   const char *text)
{
	struct registry_event e = { step, push, blob, done, blob ? blob->size : 0, text };
	if (!r->options.event)
		return;
	pthread_mutex_lock(&r->lock);
	r->options.event(r->options.ctx, &e);
	pthread_mutex_unlock(&r->lock);
}

bool registry_cancelled(const struct registry *r)
{
	struct pollfd p = { .fd = r->options.cancel_fd, .events = POLLIN };
	return p.fd >= 0 && poll(&p, 1, 0) > 0;
}

/* ---- endpoints --------------------------------------------------------------------- */

void endpoint_clear(struct endpoint *e)
{
	rn_freep(&e->base);
	rn_freep(&e->host);
}

static bool is_loopback(const char *host)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("http://%s/", host);
	RN_AUTO(url_clear) struct url u = { 0 };
	return url_parse(text, &u, NULL) == 0 && url_is_loopback(&u);
}

/* Does `base` answer GET /v2/ as a registry does? */
static bool answers(struct registry *r, const char *base)
{
	RN_AUTO(rn_freep) char *url = rn_asprintf("%s/v2/", base);
	RN_AUTO(http_response_clear) struct http_response a = { 0 };
	struct http_request q = { .url = url, .timeout_ms = 15000, .max_body = 1 << 20 };
	return http_send(r->http_insecure, &q, &a, NULL) == 0 && a.status != 400;
}

/* http for a loopback host that speaks it; for a host that was named insecure whichever answers, TLS first. */
static char *probe(struct registry *r, const char *host, bool loopback)
{
	RN_AUTO(rn_freep) char *plain = rn_asprintf("http://%s", host), *tls = rn_asprintf("https://%s", host);
	bool use_plain = loopback ? answers(r, plain) || !answers(r, tls) : !answers(r, tls) && answers(r, plain);
	return use_plain ? rn_take(&plain) : rn_take(&tls);
}

int registry_endpoint(struct registry *r, const char *host, struct endpoint *ret, struct rn_error *err)
{
	bool loopback = is_loopback(host), insecure = rn_strv_has(&r->insecure, host);
	if (registry_cancelled(r))
		return rn_fail(err, RN_ECANCELLED, "stopped");
	ret->host = rn_strdup(host);
	ret->insecure = loopback || insecure;
	pthread_mutex_lock(&r->lock);
	char *base = rn_strdup(rn_map_get(&r->bases, host));
	pthread_mutex_unlock(&r->lock);
	if (!base) {
		base = ret->insecure ? probe(r, host, loopback) : rn_asprintf("https://%s", host);
		pthread_mutex_lock(&r->lock);
		rn_map_set(&r->bases, host, rn_strdup(base));
		pthread_mutex_unlock(&r->lock);
	}
	ret->base = base;
	return 0;
}

/* ---- requests ------------------------------------------------------------------------ */

int registry_refused(const struct http_response *a, const char *what, const struct reference *ref, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *name = reference_familiar(ref);
	RN_AUTO(rn_buf_clear) struct rn_buf text = { .max = 2048 };
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(rn_buf_str(&a->body), a->body.len, NULL);
	const cJSON *e;
	cJSON_ArrayForEach(e, rn_json_get(j, "errors")) {
		const char *code = rn_json_str(e, "code"), *message = rn_json_str(e, "message");
		const cJSON *detail = rn_json_get(e, "detail");
		rn_buf_addf(&text, "%s%s%s%s", text.len ? "; " : ": ", code ? code : "", code && message ? ": " : "", message ? message : "");
		if (detail && !cJSON_IsNull(detail)) {
			RN_AUTO(rn_freep) char *d = cJSON_IsString(detail) ? rn_strdup(detail->valuestring) : rn_json_print(detail);
			rn_buf_addf(&text, " (%s)", d);
		}
	}
	if (!text.len && a->body.len)
		rn_buf_addf(&text, ": %.300s", rn_buf_str(&a->body));
	enum rn_code code = a->status == 404 ? RN_ENOTFOUND : a->status == 401 || a->status == 403 ? RN_EAUTH : RN_EREMOTE;
	rn_fail(err, code, "%s %s: the registry answered %d%s", what, name, a->status, rn_buf_str(&text));
	if (err)
		err->retryable = http_transient(a->status);
	if (a->status == 429)
		rn_hint(err, "the registry limits how often it may be asked: log in, or use a mirror");
	return -1;
}

static void scopes_of(const struct registry_call *c, struct rn_strv *ret)
{
	rn_strv_addf(ret, "repository:%s:%s", c->repository, c->push ? "pull,push" : "pull");
	if (c->also_pull)
		rn_strv_addf(ret, "repository:%s:pull", c->also_pull);
}

static struct http_client *client_of(struct registry *r, const struct registry_call *c)
{
	return c->to->insecure ? r->http_insecure : r->http;
}

/* The challenge that a host gave before, copied; false: none yet. */
static bool known_challenge(struct registry *r, const char *host, struct challenge *ret)
{
	pthread_mutex_lock(&r->lock);
	const struct challenge *c = rn_map_get(&r->challenges, host);
	if (c)
		*ret = (struct challenge){ rn_strdup(c->scheme), rn_strdup(c->realm), rn_strdup(c->service), NULL, NULL };
	pthread_mutex_unlock(&r->lock);
	return c != NULL;
}

static void note_challenge(struct registry *r, const char *host, const struct challenge *c)
{
	struct challenge *copy = rn_alloc(sizeof(*copy));
	*copy = (struct challenge){ rn_strdup(c->scheme), rn_strdup(c->realm), rn_strdup(c->service), NULL, NULL };
	pthread_mutex_lock(&r->lock);
	rn_map_set(&r->challenges, host, copy);
	pthread_mutex_unlock(&r->lock);
}

/* Puts the Authorization header in, when there is something to offer and the URL is the registry's own. */
static int authorise(struct registry *r, struct registry_call *c, const char *url, const struct challenge *ch, bool renew, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv scopes = { 0 };
	RN_AUTO(rn_freep) char *value = NULL;
	RN_AUTO(url_clear) struct url to = { 0 }, base = { 0 };
	http_headers_remove(&c->http.headers, "Authorization");
	if (url_parse(url, &to, err) < 0 || url_parse(c->to->base, &base, err) < 0)
		return -1;
	if (!url_same_origin(&to, &base))
		return 0; /* an upload on another host carries its own permission */
	scopes_of(c, &scopes);
	if (registry_auth_answer(r->auth, client_of(r, c), c->to->host, c->repository, ch, &scopes, renew, &value, err) < 0)
		return -1;
	if (value)
		http_headers_add(&c->http.headers, "Authorization", value);
	return 0;
}

/* Sends once; on 401 answers the challenge and sends once more (twice: a cached token may have run out). */
static int send_authorised(struct registry *r, struct registry_call *c, const char *url, struct http_response *ret, struct rn_error *err)
{
	RN_AUTO(challenge_clear) struct challenge ch = { 0 };
	bool known = known_challenge(r, c->to->host, &ch);
	if (authorise(r, c, url, known ? &ch : NULL, false, err) < 0)
		return -1;
	for (int tries = 0;; tries++) {
		bool offered = http_headers_get(&c->http.headers, "Authorization") != NULL;
		if (http_send(client_of(r, c), &c->http, ret, err) < 0)
			return -1;
		if (ret->status != 401 || tries == 2)
			return 0;
		challenge_clear(&ch);
		if (!challenge_parse(&ret->headers, &ch))
			return 0;
		note_challenge(r, c->to->host, &ch);
		if (authorise(r, c, url, &ch, offered, err) < 0)
			return -1;
		if (!http_headers_get(&c->http.headers, "Authorization") || (offered && strcmp(ch.scheme, "basic") == 0))
			return 0;
		if (c->http.body == HTTP_BODY_PULL && (!c->http.rewind || c->http.rewind(c->http.pull_ctx) < 0))
			return 0;
	}
}

/* Without the query, which may hold what only this registry is to see. */
static void tell_retry(struct registry *r, const struct registry_call *c, unsigned attempt, int64_t delay_ms, const char *reason)
{
	char wait[32];
	const char *path = c->path ? c->path : "/blobs/uploads/";
	RN_AUTO(rn_freep) char *text = rn_asprintf("%s %s%.*s: try %u failed (%s), the next in %s", c->http.method ? c->http.method : "GET",
						   c->repository ? c->repository : "", (int)strcspn(path, "?"), path, attempt, reason,
						   rn_format_duration(delay_ms, wait, sizeof(wait)));
	registry_tell(r, REGISTRY_RETRY, c->push, NULL, 0, text);
}

int registry_call(struct registry *r, struct registry_call *c, struct http_response *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *url = c->http.url ? rn_strdup(c->http.url) : rn_asprintf("%s/v2/%s%s", c->to->base, c->repository, c->path);
	struct http_retry policy = HTTP_RETRY_INIT;
	policy.attempts = c->once ? 1 : REGISTRY_ATTEMPTS(r);
	policy.cancel_fd = r->options.cancel_fd;
	c->http.url = url;
	int rc;
	for (unsigned attempt = 1;; attempt++) {
		rc = send_authorised(r, c, url, ret, err);
		bool again = rc < 0 ? err && err->retryable && !c->resumes : http_transient(ret->status);
		int64_t delay = again ? http_retry_delay_ms(&policy, attempt, rc < 0 ? NULL : ret) : -1;
		if (delay < 0)
			break;
		RN_AUTO(rn_freep) char *reason = rc < 0 ? rn_strdup(err->msg) : rn_asprintf("status %d", ret->status);
		tell_retry(r, c, attempt, delay, reason);
		if (rn_sleep_ms(delay, r->options.cancel_fd) < 0) {
			rc = rn_fail(err, RN_ECANCELLED, "stopped");
			break;
		}
	}
	c->http.url = NULL;
	http_headers_remove(&c->http.headers, "Authorization");
	if (!c->http.headers.n) /* so that a caller without headers of its own has nothing to free */
		http_headers_clear(&c->http.headers);
	return rc;
}

/* ---- in parallel ----------------------------------------------------------------------- */

struct pool {
	int (*work)(void *ctx, size_t i, struct rn_error *err);
	void *ctx;
	size_t n;
	atomic_size_t next;
	atomic_bool failed;
	pthread_mutex_t lock;
	struct rn_error *err; /* the first */
};

static void *pool_thread(void *arg)
{
	struct pool *p = arg;
	for (size_t i; !p->failed && (i = atomic_fetch_add(&p->next, 1)) < p->n;) {
		struct rn_error err = { 0 };
		if (p->work(p->ctx, i, &err) == 0)
			continue;
		pthread_mutex_lock(&p->lock);
		if (!p->failed && p->err)
			*p->err = err;
		p->failed = true;
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

int registry_parallel(struct registry *r, size_t n, int (*work)(void *ctx, size_t i, struct rn_error *err), void *ctx,
		      struct rn_error *err)
{
	struct pool p = { .work = work, .ctx = ctx, .n = n, .lock = PTHREAD_MUTEX_INITIALIZER, .err = err };
	pthread_t threads[PARALLEL_MAX];
	size_t want = r->options.parallel ? r->options.parallel : PARALLEL_DEFAULT, started = 0;
	want = want > PARALLEL_MAX ? PARALLEL_MAX : want > n ? n : want;
	while (started + 1 < want && pthread_create(&threads[started], NULL, pool_thread, &p) == 0)
		started++;
	pool_thread(&p); /* this thread works too */
	while (started)
		pthread_join(threads[--started], NULL);
	return p.failed ? -1 : 0;
}
