/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include "base/time.h"

#include <string.h>

static const char *pick(const char *const *names, size_t n, unsigned at)
{
	return at < n && names[at] ? names[at] : "unknown";
}

const char *event_status_name(enum event_status status)
{
	static const char *const names[] = { "ok", "failed", "skipped", "reused", "cancelled", "ignored" };
	return pick(names, RN_LEN(names), status);
}

const char *event_action_name(enum runner_action action)
{
	static const char *const names[] = { "unchanged", "created", "updated", "deleted" };
	return pick(names, RN_LEN(names), action);
}

const char *event_level_name(enum runner_level level)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	return pick(names, RN_LEN(names), level);
}

const char *event_class_name(enum runner_class cls)
{
	static const char *const names[] = { NULL,     "stage",	  "config",	 "auth",     "network",
					     "remote", "machine", "unsupported", "cancelled" };
	return pick(names, RN_LEN(names), cls);
}

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[] = { NULL,	  "run-start", "stage-start", "stage-retry", "stage-end",
					     "log",	  "step",      "progress",    "change",	     "output",
					     "failure",	  "notice",    "run-end",     "rollback-start",
					     "rollback-end" };
	return pick(names, RN_LEN(names), kind);
}

static void add_str(cJSON *j, const char *name, const char *value)
{
	if (value)
		cJSON_AddStringToObject(j, name, value);
}

static void add_num(cJSON *j, const char *name, double value)
{
	cJSON_AddNumberToObject(j, name, value);
}

static void add_failure(cJSON *j, const struct event_failure *f)
{
	add_str(j, "class", event_class_name(f->cls));
	add_str(j, "message", f->message);
	add_str(j, "hint", f->hint);
	add_str(j, "param", f->param);
	add_str(j, "file", f->file);
	if (f->line)
		add_num(j, "line", f->line);
	if (f->column)
		add_num(j, "column", f->column);
	cJSON_AddBoolToObject(j, "retryable", f->retryable);
}

static void add_stage_event(cJSON *j, const struct event *e)
{
	if (e->attempt)
		add_num(j, "attempt", e->attempt);
	if (e->kind == EVENT_STAGE_END || e->kind == EVENT_ROLLBACK_END)
		add_str(j, "status", event_status_name(e->status));
	if (e->kind == EVENT_STAGE_RETRY)
		add_num(j, "pause_ms", (double)e->ms);
	if (e->kind == EVENT_STAGE_END || e->kind == EVENT_ROLLBACK_END)
		add_num(j, "ms", (double)e->ms);
	add_str(j, "reason", e->text);
}

static void add_output(cJSON *j, const struct event *e)
{
	add_str(j, "name", e->name);
	if (e->secret)
		cJSON_AddTrueToObject(j, "secret");
	else if (e->value)
		cJSON_AddItemToObject(j, "value", cJSON_Duplicate(e->value, true));
	else
		add_str(j, "value", e->text);
}

static void add_rest(cJSON *j, const struct event *e)
{
	switch (e->kind) {
	case EVENT_RUN_START:
		add_str(j, "pipeline", e->text);
		add_str(j, "run", e->name);
		add_num(j, "stages", (double)e->total);
		break;
	case EVENT_STAGE_START:
	case EVENT_STAGE_RETRY:
	case EVENT_STAGE_END:
	case EVENT_ROLLBACK_START:
	case EVENT_ROLLBACK_END:
		add_stage_event(j, e);
		break;
	case EVENT_LOG:
	case EVENT_NOTICE:
		add_str(j, "level", event_level_name(e->level));
		add_str(j, "text", e->text);
		if (e->partial)
			cJSON_AddTrueToObject(j, "partial");
		break;
	case EVENT_STEP:
		add_str(j, "step", e->text);
		break;
	case EVENT_PROGRESS:
		add_str(j, "what", e->text);
		add_num(j, "done", (double)e->done);
		add_num(j, "total", (double)e->total);
		add_str(j, "unit", e->unit);
		break;
	case EVENT_CHANGE:
		add_str(j, "action", event_action_name(e->action));
		add_str(j, "resource", e->name);
		add_str(j, "detail", e->text);
		if (e->fields)
			cJSON_AddItemToObject(j, "fields", cJSON_Duplicate(e->fields, true));
		break;
	case EVENT_OUTPUT:
		add_output(j, e);
		break;
	case EVENT_FAILURE:
		add_failure(j, &e->failure);
		break;
	case EVENT_RUN_END:
		add_str(j, "status", event_status_name(e->status));
		add_num(j, "exit_code", e->exit_code);
		add_num(j, "ms", (double)e->ms);
		break;
	}
}

cJSON *event_json(const struct event *e)
{
	char time[32];
	cJSON *j = cJSON_CreateObject();
	add_str(j, "event", event_kind_name(e->kind));
	add_str(j, "time", rn_iso8601(e->wall_ms, true, time));
	add_str(j, "stage", e->stage);
	add_rest(j, e);
	if (e->rollback)
		cJSON_AddTrueToObject(j, "rollback");
	return j;
}
