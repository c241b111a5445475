/* SPDX-License-Identifier: Apache-2.0 */
/* Sending one request until its answer is as expected, and saying what differs when it never is. */
#include "probe.h"

#include "base/mem.h"
#include "base/time.h"
#include "diagnose.h"
#include "expect.h"
#include "explain.h"

#include <string.h>

#define FIRST_WAIT_MS 250
#define LONGEST_WAIT_MS 5000
#define MAX_ANSWER ((size_t)16 * 1024 * 1024)
#define SHOWN_BODY 400

static int send_once(const struct probe *q, struct http_client *http, const struct smoke_params *p,
		     struct http_response *answer, struct rn_error *err)
{
	struct http_request r = {
		.method = q->method,
		.url = q->url,
		.headers = q->headers, /* borrowed */
		.body = q->body ? HTTP_BODY_MEMORY : HTTP_BODY_NONE,
		.data = q->body,
		.length = q->body ? (int64_t)strlen(q->body) : 0,
		.max_body = MAX_ANSWER,
		.max_redirects = p->follow_redirects ? 10 : 0,
		.timeout_ms = p->timeout.ms,
		.idle_timeout_ms = -1, /* `timeout` is the limit that the user knows */
	};
	bool empty_body = !q->body && (!strcmp(q->method, "POST") || !strcmp(q->method, "PUT") ||
				       !strcmp(q->method, "PATCH"));
	if (empty_body)
		r.body = HTTP_BODY_MEMORY;
	return http_send(http, &r, answer, err);
}

static int unmet(const struct probe *q, const struct http_response *answer,
		 const struct rn_strv *differences, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *lines = rn_strv_join(differences, "\n  ");
	bool shows_body = strstr(lines, "body: ") || strstr(lines, "is not JSON");
	size_t n = answer->body.len;
	rn_fail(err, RN_EREMOTE, "%s is not as expected:\n  %s%s%.*s%s", q->name, lines,
		n && !shows_body ? "\n  the body: " : "", n && !shows_body ? SHOWN_BODY : 0,
		rn_buf_str(&answer->body), n > SHOWN_BODY && !shows_body ? "…" : "");
	const char *why =
		explain_answer(answer, http_headers_get(&q->headers, "x-api-key") != NULL);
	err->retryable = explain_may_settle(answer->status);
	return why && !expect_status(q->expect, answer->status) ? rn_hint(err, "%s", why) : -1;
}

/* One try. 1: as expected; 0: not, and worth another try; -1: not, for good. */
static int try_once(const struct probe *q, struct http_client *http, const struct smoke_params *p,
		    struct http_response *answer, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv differences = { 0 };
	if (send_once(q, http, p, answer, err) < 0)
		return err->retryable ? 0 : -1;
	expect_compare(q->expect, answer, &differences);
	if (!differences.n)
		return 1;
	unmet(q, answer, &differences, err);
	return q->retry_given || (explain_may_settle(answer->status) &&
				  !expect_status(q->expect, answer->status))
		       ? 0
		       : -1;
}

/* Instead of what an answer usually means, what it means here: the API is read back. */
static void look_for_cause(const struct probe *q, struct stage *s, const struct http_response *answer, struct rn_error *err)
{
	if (err->code != RN_EREMOTE || !explain_is_gateway(answer) || expect_status(q->expect, answer->status))
		return;
	RN_AUTO(rn_freep) char *cause = diagnose(s, q->url, q->method, http_headers_get(&q->headers, "x-api-key"), answer);
	if (cause)
		rn_hint(err, "%s", cause);
}

int probe_run(const struct probe *q, struct stage *s, struct http_client *http,
	      const struct smoke_params *p, struct http_response *answer, struct rn_error *err)
{
	int64_t start = rn_now_ms(), wait = FIRST_WAIT_MS;
	for (unsigned tries = 1;; tries++) {
		int rc = try_once(q, http, p, answer, err);
		if (rc > 0)
			return 0;
		int64_t left = q->retry_ms - (rn_now_ms() - start);
		if (rc < 0 || left <= 0) {
			look_for_cause(q, s, answer, err);
			if (tries > 1 && err->code != RN_ECANCELLED)
				rn_wrap(err, "after %u tries in %lld s", tries,
					(long long)((rn_now_ms() - start) / 1000));
			return -1;
		}
		stage_info(s, "try %u: %.*s; trying on for %lld s", tries,
			   (int)strcspn(err->msg, "\n"), err->msg,
			   (long long)((left + 999) / 1000));
		if (rn_sleep_ms(wait < left ? wait : left, s->host->cancel_fd(s->rs)) < 0)
			return rn_fail(err, RN_ECANCELLED, "cancelled while waiting for %s",
				       q->name);
		wait = wait * 2 < LONGEST_WAIT_MS ? wait * 2 : LONGEST_WAIT_MS;
	}
}
