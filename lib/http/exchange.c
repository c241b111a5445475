/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer: libcurl's callbacks, the loop around it that
 * watches cancellation and idleness, and libcurl's errors in our words.
 */
#include "exchange.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "url.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define MAX_HEADERS 1000
#define MAX_HEADER_BYTES ((size_t)512 * 1024)
#define DEFAULT_MAX_BODY ((size_t)16 * 1024 * 1024)

struct exchange {
	const struct http_request *q;
	const struct http_target *t;
	struct http_response *r;
	struct rn_error *err;
	bool stopped; /* a callback ended it; err is set */
	int64_t sent;
	size_t header_bytes;
	bool headers_done;
	int64_t last_activity;
	bool active; /* a byte went or came */
};

static void touch(struct exchange *x)
{
	x->last_activity = rn_now_ms();
	x->active = true;
}

static size_t stop(struct exchange *x, enum rn_code code, const char *text)
{
	if (!x->stopped)
		rn_fail(x->err, code, "%s", text);
	x->stopped = true;
	return 0;
}

bool http_is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* ---- the answer ------------------------------------------------------------- */

static size_t headers_end(struct exchange *x, size_t n)
{
	struct http_response *r = x->r;
	if (r->status < 200)
		return n;
	x->headers_done = true;
	r->body.max = x->q->max_body ? x->q->max_body : DEFAULT_MAX_BODY;
	bool passed_on = x->t->follow && http_is_redirect(r->status) &&
			 http_headers_get(&r->headers, "Location");
	if (!passed_on && x->q->on_headers &&
	    x->q->on_headers(x->q->on_headers_ctx, r->status, &r->headers) < 0)
		return stop(x, RN_EIO, "the receiver refused the answer's headers");
	return n;
}

static void status_line(struct exchange *x, const char *line, size_t n)
{
	http_headers_clear(&x->r->headers);
	x->header_bytes = 0;
	x->headers_done = false;
	const char *blank = memchr(line, ' ', n);
	x->r->status = 0;
	for (const char *p = blank ? blank + 1 : line + n; p < line + n && *p >= '0' && *p <= '9';
	     p++)
		x->r->status = x->r->status * 10 + (*p - '0');
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t n = size * count;
	touch(x);
	if (n >= 5 && !memcmp(line, "HTTP/", 5)) {
		status_line(x, line, n);
		return n;
	}
	x->header_bytes += n;
	if (x->r->headers.n >= MAX_HEADERS || x->header_bytes > MAX_HEADER_BYTES)
		return stop(x, RN_ELIMIT, "the answer has too many headers");
	if (n <= 2 && (line[0] == '\r' || line[0] == '\n'))
		return x->headers_done ? n : headers_end(x, n);
	RN_AUTO(rn_freep) char *copy = rn_strndup(line, n);
	char *colon = strchr(copy, ':');
	if (colon) {
		*colon = 0;
		http_headers_add(&x->r->headers, rn_trim(copy), rn_trim(colon + 1));
	}
	return n;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t n = size * count;
	touch(x);
	if (x->t->follow && http_is_redirect(x->r->status) &&
	    http_headers_get(&x->r->headers, "Location"))
		return n;
	if (x->q->sink && x->r->status >= 200 && x->r->status < 300) {
		if (x->q->sink(x->q->sink_ctx, data, n) < 0)
			return stop(x, RN_EIO, "the receiver of the answer's body stopped");
		return n;
	}
	if (rn_buf_add(&x->r->body, data, n) < 0)
		return stop(x, RN_ELIMIT, "the answer's body is larger than allowed");
	return n;
}

/* ---- the request's body ------------------------------------------------------ */

static ssize_t read_piece(struct exchange *x, char *to, size_t room)
{
	const struct http_request *q = x->q;
	if (q->body == HTTP_BODY_PULL)
		return q->pull(q->pull_ctx, to, room);
	int64_t left = q->length - x->sent;
	size_t n = left < (int64_t)room ? (size_t)left : room;
	if (q->body == HTTP_BODY_MEMORY) {
		memcpy(to, (const char *)q->data + x->sent, n);
		return (ssize_t)n;
	}
	ssize_t got;
	do
		got = pread(q->fd, to, n, q->offset + x->sent);
	while (got < 0 && errno == EINTR);
	if (n && got == 0)
		return -1; /* the file became shorter */
	return got;
}

static size_t on_read(char *to, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	ssize_t n = read_piece(x, to, size * count);
	if (n < 0) {
		stop(x, RN_EIO, "the request's body could not be read");
		return CURL_READFUNC_ABORT;
	}
	if (x->q->length >= 0 && x->sent + n > x->q->length) {
		stop(x, RN_EINTERNAL, "the request's body is longer than announced");
		return CURL_READFUNC_ABORT;
	}
	x->sent += n;
	touch(x);
	return (size_t)n;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct exchange *x = ctx;
	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	if (x->q->body_once && offset < x->sent)
		return CURL_SEEKFUNC_FAIL;
	if (x->q->body == HTTP_BODY_PULL &&
	    (offset != 0 || !x->q->rewind || x->q->rewind(x->q->pull_ctx) < 0))
		return CURL_SEEKFUNC_CANTSEEK;
	x->sent = offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
		       curl_off_t sent)
{
	struct exchange *x = ctx;
	if (x->q->progress)
		x->q->progress(x->q->progress_ctx, (uint64_t)sent, (uint64_t)to_send, (uint64_t)got,
			       (uint64_t)to_get);
	return 0;
}

/* ---- setting up --------------------------------------------------------------- */

static void free_list(struct curl_slist **l)
{
	curl_slist_free_all(*l);
	*l = NULL;
}

static int has_break(const char *s)
{
	return strpbrk(s, "\r\n") != NULL;
}

/* "Name: value", "Name;" for an empty value; curl's own Expect and Content-Type are switched off.
 */
static int header_list(const struct http_target *t, struct curl_slist **ret, struct rn_error *err)
{
	const struct http_headers *h = t->headers;
	struct curl_slist *l = curl_slist_append(NULL, "Expect:");
	if (!http_headers_get(h, "Content-Type"))
		l = curl_slist_append(l, "Content-Type:");
	for (size_t i = 0; i < h->n; i++) {
		if (has_break(h->v[i].name) || has_break(h->v[i].value) || !h->v[i].name[0]) {
			free_list(&l);
			return rn_fail(err, RN_EINVAL, "header \"%s\" has a line break in it",
				       has_break(h->v[i].name) ? "?" : h->v[i].name);
		}
		RN_AUTO(rn_freep)
		char *line = h->v[i].value[0] ? rn_asprintf("%s: %s", h->v[i].name, h->v[i].value)
					      : rn_asprintf("%s;", h->v[i].name);
		l = curl_slist_append(l, line);
	}
	if (!l)
		rn_die("out of memory");
	*ret = l;
	return 0;
}

static void set_body(CURL *e, struct exchange *x)
{
	const struct http_request *q = x->q;
	if (rn_streq(x->t->method, "HEAD")) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
		return;
	}
	if (x->t->with_body) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(e, CURLOPT_READDATA, x);
		curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(e, CURLOPT_SEEKDATA, x);
		curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->length);
		curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
	} else {
		curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, x->t->method);
}

/* Loopback is never asked through a proxy of the environment; HTTP_PROXY counts as http_proxy does.
 */
static void set_proxy(CURL *e, const struct http_settings *s, const struct url *u)
{
	const char *proxy = s->proxy;
	if (!proxy && url_is_loopback(u))
		proxy = "";
	if (!proxy && rn_streq(u->scheme, "http") && !getenv("http_proxy") &&
	    !getenv("REQUEST_METHOD"))
		proxy = getenv("HTTP_PROXY");
	if (proxy)
		curl_easy_setopt(e, CURLOPT_PROXY, proxy);
}

static void set_security(CURL *e, const struct http_settings *s)
{
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (s->ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, s->ca_file);
	if (s->ca_path)
		curl_easy_setopt(e, CURLOPT_CAPATH, s->ca_path);
	if (s->insecure) {
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void set_all(CURL *e, const struct http_settings *s, struct exchange *x, const struct url *u,
		    struct curl_slist *headers, char *text)
{
	curl_easy_reset(e);
	curl_easy_setopt(e, CURLOPT_URL, x->t->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_USERAGENT, s->user_agent);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
			 s->http1 ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 256L * 1024);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_timeout_ms);
	if (x->q->timeout_ms > 0)
		curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)x->q->timeout_ms);
	if (x->q->once)
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	if (x->q->progress) {
		curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(e, CURLOPT_XFERINFODATA, x);
		curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	}
	set_body(e, x);
	set_proxy(e, s, u);
	set_security(e, s);
}

/* ---- running ------------------------------------------------------------------ */

static int64_t idle_limit(const struct exchange *x, const struct http_settings *s)
{
	int64_t idle = x->q->idle_timeout_ms ? x->q->idle_timeout_ms : s->idle_timeout_ms;
	if (idle < 0)
		return -1;
	return x->active ? idle : idle + s->connect_timeout_ms;
}

static int check_time(struct exchange *x, const struct http_settings *s)
{
	int64_t limit = idle_limit(x, s);
	if (limit < 0 || rn_now_ms() - x->last_activity <= limit)
		return 0;
	rn_fail(x->err, RN_ETIMEOUT, "no byte for %lld seconds", (long long)((limit + 999) / 1000));
	if (x->err)
		x->err->retryable = true;
	x->stopped = true;
	return -1;
}

static int wait_for_io(struct exchange *x, struct http_lane *lane, const struct http_settings *s)
{
	struct curl_waitfd extra = { .fd = s->cancel_fd, .events = CURL_WAIT_POLLIN };
	int64_t limit = idle_limit(x, s);
	int wait_ms = limit >= 0 && limit < 1000 ? (int)limit + 1 : 1000;
	curl_multi_poll(lane->multi, &extra, s->cancel_fd >= 0 ? 1 : 0, wait_ms, NULL);
	if (s->cancel_fd >= 0 && extra.revents) {
		rn_fail(x->err, RN_ECANCELLED, "cancelled");
		x->stopped = true;
		return -1;
	}
	return check_time(x, s);
}

static CURLcode perform(struct exchange *x, struct http_lane *lane, const struct http_settings *s)
{
	for (;;) {
		int running = 0;
		CURLMcode mc = curl_multi_perform(lane->multi, &running);
		if (mc != CURLM_OK) {
			stop(x, RN_EINTERNAL, curl_multi_strerror(mc));
			return CURLE_FAILED_INIT;
		}
		int left;
		CURLMsg *m = curl_multi_info_read(lane->multi, &left);
		if (m && m->msg == CURLMSG_DONE)
			return m->data.result;
		if (x->stopped || wait_for_io(x, lane, s) < 0)
			return CURLE_ABORTED_BY_CALLBACK;
	}
}

/* SIGPIPE of a broken TLS connection stays in this thread and is taken away. */
static CURLcode perform_quietly(struct exchange *x, struct http_lane *lane,
				const struct http_settings *s)
{
	sigset_t pipe_only, old, pending;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	bool was_pending = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
	curl_multi_add_handle(lane->multi, lane->easy);
	CURLcode code = perform(x, lane, s);
	curl_multi_remove_handle(lane->multi, lane->easy);
	struct timespec none = { 0 };
	if (!was_pending)
		while (sigtimedwait(&pipe_only, NULL, &none) == SIGPIPE)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return code;
}

static enum rn_code code_of(CURLcode c)
{
	if (c == CURLE_OPERATION_TIMEDOUT)
		return RN_ETIMEOUT;
	if (c == CURLE_PEER_FAILED_VERIFICATION || c == CURLE_SSL_ISSUER_ERROR ||
	    c == CURLE_SSL_CACERT_BADFILE || c == CURLE_SSL_CERTPROBLEM)
		return RN_EAUTH;
	if (c == CURLE_URL_MALFORMAT)
		return RN_EINVAL;
	if (c == CURLE_UNSUPPORTED_PROTOCOL ||
	    c == CURLE_WEIRD_SERVER_REPLY) /* the URL's scheme was checked: HTTP/0.9 */
		return RN_EREMOTE;
	return RN_ENET;
}

static int report(struct exchange *x, CURLcode code, const char *text)
{
	if (!x->stopped) {
		enum rn_code rc = code_of(code);
		rn_fail(x->err, rc, "%s", *text ? text : curl_easy_strerror(code));
		if (x->err)
			x->err->retryable = rc == RN_ENET || rc == RN_ETIMEOUT;
		if (rc == RN_EAUTH)
			rn_hint(x->err,
				"name the CA bundle that the server's certificate belongs to "
				"(AWS_CA_BUNDLE for AWS, SSL_CERT_FILE for all)");
	}
	RN_AUTO(rn_freep) char *shown = url_for_display(x->t->url);
	return rn_wrap(x->err, "%s %s", x->t->method, shown);
}

static void read_facts(CURL *e, struct http_response *r)
{
	curl_off_t first = 0, total = 0;
	long connects = 0;
	curl_easy_getinfo(e, CURLINFO_STARTTRANSFER_TIME_T, &first);
	curl_easy_getinfo(e, CURLINFO_TOTAL_TIME_T, &total);
	curl_easy_getinfo(e, CURLINFO_NUM_CONNECTS, &connects);
	r->latency_ms = first / 1000;
	r->total_ms = total / 1000;
	r->reused = connects == 0;
}

int http_exchange(struct http_lane *lane, const struct http_settings *s,
		  const struct http_request *q, const struct http_target *t,
		  struct http_response *ret, struct rn_error *err)
{
	RN_AUTO(url_clear) struct url u = { 0 };
	RN_AUTO(free_list) struct curl_slist *headers = NULL;
	if (url_parse(t->url, &u, err) < 0 || header_list(t, &headers, err) < 0)
		return -1;
	char text[CURL_ERROR_SIZE] = "";
	struct exchange x = { .q = q, .t = t, .r = ret, .err = err, .last_activity = rn_now_ms() };
	set_all(lane->easy, s, &x, &u, headers, text);
	CURLcode code = perform_quietly(&x, lane, s);
	long request_size = 0;
	curl_easy_getinfo(lane->easy, CURLINFO_REQUEST_SIZE, &request_size);
	ret->sent_any = ret->sent_any || request_size > 0;
	read_facts(lane->easy, ret);
	curl_easy_setopt(lane->easy, CURLOPT_ERRORBUFFER, NULL);
	if (code != CURLE_OK || x.stopped)
		return report(&x, code, text);
	if (!ret->status)
		return rn_fail(err, RN_ENET, "%s: the answer has no status", t->url);
	rn_freep(&ret->url);
	ret->url = rn_strdup(t->url);
	return 0;
}
