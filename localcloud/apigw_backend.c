/* SPDX-License-Identifier: Apache-2.0 */
/* Integrations: a Lambda function (in a thread of its own, so that a slow one ends in 504), HTTP,
 * mock. */
#include "apigw_event.h"

#include "lambda.h"

#include "base/encode.h"
#include "base/time.h"
#include "http/http.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Lambda ---- */

/* An invocation that its caller may leave behind. Freed by whoever is last. */
struct invocation {
	struct cloud *cloud;
	struct gateway *gateway;
	char *region, *function, *source_arn, *payload;
	struct lambda_result result;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done, abandoned;
};

static void invocation_free(struct invocation *v)
{
	lambda_result_clear(&v->result);
	pthread_cond_destroy(&v->done_cond);
	pthread_mutex_destroy(&v->lock);
	free(v->region);
	free(v->function);
	free(v->source_arn);
	free(v->payload);
	free(v);
}

static void *run(void *data)
{
	struct invocation *v = data;
	struct gateway *g = v->gateway;
	const struct lambda_call call = { .region = v->region,
					  .function = v->function,
					  .type = LAMBDA_REQUEST_RESPONSE,
					  .payload = v->payload,
					  .n = strlen(v->payload),
					  .principal = "apigateway.amazonaws.com",
					  .source_arn = v->source_arn };
	lambda_invoke(v->cloud, &call, &v->result);
	pthread_mutex_lock(&v->lock);
	v->done = true;
	bool abandoned = v->abandoned;
	pthread_cond_signal(&v->done_cond);
	pthread_mutex_unlock(&v->lock);
	if (abandoned)
		invocation_free(v);
	pthread_mutex_lock(&g->lock);
	if (--g->running == 0)
		pthread_cond_broadcast(&g->idle);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* Takes `payload`. */
static struct invocation *start(struct gateway_call *call, const char *function, const char *source, char *payload)
{
	struct invocation *v = rn_alloc(sizeof(*v));
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->done_cond, &clock);
	pthread_condattr_destroy(&clock);
	v->cloud = call->req->cloud;
	v->gateway = call->gateway;
	v->region = rn_strdup(call->region);
	v->function = rn_strdup(function);
	v->source_arn = rn_strdup(source);
	v->payload = payload;
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&v->gateway->lock);
	v->gateway->running++;
	pthread_mutex_unlock(&v->gateway->lock);
	int rc = pthread_create(&thread, &attr, run, v);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return v;
	pthread_mutex_lock(&v->gateway->lock);
	v->gateway->running--;
	pthread_mutex_unlock(&v->gateway->lock);
	invocation_free(v);
	return NULL;
}

/* True when it ended in time; else it is left to itself. */
static bool await(struct invocation *v, int64_t timeout_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&v->lock);
	int rc = 0;
	while (!v->done && rc == 0)
		rc = pthread_cond_timedwait(&v->done_cond, &v->lock, &until);
	bool done = v->done;
	v->abandoned = !done;
	pthread_mutex_unlock(&v->lock);
	return done;
}

char *gateway_function(const char *uri)
{
	const char *start_of = strstr(uri, "/functions/");
	const char *end = start_of ? strstr(start_of, "/invocations") : NULL;
	return end ? rn_strndup(start_of + strlen("/functions/"),
				(size_t)(end - start_of) - strlen("/functions/"))
		   : NULL;
}

/* arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/VERB/path */
static char *source_arn(const struct gateway_call *call)
{
	return cloud_arn("execute-api", call->region, "%s/%s/%s%s", call->api_id, call->stage_name,
			 call->verb, rn_json_str(call->resource, "path"));
}

int gateway_run(struct gateway_call *call, const char *function, const char *source, char *payload, int64_t timeout_ms,
		struct lambda_result *ret)
{
	struct invocation *v = start(call, function, source, payload);
	if (!v)
		return -1;
	if (!await(v, timeout_ms))
		return 1;
	*ret = v->result;
	v->result = (struct lambda_result){ 0 };
	invocation_free(v);
	return 0;
}

static void answer_invocation(struct gateway_call *call, const char *function, const char *source, const struct lambda_result *r)
{
	struct rn_error err = { 0 };
	if (r->status != 200) {
		gateway_refuse(call, GATEWAY_CONFIGURATION, "invoke %s for %s: %s: %s", function, source,
			       r->error_code ? r->error_code : "refused", r->error_message ? r->error_message : "");
	} else if (r->function_error) {
		gateway_refuse(call, GATEWAY_BAD_ANSWER, "%s ended with an error: %.300s", function, rn_buf_str(&r->payload));
	} else if (event_answer(call, rn_buf_str(&r->payload), r->payload.len, &err) < 0) {
		response_clear(call->res);
		gateway_refuse(call, GATEWAY_BAD_ANSWER, "%s: %s", function, err.msg);
	}
}

void gateway_invoke_lambda(struct gateway_call *call)
{
	RN_AUTO(rn_freep) char *uri = gateway_uri(call);
	RN_AUTO(rn_freep) char *function = gateway_function(uri);
	RN_AUTO(rn_freep) char *source = source_arn(call);
	struct lambda_result result = { 0 };
	if (!function) {
		gateway_refuse(call, GATEWAY_CONFIGURATION,
			       "the integration's uri %s names no function", uri);
		return;
	}
	int rc = gateway_run(call, function, source, event_build(call), rn_json_int(call->integration, "timeoutInMillis", 29000), &result);
	if (rc < 0)
		gateway_refuse(call, GATEWAY_CONFIGURATION, "no thread to invoke %s", function);
	else if (rc > 0)
		gateway_refuse(call, GATEWAY_TIMEOUT, "%s did not answer in time", function);
	else
		answer_invocation(call, function, source, &result);
	lambda_result_clear(&result);
}

/* ---- HTTP ---- */

/* The uri with {name} put in: by "integration.request.path.NAME" or the path's own variable. New.
 */
static char *http_url(const struct gateway_call *call)
{
	char *url = gateway_uri(call);
	const cJSON *mapped = rn_json_get(call->integration, "requestParameters");
	for (size_t i = 0; i < call->path_params.n; i++) {
		const char *name = call->path_params.v[i].name;
		RN_AUTO(rn_freep) char *target = NULL;
		RN_AUTO(rn_freep) char *from = rn_asprintf("method.request.path.%s", name);
		for (const cJSON *m = mapped ? mapped->child : NULL; m && !target; m = m->next)
			if (cJSON_IsString(m) && !strcmp(m->valuestring, from) &&
			    rn_starts(m->string, "integration.request.path."))
				target = rn_asprintf(
					"{%s}", m->string + strlen("integration.request.path."));
		if (!target)
			target = rn_asprintf("{%s}", name);
		RN_AUTO(rn_freep) char *value = rn_percent(call->path_params.v[i].value, "/");
		RN_AUTO(rn_freep) char *old = url;
		url = rn_replace(old, target, value);
	}
	if (*call->req->query) {
		RN_AUTO(rn_freep) char *old = url;
		url = rn_asprintf("%s%c%s", old, strchr(old, '?') ? '&' : '?', call->req->query);
	}
	return url;
}

static void copy_headers(const struct gateway_call *call, struct http_headers *to)
{
	static const char *const OWN[] = { "Host",       "Content-Length",
					   "Connection", "Transfer-Encoding",
					   "x-api-key",  "Expect" };
	for (size_t i = 0; i < call->req->headers.n; i++) {
		const struct pair *h = &call->req->headers.v[i];
		bool own = false;
		for (size_t k = 0; k < RN_LEN(OWN); k++)
			own = own || !strcasecmp(h->name, OWN[k]);
		if (!own)
			http_headers_add(to, h->name, h->value);
	}
}

void gateway_call_http(struct gateway_call *call)
{
	RN_AUTO(rn_freep) char *url = http_url(call);
	const char *method = rn_json_str(call->integration, "httpMethod");
	struct rn_error err = { 0 };
	struct http_request q = { .method = rn_streq(method, "ANY") ? call->verb : method,
				  .url = url,
				  .body = call->req->body.len ? HTTP_BODY_MEMORY : HTTP_BODY_NONE,
				  .data = call->req->body.p,
				  .length = (int64_t)call->req->body.len,
				  .timeout_ms = rn_json_int(call->integration, "timeoutInMillis",
							    29000) };
	RN_AUTO(http_response_clear) struct http_response answer = { 0 };
	copy_headers(call, &q.headers);
	int rc = http_send(call->gateway->http, &q, &answer, &err);
	http_headers_clear(&q.headers);
	if (rc < 0) {
		gateway_refuse(call, err.code == RN_ETIMEOUT ? GATEWAY_TIMEOUT : GATEWAY_FAILURE,
			       "%s: %s", url, err.msg);
		return;
	}
	for (size_t i = 0; i < answer.headers.n; i++)
		if (strcasecmp(answer.headers.v[i].name, "Content-Length") != 0)
			gateway_add_header(call, answer.headers.v[i].name,
					   answer.headers.v[i].value);
	response_body(call->res, answer.status, NULL, rn_buf_str(&answer.body), answer.body.len);
}

/* ---- mock ---- */

/* The integration response that the request template's statusCode selects. */
static const cJSON *mock_response(const struct gateway_call *call)
{
	const char *template = rn_json_str(rn_json_get(call->integration, "requestTemplates"),
					   "application/json");
	RN_AUTO(rn_json_freep) cJSON *doc = template ? rn_json_parse_str(template, NULL) : NULL;
	const cJSON *status = rn_json_get(doc, "statusCode"),
		    *list = rn_json_get(call->integration, "integrationResponses");
	RN_AUTO(rn_freep) char *text = cJSON_IsString(status) ? rn_strdup(status->valuestring)
		     : status               ? rn_json_print(status)
					    : NULL;
	const cJSON *otherwise = NULL;
	for (const cJSON *one = list ? list->child : NULL; one; one = one->next) {
		const char *pattern = rn_json_str(one, "selectionPattern");
		if (text && rn_streq(pattern, text))
			return one;
		if (!pattern || !*pattern)
			otherwise = !otherwise || rn_streq(one->string, text) ? one : otherwise;
	}
	return otherwise;
}

void gateway_mock(struct gateway_call *call)
{
	static const char PREFIX[] = "method.response.header.";
	const cJSON *chosen = mock_response(call);
	if (!chosen) {
		gateway_refuse(call, GATEWAY_CONFIGURATION,
			       "no integration response fits the mock's status");
		return;
	}
	const char *body = rn_json_str(rn_json_get(chosen, "responseTemplates"),
				       "application/json");
	const cJSON *parameters = rn_json_get(chosen, "responseParameters");
	response_body(call->res, (int)strtol(chosen->string, NULL, 10), "application/json", body,
		      body ? strlen(body) : 0);
	for (const cJSON *p = parameters ? parameters->child : NULL; p; p = p->next) {
		size_t n = cJSON_IsString(p) ? strlen(p->valuestring) : 0;
		if (rn_starts(p->string, PREFIX) && n >= 2 && p->valuestring[0] == '\'')
			response_header(call->res, p->string + strlen(PREFIX), "%.*s", (int)n - 2,
					p->valuestring + 1);
	}
}
