/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test event. It is sent on every run, also when nothing was changed: a run
 * whose test failed must fail again until the function is right.
 */
#include "function.h"

#include "base/encode.h"
#include "expect.h"

#include <string.h>

#define ANSWER_SHOWN 2000
/* beyond the function's own timeout: start of a cold instance, the way there and back */
#define INVOKE_MARGIN_MS 60000

static int invoke_once(struct function *f, const char *version, struct aws_reply *ret, struct aws_error *aerr, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *base = aws_path("/2015-03-31/functions/{}/invocations", f->p->function_name);
	RN_AUTO(rn_freep) char *query = version ? aws_path("?Qualifier={}", version) : rn_strdup("");
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s%s", base, query);
	RN_AUTO(http_headers_clear) struct http_headers headers = { 0 };
	http_headers_add(&headers, "X-Amz-Invocation-Type", "RequestResponse");
	http_headers_add(&headers, "X-Amz-Log-Type", "Tail");
	const char *event = f->p->test_event.text ? f->p->test_event.text : "{}";
	const struct aws_call call = {
		.operation = "Invoke",
		.path = path,
		.raw = event,
		.raw_length = strlen(event),
		.content_type = "application/json",
		.headers = &headers,
		.long_running = true,
		.timeout_ms = f->p->timeout.ms + INVOKE_MARGIN_MS,
	};
	return aws_send(f->client, &call, ret, aerr, err);
}

/* A function that nobody called for weeks is inactive: the first call wakes it up. */
static int invoke(struct function *f, const char *version, struct aws_reply *ret, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	if (invoke_once(f, version, ret, &aerr, err) == 0)
		return 0;
	if (!aws_error_is(&aerr, "ResourceConflictException") && !aws_error_is(&aerr, "ResourceNotReadyException"))
		return -1;
	stage_info(f->s, "the function is not ready yet, waiting for it");
	if (function_settle(f, err) < 0)
		return -1;
	aws_reply_clear(ret);
	return invoke_once(f, version, ret, NULL, err);
}

static void show_log(const struct function *f, const struct aws_reply *r)
{
	const char *tail = http_headers_get(&r->headers, "X-Amz-Log-Result");
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (!tail || rn_base64_decode(tail, &text, NULL) < 0 || text.len == 0)
		return;
	stage_info(f->s, "the function's log:");
	f->s->host->log(f->s->rs, RUNNER_INFO, "%s", rn_buf_str(&text));
}

static int function_error(const struct function *f, const struct aws_reply *r, const char *kind, struct rn_error *err)
{
	const char *type = rn_json_str(r->json, "errorType"), *message = rn_json_str(r->json, "errorMessage");
	show_log(f, r);
	if (message)
		rn_fail(err, RN_EREMOTE, "the test event failed in function %s (%s): %s%s%s", f->p->function_name, kind,
			type ? type : "", type ? ": " : "", message);
	else
		rn_fail(err, RN_EREMOTE, "the test event failed in function %s (%s): %.*s", f->p->function_name, kind, ANSWER_SHOWN,
			rn_buf_str(&r->body));
	return rn_hint(err, "the last lines of the function's log are above");
}

static int compare(const struct function *f, const struct aws_reply *r, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *want = rn_json_parse_str(f->p->test_expect.text, err);
	RN_AUTO(rn_json_freep) cJSON *have = rn_json_parse(rn_buf_str(&r->body), r->body.len, NULL);
	RN_AUTO(rn_buf_clear) struct rn_buf why = RN_BUF_INIT;
	if (!want)
		return rn_wrap(err, "test_expect");
	if (!have)
		have = cJSON_CreateString(rn_buf_str(&r->body));
	if (expect_match(want, have, &why))
		return 0;
	show_log(f, r);
	stage_info(f->s, "the function answered: %.*s", ANSWER_SHOWN, rn_buf_str(&r->body));
	stage_blame(f->s, "test_expect");
	return rn_fail(err, RN_EREMOTE, "the answer to the test event is not what test_expect says: %s", rn_buf_str(&why));
}

int function_test(struct function *f, const char *version, struct rn_error *err)
{
	if (!f->p->test_event.text && !f->p->test_expect.text)
		return 0;
	stage_step(f->s, version ? "send the test event to version %s" : "send the test event", version);
	RN_AUTO(aws_reply_clear) struct aws_reply r = { 0 };
	if (invoke(f, version, &r, err) < 0)
		return -1;
	const char *kind = http_headers_get(&r.headers, "X-Amz-Function-Error");
	if (kind)
		return function_error(f, &r, kind, err);
	if (f->p->test_expect.text && compare(f, &r, err) < 0)
		return -1;
	stage_info(f->s, "the test event was answered as %s", f->p->test_expect.text ? "expected" : "a success");
	return 0;
}
