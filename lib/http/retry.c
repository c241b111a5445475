/* SPDX-License-Identifier: Apache-2.0 */
/* When a request is sent once more, and after what time. */
#include "retry.h"

#include "base/str.h"
#include "base/time.h"

#include <stdio.h>

#define DEFAULT_ATTEMPTS 4
#define DEFAULT_BASE_MS 250
#define DEFAULT_CAP_MS 20000
#define DEFAULT_MAX_AFTER_MS 120000

bool http_transient(int status)
{
	return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
	       status == 503 || status == 504;
}

int64_t http_retry_after_ms(const struct http_headers *h)
{
	const char *text = http_headers_get(h, "Retry-After");
	int64_t seconds, when;
	if (!text)
		return -1;
	if (rn_parse_int(text, 0, 1000000000, &seconds, NULL) == 0)
		return seconds * 1000;
	if (rn_parse_http_date(text, &when, NULL) < 0)
		return -1;
	int64_t ms = when - rn_wall_ms();
	return ms > 0 ? ms : 0;
}

int64_t http_retry_delay_ms(const struct http_retry *p, unsigned attempt,
			    const struct http_response *r)
{
	unsigned attempts = p->attempts ? p->attempts : DEFAULT_ATTEMPTS;
	if (attempt >= attempts)
		return -1;
	int64_t after = r ? http_retry_after_ms(&r->headers) : -1;
	if (after > (p->max_after_ms ? p->max_after_ms : DEFAULT_MAX_AFTER_MS))
		return -1;
	int64_t delay = rn_backoff_ms(attempt - 1, p->base_ms ? p->base_ms : DEFAULT_BASE_MS,
				      p->cap_ms ? p->cap_ms : DEFAULT_CAP_MS);
	return after > delay ? after : delay;
}

static bool can_send_again(const struct http_request *q)
{
	if (q->body != HTTP_BODY_PULL)
		return true;
	return q->rewind && q->rewind(q->pull_ctx) == 0;
}

/* Notes whether a sink got bytes: then the answer cannot be taken back. */
struct watched_sink {
	int (*sink)(void *, const void *, size_t);
	void *ctx;
	bool used;
};

static int watch(void *ctx, const void *data, size_t n)
{
	struct watched_sink *w = ctx;
	w->used = true;
	return w->sink(w->ctx, data, n);
}

int http_send_retry(struct http_client *c, const struct http_request *request,
		    const struct http_retry *p, struct http_response *ret, struct rn_error *err)
{
	static const struct http_retry defaults = HTTP_RETRY_INIT;
	struct http_request q = *request;
	struct watched_sink w = { .sink = q.sink, .ctx = q.sink_ctx };
	if (q.sink) {
		q.sink = watch;
		q.sink_ctx = &w;
	}
	if (!p)
		p = &defaults;
	for (unsigned attempt = 1;; attempt++) {
		struct rn_error e = { 0 };
		int rc = http_send(c, &q, ret, &e);
		bool again = rc < 0 ? e.retryable && !w.used : http_transient(ret->status);
		int64_t delay = again ? http_retry_delay_ms(p, attempt, rc < 0 ? NULL : ret) : -1;
		if (delay < 0 || !can_send_again(&q)) {
			if (rc < 0 && err)
				*err = e;
			return rc;
		}
		char reason[64];
		snprintf(reason, sizeof(reason), "HTTP %d", ret->status);
		if (p->on_retry)
			p->on_retry(p->ctx, attempt, delay, rc < 0 ? e.msg : reason);
		if (rn_sleep_ms(delay, p->cancel_fd) < 0)
			return rn_fail(err, RN_ECANCELLED, "cancelled");
	}
}
