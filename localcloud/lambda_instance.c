/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances: found warm or started cold, held by one invoker at a time, ended when idle,
 * when the function changed, or with the cloud. Each has a watcher thread that takes its
 * log, sees its end and frees it; nothing of an instance outlives that thread.
 */
#include "lambda_internal.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INSTANCES_MAX 256
#define IDLE_MS (600 * 1000)
#define INIT_MS 10000
#define SHORT_LIFE_MS 10000 /* of a provisioned one: its successor comes after a pause */
#define PAUSE_MS 1000

double lambda_since(const struct timespec *t)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) * 1000.0 + (double)(now.tv_nsec - t->tv_nsec) / 1e6;
}

void lambda_unhandled(struct lambda_result *res, const char *type, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	RN_AUTO(rn_freep) char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
	RN_AUTO(rn_freep) char *message = rn_asprintf("RequestId: %s Error: %s", res->request_id, text);
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "errorType", type);
	cJSON_AddStringToObject(j, "errorMessage", message);
	RN_AUTO(rn_freep) char *json = rn_json_print(j);
	rn_buf_reset(&res->payload);
	rn_buf_adds(&res->payload, json);
	res->status = 200;
	res->function_error = "Unhandled";
}

/* ---- life ---- */

static void instance_free(struct instance *in)
{
	struct lambda *l = in->lambda;
	runtime_stop(in);
	sandbox_free(in->box);
	stream_close(in);
	if (in->clone)
		rn_remove_tree(in->clone, NULL);
	rn_buf_clear(&in->init_error);
	pthread_cond_destroy(&in->changed);
	pthread_mutex_destroy(&in->log_lock);
	free(in->key);
	free(in->function);
	free(in->version);
	free(in->clone);
	free(in->stream);
	free(in->stream_path);
	free(in);
	worker_ended(l);
}

/* With the lock. */
static void unlink_instance(struct instance *in)
{
	struct instance **p = &in->lambda->instances;
	while (*p != in)
		p = &(*p)->next;
	*p = in->next;
}

static void end_if_idle_long(struct instance *in)
{
	pthread_mutex_lock(&in->lambda->lock);
	bool end = !in->owned && (in->retired || (!in->provisioned && rn_now_ms() - in->idle_since > IDLE_MS));
	in->retired = in->retired || end;
	pthread_mutex_unlock(&in->lambda->lock);
	if (end)
		sandbox_kill(in->box);
}

/* One that was to be kept has ended in the middle of its life. */
static void replace(const struct instance *in)
{
	char *name = strchr(in->function, '/') + 1;
	RN_AUTO(rn_freep) char *region = rn_strndup(in->function, (size_t)(name - 1 - in->function));
	const struct function_ref r = { region, name, NULL };
	provision(in->lambda->cloud, &r);
}

/* With the lock. */
static void wait_until(struct instance *in, int64_t end_ms)
{
	struct timespec t = { .tv_sec = end_ms / 1000, .tv_nsec = (end_ms % 1000) * 1000000 };
	pthread_cond_timedwait(&in->changed, &in->lambda->lock, &t);
}

/* A program that ends soon after its start must not be started over and over without a pause. With the lock. */
static void pause_before_next(struct instance *in)
{
	int64_t end = rn_now_ms() + PAUSE_MS;
	if (!in->provisioned || !in->warm || in->retired || lambda_since(&in->born) > SHORT_LIFE_MS)
		return;
	while (!in->lambda->stopping && rn_now_ms() < end)
		wait_until(in, end);
}

static void *watch(void *arg)
{
	struct instance *in = arg;
	struct lambda *l = in->lambda;
	for (;;) {
		pthread_mutex_lock(&in->log_lock);
		int log = in->log_fd;
		pthread_mutex_unlock(&in->log_lock);
		struct pollfd p[2] = { { .fd = sandbox_fd(in->box), .events = POLLIN },
				       { .fd = log, .events = POLLIN } };
		poll(p, 2, 1000);
		stream_pump(in);
		if (p[0].revents && sandbox_wait(in->box, 0, &in->status, NULL) == 0)
			break;
		end_if_idle_long(in);
	}
	stream_pump(in);
	pthread_mutex_lock(&l->lock);
	in->dead = true;
	pthread_cond_broadcast(&in->changed);
	while (in->owned)
		pthread_cond_wait(&in->changed, &l->lock);
	pause_before_next(in);
	unlink_instance(in);
	bool missed = in->provisioned && in->warm && !l->stopping;
	pthread_mutex_unlock(&l->lock);
	if (missed)
		replace(in);
	instance_free(in);
	return NULL;
}

static struct instance *instance_new(struct lambda *l, const struct function_ref *r, const cJSON *doc, const char *key)
{
	struct instance *in = rn_alloc(sizeof(*in));
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&in->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&in->log_lock, NULL);
	in->lambda = l;
	in->key = rn_strdup(key);
	in->function = function_parent(r);
	in->version = rn_strdup(rn_json_str(doc, "Version"));
	in->log_fd = in->stream_fd = -1;
	in->owned = true;
	return in;
}

/* ---- acquire ---- */

/* Instances of one key can stand in for each other. New. */
static char *instance_key(const struct function_ref *r, const cJSON *doc)
{
	return rn_asprintf("%s/%s/%s/%s", r->region, r->name, rn_json_str(doc, "Version"), rn_json_str(doc, "_generation"));
}

static struct instance *find_warm(struct lambda *l, const char *key)
{
	struct instance *almost = NULL; /* has answered, and asks for the next event in a moment */
	for (struct instance *in = l->instances; in; in = in->next) {
		if (in->owned || in->dead || in->retired || strcmp(in->key, key))
			continue;
		if (in->state == INSTANCE_IDLE)
			return in;
		almost = in;
	}
	return almost;
}

static int64_t count(const struct lambda *l, const char *function, bool owned)
{
	int64_t n = 0;
	for (const struct instance *in = l->instances; in; in = in->next)
		n += (!function || !strcmp(in->function, function)) && (!owned || in->owned);
	return n;
}

static void refuse(struct lambda_result *res, int status, const char *code, const char *reason, const char *message)
{
	res->status = status;
	res->error_code = rn_strdup(code);
	res->reason = reason;
	res->error_message = rn_strdup(message);
}

/* Makes room by ending an idle one of another function. With the lock. */
static void evict(struct lambda *l)
{
	for (struct instance *in = l->instances; in; in = in->next)
		if (!in->owned && !in->dead && !in->retired && !in->provisioned) {
			in->retired = true;
			sandbox_kill(in->box);
			return;
		}
}

static int start_watcher(struct instance *in)
{
	pthread_t thread;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int rc = pthread_create(&thread, &attr, watch, in);
	pthread_attr_destroy(&attr);
	if (rc)
		return -1;
	pthread_mutex_lock(&in->lambda->lock);
	in->running = true;
	if (in->lambda->stopping)
		sandbox_kill(in->box);
	pthread_mutex_unlock(&in->lambda->lock);
	return 0;
}

/* "exec /app: No such file or directory" in the words of Lambda: "fork/exec /app: no such file or directory". */
static char *start_failure(const char *msg)
{
	char *text = rn_asprintf("%s%s", rn_starts(msg, "exec ") ? "fork/" : "", msg);
	char *tail = strstr(text, ": ");
	if (tail)
		rn_lower(tail);
	return text;
}

/* Starts what is in the list already, held by the caller. */
static struct instance *boot(struct instance *in, const struct function_ref *r, const cJSON *doc,
			     struct lambda_result *res)
{
	struct lambda *l = in->lambda;
	struct rn_error err = { 0 };
	const char *type;
	int rc = instance_boot(in, r, doc, &type, &err);
	if (rc == 0 && start_watcher(in) == 0)
		return in;
	if (rc == 0)
		rn_fail(&err, RN_EIO, "start a thread");
	if (type) {
		RN_AUTO(rn_freep) char *text = start_failure(err.msg);
		lambda_unhandled(res, type, "%s", text);
		stream_line(in, "INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: error\tError Type: %s",
			    lambda_since(&in->born), type);
		stream_line(in, "%s", rn_buf_str(&res->payload));
		res->log = stream_tail(in);
	} else if (err.code == RN_ENOTFOUND) { /* nothing but the image can be missing here */
		function_image_lost(l->cloud, r);
		refuse(res, 409, "ResourceConflictException", NULL,
		       "The operation cannot be performed at this time. The function is currently in the following state: Failed");
		cloud_warn(l->cloud, "lambda: %s", err.msg);
	} else {
		refuse(res, 500, "ServiceException", NULL, err.msg);
		if (err.hint[0])
			cloud_log(l->cloud, "lambda: %s; %s", err.msg, err.hint);
	}
	pthread_mutex_lock(&l->lock);
	in->dead = true;
	pthread_cond_broadcast(&in->changed); /* a program that already waits for its first event */
	unlink_instance(in);
	pthread_mutex_unlock(&l->lock);
	instance_free(in);
	return NULL;
}

struct instance *instance_acquire(struct lambda *l, const struct function_ref *r, const cJSON *doc, int64_t reserved,
				  struct lambda_result *res)
{
	RN_AUTO(rn_freep) char *key = instance_key(r, doc);
	RN_AUTO(rn_freep) char *function = function_parent(r);
	struct instance *in = NULL, *fresh = NULL;
	pthread_mutex_lock(&l->lock);
	if (l->stopping) {
		refuse(res, 500, "ServiceException", NULL, "the local cloud is stopping");
	} else if (reserved >= 0 && count(l, function, true) >= reserved) {
		refuse(res, 429, "TooManyRequestsException", "ReservedFunctionConcurrentInvocationLimitExceeded",
		       "Rate Exceeded.");
	} else if ((in = find_warm(l, key))) {
		in->owned = true;
	} else if (count(l, NULL, true) >= INSTANCES_MAX) {
		refuse(res, 429, "TooManyRequestsException", "ConcurrentInvocationLimitExceeded", "Rate Exceeded.");
	} else {
		if (count(l, NULL, false) >= INSTANCES_MAX)
			evict(l);
		fresh = instance_new(l, r, doc, key);
		fresh->next = l->instances;
		l->instances = fresh;
		l->workers++;
	}
	pthread_mutex_unlock(&l->lock);
	return fresh ? boot(fresh, r, doc, res) : in;
}

/* ---- ahead of any event ---- */

/* Until the program asks for work; NULL, or why it never did. With the lock. */
static const char *wait_for_init(struct instance *in)
{
	int64_t end = rn_now_ms() + INIT_MS;
	while (in->state == INSTANCE_INIT && !in->dead && !in->failed_init && !in->retired && rn_now_ms() < end)
		wait_until(in, end);
	return in->state != INSTANCE_INIT && !in->dead ? NULL : "FUNCTION_ERROR_INIT_FAILURE";
}

struct instance *instance_provision(struct lambda *l, const struct function_ref *r, const cJSON *doc, const char **ret_why)
{
	RN_AUTO(rn_freep) char *key = instance_key(r, doc);
	struct lambda_result res = { 0 };
	struct instance *in = NULL;
	cloud_uuid(res.request_id);
	pthread_mutex_lock(&l->lock);
	if (l->stopping || count(l, NULL, false) >= INSTANCES_MAX) {
		*ret_why = l->stopping ? "The local cloud is stopping" : "The local cloud has no room for more instances";
	} else {
		in = instance_new(l, r, doc, key);
		in->provisioned = true;
		in->next = l->instances;
		l->instances = in;
		l->workers++;
	}
	pthread_mutex_unlock(&l->lock);
	in = in ? boot(in, r, doc, &res) : NULL;
	if (!in && !*ret_why)
		*ret_why = "FUNCTION_ERROR_INIT_FAILURE";
	lambda_result_clear(&res);
	if (!in)
		return NULL;
	pthread_mutex_lock(&l->lock);
	*ret_why = wait_for_init(in);
	in->warm = !*ret_why;
	in->retired = in->retired || *ret_why;
	pthread_mutex_unlock(&l->lock);
	if (!*ret_why)
		return in;
	instance_release(in);
	return NULL;
}

void instance_release(struct instance *in)
{
	struct lambda *l = in->lambda;
	pthread_mutex_lock(&l->lock);
	in->current = NULL;
	in->idle_since = rn_now_ms();
	bool end = in->retired || l->stopping;
	if (end)
		sandbox_kill(in->box);
	in->owned = false; /* from here on its watcher may free it */
	pthread_cond_broadcast(&in->changed);
	pthread_mutex_unlock(&l->lock);
}

void instances_retire(struct lambda *l, const char *function, const char *generation)
{
	pthread_mutex_lock(&l->lock);
	for (struct instance *in = l->instances; in; in = in->next) {
		/* published versions keep their generation: only $LATEST changes */
		bool latest = !strcmp(in->version, LATEST);
		if (strcmp(in->function, function) || in->retired || in->dead)
			continue;
		if (generation && (!latest || rn_ends(in->key, generation)))
			continue;
		in->retired = true;
		if (!in->owned)
			sandbox_kill(in->box);
	}
	pthread_mutex_unlock(&l->lock);
}

void instances_kill(struct lambda *l)
{
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	for (struct instance *in = l->instances; in; in = in->next) {
		in->retired = true;
		if (in->running)
			sandbox_kill(in->box);
		pthread_cond_broadcast(&in->changed);
	}
	pthread_mutex_unlock(&l->lock);
}

/* ---- one event ---- */

enum outcome { ANSWERED, DIED, TIMED_OUT, INIT_FAILED, NOT_TAKEN };

/* With the lock. */
static enum outcome wait_outcome(struct instance *in, struct invocation *inv, int64_t timeout_ms)
{
	int64_t end = rn_now_ms() + timeout_ms + (in->warm ? 0 : INIT_MS);
	bool counted = false;
	for (;;) {
		if (inv->delivered && !counted) {
			counted = true; /* the time of the function starts when it takes the event */
			end = rn_now_ms() + timeout_ms;
		}
		if (inv->done)
			return ANSWERED;
		if (in->failed_init)
			return INIT_FAILED;
		if (in->dead)
			return inv->delivered || !in->warm ? DIED : NOT_TAKEN;
		if (rn_now_ms() >= end)
			return TIMED_OUT;
		wait_until(in, end);
	}
}

static void describe_death(struct instance *in, struct lambda_result *res)
{
	if (in->status.signal)
		lambda_unhandled(res, in->status.out_of_memory ? "Runtime.OutOfMemory" : "Runtime.ExitError",
				 "Runtime exited with error: signal: %s",
				 in->status.signal == 9	   ? "killed"
				 : in->status.signal == 11 ? "segmentation fault"
				 : in->status.signal == 6  ? "aborted"
				 : in->status.signal == 15 ? "terminated"
							   : strsignal(in->status.signal));
	else if (in->status.code)
		lambda_unhandled(res, "Runtime.ExitError", "Runtime exited with error: exit status %d", in->status.code);
	else
		lambda_unhandled(res, "Runtime.ExitError", "Runtime exited without providing a reason");
}

/* Ends the program and waits until its log is complete. With the lock, held again on return. */
static void end_program(struct instance *in)
{
	in->retired = true;
	sandbox_kill(in->box);
	while (!in->dead)
		pthread_cond_wait(&in->changed, &in->lambda->lock);
}

static void take_answer(struct invocation *inv, struct lambda_result *res)
{
	res->status = 200;
	if (inv->too_large) {
		lambda_unhandled(res, "Function.ResponseSizeTooLarge",
				 "Response payload size exceeded maximum allowed payload size (6291556 bytes).");
		return;
	}
	rn_buf_clear(&res->payload);
	memcpy(res->content_type, inv->content_type, sizeof(res->content_type));
	res->payload = inv->response;
	inv->response = (struct rn_buf)RN_BUF_INIT;
	res->function_error = inv->failed ? "Unhandled" : NULL;
}

static void conclude(struct instance *in, struct invocation *inv, enum outcome how, const cJSON *doc, double timeout_ms,
		     struct lambda_result *res)
{
	const char *status = NULL, *type = NULL;
	double duration = inv->delivered ? inv->duration_ms : 0;
	switch (how) {
	case ANSWERED:
		take_answer(inv, res);
		break;
	case TIMED_OUT:
		duration = timeout_ms;
		status = "timeout";
		lambda_unhandled(res, "Sandbox.Timedout", "Task timed out after %.2f seconds", timeout_ms / 1000);
		break;
	case INIT_FAILED:
		res->status = 200;
		res->function_error = "Unhandled";
		rn_buf_clear(&res->payload);
		res->payload = in->init_error;
		in->init_error = (struct rn_buf)RN_BUF_INIT;
		status = "error";
		type = "Runtime.InitError";
		break;
	case DIED:
		describe_death(in, res);
		status = "error";
		type = in->status.out_of_memory ? "Runtime.OutOfMemory" : "Runtime.ExitError";
		break;
	case NOT_TAKEN:
		return;
	}
	if (how == TIMED_OUT) {
		char stamp[32];
		stream_line(in, "%s %s Task timed out after %.2f seconds", rn_iso8601(rn_wall_ms(), true, stamp), inv->id,
			    timeout_ms / 1000);
	} else if (how == DIED) {
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(res->payload.p, res->payload.len, NULL);
		stream_line(in, "%s\n%s", rn_json_str(j, "errorMessage"), rn_json_str(j, "errorType"));
	}
	report_end(in, inv, doc, duration, status, type);
}

bool instance_run(struct instance *in, struct invocation *inv, const cJSON *doc, struct lambda_result *res)
{
	struct lambda *l = in->lambda;
	int64_t timeout_ms = rn_json_int(doc, "Timeout", 3) * 1000;
	inv->deadline_wall = timeout_ms;
	report_start(in, inv, doc);
	struct timespec began;
	clock_gettime(CLOCK_MONOTONIC, &began);
	pthread_mutex_lock(&l->lock);
	in->current = inv;
	pthread_cond_broadcast(&in->changed);
	enum outcome how = wait_outcome(in, inv, timeout_ms);
	if (how == TIMED_OUT || how == INIT_FAILED)
		end_program(in);
	in->current = NULL;
	pthread_mutex_unlock(&l->lock);
	if (how == DIED && inv->delivered)
		inv->duration_ms = lambda_since(&inv->began);
	conclude(in, inv, how, doc, (double)timeout_ms, res);
	free(res->log);
	res->log = how == NOT_TAKEN ? NULL : stream_tail(in);
	in->warm = true;
	return how != NOT_TAKEN;
}
