/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When and how long to wait before a request is sent once more: what is
 * transient, Retry-After in both forms, exponential backoff with full jitter.
 */
#ifndef HTTP_RETRY_H
#define HTTP_RETRY_H

#include "http.h"

/** Zero members mean the defaults. */
struct http_retry {
	unsigned attempts;    /* all together; default 4                              */
	int64_t base_ms;      /* backoff of the first repetition; default 250         */
	int64_t cap_ms;       /* longest backoff; default 20 s                        */
	/* longest Retry-After that is honoured; default 120 s; a longer one gives up */
	int64_t max_after_ms;
	int cancel_fd;        /* HTTP_RETRY_INIT: -1                                  */
	/**
	 * Told before each wait: number of the attempt that failed (from 1), wait, reason. May be
	 * NULL.
	 */
	void (*on_retry)(void *ctx, unsigned attempt, int64_t delay_ms, const char *reason);
	void *ctx;
};
#define HTTP_RETRY_INIT { .cancel_fd = -1 }

/** 408, 425, 429, 500, 502, 503, 504. */
bool http_transient(int status);
/**
 * Retry-After of an answer in milliseconds from now (seconds or HTTP-date); -1: none or malformed.
 */
int64_t http_retry_after_ms(const struct http_headers *h);
/**
 * Wait before attempt number `attempt` + 1 (attempt from 1); -1: give up. `r` NULL: transport
 * error.
 */
int64_t http_retry_delay_ms(const struct http_retry *p, unsigned attempt,
			    const struct http_response *r);
/**
 * http_send, repeated on transient answers and retryable errors while the body can be sent
 * again. The last answer is handed out whatever its status. A sink is not called for answers
 * that are repeated, but a body cut off in its middle is an error (the caller resumes).
 */
int http_send_retry(struct http_client *c, const struct http_request *q, const struct http_retry *p,
		    struct http_response *ret, struct rn_error *err);

#endif
