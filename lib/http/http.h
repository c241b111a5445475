/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests over libcurl, the only part that knows it: reused connections,
 * HTTP/1.1 and 2, proxies from the environment, own CAs, streaming in both
 * directions, cancellation by a descriptor. Blocking calls; one client may be
 * used by several threads. SIGPIPE never reaches the program. Knows nothing of
 * who is asked; repeating a request is retry.h.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http_header {
	char *name;
	char *value;
};

/** Headers in their order, repeated names kept. Zeroed: empty. */
struct http_headers {
	struct http_header *v;
	size_t n;
	size_t cap;
};

/** Appends a copy. A CR or LF in name or value makes http_send refuse the request. */
void http_headers_add(struct http_headers *h, const char *name, const char *value);
void http_headers_addf(struct http_headers *h, const char *name, const char *fmt, ...)
	RN_PRINTF(3, 4);
/** Replaces all of that name (any case) by one. */
void http_headers_set(struct http_headers *h, const char *name, const char *value);
void http_headers_remove(struct http_headers *h, const char *name);
/** First value of that name, any case; NULL when missing. Borrowed. */
const char *http_headers_get(const struct http_headers *h, const char *name);
/** Appends copies of all of `from`. */
void http_headers_copy(struct http_headers *h, const struct http_headers *from);
void http_headers_clear(struct http_headers *h); /* for RN_AUTO */

/**
 * Of a client; zero values mean the defaults. cancel_fd has none: set it to -1 for none (see
 * HTTP_OPTIONS_INIT).
 */
struct http_options {
	/* readable: running requests end with RN_ECANCELLED; -1: none */
	int cancel_fd;
	int64_t connect_timeout_ms; /* default 10 s                                               */
	int64_t idle_timeout_ms;    /* longest time without a byte; default 60 s                  */
	const char *ca_file;        /* PEM bundle instead of the system's                         */
	const char *user_agent;     /* default "runner/VERSION"                                   */
	const char *proxy;          /* NULL: http_proxy, https_proxy, no_proxy; "": none          */
	/* accept any certificate: for registries that the user named so */
	bool insecure;
	bool http1;                 /* speak HTTP/1.1 only                                        */
};
#define HTTP_OPTIONS_INIT { .cancel_fd = -1 }

enum http_body {
	HTTP_BODY_NONE = 0, /* no body, no Content-Length                              */
	HTTP_BODY_MEMORY,   /* data[0 .. length)                                       */
	HTTP_BODY_FD,       /* `length` bytes of fd from `offset` (pread: fd may be shared) */
	HTTP_BODY_PULL,     /* by callback; length -1: chunked                         */
};

/** One request. Everything is borrowed until http_send returns. Zeroed: GET without a body. */
struct http_request {
	const char *method; /* NULL: GET */
	const char *url;
	struct http_headers headers;

	enum http_body body;
	const void *data;
	int fd;
	off_t offset;
	int64_t length;
	/**
	 * Up to n bytes into `to`; 0 at the end, -1 to give up (RN_EIO). Cannot be sent a second
	 * time unless rewind is given.
	 */
	ssize_t (*pull)(void *ctx, void *to, size_t n);
	int (*rewind)(void *ctx);
	void *pull_ctx;
	/* a body of which a byte was sent is not begun again over another connection when a kept one breaks: what
	   arrived counts at the receiver, and the caller goes on from there */
	bool body_once;

	/**
	 * Receives the body of a 2xx answer piece by piece instead of memory; -1 stops with RN_EIO.
	 * Bodies of other answers go to memory.
	 */
	int (*sink)(void *ctx, const void *data, size_t n);
	void *sink_ctx;
	/**
	 * Called after the headers of the answer that will be handed out, before its body; -1
	 * stops. May be NULL.
	 */
	int (*on_headers)(void *ctx, int status, const struct http_headers *headers);
	void *on_headers_ctx;
	/** Bytes sent and received so far (totals 0 when not known). May be NULL. */
	void (*progress)(void *ctx, uint64_t sent, uint64_t to_send, uint64_t got, uint64_t to_get);
	void *progress_ctx;

	/* ceiling for a body kept in memory; 0: 16 MiB; more is RN_ELIMIT */
	size_t max_body;
	/* 0: a 3xx answer is handed out as it is */
	int max_redirects;
	/* for the whole request; 0: none */
	int64_t timeout_ms;
	/* 0: the client's; -1: none (a long-running Invoke) */
	int64_t idle_timeout_ms;
	/* over a new connection, so that it is never sent twice, not even when a kept one turns
	   out dead */
	bool once;
};

/** The answer. Zero it before the first use; http_response_clear empties it. */
struct http_response {
	int status;
	struct http_headers headers;
	struct rn_buf body;
	char *url;          /* that answered, after redirects          */
	int64_t latency_ms; /* until the first byte of the answer      */
	int64_t total_ms;
	bool reused;        /* over a connection that was open already */
	bool sent_any;      /* on failure: the request may have reached the server */
};
void http_response_clear(struct http_response *r); /* for RN_AUTO */

struct http_client;
/** Never NULL. The strings of the options are copied. libcurl is loaded by the first request, which fails with RN_EUNSUPPORTED when it is missing. */
struct http_client *http_client_new(const struct http_options *o);
/** Loads libcurl in a thread meanwhile: for callers that will make a request and have something else to do first. */
void http_prepare(void);
void http_client_free(struct http_client *c);
void http_client_freep(struct http_client **c);

/**
 * Sends one request and reads its answer; any HTTP status is success. Errors: RN_ENET (could
 * not reach, cut off; retryable), RN_ETIMEOUT (retryable), RN_EAUTH (certificate refused),
 * RN_ELIMIT, RN_ECANCELLED, RN_EINVAL. `ret` is emptied first; on error it holds `sent_any` alone.
 * Redirects (max_redirects > 0): to another origin, Authorization, Cookie and X-Amz-* are left
 * out; 303 and, for POST, 301 and 302 become GET; https never goes to http.
 */
int http_send(struct http_client *c, const struct http_request *q, struct http_response *ret,
	      struct rn_error *err);

/** GET into memory, 2xx or RN_EREMOTE: for the simple cases. */
int http_get(struct http_client *c, const char *url, struct http_response *ret,
	     struct rn_error *err);

#endif
