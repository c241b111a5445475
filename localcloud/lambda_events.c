/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous invocations: what was answered 202 is in the store until it was run, so that
 * it outlives kill -9 (at least once, as on AWS). Some workers take events in the order of their
 * time; a failed one comes back twice, one that was throttled until it is too old.
 */
#include "lambda_internal.h"

#include "base/encode.h"
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENT "lambda.event" /* by number, sixteen digits */
#define EVENTS_MAX 10000
#define WORKERS_MAX 32
#define RETRIES 2                             /* by default */
#define HOPS_MAX 16                           /* of events that functions send each other, as AWS counts them */
#define RECORD_MAX ((size_t)1 << 20)          /* as of every event */
#define WAIT_MS 1000                          /* behind the first failure; AWS waits a minute, then two */
#define THROTTLED_MS 100                      /* doubled each time, up to the next line */
#define THROTTLED_MAX_MS 5000
#define AGE_S 21600                           /* by default: six hours */

/* One that waits; all else is in the store. */
struct event {
	struct event *next; /* by due, then in the order of their coming */
	char id[20];
	int64_t due_ms;
	int tries, throttled;
};

struct event_queue {
	struct event *first;
	size_t n;
	unsigned workers, idle;
	int64_t last_number;
	pthread_cond_t changed; /* with lambda.lock */
};

/* With the lock. */
static void insert(struct event_queue *q, struct event *e)
{
	struct event **p = &q->first;
	while (*p && (*p)->due_ms <= e->due_ms)
		p = &(*p)->next;
	e->next = *p;
	*p = e;
	q->n++;
}

static void *work(void *arg);

/* One more worker where all are busy. */
static void call_worker(struct lambda *l)
{
	struct event_queue *q = l->events;
	pthread_mutex_lock(&l->lock);
	bool more = q->first && q->idle == 0 && q->workers < WORKERS_MAX && !l->stopping;
	q->workers += more;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&l->lock);
	if (!more || worker_start(l, work, l) == 0)
		return;
	pthread_mutex_lock(&l->lock);
	q->workers--;
	pthread_mutex_unlock(&l->lock);
}

/* The first one that is due, waiting for it; NULL when there is nothing to do any more. */
static struct event *take(struct lambda *l)
{
	struct event_queue *q = l->events;
	struct event *e = NULL;
	pthread_mutex_lock(&l->lock);
	q->idle++;
	while (!l->stopping && (e = q->first)) {
		int64_t due = e->due_ms;
		if (due <= rn_now_ms())
			break;
		struct timespec t = { .tv_sec = due / 1000, .tv_nsec = (due % 1000) * 1000000 };
		pthread_cond_timedwait(&q->changed, &l->lock, &t);
		e = NULL;
	}
	q->idle--;
	if (l->stopping)
		e = NULL;
	if (e) {
		q->first = e->next;
		q->n--;
	} else {
		q->workers--;
	}
	pthread_mutex_unlock(&l->lock);
	return e;
}

/* ---- running one ---- */

enum verdict { DONE, AGAIN, LATER, KEEP };

/* What is known of an event at its end, for its record. */
struct end {
	const cJSON *doc;                /* as stored */
	const struct lambda_result *res;
	const char *condition;           /* "Success", "RetriesExhausted", "EventAgeExceeded" */
	int tries;
	struct rn_buf payload;
};

static bool too_old(const cJSON *doc, const cJSON *config)
{
	double age = rn_json_num(config, "MaximumEventAgeInSeconds", AGE_S);
	return (double)rn_wall_ms() - rn_json_num(doc, "created", 0) > age * 1000;
}

static enum verdict judge(struct lambda *l, const struct lambda_result *res, const cJSON *doc, const cJSON *config)
{
	pthread_mutex_lock(&l->lock);
	bool stopping = l->stopping;
	pthread_mutex_unlock(&l->lock);
	if (res->status == 200 && !res->function_error)
		return DONE;
	if (stopping) /* it may be the stop that ended it */
		return KEEP;
	bool pending = res->status == 409 && rn_ends(res->error_message, "Pending");
	if (res->status == 429 || pending) /* no instance is free, or there is none yet */
		return too_old(doc, config) ? AGAIN : LATER;
	return AGAIN;
}

/* ---- where the record of an end goes ---- */

static void tell(struct lambda *l, const cJSON *doc, const char *text)
{
	const char *region = rn_json_str(doc, "region"), *function = rn_json_str(doc, "function");
	RN_AUTO(rn_freep) char *line = rn_asprintf("RequestId: %s %s", rn_json_str(doc, "request_id"), text);
	struct function_ref r = { 0 };
	cloud_warn(l->cloud, "lambda: %s: %s", function, line);
	if (function_ref_parse(region, function, NULL, &r, NULL) == 0) {
		RN_AUTO(rn_json_freep) cJSON *config = function_load(l->cloud, &r);
		stream_note(l, region, rn_json_str(rn_json_get(config, "LoggingConfig"), "LogGroup"), line);
	}
	function_ref_clear(&r);
}

static cJSON *json_or_text(const void *p, size_t n)
{
	cJSON *j = rn_json_parse(p, n, NULL);
	RN_AUTO(rn_freep) char *text = j ? NULL : rn_strndup(p ? p : "", n);
	return j ? j : cJSON_CreateString(text);
}

/* The invocation record, as AWS sends it to a destination. New text. */
static char *record_of(const struct end *e, const char *arn)
{
	char stamp[32];
	const struct lambda_result *res = e->res;
	RN_AUTO(rn_json_freep) cJSON *record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "version", "1.0");
	cJSON_AddStringToObject(record, "timestamp", rn_iso8601(rn_wall_ms(), true, stamp));
	cJSON *context = cJSON_AddObjectToObject(record, "requestContext");
	cJSON_AddStringToObject(context, "requestId", rn_json_str(e->doc, "request_id"));
	cJSON_AddStringToObject(context, "functionArn", arn);
	cJSON_AddStringToObject(context, "condition", e->condition);
	cJSON_AddNumberToObject(context, "approximateInvokeCount", e->tries);
	cJSON_AddItemToObject(record, "requestPayload", json_or_text(e->payload.p, e->payload.len));
	if (res && res->status == 200) {
		cJSON *answer = cJSON_AddObjectToObject(record, "responseContext");
		cJSON_AddNumberToObject(answer, "statusCode", 200);
		cJSON_AddStringToObject(answer, "executedVersion", res->version ? res->version : LATEST);
		if (res->function_error)
			cJSON_AddStringToObject(answer, "functionError", res->function_error);
		cJSON_AddItemToObject(record, "responsePayload", json_or_text(res->payload.p, res->payload.len));
	}
	return rn_json_print(record);
}

static bool may_go_on(struct lambda *l, const struct function_ref *r, int64_t hops)
{
	RN_AUTO(rn_json_freep) cJSON *doc = function_load(l->cloud, r);
	return hops < HOPS_MAX || rn_streq(rn_json_str(doc, "_recursion"), "Allow");
}

static void send_record(struct lambda *l, const struct end *e, const struct function_ref *r, const char *to)
{
	RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier ? r->qualifier : LATEST);
	RN_AUTO(rn_freep) char *record = record_of(e, arn);
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	rn_strv_split(&parts, to, ':');
	const int64_t hops = rn_json_int(e->doc, "hops", 0) + 1;
	struct rn_error err = { 0 };
	char id[37];
	if (parts.n < 7 || strcmp(parts.v[2], "lambda") != 0) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("Its record (%s) was not sent to %s: the local cloud reaches functions only", e->condition, to);
		tell(l, e->doc, text);
	} else if (strlen(record) > RECORD_MAX) {
		tell(l, e->doc, "Its record was not sent on: it is larger than an event may be");
	} else if (!may_go_on(l, r, hops)) {
		tell(l, e->doc, "Its record was not sent on: functions have called each other in a loop 16 times (RecursiveLoop is Terminate)");
	} else {
		const struct lambda_call call = { .region = parts.v[3], .function = to, .type = LAMBDA_EVENT, .payload = record,
						  .n = strlen(record), .hops = hops };
		if (events_add(l, &call, cloud_uuid(id), &err) < 0)
			tell(l, e->doc, err.msg);
	}
}

/* The end of an event: to the destination for it, and a failure to the dead-letter target as well. */
static void conclude(struct lambda *l, const struct end *e, const cJSON *config)
{
	bool good = !strcmp(e->condition, "Success");
	struct function_ref r = { 0 };
	const char *why = !e->res ? "" : e->res->function_error ? rn_buf_str(&e->res->payload) : e->res->error_message;
	if (!good) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("The event was given up after %d tries (%s): %.1000s", e->tries, e->condition, why ? why : "");
		tell(l, e->doc, text);
	}
	const char *to = rn_json_str(rn_json_path(config, good ? "DestinationConfig.OnSuccess" : "DestinationConfig.OnFailure"), "Destination");
	if (function_ref_parse(rn_json_str(e->doc, "region"), rn_json_str(e->doc, "function"), rn_json_str(e->doc, "qualifier"), &r, NULL) < 0)
		return;
	if (to)
		send_record(l, e, &r, to);
	RN_AUTO(rn_json_freep) cJSON *function = good ? NULL : function_qualified(l->cloud, &r, r.qualifier);
	const char *queue = rn_json_str(rn_json_get(function, "DeadLetterConfig"), "TargetArn");
	if (queue && *queue) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("The event was not sent to %s: the local cloud has neither queues nor topics", queue);
		tell(l, e->doc, text);
	}
	function_ref_clear(&r);
}

static cJSON *config_of(struct lambda *l, const cJSON *doc)
{
	struct function_ref r = { 0 };
	cJSON *config = NULL;
	if (function_ref_parse(rn_json_str(doc, "region"), rn_json_str(doc, "function"), rn_json_str(doc, "qualifier"), &r, NULL) == 0)
		config = async_config(l->cloud, &r);
	function_ref_clear(&r);
	return config;
}

static enum verdict try_once(struct lambda *l, const struct event *e, struct end *end, const cJSON *config)
{
	const cJSON *doc = end->doc;
	const struct lambda_call call = { .region = rn_json_str(doc, "region"),
					  .function = rn_json_str(doc, "function"),
					  .qualifier = rn_json_str(doc, "qualifier"),
					  .client_context = rn_json_str(doc, "context"),
					  .payload = end->payload.p,
					  .n = end->payload.len };
	struct lambda_result res = { 0 };
	snprintf(res.request_id, sizeof(res.request_id), "%s", rn_json_str(doc, "request_id"));
	lambda_run(l->cloud, &call, &res);
	enum verdict v = judge(l, &res, doc, config);
	bool gone = res.status == 404, spent = e->tries >= rn_json_int(config, "MaximumRetryAttempts", RETRIES);
	end->res = &res;
	end->tries = e->tries + (v == DONE || v == AGAIN);
	if (v == AGAIN && (gone || spent || too_old(doc, config))) {
		end->condition = gone || spent ? "RetriesExhausted" : "EventAgeExceeded";
		v = DONE;
	} else if (v == DONE) {
		end->condition = "Success";
	}
	if (v == DONE)
		conclude(l, end, config);
	end->res = NULL;
	lambda_result_clear(&res);
	return v;
}

static enum verdict run(struct lambda *l, const struct event *e, const cJSON *doc)
{
	struct end end = { .doc = doc, .tries = e->tries };
	RN_AUTO(rn_json_freep) cJSON *config = config_of(l, doc);
	enum verdict v = DONE;
	rn_base64_decode(rn_json_str(doc, "payload"), &end.payload, NULL);
	if (too_old(doc, config)) {
		end.condition = "EventAgeExceeded";
		conclude(l, &end, config);
	} else {
		v = try_once(l, e, &end, config);
	}
	rn_buf_clear(&end.payload);
	return v;
}

static void settle(struct lambda *l, struct event *e, enum verdict v)
{
	if (v == DONE)
		store_remove(l->cloud->store, EVENT, "", e->id, NULL);
	if (v == DONE || v == KEEP) { /* one that is kept is found at the next start */
		free(e);
		return;
	}
	int64_t wait = (int64_t)THROTTLED_MS << e->throttled;
	if (v == AGAIN)
		wait = WAIT_MS * ++e->tries;
	else if (wait < THROTTLED_MAX_MS)
		e->throttled++;
	e->due_ms = rn_now_ms() + wait;
	pthread_mutex_lock(&l->lock);
	insert(l->events, e);
	pthread_mutex_unlock(&l->lock);
}

static void *work(void *arg)
{
	struct lambda *l = arg;
	for (struct event *e; (e = take(l));) {
		call_worker(l); /* for the one behind it: this one is busy now */
		RN_AUTO(rn_json_freep) cJSON *doc = store_get(l->cloud->store, EVENT, "", e->id);
		settle(l, e, doc ? run(l, e, doc) : DONE);
	}
	worker_ended(l);
	return NULL;
}

/* ---- coming ---- */

static bool has_room(struct lambda *l, char *ret_id)
{
	struct event_queue *q = l->events;
	pthread_mutex_lock(&l->lock);
	bool room = q->n < EVENTS_MAX && !l->stopping;
	/* by the clock, so that numbers go on behind those of an earlier process */
	q->last_number = q->last_number >= rn_wall_ms() * 1000 ? q->last_number + 1 : rn_wall_ms() * 1000;
	snprintf(ret_id, 20, "%016lld", (long long)q->last_number);
	pthread_mutex_unlock(&l->lock);
	return room;
}

static void enqueue(struct lambda *l, const char *id)
{
	struct event *e = rn_alloc(sizeof(*e));
	snprintf(e->id, sizeof(e->id), "%s", id);
	e->due_ms = rn_now_ms();
	pthread_mutex_lock(&l->lock);
	insert(l->events, e);
	pthread_mutex_unlock(&l->lock);
	call_worker(l);
}

int events_add(struct lambda *l, const struct lambda_call *call, const char *request_id, struct rn_error *err)
{
	char id[20];
	if (!has_room(l, id))
		return rn_fail(err, RN_ELIMIT, "Rate Exceeded.");
	RN_AUTO(rn_json_freep) cJSON *doc = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *payload = rn_base64(call->n ? call->payload : "{}", call->n ? call->n : 2);
	cJSON_AddStringToObject(doc, "region", call->region);
	cJSON_AddStringToObject(doc, "function", call->function);
	json_set_str(doc, "qualifier", call->qualifier);
	json_set_str(doc, "context", call->client_context);
	cJSON_AddStringToObject(doc, "payload", payload);
	cJSON_AddStringToObject(doc, "request_id", request_id);
	cJSON_AddNumberToObject(doc, "created", (double)rn_wall_ms());
	if (call->hops)
		cJSON_AddNumberToObject(doc, "hops", (double)call->hops);
	if (store_put(l->cloud->store, EVENT, "", id, doc, err) < 0)
		return -1;
	enqueue(l, id);
	return 0;
}

void events_start(struct lambda *l)
{
	struct event_queue *q = l->events = rn_alloc(sizeof(*q));
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	/* what an earlier process owes */
	RN_AUTO(rn_strv_clear) struct rn_strv ids = { 0 };
	store_begin(l->cloud->store);
	sqlite3_stmt *s = store_query(l->cloud->store, "SELECT id FROM object WHERE kind = ?1 ORDER BY id", 1, (const char *[]){ EVENT });
	while (store_row(l->cloud->store, s))
		rn_strv_add(&ids, (const char *)sqlite3_column_text(s, 0));
	store_done(s);
	store_end(l->cloud->store, false, NULL);
	for (size_t i = 0; i < ids.n; i++)
		enqueue(l, ids.v[i]);
}

void events_interrupt(struct lambda *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->events)
		pthread_cond_broadcast(&l->events->changed);
	pthread_mutex_unlock(&l->lock);
}

void events_stop(struct lambda *l)
{
	struct event_queue *q = l->events;
	if (!q)
		return;
	for (struct event *e = q->first, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	pthread_cond_destroy(&q->changed);
	free(q);
	l->events = NULL;
}
