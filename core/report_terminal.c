/* SPDX-License-Identifier: Apache-2.0 */
/* The live tree: stages at the bottom of the terminal, redrawn in place; what is final scrolls up. */
#include "columns.h"
#include "report_plain.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_MS = 100, BAR_WIDTH = 24, ROWS_DEFAULT = 24, COLUMNS_DEFAULT = 80 };

struct terminal {
	struct reporter reporter;
	struct report_options options;
	struct plain_count *counts;
	size_t n;
	size_t drawn; /* lines of the tree on the screen */
	int64_t drawn_ms;
	unsigned frame;
};

static void size_of_terminal(size_t *ret_rows, size_t *ret_columns)
{
	struct winsize w = { 0 };
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col;
	*ret_rows = known ? w.ws_row : ROWS_DEFAULT;
	*ret_columns = known ? w.ws_col : COLUMNS_DEFAULT;
}

/* Appends a line cut to the width: escape sequences take no column. */
static void put_line(struct rn_buf *to, const char *text, size_t columns, bool color)
{
	size_t used = 0;
	const char *p = text;
	while (*p && used < columns) {
		if (*p == '\033') {
			size_t n = strcspn(p, "m");
			rn_buf_add(to, p, n + 1);
			p += n + 1;
			continue;
		}
		size_t wide, n = columns_next(p, &wide);
		if (used + wide > columns)
			break;
		rn_buf_add(to, p, n);
		p += n;
		used += wide;
	}
	rn_buf_adds(to, report_color(color && *p, "reset"));
	rn_buf_adds(to, "\033[K\n");
}

static void add_bar(struct rn_buf *to, const struct view_stage *s, bool color)
{
	if (!s->total)
		return;
	size_t full = s->done >= s->total ? BAR_WIDTH : (size_t)((double)s->done / (double)s->total * BAR_WIDTH);
	rn_buf_addf(to, " %s", report_color(color, "blue"));
	for (size_t i = 0; i < BAR_WIDTH; i++)
		rn_buf_adds(to, i < full ? "━" : "╌");
	rn_buf_addf(to, "%s %3u%%", report_color(color, "reset"),
		    (unsigned)(s->done >= s->total ? 100 : 100.0 * (double)s->done / (double)s->total));
}

static void stage_line(const struct terminal *t, const struct view *v, const struct view_stage *s, struct rn_buf *to)
{
	static const char *const spinner[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧" };
	char time[32];
	bool color = t->options.color;
	const char *dim = report_color(color, "dim"), *reset = report_color(color, "reset");
	if (s->state == VIEW_RUNNING || s->back == VIEW_BACK_RUNNING)
		rn_buf_addf(to, "%s%s%s", report_color(color, "blue"), spinner[t->frame % RN_LEN(spinner)], reset);
	else
		report_mark(to, color, s->state, s->status);
	rn_buf_addf(to, " %-*s ", (int)v->width, s->id);
	if (s->state == VIEW_WAITING) {
		rn_buf_addf(to, "%s%s%s", dim, s->uses, reset);
	} else if (s->state == VIEW_DONE) {
		rn_buf_addf(to, "%s%s%s", dim, s->ms || s->status == EVENT_OK ? rn_format_duration(s->ms, time, sizeof(time)) :
							event_status_name(s->status), reset);
		if (s->reason)
			rn_buf_addf(to, "  %s%s%s", dim, s->reason, reset);
		if (s->back == VIEW_BACK_RUNNING)
			rn_buf_addf(to, "  putting back: %s", s->step ? s->step : "…");
		else if (s->back)
			rn_buf_addf(to, "  %s", s->back == VIEW_BACK_DONE ? "put back" : "could not be put back");
	} else {
		rn_buf_addf(to, "%s", rn_format_duration(rn_now_ms() - s->begin_ms, time, sizeof(time)));
		if (s->attempt > 1)
			rn_buf_addf(to, "  attempt %d", s->attempt);
		if (s->step)
			rn_buf_addf(to, "  %s", s->step);
		if (s->what) {
			RN_AUTO(rn_freep) char *progress = report_progress(s);
			rn_buf_addf(to, "  %s", s->what);
			add_bar(to, s, color);
			rn_buf_addf(to, " %s", progress);
		} else if (s->lines) {
			rn_buf_addf(to, "  %s%s%s", dim, s->tail[(s->lines - 1) % VIEW_TAIL], reset);
		}
	}
}

/* Which stages fit: running ones first, then those around them in the order of the file. */
static size_t choose(const struct view *v, size_t rows, bool *shown)
{
	size_t n = 0;
	for (int pass = 0; pass < 3; pass++)
		for (size_t i = 0; i < v->n && n < rows; i++) {
			const struct view_stage *s = &v->stages[i];
			int rank = s->state == VIEW_RUNNING || s->back || (s->state == VIEW_DONE && s->status == EVENT_FAILED) ? 0 :
				   s->state == VIEW_WAITING							? 1 :
													  2;
			if (rank == pass && !shown[i])
				shown[i] = true, n++;
		}
	return n;
}

static void erase(struct terminal *t, struct rn_buf *to)
{
	if (t->drawn)
		rn_buf_addf(to, "\033[%zuA\r", t->drawn);
	rn_buf_adds(to, "\033[J");
	t->drawn = 0;
}

static void draw(struct terminal *t, const struct view *v, bool whole, struct rn_buf *to)
{
	size_t rows, columns;
	char time[32];
	size_of_terminal(&rows, &columns);
	rows = whole ? v->n : rows > 4 ? rows - 3 : 1;
	bool *shown = rn_alloc(v->n + 1);
	size_t fit = choose(v, rows, shown), done = 0;
	rn_buf_adds(to, "\033[?7l"); /* no wrapping: a terminal may think of a character as wider than we do */
	for (size_t i = 0; i < v->n; i++) {
		done += v->stages[i].state == VIEW_DONE;
		if (!shown[i])
			continue;
		RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
		stage_line(t, v, &v->stages[i], &text);
		put_line(to, rn_buf_str(&text), columns - 1, t->options.color);
	}
	free(shown);
	t->drawn = fit;
	if (whole) {
		rn_buf_adds(to, "\033[?7h");
		return;
	}
	RN_AUTO(rn_freep) char *last = rn_asprintf("%s%s: %zu of %zu stages, %s%s", report_color(t->options.color, "dim"),
						   v->pipeline, done, v->n,
						   rn_format_duration(rn_now_ms() - v->begin_ms, time, sizeof(time)),
						   report_color(t->options.color, "reset"));
	put_line(to, last, columns - 1, t->options.color);
	rn_buf_adds(to, "\033[?7h");
	t->drawn++;
}

static bool scrolls(const struct terminal *t, const struct event *e)
{
	if (e->kind == EVENT_NOTICE || e->kind == EVENT_ROLLBACK_START || e->kind == EVENT_ROLLBACK_END || e->kind == EVENT_STAGE_RETRY)
		return true;
	if (e->kind == EVENT_LOG)
		return t->options.verbose || e->level >= RUNNER_WARN;
	return false;
}

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	struct terminal *t = (struct terminal *)r;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (t->n < v->n) {
		t->counts = rn_realloc(t->counts, sizeof(*t->counts) * v->n);
		memset(t->counts, 0, sizeof(*t->counts) * v->n);
		t->n = v->n;
	}
	if (e->kind == EVENT_RUN_END) {
		erase(t, &text);
		draw(t, v, true, &text);
		size_t rows, columns;
		size_of_terminal(&rows, &columns);
		report_failures(v, t->options.color, &text);
		report_summary(v, t->options.color, columns, &text);
		plain_write(&text);
		return;
	}
	if (scrolls(t, e)) {
		struct plain_count none = { 0 };
		RN_AUTO(rn_buf_clear) struct rn_buf lines = RN_BUF_INIT;
		plain_event(v, e, &t->options, e->stage && e->index < t->n ? &t->counts[e->index] : &none, &lines);
		if (!lines.len)
			return;
		erase(t, &text);
		rn_buf_add(&text, lines.p, lines.len);
		draw(t, v, false, &text);
		plain_write(&text);
	}
}

static void on_tick(struct reporter *r, const struct view *v, int64_t now_ms)
{
	struct terminal *t = (struct terminal *)r;
	if (v->ended || now_ms - t->drawn_ms < REDRAW_MS)
		return;
	t->drawn_ms = now_ms;
	t->frame++;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (t->drawn)
		rn_buf_addf(&text, "\033[%zuA\r", t->drawn);
	draw(t, v, false, &text);
	rn_buf_adds(&text, "\033[J");
	plain_write(&text);
}

static void on_free(struct reporter *r)
{
	struct terminal *t = (struct terminal *)r;
	free(t->counts);
	free(t);
}

struct reporter *report_terminal_new(const struct report_options *o)
{
	struct terminal *t = rn_alloc(sizeof(*t));
	*t = (struct terminal){ .reporter = { .event = on_event, .tick = on_tick, .free = on_free, .tick_ms = REDRAW_MS },
				.options = *o };
	return &t->reporter;
}
