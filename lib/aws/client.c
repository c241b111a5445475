/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of a service: build, sign, send, decode; and once more when that
 * helps, as the SDKs' standard mode does (tokens, full jitter, Retry-After).
 */
#include "client.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "codec.h"
#include "http/retry.h"
#include "http/url.h"
#include "limiter.h"
#include "session.h"
#include "sigv4.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ATTEMPTS 3
/* The SDKs' standard mode: tokens and the longest first wait, for throttled calls and for others. */
#define COST_THROTTLED 5
#define COST_OTHER 14
#define BACKOFF_THROTTLED_MS 1000
#define BACKOFF_OTHER_MS 50
#define BACKOFF_CAP_MS 20000
#define MAX_RETRY_AFTER_MS 60000
#define MAX_AMZ_RETRY_AFTER_MS 5000 /* x-amz-retry-after counts this far beyond the backoff */
#define SKEW_MIN_MS 30000
#define MAX_ANSWER ((size_t)64 * 1024 * 1024)

struct aws_client {
	struct aws_session *session;
	const struct aws_service *service;
	struct aws_endpoint endpoint;
	char *base_path; /* of a custom endpoint; "" mostly */
	char *host;      /* the Host header */
	struct aws_credentials fixed;
	bool has_fixed;
	pthread_mutex_t lock; /* of the limiter */
	struct aws_limiter limiter;
};

static double now_s(void)
{
	return (double)rn_now_ms() / 1000;
}

struct aws_client *aws_client_new_with(struct aws_session *s, const char *service,
				       const char *region, const struct aws_credentials *fixed,
				       struct rn_error *err)
{
	RN_AUTO(url_clear) struct url u = { 0 };
	struct aws_client *c = rn_alloc(sizeof(*c));
	c->session = s;
	pthread_mutex_init(&c->lock, NULL);
	aws_limiter_init(&c->limiter, now_s());
	c->service = aws_service_find(service, err);
	if (!c->service || aws_endpoint_find(s, c->service, region, &c->endpoint, err) < 0 ||
	    url_parse(c->endpoint.url, &u, err) < 0) {
		aws_client_free(c);
		return NULL;
	}
	c->base_path = rn_strdup(rn_streq(u.path, "/") ? "" : u.path);
	c->host = url_authority(&u);
	if (fixed) {
		aws_credentials_copy(&c->fixed, fixed);
		c->has_fixed = true;
	}
	return c;
}

struct aws_client *aws_client_new(struct aws_session *s, const char *service, struct rn_error *err)
{
	return aws_client_new_with(s, service, NULL, NULL, err);
}

void aws_client_free(struct aws_client *c)
{
	if (!c)
		return;
	aws_endpoint_clear(&c->endpoint);
	aws_credentials_clear(&c->fixed);
	free(c->base_path);
	free(c->host);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void aws_client_freep(struct aws_client **c)
{
	aws_client_free(*c);
	*c = NULL;
}

const char *aws_client_endpoint(const struct aws_client *c)
{
	return c->endpoint.url;
}

const char *aws_client_region(const struct aws_client *c)
{
	return c->endpoint.region;
}

void aws_reply_clear(struct aws_reply *r)
{
	http_headers_clear(&r->headers);
	rn_buf_clear(&r->body);
	cJSON_Delete(r->json);
	*r = (struct aws_reply){ 0 };
}

/* ---- building ----------------------------------------------------------------------- */

/* A call ready to be signed: everything but what changes with each try. */
struct message {
	const char *method;
	char *path;
	char *query;
	char *text; /* owned body, or NULL */
	const void *data;
	size_t length;
	bool has_body;
	struct http_headers headers;
	char hash[SIGV4_HASH_LEN + 1];
};

static void message_clear(struct message *m)
{
	rn_freep(&m->path);
	rn_freep(&m->query);
	if (m->text)
		rn_wipe(m->text, strlen(m->text));
	rn_freep(&m->text);
	http_headers_clear(&m->headers);
}

static void set_text(struct message *m, char *text, const char *type)
{
	m->text = text;
	m->data = text;
	m->length = strlen(text);
	m->has_body = true;
	http_headers_set(&m->headers, "Content-Type", type);
}

static void build_body(const struct aws_service *service, const struct aws_call *call,
		       struct message *m)
{
	if (call->raw) {
		m->data = call->raw;
		m->length = call->raw_length;
		m->has_body = true;
		if (call->content_type)
			http_headers_set(&m->headers, "Content-Type", call->content_type);
	} else if (service->protocol == AWS_QUERY) {
		set_text(m, aws_encode_form(call->operation, service->version, call->body),
			 "application/x-www-form-urlencoded; charset=utf-8");
	} else if (service->protocol == AWS_JSON) {
		set_text(m, call->body ? rn_json_print(call->body) : rn_strdup("{}"),
			 "application/x-amz-json-1.1");
		http_headers_addf(&m->headers, "X-Amz-Target", "%s.%s", service->target,
				  call->operation);
	} else if (call->body) {
		set_text(m, rn_json_print(call->body), "application/json");
	} else {
		m->has_body = !rn_streq(m->method, "GET") && !rn_streq(m->method, "HEAD") &&
			      !rn_streq(m->method, "DELETE");
	}
}

/* The path, and its query apart from it: they are signed by different rules. */
static void build_target(const struct aws_client *c, const struct aws_call *call, struct message *m)
{
	const char *path = call->path ? call->path : "/";
	size_t n = strcspn(path, "?");
	m->path = rn_asprintf("%s%.*s", c->base_path, (int)n, path);
	m->query = aws_encode_query(call->query);
	if (!path[n])
		return;
	char *own = m->query;
	m->query = rn_asprintf("%s%s%s", path + n + 1, *own ? "&" : "", own);
	free(own);
}

static void build(const struct aws_client *c, const struct aws_call *call, struct message *m)
{
	m->method = call->method ? call->method : "POST";
	build_target(c, call, m);
	http_headers_add(&m->headers, "Host", c->host);
	if (c->service->protocol == AWS_REST)
		http_headers_add(&m->headers, "Accept", "application/json");
	http_headers_copy(&m->headers, call->headers);
	build_body(c->service, call, m);
	sigv4_hash(m->data, m->length, m->hash);
}

/* ---- signing ------------------------------------------------------------------------ */

static int credentials_of(const struct aws_client *c, struct aws_credentials *ret,
			  struct rn_error *err)
{
	if (!c->has_fixed)
		return aws_session_credentials(c->session, ret, err);
	aws_credentials_copy(ret, &c->fixed);
	return 0;
}

static int sign(const struct aws_client *c, const struct message *m, struct http_headers *ret,
		struct rn_error *err)
{
	RN_AUTO(aws_credentials_clear) struct aws_credentials keys = { 0 };
	RN_AUTO(sigv4_result_clear) struct sigv4_result result = { 0 };
	char stamp[32];
	if (credentials_of(c, &keys, err) < 0)
		return -1;
	sigv4_timestamp(aws_session_now_ms(c->session), stamp);
	http_headers_set(ret, "X-Amz-Date", stamp);
	if (keys.token)
		http_headers_set(ret, "X-Amz-Security-Token", keys.token);
	struct sigv4_header *list = rn_alloc(ret->n * sizeof(*list));
	for (size_t i = 0; i < ret->n; i++)
		list[i] = (struct sigv4_header){ ret->v[i].name, ret->v[i].value };
	struct sigv4_request q = { .method = m->method,
				   .path = m->path,
				   .query = m->query,
				   .headers = list,
				   .n_headers = ret->n,
				   .payload_hash = m->hash };
	struct sigv4_key key = { keys.access_key, keys.secret_key, c->endpoint.region,
				 c->service->signing, stamp };
	int rc = sigv4_sign(&q, &key, &result, err);
	free(list);
	if (rc == 0)
		http_headers_set(ret, "Authorization", result.authorization);
	return rc;
}

/* ---- one try ------------------------------------------------------------------------ */

/* What a try came to. */
struct outcome {
	bool answered;
	bool sent;         /* the service may have got it       */
	enum rn_code code; /* of a transport error              */
	int64_t retry_after_ms;     /* Retry-After; -1: none                      */
	int64_t amz_retry_after_ms; /* x-amz-retry-after, in milliseconds; -1: none */
	int64_t date_ms;            /* of the answer's Date header; 0: none       */
};

static void fill_request(const struct aws_call *call, const struct message *m, const char *url,
			 struct http_request *q)
{
	q->method = m->method;
	q->url = url;
	q->body = m->has_body ? HTTP_BODY_MEMORY : HTTP_BODY_NONE;
	q->data = m->data;
	q->length = (int64_t)m->length;
	q->max_body = MAX_ANSWER;
	q->timeout_ms = call->timeout_ms;
	q->idle_timeout_ms = call->long_running ? -1 : 0;
	q->once = call->once;
}

static void note_answer(const struct http_response *r, struct outcome *o)
{
	const char *date = http_headers_get(&r->headers, "Date");
	o->answered = true;
	o->sent = true;
	o->retry_after_ms = http_retry_after_ms(&r->headers);
	const char *after = http_headers_get(&r->headers, "x-amz-retry-after");
	if (!after || rn_parse_int(after, 0, 1000000000, &o->amz_retry_after_ms, NULL) < 0)
		o->amz_retry_after_ms = -1;
	if (!date || rn_parse_http_date(date, &o->date_ms, NULL) < 0)
		o->date_ms = 0;
}

static void take_answer(struct http_response *r, cJSON **json, struct aws_reply *ret)
{
	aws_reply_clear(ret);
	ret->status = r->status;
	ret->headers = r->headers;
	r->headers = (struct http_headers){ 0 };
	ret->body = r->body;
	r->body = (struct rn_buf)RN_BUF_INIT;
	ret->json = rn_take(json);
}

static int one_try(struct aws_client *c, const struct aws_call *call, const struct message *m,
		   struct aws_reply *ret, struct aws_error *aerr, struct outcome *o,
		   struct rn_error *err)
{
	RN_AUTO(http_response_clear) struct http_response r = { 0 };
	RN_AUTO(rn_freep)
	char *url = rn_asprintf("%.*s%s%s%s", (int)(strlen(c->endpoint.url) - strlen(c->base_path)),
				c->endpoint.url, m->path, *m->query ? "?" : "", m->query);
	struct http_request q = { 0 };
	fill_request(call, m, url, &q);
	http_headers_copy(&q.headers, &m->headers);
	int rc = call->anonymous ? 0 : sign(c, m, &q.headers, err);
	if (rc < 0) {
		http_headers_clear(&q.headers);
		o->code = RN_EAUTH; /* before anything was sent: not to be repeated */
		return -1;
	}
	rc = http_send(c->session->http, &q, &r, err);
	http_headers_clear(&q.headers);
	if (rc < 0) {
		o->sent = r.sent_any;
		o->code = err->retryable ? err->code : RN_EINVAL;
		return -1;
	}
	note_answer(&r, o);
	RN_AUTO(rn_json_freep) cJSON *json = r.body.len ? aws_decode(&r.body, NULL) : NULL;
	if (r.status >= 200 && r.status < 300) {
		take_answer(&r, &json, ret);
		return 0;
	}
	aws_decode_error(&r, json, aerr);
	return -1;
}

/* ---- repeating ---------------------------------------------------------------------- */

/* What was done already in one call. */
struct effort {
	unsigned attempt;
	bool clock_corrected;
	int64_t clock_ms; /* of the session, minus ours, when the last try was signed */
	bool renewed;
	int spent; /* retry tokens of the last repetition */
};

static enum aws_verdict judge(const struct aws_call *call, const struct aws_error *aerr,
			      const struct outcome *o)
{
	if (!o->answered && o->code != RN_ENET && o->code != RN_ETIMEOUT)
		return AWS_FATAL;
	enum aws_verdict v = aws_judge(aerr);
	bool unsure = v == AWS_TRANSIENT && o->sent;
	return call->once && unsure ? AWS_FATAL : v;
}

static bool is_skew(int64_t ms)
{
	return ms >= SKEW_MIN_MS || ms <= -SKEW_MIN_MS;
}

/* Of several calls at the same time one corrects the clock; the others were signed before that, and go again. */
static bool correct_clock(struct aws_client *c, const struct outcome *o, struct effort *f)
{
	int64_t off = o->date_ms - (rn_wall_ms() + f->clock_ms);
	if (f->clock_corrected || !o->date_ms || !is_skew(off))
		return false;
	f->clock_corrected = true;
	if (!is_skew(o->date_ms - aws_session_now_ms(c->session)))
		return true;
	aws_session_set_clock(c->session, o->date_ms);
	aws_session_log(
		c->session,
		"this machine's clock is %lld s off; corrected by the service's Date header",
		(long long)(off / 1000));
	return true;
}

static bool renew_credentials(struct aws_client *c, const struct aws_call *call, struct effort *f)
{
	if (f->renewed || c->has_fixed || call->anonymous)
		return false;
	f->renewed = true;
	aws_session_forget_credentials(c->session);
	return true;
}

/* A quota that is used up is named like a rate that is exceeded, but waiting helps it seldom. */
static unsigned attempts_of(const struct aws_client *c, enum aws_verdict v,
			    const struct aws_error *aerr)
{
	if (c->session->o.max_attempts)
		return c->session->o.max_attempts;
	bool patient = v == AWS_THROTTLED && !aws_error_is(aerr, "LimitExceededException");
	return patient && c->service->throttled_attempts ? c->service->throttled_attempts
							 : DEFAULT_ATTEMPTS;
}

static int64_t delay_before(unsigned attempt, enum aws_verdict v, const struct outcome *o)
{
	int64_t delay = rn_backoff_ms(
		attempt - 1, v == AWS_THROTTLED ? BACKOFF_THROTTLED_MS : BACKOFF_OTHER_MS,
		BACKOFF_CAP_MS);
	int64_t amz = o->amz_retry_after_ms;
	if (amz > delay + MAX_AMZ_RETRY_AFTER_MS)
		amz = delay + MAX_AMZ_RETRY_AFTER_MS;
	if (amz > delay)
		delay = amz;
	return o->retry_after_ms > delay ? o->retry_after_ms : delay;
}

/* In adaptive mode calls wait for their turn once the service has throttled one. */
static int wait_for_turn(struct aws_client *c, const struct aws_call *call, struct rn_error *err)
{
	while (c->session->adaptive) {
		pthread_mutex_lock(&c->lock);
		double wait = aws_limiter_take(&c->limiter, now_s());
		pthread_mutex_unlock(&c->lock);
		if (wait <= 0)
			break;
		aws_session_log(c->session, "%s %s: waits %.0f ms, as the service throttles",
				c->service->title, call->operation, wait * 1000);
		if (rn_sleep_ms((int64_t)(wait * 1000) + 1, c->session->o.cancel_fd) < 0)
			return rn_fail(err, RN_ECANCELLED, "cancelled");
	}
	return 0;
}

static void note_pace(struct aws_client *c, bool throttled)
{
	if (!c->session->adaptive)
		return;
	pthread_mutex_lock(&c->lock);
	aws_limiter_note(&c->limiter, now_s(), throttled);
	pthread_mutex_unlock(&c->lock);
}

/* Waits and says true when the call should be sent once more. */
static bool try_again(struct aws_client *c, const struct aws_call *call, enum aws_verdict v,
		      const struct aws_error *aerr, const struct outcome *o, struct effort *f,
		      struct rn_error *err)
{
	if (v == AWS_SKEWED)
		return correct_clock(c, o, f);
	if (v == AWS_EXPIRED)
		return renew_credentials(c, call, f);
	if (v == AWS_FATAL || f->attempt >= attempts_of(c, v, aerr) ||
	    o->retry_after_ms > MAX_RETRY_AFTER_MS)
		return false;
	int cost = v == AWS_THROTTLED ? COST_THROTTLED : COST_OTHER;
	if (!aws_session_quota_take(c->session, cost))
		return false;
	f->spent = cost;
	int64_t delay = delay_before(f->attempt, v, o);
	aws_session_log(c->session, "%s %s: try %u failed (%s), once more in %lld ms",
			c->service->title, call->operation, f->attempt,
			o->answered ? aerr->code : err->msg, (long long)delay);
	if (rn_sleep_ms(delay, c->session->o.cancel_fd) == 0)
		return true;
	rn_fail(err, RN_ECANCELLED, "cancelled");
	return false;
}

/* ---- saying what went wrong ----------------------------------------------------------- */

static void name_identity(struct aws_client *c, const struct aws_error *aerr, struct rn_error *err)
{
	struct aws_identity who = { 0 };
	bool asked_sts = rn_streq(c->service->name, "sts");
	if (strstr(aerr->message, "arn:") || c->has_fixed || asked_sts ||
	    aws_session_identity(c->session, &who, NULL) < 0)
		return;
	size_t used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, "; asked as %s (%s)", who.arn,
		 who.source);
}

static int report(struct aws_client *c, const struct aws_call *call, const struct aws_error *aerr,
		  enum aws_verdict v, const struct outcome *o, struct rn_error *err)
{
	if (!o->answered || err->code == RN_ECANCELLED)
		return rn_wrap(err, "%s %s", c->service->title, call->operation);
	rn_fail(err, aws_error_class(aerr), "%s %s: %s%s%s (HTTP %d%s%s)", c->service->title,
		call->operation, aerr->code[0] ? aerr->code : "refused",
		aerr->message[0] ? ": " : "", aerr->message, aerr->http_status,
		aerr->request_id[0] ? ", request " : "", aerr->request_id);
	err->retryable = v == AWS_THROTTLED || v == AWS_TRANSIENT;
	if (aws_error_is_denied(aerr) && !call->anonymous)
		name_identity(c, aerr, err);
	return -1;
}

static int send_message(struct aws_client *c, const struct aws_call *call, const struct message *m,
			struct aws_reply *ret, struct aws_error *aerr, struct rn_error *err)
{
	struct effort f = { 0 };
	for (;;) {
		struct outcome o = { .retry_after_ms = -1, .amz_retry_after_ms = -1 };
		*aerr = (struct aws_error){ .attempts = ++f.attempt };
		snprintf(aerr->service, sizeof(aerr->service), "%s", c->service->title);
		snprintf(aerr->operation, sizeof(aerr->operation), "%s", call->operation);
		rn_error_clear(err);
		if (wait_for_turn(c, call, err) < 0)
			return report(c, call, aerr, AWS_FATAL, &o, err);
		f.clock_ms = aws_session_now_ms(c->session) - rn_wall_ms();
		if (one_try(c, call, m, ret, aerr, &o, err) == 0) {
			note_pace(c, false);
			aws_session_quota_give(c->session, f.spent ? f.spent : 1);
			return 0;
		}
		enum aws_verdict v = judge(call, aerr, &o);
		note_pace(c, v == AWS_THROTTLED);
		if (try_again(c, call, v, aerr, &o, &f, err))
			continue;
		aerr->maybe_done = o.sent && (!o.answered || aerr->http_status >= 500);
		return report(c, call, aerr, aws_judge(aerr), &o, err);
	}
}

int aws_send(struct aws_client *c, const struct aws_call *call, struct aws_reply *ret,
	     struct aws_error *aerr, struct rn_error *err)
{
	RN_AUTO(message_clear) struct message m = { 0 };
	struct aws_error unwanted_aerr;
	struct rn_error unwanted_err;
	build(c, call, &m);
	return send_message(c, call, &m, ret, aerr ? aerr : &unwanted_aerr,
			    err ? err : &unwanted_err);
}
