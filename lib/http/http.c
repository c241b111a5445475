/* SPDX-License-Identifier: Apache-2.0 */
/* The client: a pool of lanes (connection pool + handle) for its threads, and redirects. */
#include "http.h"

#include "base/mem.h"
#include "base/str.h"
#include "exchange.h"
#include "libcurl.h"
#include "url.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_IDLE_LANES 16
#define DEFAULT_CONNECT_MS 10000
#define DEFAULT_IDLE_MS 60000

struct http_client {
	struct http_settings settings;
	pthread_mutex_t lock;
	struct http_lane *idle;
	size_t n_idle;
};

void http_response_clear(struct http_response *r)
{
	http_headers_clear(&r->headers);
	rn_buf_clear(&r->body);
	rn_freep(&r->url);
	*r = (struct http_response){ 0 };
}

static void lane_free(struct http_lane *l)
{
	if (!l)
		return;
	curl_easy_cleanup(l->easy);
	curl_multi_cleanup(l->multi);
	free(l);
}

static struct http_lane *lane_get(struct http_client *c, struct rn_error *err)
{
	pthread_mutex_lock(&c->lock);
	struct http_lane *l = c->idle;
	if (l) {
		c->idle = l->next;
		c->n_idle--;
	}
	pthread_mutex_unlock(&c->lock);
	if (l)
		return l;
	if (http_library_load(err) < 0)
		return NULL;
	l = rn_alloc(sizeof(*l));
	l->multi = curl_multi_init();
	l->easy = curl_easy_init();
	if (!l->multi || !l->easy) {
		lane_free(l);
		rn_fail(err, RN_EIO, "libcurl could not start");
		return NULL;
	}
	curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, 8L);
	return l;
}

static void lane_put(struct http_client *c, struct http_lane *l)
{
	pthread_mutex_lock(&c->lock);
	bool keep = c->n_idle < MAX_IDLE_LANES;
	if (keep) {
		l->next = c->idle;
		c->idle = l;
		c->n_idle++;
	}
	pthread_mutex_unlock(&c->lock);
	if (!keep)
		lane_free(l);
}

struct http_client *http_client_new(const struct http_options *o)
{
	static const struct http_options none = HTTP_OPTIONS_INIT;
	if (!o)
		o = &none;
	const char *ca_file = o->ca_file ? o->ca_file : getenv("SSL_CERT_FILE");
	struct http_client *c = rn_alloc(sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->settings = (struct http_settings){
		.cancel_fd = o->cancel_fd,
		.connect_timeout_ms =
			o->connect_timeout_ms ? o->connect_timeout_ms : DEFAULT_CONNECT_MS,
		.idle_timeout_ms = o->idle_timeout_ms ? o->idle_timeout_ms : DEFAULT_IDLE_MS,
		.ca_file = rn_strdup(ca_file && *ca_file ? ca_file : NULL),
		.ca_path = rn_strdup(o->ca_file ? NULL : getenv("SSL_CERT_DIR")),
		.user_agent = rn_strdup(o->user_agent ? o->user_agent : "runner/" RUNNER_VERSION),
		.proxy = rn_strdup(o->proxy),
		.insecure = o->insecure,
		.http1 = o->http1,
	};
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	while (c->idle) {
		struct http_lane *l = c->idle;
		c->idle = l->next;
		lane_free(l);
	}
	rn_freep(&c->settings.ca_file);
	rn_freep(&c->settings.ca_path);
	rn_freep(&c->settings.user_agent);
	rn_freep(&c->settings.proxy);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void http_client_freep(struct http_client **c)
{
	http_client_free(*c);
	*c = NULL;
}

/* ---- redirects ---------------------------------------------------------------- */

/* Where the request stands after the redirects so far. */
struct journey {
	char *url;
	char *method;
	struct http_headers headers;
	bool with_body;
};

static void journey_clear(struct journey *j)
{
	rn_freep(&j->url);
	rn_freep(&j->method);
	http_headers_clear(&j->headers);
}

static void drop_credentials(struct http_headers *h)
{
	for (size_t i = h->n; i-- > 0;) {
		const char *n = h->v[i].name;
		if (!strcasecmp(n, "Authorization") || !strcasecmp(n, "Cookie") ||
		    !strcasecmp(n, "Host") || !strcasecmp(n, "Proxy-Authorization") ||
		    !strncasecmp(n, "X-Amz-", 6) || !strcasecmp(n, "X-Api-Key")) {
			RN_AUTO(rn_freep) char *name = rn_strdup(n);
			http_headers_remove(h, name);
			i = h->n;
		}
	}
}

static void become_get(struct journey *j)
{
	rn_freep(&j->method);
	j->method = rn_strdup("GET");
	j->with_body = false;
	http_headers_remove(&j->headers, "Content-Type");
	http_headers_remove(&j->headers, "Content-Length");
}

static int rewind_body(const struct http_request *q, struct rn_error *err)
{
	if (q->body != HTTP_BODY_PULL)
		return 0;
	if (!q->rewind || q->rewind(q->pull_ctx) < 0)
		return rn_fail(err, RN_EREMOTE,
			       "redirected, but the request's body cannot be sent a second time");
	return 0;
}

static int next_hop(struct journey *j, const struct http_request *q, const struct http_response *r,
		    struct rn_error *err)
{
	RN_AUTO(url_clear) struct url from = { 0 };
	RN_AUTO(url_clear) struct url to = { 0 };
	RN_AUTO(rn_freep)
	char *url = url_resolve(j->url, http_headers_get(&r->headers, "Location"), err);
	if (!url || url_parse(j->url, &from, err) < 0 || url_parse(url, &to, err) < 0)
		return -1;
	if (rn_streq(from.scheme, "https") && rn_streq(to.scheme, "http"))
		return rn_fail(err, RN_EREMOTE,
			       "%s redirects to unencrypted %s://%s, which is not followed", j->url,
			       to.scheme, to.host);
	if (!url_same_origin(&from, &to))
		drop_credentials(&j->headers);
	bool post = rn_streq(j->method, "POST");
	if ((r->status == 303 && !rn_streq(j->method, "HEAD")) ||
	    (post && (r->status == 301 || r->status == 302)))
		become_get(j);
	if (j->with_body && rewind_body(q, err) < 0)
		return -1;
	rn_freep(&j->url);
	j->url = rn_take(&url);
	return 0;
}

static int send_along(struct http_client *c, struct http_lane *lane, const struct http_request *q,
		      struct http_response *ret, struct rn_error *err)
{
	RN_AUTO(journey_clear) struct journey j = {
		.url = rn_strdup(q->url),
		.method = rn_strdup(q->method ? q->method : "GET"),
		.with_body = q->body != HTTP_BODY_NONE,
	};
	http_headers_copy(&j.headers, &q->headers);
	for (int hop = 0;; hop++) {
		struct http_target t = { .method = j.method,
					 .url = j.url,
					 .headers = &j.headers,
					 .with_body = j.with_body,
					 .follow = hop < q->max_redirects };
		if (http_exchange(lane, &c->settings, q, &t, ret, err) < 0)
			return -1;
		if (!http_is_redirect(ret->status) ||
		    !http_headers_get(&ret->headers, "Location") || q->max_redirects == 0)
			return 0;
		if (hop == q->max_redirects)
			return rn_fail(err, RN_EREMOTE, "%s: more than %d redirects", q->url,
				       q->max_redirects);
		if (next_hop(&j, q, ret, err) < 0)
			return -1;
		bool sent = ret->sent_any;
		http_response_clear(ret);
		ret->sent_any = sent;
	}
}

int http_send(struct http_client *c, const struct http_request *q, struct http_response *ret,
	      struct rn_error *err)
{
	http_response_clear(ret);
	struct http_lane *lane = lane_get(c, err);
	if (!lane)
		return -1;
	int rc = send_along(c, lane, q, ret, err);
	lane_put(c, lane);
	if (rc < 0) {
		bool sent = ret->sent_any;
		http_response_clear(ret);
		ret->sent_any = sent;
	}
	return rc;
}

int http_get(struct http_client *c, const char *url, struct http_response *ret,
	     struct rn_error *err)
{
	struct http_request q = { .url = url, .max_redirects = 5 };
	if (http_send(c, &q, ret, err) < 0)
		return -1;
	if (ret->status < 200 || ret->status > 299) {
		rn_fail(err, ret->status == 404 ? RN_ENOTFOUND : RN_EREMOTE,
			"GET %s answered HTTP %d", url, ret->status);
		http_response_clear(ret);
		return -1;
	}
	return 0;
}
