/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/http from a command line, for the tests. Each line of stdin is a request over one client:
 *   {url, method, headers: [[name, value]], body, body_file, chunked, sink, redirects, timeout_ms, idle_ms, max_body, once, retry: {attempts, base_ms}}
 * Each answer is a line {ok, status, body, sunk, url, reused, headers} or {ok: false, message, code, retryable, sent}.
 * Options: --ca FILE, --insecure 1, --cancel-fd N.
 */
#include "base/json.h"
#include "base/mem.h"
#include "http/retry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct source {
	const char *text;
	size_t at;
};

static ssize_t pull(void *ctx, void *to, size_t n)
{
	struct source *s = ctx;
	size_t left = strlen(s->text) - s->at;
	n = left < n ? left : n;
	n = n > 7 ? 7 : n; /* small pieces */
	memcpy(to, s->text + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static int back(void *ctx)
{
	((struct source *)ctx)->at = 0;
	return 0;
}

static int sink(void *ctx, const void *data, size_t n)
{
	return rn_buf_add(ctx, data, n);
}

static void set_body(struct http_request *q, const cJSON *j, struct source *src)
{
	const char *text = rn_json_str(j, "body"), *file = rn_json_str(j, "body_file");
	struct stat st;
	if (file && (q->fd = open(file, O_RDONLY | O_CLOEXEC)) >= 0 && fstat(q->fd, &st) == 0) {
		q->body = HTTP_BODY_FD;
		q->length = st.st_size;
	} else if (text && rn_json_bool(j, "chunked", false)) {
		src->text = text;
		q->body = HTTP_BODY_PULL;
		q->length = -1;
		q->pull = pull;
		q->rewind = back;
		q->pull_ctx = src;
	} else if (text) {
		q->body = HTTP_BODY_MEMORY;
		q->data = text;
		q->length = (int64_t)strlen(text);
	}
}

static void fill(cJSON *o, const struct http_response *r, const struct rn_buf *sunk)
{
	cJSON_AddBoolToObject(o, "ok", true);
	cJSON_AddNumberToObject(o, "status", r->status);
	cJSON_AddStringToObject(o, "body", rn_buf_str(&r->body));
	cJSON_AddStringToObject(o, "sunk", rn_buf_str(sunk));
	cJSON_AddStringToObject(o, "url", r->url);
	cJSON_AddBoolToObject(o, "reused", r->reused);
	cJSON *h = cJSON_AddArrayToObject(o, "headers");
	for (size_t i = 0; i < r->headers.n; i++) {
		const char *pair[] = { r->headers.v[i].name, r->headers.v[i].value };
		cJSON_AddItemToArray(h, cJSON_CreateStringArray(pair, 2));
	}
}

static cJSON *ask(struct http_client *c, const cJSON *j)
{
	struct rn_error err = { 0 };
	struct source src = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf sunk = RN_BUF_INIT;
	RN_AUTO(http_response_clear) struct http_response r = { 0 };
	struct http_request q = { .method = rn_json_str(j, "method"), .url = rn_json_str(j, "url"), .fd = -1 };
	q.max_redirects = (int)rn_json_int(j, "redirects", 0);
	q.timeout_ms = rn_json_int(j, "timeout_ms", 0);
	q.idle_timeout_ms = rn_json_int(j, "idle_ms", 0);
	q.max_body = (size_t)rn_json_int(j, "max_body", 0);
	q.once = rn_json_bool(j, "once", false);
	if (rn_json_bool(j, "sink", false)) {
		q.sink = sink;
		q.sink_ctx = &sunk;
	}
	set_body(&q, j, &src);
	const cJSON *pair;
	cJSON_ArrayForEach(pair, rn_json_get(j, "headers"))
		http_headers_add(&q.headers, cJSON_GetArrayItem(pair, 0)->valuestring, cJSON_GetArrayItem(pair, 1)->valuestring);
	const cJSON *retry = rn_json_get(j, "retry");
	struct http_retry policy = HTTP_RETRY_INIT;
	policy.attempts = (unsigned)rn_json_int(retry, "attempts", 0);
	policy.base_ms = rn_json_int(retry, "base_ms", 0);
	int rc = retry ? http_send_retry(c, &q, &policy, &r, &err) : http_send(c, &q, &r, &err);
	http_headers_clear(&q.headers);
	rn_closep(&q.fd);
	cJSON *o = cJSON_CreateObject();
	if (rc == 0) {
		fill(o, &r, &sunk);
		return o;
	}
	cJSON_AddBoolToObject(o, "ok", false);
	cJSON_AddStringToObject(o, "message", err.msg);
	cJSON_AddStringToObject(o, "code", rn_code_name(err.code));
	cJSON_AddBoolToObject(o, "retryable", err.retryable);
	cJSON_AddBoolToObject(o, "sent", r.sent_any);
	return o;
}

int main(int argc, char **argv)
{
	struct http_options o = HTTP_OPTIONS_INIT;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--ca"))
			o.ca_file = argv[i + 1];
		if (!strcmp(argv[i], "--insecure"))
			o.insecure = true;
		if (!strcmp(argv[i], "--cancel-fd"))
			o.cancel_fd = (int)strtol(argv[i + 1], NULL, 10);
	}
	RN_AUTO(http_client_freep) struct http_client *c = http_client_new(&o);
	char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, stdin) > 0) {
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(line, NULL);
		RN_AUTO(rn_json_freep) cJSON *reply = ask(c, j);
		RN_AUTO(rn_freep) char *text = rn_json_print(reply);
		puts(text);
		fflush(stdout);
	}
	free(line);
	return 0;
}
