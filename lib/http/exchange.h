/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer over one libcurl handle; internal to lib/http. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "http.h"

#include <curl/curl.h>

/** A connection pool of its own and the handle that uses it; used by one thread at a time. */
struct http_lane {
	CURLM *multi;
	CURL *easy;
	struct http_lane *next;
};

/** What the client was made with; strings owned, times set. */
struct http_settings {
	int cancel_fd;
	int64_t connect_timeout_ms;
	int64_t idle_timeout_ms;
	char *ca_file;
	char *ca_path;
	char *user_agent;
	char *proxy; /* NULL: from the environment */
	bool insecure;
	bool http1;
};

/** The request after redirects. */
struct http_target {
	const char *method;
	const char *url;
	const struct http_headers *headers;
	bool with_body;
	bool follow; /* a redirect answer will be followed: its body is of no interest */
};

int http_exchange(struct http_lane *lane, const struct http_settings *s,
		  const struct http_request *q, const struct http_target *t,
		  struct http_response *ret, struct rn_error *err);
/** True when an answer with that status and a Location is a redirect. */
bool http_is_redirect(int status);

#endif
