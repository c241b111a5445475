/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "frames.h"
#include "lines.h"
#include "self.h"
#include "stage_failure.h"
#include "worker.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READS_AT_ONCE = 16 }; /* one flooding stage shall not starve the others */

struct stage {
	char *id;
	size_t index;
	struct redact *redact;
	struct stage_sink sink;
	pid_t pid;
	int control;
	int events;
	int log;
	char *log_path;
	bool log_midline;
	bool rollback;
	struct frame_reader reader;
	struct redact_stream masked;
	struct lines lines;
	struct stage_ending ending;
	struct event_failure failure;
	enum stage_end result;
};

int stage_fd(const struct stage *s)
{
	return s->events;
}

int stage_pid(const struct stage *s)
{
	return s->pid;
}

bool stage_unsupervised(const struct stage *s)
{
	return !s->ending.exited;
}

enum stage_end stage_result(const struct stage *s)
{
	return s->result;
}

const struct event_failure *stage_failure(const struct stage *s)
{
	return &s->failure;
}

/* ---- start ---- */

static cJSON *spec_json(const struct stage_spec *spec)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddNumberToObject(j, "version", 1);
	cJSON_AddStringToObject(j, "call", spec->call);
	cJSON *plugin = cJSON_AddObjectToObject(j, "plugin");
	cJSON_AddStringToObject(plugin, "name", spec->plugin->name);
	cJSON_AddStringToObject(plugin, "path", spec->plugin->path);
	cJSON_AddItemReferenceToObject(j, "params", (cJSON *)spec->params);
	cJSON_AddItemReferenceToObject(j, "env", (cJSON *)spec->env);
	cJSON_AddItemReferenceToObject(j, "info", (cJSON *)spec->info);
	cJSON *secrets = cJSON_AddArrayToObject(j, "secrets");
	for (size_t i = 0; i < spec->secrets->n; i++)
		cJSON_AddItemToArray(secrets, cJSON_CreateString(spec->secrets->v[i]));
	if (spec->records)
		cJSON_AddItemReferenceToObject(j, "records", (cJSON *)spec->records);
	return j;
}

static int open_log(struct stage *s, const struct stage_spec *spec, struct rn_error *err)
{
	if (!spec->log)
		return 0;
	s->log_path = rn_strdup(spec->log);
	s->log = open(spec->log, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (spec->append ? 0 : O_TRUNC), 0644);
	return s->log < 0 ? rn_fail(err, RN_EIO, "cannot create %s: %m", spec->log) : 0;
}

static int spawn(struct stage *s, const struct stage_spec *spec, struct rn_error *err)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		rn_fail(err, RN_EIO, "pipe: %m");
		rn_closep(&in[0]);
		rn_closep(&in[1]);
		return -1;
	}
	const char *argv[] = { self_exec(), "--worker", NULL };
	const struct rn_fd_map fds[] = { { in[0], WORKER_SPEC_FD }, { out[1], WORKER_EVENT_FD } };
	s->pid = rn_spawn(&(struct rn_spawn){ .argv = argv, .env = spec->worker_env, .fds = fds, .n_fds = RN_LEN(fds),
					      .new_group = true, .parent_death_signal = SIGTERM }, err);
	rn_closep(&in[0]);
	rn_closep(&out[1]);
	s->control = in[1];
	s->events = out[0];
	return s->pid < 0 ? -1 : 0;
}

struct stage *stage_start(const struct stage_spec *spec, struct redact *redact, const struct stage_sink *sink,
			  struct rn_error *err)
{
	struct stage *s = rn_alloc(sizeof(*s));
	*s = (struct stage){ .id = rn_strdup(spec->id), .index = spec->index, .redact = redact, .sink = *sink,
			     .control = -1, .events = -1, .log = -1, .pid = -1, .rollback = spec->rollback };
	frame_reader_init(&s->reader, FRAME_EVENT_MAX);
	stage_ending_init(&s->ending, spec);
	if (open_log(s, spec, err) < 0 || spawn(s, spec, err) < 0) {
		stage_free(s);
		return NULL;
	}
	RN_AUTO(rn_json_freep) cJSON *j = spec_json(spec);
	/* a worker that died already shows in its exit; see stage_read */
	(void)!frame_write_json(s->control, j);
	fcntl(s->events, F_SETFL, O_NONBLOCK);
	return s;
}

void stage_free(struct stage *s)
{
	if (!s)
		return;
	rn_closep(&s->control);
	rn_closep(&s->events);
	rn_closep(&s->log);
	frame_reader_clear(&s->reader);
	redact_stream_clear(&s->masked);
	lines_clear(&s->lines);
	stage_ending_clear(&s->ending);
	event_failure_clear(&s->failure);
	free(s->log_path);
	free(s->id);
	free(s);
}

/* ---- the log ---- */

static void emit(struct stage *s, struct event *e)
{
	e->stage = s->id;
	e->index = s->index;
	e->rollback = s->rollback;
	s->sink.event(s->sink.ctx, e);
}

static void write_log(struct stage *s, const char *data, size_t n)
{
	if (s->log < 0 || !n)
		return;
	if (rn_write_full(s->log, data, n) == 0) {
		s->log_midline = data[n - 1] != '\n';
		return;
	}
	struct rn_error err = { 0 };
	rn_fail(&err, RN_EIO, "cannot write %s: %m", s->log_path);
	if (errno == ENOSPC || errno == EDQUOT)
		rn_hint(&err, "the disk is full: make room and run again with --resume");
	rn_closep(&s->log);
	s->sink.broken(s->sink.ctx, &err);
}

static void on_line(void *ctx, const char *text, bool partial)
{
	emit(ctx, &(struct event){ .kind = EVENT_LOG, .level = RUNNER_INFO, .text = text, .partial = partial });
}

static void take_output(struct stage *s, const char *data, size_t n, bool flush)
{
	RN_AUTO(rn_buf_clear) struct rn_buf out = RN_BUF_INIT;
	redact_feed(s->redact, &s->masked, data, n, flush, &out);
	write_log(s, out.p, out.len);
	lines_feed(&s->lines, rn_buf_str(&out), out.len, on_line, s);
	if (flush)
		lines_flush(&s->lines, on_line, s);
}

static void take_log(struct stage *s, const cJSON *j)
{
	int64_t level = rn_json_int(j, "level", RUNNER_INFO);
	RN_AUTO(rn_freep) char *masked = redact_text(s->redact, rn_json_str(j, "text"));
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	if (!masked)
		return;
	size_t n = strlen(masked);
	if (n && masked[n - 1] == '\n')
		masked[n - 1] = '\0';
	rn_strv_split(&lines, masked, '\n');
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (s->log_midline)
		rn_buf_addc(&text, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		if (level != RUNNER_INFO)
			rn_buf_addf(&text, "%s: ", event_level_name((enum runner_level)level));
		rn_buf_addf(&text, "%s\n", lines.v[i]);
	}
	write_log(s, text.p, text.len);
	for (size_t i = 0; i < lines.n; i++) {
		RN_AUTO(rn_freep) char *clean = lines_clean(lines.v[i], strlen(lines.v[i]));
		emit(s, &(struct event){ .kind = EVENT_LOG, .level = (enum runner_level)level, .text = clean });
	}
}

/* ---- frames ---- */

/* Masked and safe to show on one line; NULL stays NULL. New string. */
static char *shown(struct stage *s, const char *text)
{
	RN_AUTO(rn_freep) char *masked = redact_text(s->redact, text);
	return masked ? lines_clean(masked, strlen(masked)) : NULL;
}

static void take_progress(struct stage *s, const cJSON *j)
{
	RN_AUTO(rn_freep) char *what = shown(s, rn_json_str(j, "what"));
	RN_AUTO(rn_freep) char *unit = shown(s, rn_json_str(j, "unit"));
	double done = rn_json_num(j, "done", 0), total = rn_json_num(j, "total", 0);
	emit(s, &(struct event){ .kind = EVENT_PROGRESS, .text = what, .unit = unit,
				 .done = done > 0 ? (uint64_t)done : 0, .total = total > 0 ? (uint64_t)total : 0 });
}

/* The fields of a change with every known secret masked; NULL when there are none. The caller deletes. */
static cJSON *masked_fields(struct stage *s, const cJSON *fields)
{
	if (!cJSON_IsArray(fields))
		return NULL;
	RN_AUTO(rn_freep) char *text = rn_json_print(fields);
	RN_AUTO(rn_freep) char *masked = redact_text(s->redact, text);
	return rn_json_parse_str(masked, NULL); /* a number that is a secret leaves no JSON: then only `detail` is shown */
}

static void take_change(struct stage *s, const cJSON *j)
{
	RN_AUTO(rn_freep) char *resource = shown(s, rn_json_str(j, "resource"));
	RN_AUTO(rn_freep) char *detail = shown(s, rn_json_str(j, "detail"));
	RN_AUTO(rn_json_freep) cJSON *fields = masked_fields(s, rn_json_get(j, "fields"));
	int64_t action = rn_json_int(j, "action", RUNNER_UNCHANGED);
	emit(s, &(struct event){ .kind = EVENT_CHANGE, .name = resource, .text = detail, .fields = fields,
				 .action = action >= 0 && action <= RUNNER_DELETED ? (enum runner_action)action : RUNNER_UPDATED });
}

static void take_named_output(struct stage *s, const cJSON *j)
{
	const char *name = rn_json_str(j, "name");
	const cJSON *value = rn_json_get(j, "value");
	if (!name || !value)
		return;
	RN_AUTO(rn_freep) char *text = cJSON_IsString(value) ? rn_strdup(value->valuestring) : rn_json_print(value);
	bool secret = rn_json_bool(j, "secret", false);
	if (secret)
		redact_add(s->redact, text);
	/* an output with a secret inside is one: it must neither be shown nor stored */
	s->sink.output(s->sink.ctx, s->index, name, value, secret || redact_found(s->redact, text));
}

/* The stage waits for the answer before it writes anything. */
static void take_record(struct stage *s, const cJSON *j)
{
	struct rn_error err = { 0 };
	const char *key = rn_json_str(j, "key");
	const cJSON *record = rn_json_get(j, "record");
	RN_AUTO(rn_freep) char *text = record ? rn_json_print(record) : NULL;
	if (!key || !text)
		rn_fail(&err, RN_EINVAL, "the record is not whole");
	else if (redact_found(s->redact, text) || redact_found(s->redact, key))
		rn_fail(&err, RN_EINVAL, "the record holds a secret, and records are kept in the clear");
	else
		s->sink.remember(s->sink.ctx, s->index, key, record, &err);
	RN_AUTO(rn_json_freep) cJSON *answer = cJSON_CreateObject();
	cJSON_AddStringToObject(answer, "type", "kept");
	if (err.code) {
		cJSON_AddStringToObject(answer, "error", err.msg);
		cJSON_AddBoolToObject(answer, "machine", err.code == RN_EIO);
		if (err.hint[0])
			cJSON_AddStringToObject(answer, "hint", err.hint);
	}
	(void)!frame_write_json(s->control, answer);
}

static void take_json(struct stage *s, const cJSON *j)
{
	const char *type = rn_json_str(j, "type");
	if (rn_streq(type, "log")) {
		take_log(s, j);
	} else if (rn_streq(type, "step")) {
		RN_AUTO(rn_freep) char *name = shown(s, rn_json_str(j, "name"));
		emit(s, &(struct event){ .kind = EVENT_STEP, .text = name });
	} else if (rn_streq(type, "progress")) {
		take_progress(s, j);
	} else if (rn_streq(type, "change")) {
		take_change(s, j);
	} else if (rn_streq(type, "output")) {
		take_named_output(s, j);
	} else if (rn_streq(type, "remember")) {
		take_record(s, j);
	} else if (rn_streq(type, "mask")) {
		redact_add(s->redact, rn_json_str(j, "secret"));
	} else {
		stage_ending_take(&s->ending, type, j);
	}
}

static void take_frames(struct stage *s)
{
	struct frame f;
	struct rn_error err = { 0 };
	int rc;
	while ((rc = frame_reader_next(&s->reader, &f, &err)) > 0) {
		if (f.kind == FRAME_OUTPUT) {
			take_output(s, f.data, f.n, false);
			continue;
		}
		RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(f.data, f.n, NULL);
		if (j)
			take_json(s, j);
	}
	if (rc < 0)
		s->ending.garbled = true;
}

static void finish(struct stage *s)
{
	take_output(s, NULL, 0, true);
	rn_closep(&s->events);
	rn_closep(&s->control);
	rn_wait(s->pid, &s->ending.supervisor_signal);
	if (s->ending.killed) {
		RN_AUTO(rn_freep) char *names = shown(s, s->ending.names);
		RN_AUTO(rn_freep) char *text =
			rn_asprintf("killed what the stage left behind: %s%s", names && *names ? names : "?",
				    s->ending.killed > 5 ? " and others" : "");
		emit(s, &(struct event){ .kind = EVENT_NOTICE, .level = RUNNER_INFO, .text = text });
	}
	struct event_failure plain = { 0 };
	s->result = stage_ending_judge(&s->ending, &plain);
	if (s->result == STAGE_FAILED) {
		s->failure = plain;
		s->failure.message = redact_text(s->redact, plain.message);
		s->failure.hint = redact_text(s->redact, plain.hint);
		s->failure.param = rn_strdup(plain.param);
		s->failure.file = redact_text(s->redact, plain.file);
	}
	event_failure_clear(&plain);
}

bool stage_read(struct stage *s)
{
	ssize_t n = 1;
	for (int i = 0; i < READS_AT_ONCE && n > 0 && !s->ending.garbled; i++) {
		n = frame_reader_fill(&s->reader, s->events);
		take_frames(s);
	}
	bool over = n == 0 || (n < 0 && errno != EAGAIN) || s->ending.garbled;
	if (over && s->ending.garbled)
		kill(s->pid, SIGTERM); /* the supervisor takes it as the end of its host */
	if (over)
		finish(s);
	return over;
}

void stage_stop(struct stage *s, enum stage_stop_reason why, int64_t grace_ms, int64_t after_ms)
{
	if (!s->ending.stopped) {
		s->ending.stopped = why;
		s->ending.stopped_after_ms = after_ms;
	}
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "type", "stop");
	cJSON_AddNumberToObject(j, "grace_ms", (double)grace_ms);
	if (s->control >= 0)
		(void)!frame_write_json(s->control, j);
}
