/* SPDX-License-Identifier: Apache-2.0 */
/* Words and tables that several reporters share. */
#include "report.h"

#include "base/fs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_SHOWN = 400, CHANGES_SHOWN = 100 };

const char *report_color(bool color, const char *name)
{
	static const struct {
		const char *name, *code;
	} codes[] = { { "reset", "\033[0m" },	{ "bold", "\033[1m" },	  { "dim", "\033[2m" },	   { "red", "\033[31m" },
		      { "green", "\033[32m" }, { "yellow", "\033[33m" }, { "blue", "\033[34m" }, { "cyan", "\033[36m" } };
	for (size_t i = 0; color && i < RN_LEN(codes); i++)
		if (rn_streq(codes[i].name, name))
			return codes[i].code;
	return "";
}

void report_mark(struct rn_buf *to, bool color, enum view_state state, enum event_status status)
{
	static const struct {
		const char *mark, *color;
	} marks[] = { { "✓", "green" }, { "✗", "red" }, { "-", "dim" }, { "=", "cyan" }, { "!", "yellow" }, { "✗", "yellow" } };
	if (state == VIEW_WAITING)
		rn_buf_addf(to, "%s·%s", report_color(color, "dim"), report_color(color, "reset"));
	else if (state == VIEW_RUNNING)
		rn_buf_addf(to, "%s>%s", report_color(color, "blue"), report_color(color, "reset"));
	else
		rn_buf_addf(to, "%s%s%s", report_color(color, marks[status].color), marks[status].mark,
			    report_color(color, "reset"));
}

char *report_place(const struct event_failure *f)
{
	if (!f->file)
		return rn_strdup("");
	RN_AUTO(rn_freep) char *cwd = getcwd(NULL, 0);
	RN_AUTO(rn_freep) char *below = rn_asprintf("%s/", cwd ? cwd : "");
	const char *file = rn_starts(f->file, below) ? f->file + strlen(below) : f->file;
	if (f->line && f->column)
		return rn_asprintf("%s:%d:%d", file, f->line, f->column);
	return f->line ? rn_asprintf("%s:%d", file, f->line) : rn_strdup(file);
}

char *report_progress(const struct view_stage *s)
{
	char done[32], total[32];
	if (rn_streq(s->unit, "bytes")) {
		rn_format_size(s->done, done, sizeof(done));
		rn_format_size(s->total, total, sizeof(total));
		return s->total ? rn_asprintf("%s of %s", done, total) : rn_strdup(done);
	}
	const char *unit = s->unit ? s->unit : "";
	return s->total ? rn_asprintf("%llu of %llu%s%s", (unsigned long long)s->done, (unsigned long long)s->total,
				      *unit ? " " : "", unit) :
			  rn_asprintf("%llu%s%s", (unsigned long long)s->done, *unit ? " " : "", unit);
}

/* ---- failures ---- */

static void add_tail(const struct view_stage *s, struct rn_buf *to)
{
	size_t n = s->lines < VIEW_TAIL ? s->lines : VIEW_TAIL;
	if (!n)
		return;
	if (s->lines > VIEW_TAIL)
		rn_buf_addf(to, "  last %zu of %zu lines of its log:\n", n, s->lines);
	else
		rn_buf_adds(to, "  its log:\n");
	for (size_t i = s->lines - n; i < s->lines; i++)
		rn_buf_addf(to, "  | %s\n", s->tail[i % VIEW_TAIL]);
}

static void add_failure(const struct view_stage *s, bool color, struct rn_buf *to)
{
	const struct event_failure *f = &s->failure;
	RN_AUTO(rn_freep) char *place = report_place(f);
	rn_buf_addf(to, "\n%s%s: stage \"%s\" (%s) failed", report_color(color, "red"),
		    s->status == EVENT_IGNORED ? "ignored" : "error", s->id, s->uses);
	if (f->param)
		rn_buf_addf(to, ", parameter \"%s\"", f->param);
	rn_buf_addf(to, "%s\n", report_color(color, "reset"));
	if (*place)
		rn_buf_addf(to, "  at    %s\n", place);
	rn_buf_addf(to, "  why   %s\n", f->message ? f->message : "?");
	if (f->hint)
		rn_buf_addf(to, "  do    %s\n", f->hint);
	add_tail(s, to);
	if (s->log && s->lines)
		rn_buf_addf(to, "  log   %s\n", s->log);
}

void report_failures(const struct view *v, bool color, struct rn_buf *to)
{
	bool any = false;
	for (size_t i = 0; i < v->n; i++) {
		const struct view_stage *s = &v->stages[i];
		if (s->state != VIEW_DONE || !s->failure.cls || (s->status != EVENT_FAILED && s->status != EVENT_IGNORED))
			continue;
		add_failure(s, color, to);
		any |= s->status == EVENT_FAILED;
	}
	if (v->resume && (any || v->status == EVENT_CANCELLED || v->status == EVENT_FAILED))
		rn_buf_addf(to, "\nTo go on from here:  %s\n", v->resume);
}

/* ---- summary ---- */

static void add_changes(const struct view *v, bool color, struct rn_buf *to)
{
	static const char *const colors[] = { "dim", "green", "yellow", "red" };
	size_t all = 0, width = 0, shown = 0;
	for (size_t i = 0; i < v->n; i++) {
		all += v->stages[i].n_changes;
		for (size_t k = 0; k < v->stages[i].n_changes; k++) {
			size_t n = strlen(v->stages[i].changes[k].resource);
			width = n > width && n <= 60 ? n : width;
		}
	}
	if (!all)
		return;
	rn_buf_addf(to, "\n%s%s%s\n", report_color(color, "bold"), rn_streq(v->command, "plan") ? "Planned changes" : "Changes",
		    report_color(color, "reset"));
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < v->stages[i].n_changes; k++) {
			const struct view_change *c = &v->stages[i].changes[k];
			if (shown++ >= CHANGES_SHOWN)
				continue;
			rn_buf_addf(to, "  %s%-9s%s  %-*s  %-*s%s%s\n", report_color(color, colors[c->action]),
				    event_action_name(c->action), report_color(color, "reset"), (int)v->width,
				    v->stages[i].id, c->detail ? (int)width : 0, c->resource, c->detail ? "  " : "",
				    c->detail ? c->detail : "");
		}
	if (shown > CHANGES_SHOWN)
		rn_buf_addf(to, "  and %zu more\n", shown - CHANGES_SHOWN);
}

static void add_outputs(const struct view *v, bool color, struct rn_buf *to)
{
	size_t width = 0;
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < v->stages[i].n_outputs; k++) {
			size_t n = strlen(v->stages[i].id) + 1 + strlen(v->stages[i].outputs[k].name);
			width = n > width ? n : width;
		}
	if (!width)
		return;
	rn_buf_addf(to, "\n%sOutputs%s\n", report_color(color, "bold"), report_color(color, "reset"));
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < v->stages[i].n_outputs; k++) {
			const struct view_output *o = &v->stages[i].outputs[k];
			RN_AUTO(rn_freep) char *name = rn_asprintf("%s.%s", v->stages[i].id, o->name);
			size_t n = o->text ? strcspn(o->text, "\n") : 0;
			bool cut = o->text && (n > OUTPUT_SHOWN || o->text[n]);
			n = n > OUTPUT_SHOWN ? OUTPUT_SHOWN : n;
			rn_buf_addf(to, "  %-*s  %.*s%s\n", (int)width, name, (int)n, o->text ? o->text : "", cut ? " …" : "");
		}
}

static void add_counts(const struct view *v, struct rn_buf *to)
{
	static const enum runner_action actions[] = { RUNNER_CREATED, RUNNER_UPDATED, RUNNER_DELETED, RUNNER_UNCHANGED };
	for (size_t i = 0; i < RN_LEN(actions); i++) {
		size_t n = view_count(v, actions[i]);
		if (n)
			rn_buf_addf(to, ", %zu %s", n, event_action_name(actions[i]));
	}
}

void report_summary(const struct view *v, bool color, struct rn_buf *to)
{
	char time[32];
	add_changes(v, color, to);
	add_outputs(v, color, to);
	size_t failed = view_stages(v, EVENT_FAILED), ok = view_stages(v, EVENT_OK);
	const char *word = v->status == EVENT_OK ? "done" : v->status == EVENT_CANCELLED ? "interrupted" : "failed";
	rn_buf_addf(to, "\n%s%s%s %s in %s: ", report_color(color, v->status == EVENT_OK ? "green" : "red"), v->pipeline,
		    report_color(color, "reset"), word, rn_format_duration(v->ms, time, sizeof(time)));
	rn_buf_addf(to, "%zu of %zu stages %s", ok, v->n, rn_streq(v->command, "plan") ? "planned" : "ok");
	static const enum event_status others[] = { EVENT_REUSED, EVENT_SKIPPED, EVENT_IGNORED, EVENT_CANCELLED };
	if (failed)
		rn_buf_addf(to, ", %zu failed", failed);
	for (size_t i = 0; i < RN_LEN(others); i++) {
		size_t n = view_stages(v, others[i]);
		if (n)
			rn_buf_addf(to, ", %zu %s", n, event_status_name(others[i]));
	}
	add_counts(v, to);
	rn_buf_addc(to, '\n');
}
