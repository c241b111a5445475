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
#define TRIES 3
#define WAIT_MS 1000                          /* behind the first failure; AWS waits a minute, then two */
#define THROTTLED_MS 100                      /* doubled each time, up to the next line */
#define THROTTLED_MAX_MS 5000
#define AGE_MAX_MS ((int64_t)6 * 3600 * 1000) /* of one that is throttled: AWS's default */

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

static enum verdict judge(struct lambda *l, const struct lambda_result *res, const cJSON *doc)
{
	pthread_mutex_lock(&l->lock);
	bool stopping = l->stopping;
	pthread_mutex_unlock(&l->lock);
	if (res->status == 200 && !res->function_error)
		return DONE;
	if (stopping) /* it may be the stop that ended it */
		return KEEP;
	bool old = (double)rn_wall_ms() - rn_json_num(doc, "created", 0) > (double)AGE_MAX_MS;
	bool pending = res->status == 409 && rn_ends(res->error_message, "Pending");
	if (res->status == 429 || pending) /* no instance is free, or there is none yet */
		return old ? AGAIN : LATER;
	return AGAIN;
}

static void tell_dead(struct lambda *l, const cJSON *doc, const struct lambda_result *res)
{
	const char *region = rn_json_str(doc, "region"), *function = rn_json_str(doc, "function");
	const char *why = res->function_error ? rn_buf_str(&res->payload) : res->error_message;
	RN_AUTO(rn_freep) char *text = rn_asprintf("RequestId: %s The event was given up after %d tries: %.1000s",
						   rn_json_str(doc, "request_id"), TRIES, why ? why : "");
	struct function_ref r = { 0 };
	cloud_warn(l->cloud, "lambda: %s: %s", function, text);
	if (function_ref_parse(region, function, NULL, &r, NULL) == 0) {
		RN_AUTO(rn_json_freep) cJSON *config = function_load(l->cloud, &r);
		stream_note(l, region, rn_json_str(rn_json_get(config, "LoggingConfig"), "LogGroup"), text);
	}
	function_ref_clear(&r);
}

static enum verdict run(struct lambda *l, const struct event *e, const cJSON *doc)
{
	RN_AUTO(rn_buf_clear) struct rn_buf payload = RN_BUF_INIT;
	rn_base64_decode(rn_json_str(doc, "payload"), &payload, NULL);
	const struct lambda_call call = { .region = rn_json_str(doc, "region"),
					  .function = rn_json_str(doc, "function"),
					  .qualifier = rn_json_str(doc, "qualifier"),
					  .client_context = rn_json_str(doc, "context"),
					  .payload = payload.p,
					  .n = payload.len };
	struct lambda_result res = { 0 };
	snprintf(res.request_id, sizeof(res.request_id), "%s", rn_json_str(doc, "request_id"));
	lambda_run(l->cloud, &call, &res);
	enum verdict v = judge(l, &res, doc);
	bool gone = res.status == 404; /* the function was deleted meanwhile */
	if (v == AGAIN && (gone || e->tries + 1 >= TRIES)) {
		tell_dead(l, doc, &res);
		v = DONE;
	}
	lambda_result_clear(&res);
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
