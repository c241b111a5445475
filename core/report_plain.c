/* SPDX-License-Identifier: Apache-2.0 */
#include "report_plain.h"

#include "base/fs.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 30000, TICK_MS = 1000 };

struct plain {
	struct reporter reporter;
	struct report_options options;
	struct plain_count *counts;
	int64_t *beats;
	size_t n;
};

void plain_write(const struct rn_buf *text)
{
	(void)!rn_write_full(STDOUT_FILENO, rn_buf_str(text), text->len);
}

static void line(const struct view *v, const struct event *e, struct rn_buf *to, const char *fmt, ...) RN_PRINTF(4, 5);
static void line(const struct view *v, const struct event *e, struct rn_buf *to, const char *fmt, ...)
{
	va_list ap;
	rn_buf_addf(to, "%-*s | ", (int)v->width, e->stage ? e->stage : "runner");
	va_start(ap, fmt);
	rn_buf_vaddf(to, fmt, ap);
	va_end(ap);
	rn_buf_addc(to, '\n');
}

static void log_line(const struct view *v, const struct event *e, const struct report_options *o, struct plain_count *c,
		     struct rn_buf *to)
{
	const struct view_stage *s = &v->stages[e->index];
	if (e->level == RUNNER_DEBUG && !o->verbose)
		return;
	if (++c->lines > PLAIN_LINES_MAX && e->level < RUNNER_WARN) {
		if (!c->folded && s->log)
			line(v, e, to, "… the rest of its log is in %s", s->log);
		c->folded = true;
		return;
	}
	const char *color = e->level == RUNNER_ERROR ? "red" : e->level == RUNNER_WARN ? "yellow" : "";
	line(v, e, to, "%s%s%s%s%s", report_color(o->color, color),
	     e->level == RUNNER_ERROR ? "error: " : e->level == RUNNER_WARN ? "warning: " : "", e->text, e->partial ? "…" : "",
	     *color ? report_color(o->color, "reset") : "");
}

static void stage_end(const struct view *v, const struct event *e, const struct report_options *o, struct rn_buf *to)
{
	char time[32];
	RN_AUTO(rn_buf_clear) struct rn_buf mark = RN_BUF_INIT;
	report_mark(&mark, o->color, VIEW_DONE, e->status);
	const char *message = v->stages[e->index].failure.message ? v->stages[e->index].failure.message : "";
	const char *word = e->status == EVENT_OK && rn_streq(v->command, "plan") ? "planned" : event_status_name(e->status);
	if (e->status == EVENT_SKIPPED || e->status == EVENT_REUSED)
		line(v, e, to, "%s %s: %s", rn_buf_str(&mark), word, e->text ? e->text : "");
	else if (e->status == EVENT_FAILED || e->status == EVENT_IGNORED)
		line(v, e, to, "%s %s after %s: %.*s", rn_buf_str(&mark), e->status == EVENT_IGNORED ? "failed, and goes on" : "failed",
		     rn_format_duration(e->ms, time, sizeof(time)), (int)strcspn(message, "\n"), message); /* the rest follows at the end */
	else
		line(v, e, to, "%s %s after %s%s%s%s", rn_buf_str(&mark), word, rn_format_duration(e->ms, time, sizeof(time)),
		     e->text ? " (" : "", e->text ? e->text : "", e->text ? ")" : "");
}

static void stage_start(const struct view *v, const struct event *e, struct rn_buf *to)
{
	if (e->attempt > 1)
		line(v, e, to, "attempt %d", e->attempt);
	else
		line(v, e, to, "%s%s%s%s", v->stages[e->index].uses, e->text ? " (runs because " : "", e->text ? e->text : "",
		     e->text ? ")" : "");
}

void plain_event(const struct view *v, const struct event *e, const struct report_options *o, struct plain_count *c,
		 struct rn_buf *to)
{
	char time[32];
	switch (e->kind) {
	case EVENT_RUN_START:
		rn_buf_addf(to, "%s %s: %zu stage%s%s%s\n", v->command, v->pipeline, (size_t)e->total, e->total == 1 ? "" : "s", e->name ? ", run " : "",
			    e->name ? e->name : "");
		break;
	case EVENT_STAGE_START:
		stage_start(v, e, to);
		break;
	case EVENT_STAGE_RETRY:
		line(v, e, to, "attempt %d failed: %s; next one in %s", e->attempt, e->text,
		     rn_format_duration(e->ms, time, sizeof(time)));
		break;
	case EVENT_STAGE_END:
		stage_end(v, e, o, to);
		break;
	case EVENT_LOG:
		log_line(v, e, o, c, to);
		break;
	case EVENT_STEP:
		if (e->text)
			line(v, e, to, "[%s]", e->text);
		break;
	case EVENT_CHANGE:
		line(v, e, to, "%s %s%s%s", event_action_name(e->action), e->name, e->text ? ": " : "", e->text ? e->text : "");
		break;
	case EVENT_NOTICE:
		line(v, e, to, "%s%s", e->level == RUNNER_ERROR ? "error: " : e->level == RUNNER_WARN ? "warning: " : "", e->text);
		break;
	case EVENT_RUN_END:
		report_failures(v, o->color, to);
		report_summary(v, o->color, 0, to);
		break;
	case EVENT_ROLLBACK_START:
		line(v, e, to, "putting back what it changed");
		break;
	case EVENT_ROLLBACK_END:
		line(v, e, to, "%s after %s%s%s",
		     e->status == EVENT_OK ? "put back" : "could not be put back",
		     rn_format_duration(e->ms, time, sizeof(time)), e->status == EVENT_OK ? "" : ": ",
		     e->status == EVENT_OK			    ? "" :
		     v->stages[e->index].back_failure.message ? v->stages[e->index].back_failure.message :
		     e->text				    ? e->text :
							      "");
		break;
	case EVENT_PROGRESS:
	case EVENT_OUTPUT:
	case EVENT_FAILURE:
		break;
	}
}

void plain_heartbeats(const struct view *v, int64_t now_ms, int64_t *beats, struct rn_buf *to)
{
	char time[32];
	for (size_t i = 0; i < v->n; i++) {
		const struct view_stage *s = &v->stages[i];
		if (s->state != VIEW_RUNNING)
			continue;
		/* progress is a sign of life that plain output does not show, so it is told here */
		if (now_ms - (beats[i] > s->begin_ms ? beats[i] : s->begin_ms) < HEARTBEAT_MS)
			continue;
		beats[i] = now_ms;
		RN_AUTO(rn_freep) char *progress = s->what ? report_progress(s) : NULL;
		struct event e = { .stage = s->id, .index = i };
		line(v, &e, to, "still running after %s%s%s%s%s%s%s", rn_format_duration(now_ms - s->begin_ms, time, sizeof(time)),
		     s->step ? ": " : "", s->step ? s->step : "", s->what ? ", " : "", s->what ? s->what : "",
		     progress ? " " : "", progress ? progress : "");
	}
}

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	struct plain *p = (struct plain *)r;
	if (p->n < v->n) {
		p->counts = rn_realloc(p->counts, sizeof(*p->counts) * v->n);
		p->beats = rn_realloc(p->beats, sizeof(*p->beats) * v->n);
		memset(p->counts, 0, sizeof(*p->counts) * v->n);
		memset(p->beats, 0, sizeof(*p->beats) * v->n);
		p->n = v->n;
	}
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	struct plain_count none = { 0 };
	bool known = e->stage && e->index < p->n;
	plain_event(v, e, &p->options, known ? &p->counts[e->index] : &none, &text);
	if (known && text.len)
		p->beats[e->index] = rn_now_ms();
	if (text.len)
		plain_write(&text);
}

static void on_tick(struct reporter *r, const struct view *v, int64_t now_ms)
{
	struct plain *p = (struct plain *)r;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (p->n >= v->n && p->beats)
		plain_heartbeats(v, now_ms, p->beats, &text);
	if (text.len)
		plain_write(&text);
}

static void on_free(struct reporter *r)
{
	struct plain *p = (struct plain *)r;
	free(p->counts);
	free(p->beats);
	free(p);
}

struct reporter *report_plain_new(const struct report_options *o)
{
	struct plain *p = rn_alloc(sizeof(*p));
	*p = (struct plain){ .reporter = { .event = on_event, .tick = on_tick, .free = on_free, .tick_ms = TICK_MS }, .options = *o };
	return &p->reporter;
}
