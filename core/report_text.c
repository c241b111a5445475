/* SPDX-License-Identifier: Apache-2.0 */
/* Words and tables that several reporters share. */
#include "columns.h"
#include "lines.h"
#include "report.h"

#include "base/fs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_SHOWN = 400, CHANGES_SHOWN = 100, FIELD_SHOWN = 200 };

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
	if (s->complaint && s->complaint_line + VIEW_TAIL <= s->lines)
		rn_buf_addf(to, "  first error in its log, line %zu:\n  | %s\n", s->complaint_line, s->complaint);
	if (s->lines > VIEW_TAIL)
		rn_buf_addf(to, "  last %zu of %zu lines of its log:\n", n, s->lines);
	else
		rn_buf_adds(to, "  its log:\n");
	for (size_t i = s->lines - n; i < s->lines; i++)
		rn_buf_addf(to, "  | %s\n", s->tail[i % VIEW_TAIL]);
}

/* Lines behind the first stand below it. */
static void add_words(const char *label, const char *text, struct rn_buf *to)
{
	rn_buf_addf(to, "  %-5s ", label);
	for (const char *p = text; *p; p++) {
		rn_buf_addc(to, *p);
		if (*p == '\n' && p[1])
			rn_buf_addf(to, "%8s", "");
	}
	if (!rn_ends(text, "\n"))
		rn_buf_addc(to, '\n');
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
	add_words("why", f->message ? f->message : "?", to);
	if (f->hint)
		add_words("do", f->hint, to);
	add_tail(s, to);
	if (s->log && s->lines)
		rn_buf_addf(to, "  log   %s\n", s->log);
}

/* A rollback that failed: the reason beside the one that led there, and how to try again. */
static void add_back_failure(const struct view *v, const struct view_stage *s, bool color, struct rn_buf *to)
{
	const struct event_failure *f = &s->back_failure;
	rn_buf_addf(to, "\n%serror: what stage \"%s\" (%s) changed could not be put back%s\n", report_color(color, "red"), s->id,
		    s->uses, report_color(color, "reset"));
	add_words("why", f->message ? f->message : "it was stopped", to);
	if (f->hint)
		add_words("do", f->hint, to);
	rn_buf_addf(to, "  then  runner rollback %s\n", v->file);
}

void report_failures(const struct view *v, bool color, struct rn_buf *to)
{
	bool any = false;
	for (size_t i = 0; i < v->n; i++)
		if (v->stages[i].back == VIEW_BACK_FAILED)
			add_back_failure(v, &v->stages[i], color, to);
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

/* A value of a field for one line. New string. */
static char *field_value(const cJSON *value)
{
	if (!value)
		return rn_strdup("(none)");
	RN_AUTO(rn_freep) char *text = cJSON_IsString(value) ? lines_clean(value->valuestring, strlen(value->valuestring)) :
							       rn_json_print(value);
	size_t n = FIELD_SHOWN;
	if (strlen(text) <= n)
		return rn_take(&text);
	while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return rn_asprintf("%.*s…", (int)n, text);
}

static void add_fields(const struct view_change *c, size_t indent, bool color, struct rn_buf *to)
{
	const cJSON *f;
	size_t width = 0;
	cJSON_ArrayForEach(f, c->fields) {
		size_t n = strlen(rn_json_str(f, "name"));
		width = n > width && n <= 40 ? n : width;
	}
	cJSON_ArrayForEach(f, c->fields) {
		if (!rn_json_get(f, "before") && !rn_json_get(f, "after")) { /* words, not values */
			rn_buf_addf(to, "%*s%s\n", (int)indent, "", rn_json_str(f, "name"));
			continue;
		}
		RN_AUTO(rn_freep) char *before = field_value(rn_json_get(f, "before"));
		RN_AUTO(rn_freep) char *after = field_value(rn_json_get(f, "after"));
		rn_buf_addf(to, "%*s%-*s  %s%s%s -> %s%s%s\n", (int)indent, "", (int)width, rn_json_str(f, "name"),
			    report_color(color, "red"), before, report_color(color, "reset"), report_color(color, "green"),
			    after, report_color(color, "reset"));
	}
}

struct change_table {
	const struct view *v;
	bool restored; /* what a rollback did, not what the stages did */
	bool color;
	size_t columns; /* of the terminal; 0: any */
	size_t width;   /* of the resources' column */
};

static const struct view_change *changes_of(const struct change_table *t, size_t stage, size_t *ret_n)
{
	const struct view_stage *s = &t->v->stages[stage];
	*ret_n = t->restored ? s->n_restored : s->n_changes;
	return t->restored ? s->restored : s->changes;
}

enum { RESOURCE_MAX = 60 };

static void add_change(const struct change_table *t, const char *stage, const struct view_change *c, struct rn_buf *to)
{
	static const char *const colors[] = { "dim", "green", "yellow", "red" };
	const char *detail = c->fields ? NULL : c->detail;
	size_t indent = 15 + t->v->width, used = columns_of(c->resource), width = t->width > used ? t->width : used;
	bool beside = detail && (!t->columns || indent + width + 2 + columns_of(detail) <= t->columns);
	rn_buf_addf(to, "  %s%-9s%s  %-*s  %s", report_color(t->color, colors[c->action]), event_action_name(c->action),
		    report_color(t->color, "reset"), (int)t->v->width, stage, c->resource);
	if (beside)
		rn_buf_addf(to, "%*s%s", (int)(width - used + 2), "", detail);
	rn_buf_addc(to, '\n');
	if (detail && !beside)
		rn_buf_addf(to, "%*s%s\n", (int)indent + 2, "", detail);
	add_fields(c, indent + 2, t->color, to);
}

/* The width of the resources' column. Returns the number of changes. */
static size_t measure(struct change_table *t)
{
	size_t all = 0, n;
	for (size_t i = 0; i < t->v->n; i++) {
		const struct view_change *c = changes_of(t, i, &n);
		all += n;
		for (size_t k = 0; k < n; k++) {
			size_t wide = columns_of(c[k].resource);
			t->width = wide > t->width && wide <= RESOURCE_MAX ? wide : t->width;
		}
	}
	return all;
}

static void add_changes(struct change_table *t, const char *title, struct rn_buf *to)
{
	const struct view *v = t->v;
	size_t shown = 0, n;
	if (!measure(t))
		return;
	rn_buf_addf(to, "\n%s%s%s\n", report_color(t->color, "bold"), title, report_color(t->color, "reset"));
	for (size_t i = 0; i < v->n; i++) {
		const struct view_change *c = changes_of(t, i, &n);
		for (size_t k = 0; k < n; k++)
			if (shown++ < CHANGES_SHOWN)
				add_change(t, v->stages[i].id, &c[k], to);
	}
	if (shown > CHANGES_SHOWN)
		rn_buf_addf(to, "  and %zu more\n", shown - CHANGES_SHOWN);
}

/* What was put back has no outputs any more. */
static size_t outputs_of(const struct view_stage *s)
{
	return s->back == VIEW_BACK_DONE ? 0 : s->n_outputs;
}

static void add_outputs(const struct view *v, bool color, struct rn_buf *to)
{
	size_t width = 0;
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < outputs_of(&v->stages[i]); k++) {
			size_t n = strlen(v->stages[i].id) + 1 + strlen(v->stages[i].outputs[k].name);
			width = n > width ? n : width;
		}
	if (!width)
		return;
	rn_buf_addf(to, "\n%sOutputs%s\n", report_color(color, "bold"), report_color(color, "reset"));
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < outputs_of(&v->stages[i]); k++) {
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

void report_summary(const struct view *v, bool color, size_t columns, struct rn_buf *to)
{
	char time[32];
	const char *title = rn_streq(v->command, "plan") ? "Planned changes" : rn_streq(v->command, "rollback") ? "Put back" : "Changes";
	add_changes(&(struct change_table){ .v = v, .color = color, .columns = columns }, title, to);
	add_changes(&(struct change_table){ .v = v, .color = color, .columns = columns, .restored = true }, "Put back (on_failure: rollback)", to);
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
	size_t back = 0;
	for (size_t i = 0; i < v->n; i++)
		back += v->stages[i].back == VIEW_BACK_DONE;
	add_counts(v, to);
	if (back)
		rn_buf_addf(to, ", %zu put back", back);
	rn_buf_addc(to, '\n');
}
