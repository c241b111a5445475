/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain output for GitHub Actions and GitLab CI: a group (section) a stage and an annotation for
 * what failed. Groups cannot interleave, so one running stage is shown live and the lines of the
 * others wait for their turn, bounded.
 */
#include "report_plain.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 1000, HELD_MAX = 1 << 20 };

struct held {
	struct rn_buf text; /* lines that wait; cut at HELD_MAX */
	struct plain_count count;
	bool ended;         /* its group can be closed once it was shown */
	bool shown;
};

struct ci {
	struct reporter reporter;
	struct report_options options;
	enum report_ci kind;
	struct held *held;
	int64_t *beats;
	size_t n;
	size_t live; /* index + 1 of the stage whose group is open; 0: none */
	char token[33]; /* GitHub takes no commands until it reads this */
};

enum report_ci report_ci_detect(void)
{
	const char *github = getenv("GITHUB_ACTIONS"), *gitlab = getenv("GITLAB_CI");
	if (rn_streq(github, "true"))
		return REPORT_CI_GITHUB;
	return rn_streq(gitlab, "true") ? REPORT_CI_GITLAB : REPORT_CI_NONE;
}

static void open_group(struct ci *c, const struct view *v, size_t i, struct rn_buf *to)
{
	const struct view_stage *s = &v->stages[i];
	c->live = i + 1;
	c->held[i].shown = true;
	if (c->kind == REPORT_CI_GITHUB)
		rn_buf_addf(to, "::group::%s (%s)\n::stop-commands::%s\n", s->id, s->uses, c->token);
	else
		rn_buf_addf(to, "\033[0Ksection_start:%lld:stage_%s[collapsed=true]\r\033[0K%s (%s)\n",
			    (long long)(rn_wall_ms() / 1000), s->id, s->id, s->uses);
	rn_buf_add(to, rn_buf_str(&c->held[i].text), c->held[i].text.len);
	rn_buf_clear(&c->held[i].text);
}

/* A value in a workflow command: %, CR and LF are escaped, in properties also : and , */
static void github_value(struct rn_buf *to, const char *text, bool property)
{
	for (const char *p = text; *p; p++) {
		if (*p == '%' || *p == '\r' || *p == '\n' || (property && (*p == ':' || *p == ',')))
			rn_buf_addf(to, "%%%02X", (unsigned char)*p);
		else
			rn_buf_addc(to, *p);
	}
}

static void annotate(const struct ci *c, const struct view_stage *s, struct rn_buf *to)
{
	const struct event_failure *f = &s->failure;
	if (c->kind != REPORT_CI_GITHUB || !f->cls)
		return;
	struct event_failure file_only = { .file = f->file };
	RN_AUTO(rn_freep) char *file = report_place(&file_only);
	RN_AUTO(rn_freep) char *text = rn_asprintf("%s%s%s", f->message ? f->message : "", f->hint ? "\n" : "", f->hint ? f->hint : "");
	rn_buf_addf(to, "::%s ", s->status == EVENT_IGNORED ? "warning" : "error");
	if (*file) {
		rn_buf_adds(to, "file=");
		github_value(to, file, true);
		rn_buf_adds(to, ",");
	}
	if (f->line)
		rn_buf_addf(to, "line=%d,", f->line);
	if (f->column)
		rn_buf_addf(to, "col=%d,", f->column);
	rn_buf_adds(to, "title=");
	github_value(to, s->id, true);
	rn_buf_adds(to, "::");
	github_value(to, text, false);
	rn_buf_addc(to, '\n');
}

static void close_group(struct ci *c, const struct view *v, struct rn_buf *to)
{
	const struct view_stage *s = &v->stages[c->live - 1];
	if (c->kind == REPORT_CI_GITHUB)
		rn_buf_addf(to, "::%s::\n::endgroup::\n", c->token);
	else
		rn_buf_addf(to, "\033[0Ksection_end:%lld:stage_%s\r\033[0K\n", (long long)(rn_wall_ms() / 1000), s->id);
	annotate(c, s, to);
	c->live = 0;
}

/* Shows what has ended and waited, then makes a running stage the live one. */
static void next_group(struct ci *c, const struct view *v, struct rn_buf *to)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->held[i].ended && !c->held[i].shown) {
			open_group(c, v, i, to);
			close_group(c, v, to);
		}
	for (size_t i = 0; i < c->n && !c->live; i++)
		if (v->stages[i].state == VIEW_RUNNING && !c->held[i].shown)
			open_group(c, v, i, to);
}

static void prepare(struct ci *c, const struct view *v)
{
	if (c->n == v->n)
		return;
	c->held = rn_alloc(sizeof(*c->held) * (v->n + 1));
	c->beats = rn_alloc(sizeof(*c->beats) * (v->n + 1));
	for (size_t i = 0; i < v->n; i++)
		rn_buf_init(&c->held[i].text, HELD_MAX);
	c->n = v->n;
}

static void stage_event(struct ci *c, const struct view *v, const struct event *e, struct rn_buf *to)
{
	struct held *h = &c->held[e->index];
	RN_AUTO(rn_buf_clear) struct rn_buf lines = RN_BUF_INIT;
	plain_event(v, e, &c->options, &h->count, &lines);
	if (e->kind == EVENT_STAGE_START && h->ended)
		h->ended = h->shown = false; /* it runs again (--resume) */
	if (e->kind == EVENT_STAGE_START && !c->live)
		open_group(c, v, e->index, to);
	bool live = c->live == e->index + 1;
	rn_buf_add(live ? to : &h->text, rn_buf_str(&lines), lines.len);
	if (lines.len)
		c->beats[e->index] = rn_now_ms();
	if (e->kind != EVENT_STAGE_END)
		return;
	h->ended = true;
	if (live)
		close_group(c, v, to);
	if (!c->live)
		next_group(c, v, to);
}

static void on_event(struct reporter *r, const struct view *v, const struct event *e)
{
	struct ci *c = (struct ci *)r;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	prepare(c, v);
	if (e->stage && e->index < c->n && !e->rollback) {
		stage_event(c, v, e, &text);
	} else {
		struct plain_count none = { 0 };
		if (e->kind == EVENT_RUN_END && c->live)
			close_group(c, v, &text);
		plain_event(v, e, &c->options, &none, &text);
	}
	if (text.len)
		plain_write(&text);
}

static void on_tick(struct reporter *r, const struct view *v, int64_t now_ms)
{
	struct ci *c = (struct ci *)r;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (c->n == v->n && c->n)
		plain_heartbeats(v, now_ms, c->beats, &text);
	if (text.len)
		plain_write(&text);
}

static void on_free(struct reporter *r)
{
	struct ci *c = (struct ci *)r;
	for (size_t i = 0; i < c->n; i++)
		rn_buf_clear(&c->held[i].text);
	free(c->held);
	free(c->beats);
	free(c);
}

struct reporter *report_ci_new(const struct report_options *o, enum report_ci kind)
{
	struct ci *c = rn_alloc(sizeof(*c));
	*c = (struct ci){ .reporter = { .event = on_event, .tick = on_tick, .free = on_free, .tick_ms = TICK_MS },
			  .options = *o, .kind = kind };
	rn_random_hex(16, c->token);
	return &c->reporter;
}
