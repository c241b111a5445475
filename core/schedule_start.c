/* SPDX-License-Identifier: Apache-2.0 */
/* One stage of the schedule: whether it runs and why, what it is given, what its end means. */
#include "schedule_internal.h"

#include "host.h"
#include "plugin_memory.h"
#include "resume.h"
#include "stage_failure.h"

#include "base/fs.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>

enum { BACKOFF_MAX_MS = 300000 };

static struct event event_of(const struct node *n, enum event_kind kind)
{
	return (struct event){ .kind = kind, .stage = n->stage->id, .index = n->stage->index };
}

static void emit(struct node *n, const struct event *e)
{
	bus_emit(n->schedule->o->bus, e);
}

/* ---- the end of a stage ---- */

static void drop_call(struct node *n)
{
	cJSON_Delete(rn_take(&n->params));
	cJSON_Delete(rn_take(&n->env));
	cJSON_Delete(rn_take(&n->info));
}

void node_finish(struct node *n, enum event_status status, const char *reason)
{
	const struct pipeline_stage *stage = n->stage;
	struct schedule *s = n->schedule;
	n->state = NODE_DONE;
	n->status = status;
	n->failed = status == EVENT_FAILED || status == EVENT_CANCELLED;
	for (size_t i = 0; i < stage->n_deps && !schedule_reversed(s); i++)
		n->failed |= s->nodes[stage->deps[i]].failed;
	for (size_t i = 0; i < s->n && schedule_reversed(s); i++)
		for (size_t k = 0; k < s->nodes[i].stage->n_deps; k++)
			if (s->nodes[i].stage->deps[k] == stage->index)
				n->failed |= s->nodes[i].failed;
	struct event e = event_of(n, EVENT_STAGE_END);
	e.status = status;
	e.text = reason;
	e.ms = n->begin_ms ? rn_now_ms() - n->begin_ms : 0;
	emit(n, &e);
	drop_call(n);
}

void node_fail(struct node *n, const struct event_failure *f)
{
	struct event e = event_of(n, EVENT_FAILURE);
	e.failure = *f;
	emit(n, &e);
	n->machine = f->cls == RUNNER_FAIL_MACHINE || f->cls == RUNNER_FAIL_UNSUPPORTED;
	node_finish(n, n->stage->continue_on_error ? EVENT_IGNORED : EVENT_FAILED, NULL);
}

static void fail_with(struct node *n, enum runner_class cls, struct diag_at at, const char *message, const char *hint)
{
	const struct pipeline *p = n->schedule->o->pipeline;
	RN_AUTO(rn_freep) char *text = redact_text(n->schedule->o->redact, message);
	node_fail(n, &(struct event_failure){ .cls = cls, .message = text, .hint = hint && *hint ? hint : NULL,
					      .file = p->file, .line = at.line, .column = at.column });
}

/* Whether another try could end otherwise. */
static bool worth_retry(const struct event_failure *f)
{
	switch (f->cls) {
	case RUNNER_FAIL_STAGE:
	case RUNNER_FAIL_NETWORK:
	case RUNNER_FAIL_REMOTE:
		return true;
	case RUNNER_FAIL_CONFIG:
	case RUNNER_FAIL_AUTH:
	case RUNNER_FAIL_MACHINE:
	case RUNNER_FAIL_UNSUPPORTED:
	case RUNNER_FAIL_CANCELLED:
		break;
	}
	return f->retryable;
}

static void pause_before_retry(struct node *n, const struct event_failure *f)
{
	int64_t pause = n->stage->retry_backoff_ms;
	for (int i = 1; i < n->attempt && pause < BACKOFF_MAX_MS; i++)
		pause *= 2;
	pause = pause > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pause;
	struct event e = event_of(n, EVENT_STAGE_RETRY);
	e.attempt = n->attempt;
	e.ms = pause;
	e.text = f->message;
	emit(n, &e);
	n->state = NODE_PAUSED;
	n->wake_ms = rn_now_ms() + pause;
}

static void remove_scratch(struct node *n)
{
	const char *scratch = rn_json_str(n->info, "scratch");
	struct rn_error err = { 0 };
	if (scratch && rn_exists(scratch) && rn_remove_tree(scratch, &err) < 0)
		schedule_notice(n->schedule, RUNNER_WARN, n->stage->id, "%s", err.msg);
}

void node_ended(struct node *n)
{
	struct schedule *s = n->schedule;
	struct stage *process = n->process;
	enum stage_end result = stage_result(process);
	const struct event_failure *f = stage_failure(process);
	n->process = NULL;
	s->running--;
	remove_scratch(n);
	bool again = result == STAGE_FAILED && s->o->call == SCHEDULE_RUN && !s->stopping && !s->timed_out &&
		     n->attempt < n->stage->retry_attempts && worth_retry(f);
	if (again)
		pause_before_retry(n, f);
	else if (result == STAGE_DONE)
		node_finish(n, EVENT_OK, NULL);
	else if (result == STAGE_CANCELLED)
		node_finish(n, EVENT_CANCELLED, "stopped");
	else
		node_fail(n, f);
	stage_free(process);
}

/* ---- start ---- */

static void on_event(void *ctx, const struct event *e)
{
	bus_emit(((struct schedule *)ctx)->o->bus, e);
}

static void on_output(void *ctx, size_t index, const char *name, const cJSON *value, bool secret)
{
	struct schedule *s = ctx;
	struct node *n = &s->nodes[index];
	if (n->rolling || s->o->call == SCHEDULE_ROLLBACK)
		return; /* there is nobody behind it any more */
	cJSON_DeleteItemFromObjectCaseSensitive(n->outputs, name);
	cJSON_AddItemToObject(n->outputs, name, cJSON_Duplicate(value, true));
	if (secret && !rn_strv_has(&n->secrets, name))
		rn_strv_add(&n->secrets, name);
	struct event e = event_of(n, EVENT_OUTPUT);
	RN_AUTO(rn_freep) char *text = cJSON_IsString(value) ? rn_strdup(value->valuestring) : rn_json_print(value);
	e.name = name;
	e.secret = secret;
	e.text = secret ? REDACT_MASK : text;
	e.value = secret || cJSON_IsString(value) ? NULL : value;
	emit(n, &e);
}

static int on_remember(void *ctx, size_t index, const char *key, const cJSON *record, struct rn_error *err)
{
	struct schedule *s = ctx;
	struct node *n = &s->nodes[index];
	if (rn_json_get(n->records, key))
		return 0; /* the first one is the oldest state */
	if (cJSON_GetArraySize(n->records) >= HOST_RECORDS_MAX)
		return rn_fail(err, RN_ELIMIT, "more than %d records", HOST_RECORDS_MAX);
	if (s->o->journal && journal_remember(s->o->journal, n->stage->id, key, record, err) < 0)
		return -1;
	cJSON_AddItemToObject(n->records, key, cJSON_Duplicate(record, true));
	return 0;
}

static void on_broken(void *ctx, const struct rn_error *err)
{
	struct schedule *s = ctx;
	if (s->o->journal)
		journal_broken(s->o->journal, err);
	s->broken = true;
}

const char *schedule_call_name(enum schedule_call call)
{
	static const char *const names[] = { "run", "plan", "destroy", "rollback" };
	return names[call];
}

static void env_strings(const cJSON *env, struct rn_strv *to)
{
	const cJSON *value;
	cJSON_ArrayForEach(value, env)
		if (cJSON_IsString(value))
			rn_strv_addf(to, "%s=%s", value->string, value->valuestring);
	if (!to->n)
		rn_strv_add(to, "LC_ALL=C");
}

int node_spawn(struct node *n, struct rn_error *err)
{
	struct schedule *s = n->schedule;
	const struct schedule_options *o = s->o;
	enum schedule_call call = n->rolling ? SCHEDULE_ROLLBACK : o->call;
	free(n->log);
	n->log = o->journal ? journal_log_path(o->journal, n->stage->id) : NULL;
	RN_AUTO(rn_strv_clear) struct rn_strv env = { 0 };
	env_strings(o->env, &env);
	struct stage_spec spec = {
		.id = n->stage->id, .index = n->stage->index, .call = schedule_call_name(call), .plugin = n->plugin,
		.params = n->params, .env = n->env, .info = n->info, .secrets = &n->given,
		.records = call == SCHEDULE_ROLLBACK ? n->records : NULL, .worker_env = (const char *const *)env.v,
		.log = n->log, .append = n->attempt > 1 || n->rolling, .rollback = n->rolling, .file = o->pipeline->file,
		.line = n->stage->at.line, .column = n->stage->at.column,
	};
	struct stage_sink sink = { .ctx = s, .event = on_event, .output = on_output, .remember = on_remember,
				   .broken = on_broken };
	n->process = stage_start(&spec, o->redact, &sink, err);
	if (!n->process)
		return -1;
	n->state = NODE_RUNNING;
	n->deadline_ms = n->stage->timeout_ms ? rn_now_ms() + n->stage->timeout_ms : 0;
	s->running++;
	return 0;
}

void node_launch(struct node *n)
{
	struct rn_error err = { 0 };
	n->attempt++;
	n->begin_ms = n->attempt == 1 ? rn_now_ms() : n->begin_ms;
	cJSON_Delete(n->outputs);
	n->outputs = cJSON_CreateObject();
	rn_strv_clear(&n->secrets);
	rn_strv_clear(&n->lost);
	struct event e = event_of(n, EVENT_STAGE_START);
	e.attempt = n->attempt;
	e.text = n->reason;
	emit(n, &e);
	if (node_spawn(n, &err) == 0)
		return;
	remove_scratch(n);
	fail_with(n, RUNNER_FAIL_MACHINE, n->stage->at, err.msg, err.hint);
}

bool node_recall(struct node *n, const struct record_stage *earlier)
{
	bool finished = earlier && earlier->ended && !earlier->put_back && (earlier->status == EVENT_OK || earlier->status == EVENT_REUSED);
	if (!finished)
		return false;
	cJSON_Delete(n->outputs);
	n->outputs = cJSON_Duplicate(earlier->outputs, true);
	rn_strv_clear(&n->lost);
	for (size_t i = 0; i < earlier->secrets.n; i++)
		rn_strv_add(&n->lost, earlier->secrets.v[i]);
	return true;
}

/* Each journal stands for itself: what was taken over is written again. */
static void emit_recalled(struct node *n)
{
	const cJSON *value;
	cJSON_ArrayForEach(value, n->outputs) {
		RN_AUTO(rn_freep) char *text = cJSON_IsString(value) ? rn_strdup(value->valuestring) : rn_json_print(value);
		struct event e = event_of(n, EVENT_OUTPUT);
		e.name = value->string;
		e.text = text;
		e.value = cJSON_IsString(value) ? NULL : value;
		emit(n, &e);
	}
	for (size_t i = 0; i < n->lost.n; i++) {
		struct event e = event_of(n, EVENT_OUTPUT);
		e.name = n->lost.v[i];
		e.text = REDACT_MASK;
		e.secret = true;
		emit(n, &e);
	}
}

/* Why the stage must run although --resume was given; NULL: it need not. New string. */
static char *why_again(const struct node *n, const struct record_stage *earlier, const struct record *run, const cJSON *key)
{
	if (n->forced)
		return rn_strdup(n->forced);
	if (!earlier)
		return rn_strdup("it has not run before");
	if (!earlier->ended)
		return rn_asprintf("it was interrupted in run %s", run->id);
	if (earlier->put_back)
		return rn_asprintf("what it did in run %s was put back", run->id);
	if (earlier->status != EVENT_OK && earlier->status != EVENT_REUSED)
		return rn_asprintf("it %s in run %s",
				   earlier->status == EVENT_CANCELLED ? "was stopped" : "failed", run->id);
	return resume_difference(earlier->key, key);
}

/* True when --resume takes over what an earlier run made; else n->reason says why it runs. */
static bool reuse(struct node *n, const cJSON *key)
{
	const struct record *run = NULL;
	const struct record_stage *earlier = record_find(n->schedule->o->earlier, n->stage->id, &run);
	free(n->reason);
	n->reason = why_again(n, earlier, run, key);
	if (n->reason || !node_recall(n, earlier))
		return false;
	n->reason = rn_asprintf("finished in run %s, nothing changed", run->id);
	return true;
}

/* A reused stage has a secret output that this one needs: it runs again, and this one waits for it. */
static void run_again(struct node *n)
{
	struct schedule *s = n->schedule;
	struct node *on = &s->nodes[s->wanted - 1];
	free(on->forced);
	on->forced = rn_asprintf("its secret output `%s` is needed by `%s`, and secrets are not kept between runs",
				 s->wanted_output, n->stage->id);
	on->state = NODE_WAITING;
	n->state = NODE_WAITING;
	s->wanted = 0;
	drop_call(n);
}

static bool skipped_by_condition(struct node *n)
{
	struct scope scope;
	struct rn_error err = { 0 };
	node_scope(n, &scope);
	int wanted = pipeline_stage_wanted(n->stage, &scope, &err);
	if (wanted < 0)
		fail_with(n, RUNNER_FAIL_CONFIG, n->stage->at, err.msg, err.hint);
	else if (!wanted && !node_status(n, SCOPE_SUCCESS) && !n->stage->if_)
		node_finish(n, EVENT_SKIPPED, "a stage before it failed");
	else if (!wanted) {
		RN_AUTO(rn_freep) char *why = rn_asprintf("its condition does not hold (if: %s)",
							  n->stage->if_text ? n->stage->if_text : "success()");
		node_finish(n, EVENT_SKIPPED, why);
	}
	return wanted <= 0;
}

static bool skipped_by_rollback(struct node *n)
{
	const struct schedule_options *o = n->schedule->o;
	const struct record_stage *then = record_stage(o->of, n->stage->id);
	RN_AUTO(rn_freep) char *why = NULL;
	bool changed = then && cJSON_GetArraySize(then->records);
	if (!changed)
		why = rn_asprintf("it changed nothing in run %s", o->of->id);
	else if (then->put_back)
		why = rn_asprintf("it was put back already");
	else if (!n->plugin->has_rollback)
		why = rn_asprintf("`%s` has no rollback any more", n->stage->uses);
	if (!changed || why) {
		node_finish(n, EVENT_SKIPPED, why);
		return true;
	}
	cJSON_Delete(n->records);
	n->records = cJSON_Duplicate(then->records, true);
	cJSON_Delete(n->outputs);
	n->outputs = cJSON_Duplicate(then->outputs, true);
	return false;
}

/* Calls that a plugin does not have, and failures before a destroy. True: the stage has ended. */
static bool skipped_by_call(struct node *n)
{
	struct schedule *s = n->schedule;
	if (s->o->call == SCHEDULE_PLAN && !n->plugin->has_plan) {
		RN_AUTO(rn_freep) char *why = rn_asprintf("`%s` cannot tell beforehand; it would run", n->stage->uses);
		node_finish(n, EVENT_SKIPPED, why);
		return true;
	}
	if (s->o->call == SCHEDULE_ROLLBACK)
		return skipped_by_rollback(n);
	if (s->o->call != SCHEDULE_DESTROY)
		return false;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->nodes[i].stage->n_deps; k++)
			if (s->nodes[i].stage->deps[k] == n->stage->index && s->nodes[i].failed) {
				node_finish(n, EVENT_SKIPPED, "what depends on it could not be removed");
				return true;
			}
	if (!n->plugin->has_destroy) {
		RN_AUTO(rn_freep) char *why = rn_asprintf("`%s` leaves nothing to remove", n->stage->uses);
		node_finish(n, EVENT_SKIPPED, why);
		return true;
	}
	return false;
}

/*
 * The digest of a new plugin takes milliseconds, and nobody needs it before the stage has ended: the worker does not wait for it,
 * and the line of the end has the key. None is better than that of a file which changed meanwhile: then the stage runs again.
 */
static void launch_then_key(struct node *n, const cJSON *own)
{
	const struct schedule_options *o = n->schedule->o;
	RN_AUTO(rn_freep) char *before = plugin_stamp(n->plugin->path);
	node_launch(n);
	if (n->state != NODE_RUNNING || o->call != SCHEDULE_RUN || !o->journal)
		return;
	cJSON *key = resume_key(n->plugin, n->params, own, o->redact, NULL);
	RN_AUTO(rn_freep) char *after = plugin_stamp(n->plugin->path);
	if (key && before && after && rn_streq(before, after))
		journal_key(o->journal, n->stage->id, key);
	else
		cJSON_Delete(key);
}

static void begin_selected(struct node *n)
{
	struct schedule *s = n->schedule;
	const struct schedule_options *o = s->o;
	RN_AUTO(rn_json_freep) cJSON *own = NULL;
	struct event_failure why = { 0 };
	if (!node_resolve(n, &own, &why)) {
		node_fail(n, &why);
		event_failure_clear(&why);
		return;
	}
	if (o->call == SCHEDULE_RUN && o->resume) {
		struct rn_error err = { 0 };
		cJSON *key = resume_key(n->plugin, n->params, own, o->redact, &err);
		if (!key) {
			fail_with(n, RUNNER_FAIL_MACHINE, n->stage->uses_at, err.msg, err.hint);
			return;
		}
		bool reused = reuse(n, key);
		if (o->journal && !(s->wanted && !reused))
			journal_key(o->journal, n->stage->id, key);
		else
			cJSON_Delete(key);
		if (reused) {
			s->wanted = 0;
			emit_recalled(n);
			node_finish(n, EVENT_REUSED, n->reason);
			return;
		}
	}
	if (s->wanted) {
		run_again(n);
		return;
	}
	if (o->dry_run) {
		node_finish(n, EVENT_OK, n->reason);
		return;
	}
	node_equip(n, own);
	n->attempt = 0;
	if (o->resume)
		node_launch(n);
	else
		launch_then_key(n, own);
}

void node_begin(struct node *n)
{
	struct schedule *s = n->schedule;
	if (!n->selected) {
		const struct record *run = NULL;
		if (s->o->call == SCHEDULE_RUN)
			node_recall(n, record_find(s->o->earlier, n->stage->id, &run));
		node_finish(n, EVENT_SKIPPED, "not selected");
		return;
	}
	s->wanted = 0;
	if (skipped_by_call(n))
		return;
	if (!schedule_reversed(s) && skipped_by_condition(n))
		return;
	if (s->wanted)
		run_again(n);
	else
		begin_selected(n);
}
