/* SPDX-License-Identifier: Apache-2.0 */
/* The smoke-test stage: HTTP requests whose answers must be as described. */
#include "probe.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define OUTPUT_BODY_MAX ((size_t)64 * 1024)

static const struct runner_param params[] = {
	RUNNER_PARAM(struct smoke_params, url,
		     .help = "URL to ask; the base that the urls of `requests` are relative to.",
		     .example = "${{ stages.api.url }}"),
	RUNNER_PARAM(struct smoke_params, method,
		     .help = "GET by default, POST when there is a body.", .example = "POST"),
	RUNNER_PARAM(struct smoke_params, headers, .help = "Headers to send.",
		     .example = "{x-api-key: \"${{ stages.api.api_key }}\"}"),
	RUNNER_PARAM(struct smoke_params, json, .help = "Value to send as JSON.",
		     .example = "[1, 2, 3]"),
	RUNNER_PARAM(struct smoke_params, body, .help = "Text to send as it is."),
	RUNNER_PARAM(struct smoke_params, expect,
		     .help = "What the answer must be like: status (a number, a class like "
			     "\"2xx\", a list), headers (name to text, "
			     "{contains}, {regex}, true or false), json (equal), json_subset "
			     "(members may be more), json_path "
			     "({$.a[0].b: value}), body (text, or {equals, contains, not_contains, "
			     "regex}), latency (at most). "
			     "Default: any 2xx.",
		     .example = "{status: 200, json: [1, 4, 9]}"),
	RUNNER_PARAM(struct smoke_params, requests,
		     .help = "Several requests, in order: a list of {name, url, method, headers, "
			     "json, body, expect, retry_for}; what "
			     "one lacks is taken from the parameters of the stage.",
		     .example =
			     "[{url: /health}, {url: /predict, json: [2], expect: {json: [4]}}]"),
	RUNNER_PARAM(struct smoke_params, retry_for,
		     .help = "Try on for so long until the answer is as expected. Not given: 30s, "
			     "but only while there is no answer or "
			     "it is 403, 404, 429 or 5xx, as a fresh deployment gives them; any "
			     "other difference fails at once. "
			     "0s: one try.",
		     .example = "1m"),
	RUNNER_PARAM(struct smoke_params, timeout, .def = "30s",
		     .help = "Longest time for one try."),
	RUNNER_PARAM(struct smoke_params, follow_redirects, .def = "false",
		     .help = "Follow redirects; otherwise a redirect is the answer. Keys and "
			     "cookies never go to another host."),
	RUNNER_PARAM(struct smoke_params, insecure, .def = "false",
		     .help = "Accept any TLS certificate."),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "status", .help = "Status of the last answer." },
	{ .name = "latency_ms", .help = "Time of the last request, in milliseconds." },
	{ .name = "body", .help = "Body of the last answer (its first 64 KiB)." },
	{ 0 },
};

static const char help[] =
	"Fails with the difference between what was expected and what came.\n\n"
	"When API Gateway refuses (403, 404, 429, 5xx) and there are AWS credentials, the API is read back and the cause "
	"is told: no such stage, path or method, not deployed, a key that is missing, unknown, disabled, in no plan or in "
	"one that does not hold for the stage, a quota or a throttle, a function that is gone, not ready, stopped or that the "
	"API may not invoke. Without credentials, or where they do not allow it, the usual meaning is told.";

static const char permissions[] = "apigateway:GET\nlambda:GetFunction\nlambda:GetPolicy";

static int publish(struct stage *s, const struct http_response *r, struct rn_error *err)
{
	char status[16], latency[32];
	snprintf(status, sizeof(status), "%d", r->status);
	snprintf(latency, sizeof(latency), "%lld", (long long)r->total_ms);
	const char *text = rn_buf_str(&r->body);
	size_t n = strlen(text) < OUTPUT_BODY_MAX ? strlen(text) : OUTPUT_BODY_MAX;
	while (n && n < strlen(text) && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--; /* not in the middle of a character */
	RN_AUTO(rn_freep) char *body = rn_strndup(text, n);
	if (!rn_utf8_valid(body, strlen(body))) {
		stage_info(s, "the body is not text; the output `body` is empty");
		body[0] = 0;
	}
	if (s->host->output_json(s->rs, "status", status) < 0 ||
	    s->host->output_json(s->rs, "latency_ms", latency) < 0)
		return rn_fail(err, RN_EINTERNAL, "outputs are not accepted");
	return stage_output(s, "body", body, err);
}

static int run_all(struct stage *s, const struct smoke_params *p, const struct probes *ps,
		   struct rn_error *err)
{
	struct http_options o = HTTP_OPTIONS_INIT;
	o.cancel_fd = s->host->cancel_fd(s->rs);
	o.insecure = p->insecure;
	RN_AUTO(http_client_freep) struct http_client *http = http_client_new(&o);
	RN_AUTO(http_response_clear) struct http_response answer = { 0 };
	for (size_t i = 0; i < ps->n; i++) {
		stage_step(s, "%s", ps->v[i].name);
		if (probe_run(&ps->v[i], s, http, p, &answer, err) < 0) {
			if (answer.status)
				publish(s, &answer, NULL);
			return -1;
		}
		stage_info(s, "%s: %d in %lld ms, as expected", ps->v[i].name, answer.status,
			   (long long)answer.total_ms);
	}
	return publish(s, &answer, err);
}

/* A test that is not as expected is the stage's own failure, not a failing remote service. */
static int fail(const struct stage *s, const struct rn_error *err)
{
	const struct runner_failure f = {
		.size = sizeof(f),
		.cls = err->code == RN_EREMOTE ? (uint32_t)RUNNER_FAIL_STAGE
					       : stage_class(err->code),
		.message = err->msg,
		.hint = err->hint[0] ? err->hint : NULL,
		.param = s->param,
		.retryable = err->retryable,
	};
	return s->host->fail(s->rs, &f);
}

static int run(struct runner_stage *rs, const struct runner_host *host, const void *params_given)
{
	struct stage s;
	struct rn_error err = { 0 };
	RN_AUTO(probes_clear) struct probes ps = { 0 };
	stage_init(&s, rs, host, STAGE_RUN);
	if (probes_init(&ps, &s, params_given, &err) < 0 ||
	    run_all(&s, params_given, &ps, &err) < 0)
		return fail(&s, &err);
	return 0;
}

static int plan(struct runner_stage *rs, const struct runner_host *host, const void *params_given)
{
	struct stage s;
	struct rn_error err = { 0 };
	RN_AUTO(probes_clear) struct probes ps = { 0 };
	stage_init(&s, rs, host, STAGE_PLAN);
	if (probes_init(&ps, &s, params_given, &err) < 0)
		return fail(&s, &err);
	for (size_t i = 0; i < ps.n; i++)
		stage_info(&s, "would ask %s", ps.v[i].name);
	return 0;
}

static int check(struct runner_stage *rs, const struct runner_host *host, const void *params_given)
{
	struct stage s;
	struct rn_error err = { 0 };
	RN_AUTO(probes_clear) struct probes ps = { 0 };
	stage_init(&s, rs, host, STAGE_PLAN);
	return probes_init(&ps, &s, params_given, &err) < 0 ? fail(&s, &err) : 0;
}

RUNNER_PLUGIN(.name = "smoke-test", .version = RUNNER_VERSION,
	      .summary = "Sends HTTP requests and checks that the answers are as described",
	      .param_size = sizeof(struct smoke_params), .params = params, .outputs = outputs,
	      .check = check, .run = run, .plan = plan, .help = help,
	      .permissions = permissions);
