/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include "base/time.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void set(char **to, const char *text)
{
	free(*to);
	*to = rn_strdup(text);
}

void bus_stage(struct bus *b, const char *id, const char *uses, const char *log)
{
	struct view *v = &b->view;
	v->stages = rn_realloc(v->stages, sizeof(*v->stages) * (v->n + 1));
	v->stages[v->n++] = (struct view_stage){ .id = rn_strdup(id), .uses = rn_strdup(uses), .log = rn_strdup(log) };
	if (strlen(id) > v->width)
		v->width = strlen(id);
}

void bus_add(struct bus *b, struct reporter *r)
{
	b->reporters = rn_grow(b->reporters, &b->cap, b->n + 1, sizeof(*b->reporters));
	b->reporters[b->n++] = r;
}

static void clear_failure(struct event_failure *f)
{
	free((char *)f->message);
	free((char *)f->hint);
	free((char *)f->param);
	free((char *)f->file);
	*f = (struct event_failure){ 0 };
}

static void clear_changes(struct view_change *v, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		free(v[i].resource);
		free(v[i].detail);
		cJSON_Delete(v[i].fields);
	}
	*n = 0;
}

static void forget(struct view_stage *s)
{
	clear_changes(s->changes, &s->n_changes);
	clear_changes(s->restored, &s->n_restored);
	for (size_t i = 0; i < s->n_outputs; i++) {
		free(s->outputs[i].name);
		free(s->outputs[i].text);
	}
	s->all_changes = s->n_outputs = 0;
	clear_failure(&s->failure);
	clear_failure(&s->back_failure);
	set(&s->step, NULL);
	set(&s->what, NULL);
	set(&s->complaint, NULL); /* of an attempt before */
}

static struct view_change change_of(const struct event *e)
{
	return (struct view_change){ e->action, rn_strdup(e->name), rn_strdup(e->text),
				     e->fields ? cJSON_Duplicate(e->fields, true) : NULL };
}

/* "error", "ERROR:", "fatal: ..." as a word of its own: where a long log went wrong is often far above its end. */
static bool complains(const char *line)
{
	static const char *const words[] = { "error", "fatal" };
	for (size_t i = 0; i < RN_LEN(words); i++)
		for (const char *p = line; (p = strcasestr(p, words[i])); p++) {
			const char *end = p + strlen(words[i]);
			if ((p == line || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)*end))
				return true;
		}
	return false;
}

static void add_line(struct view_stage *s, const char *line)
{
	set(&s->tail[s->lines++ % VIEW_TAIL], line);
	if (!s->complaint && complains(line)) {
		set(&s->complaint, line);
		s->complaint_line = s->lines;
	}
}

static void add_change(struct view_stage *s, const struct event *e)
{
	if (s->all_changes++ >= VIEW_CHANGES_MAX)
		return;
	s->changes = rn_grow(s->changes, &s->cap_changes, s->n_changes + 1, sizeof(*s->changes));
	s->changes[s->n_changes++] = change_of(e);
}

static void add_output(struct view_stage *s, const struct event *e)
{
	struct view_output *o = NULL;
	for (size_t i = 0; i < s->n_outputs && !o; i++)
		if (rn_streq(s->outputs[i].name, e->name))
			o = &s->outputs[i];
	if (!o) {
		s->outputs = rn_grow(s->outputs, &s->cap_outputs, s->n_outputs + 1, sizeof(*s->outputs));
		o = &s->outputs[s->n_outputs++];
		*o = (struct view_output){ .name = rn_strdup(e->name) };
	}
	set(&o->text, e->text);
	o->secret = e->secret;
}

static void set_failure(struct event_failure *to, const struct event_failure *f)
{
	clear_failure(to);
	*to = *f;
	to->message = rn_strdup(f->message);
	to->hint = rn_strdup(f->hint);
	to->param = rn_strdup(f->param);
	to->file = rn_strdup(f->file);
}

/* The run of the stage itself is over; what happens now stands beside it. */
static void rollback_event(struct view_stage *s, const struct event *e, int64_t now)
{
	s->heard_ms = now;
	if (e->kind == EVENT_ROLLBACK_START) {
		s->back = VIEW_BACK_RUNNING;
		s->back_ms = now;
	} else if (e->kind == EVENT_ROLLBACK_END) {
		s->back = e->status == EVENT_OK ? VIEW_BACK_DONE : VIEW_BACK_FAILED;
		s->back_ms = e->ms;
		set(&s->step, NULL);
	} else if (e->kind == EVENT_STEP) {
		set(&s->step, e->text);
	} else if (e->kind == EVENT_FAILURE) {
		set_failure(&s->back_failure, &e->failure);
	} else if (e->kind == EVENT_LOG && !s->failure.cls) { /* the end of the log says why it failed */
		set(&s->tail[s->lines++ % VIEW_TAIL], e->text);
	} else if (e->kind == EVENT_CHANGE && s->n_restored < VIEW_CHANGES_MAX) {
		s->restored = rn_grow(s->restored, &s->cap_restored, s->n_restored + 1, sizeof(*s->restored));
		s->restored[s->n_restored++] = change_of(e);
	}
}

static void stage_event(struct view_stage *s, const struct event *e, int64_t now)
{
	s->heard_ms = now;
	switch (e->kind) {
	case EVENT_STAGE_START:
		if (e->attempt <= 1)
			s->begin_ms = now;
		forget(s);
		s->state = VIEW_RUNNING;
		s->attempt = e->attempt;
		set(&s->reason, e->text);
		break;
	case EVENT_STAGE_RETRY:
		set(&s->step, "waiting for the next attempt");
		set(&s->what, NULL);
		break;
	case EVENT_STAGE_END:
		s->state = VIEW_DONE;
		s->status = e->status;
		s->ms = e->ms;
		set(&s->step, NULL);
		set(&s->what, NULL);
		if (e->text)
			set(&s->reason, e->text);
		break;
	case EVENT_LOG:
		add_line(s, e->text);
		break;
	case EVENT_STEP:
		set(&s->step, e->text);
		set(&s->what, NULL);
		break;
	case EVENT_PROGRESS:
		set(&s->what, e->text);
		set(&s->unit, e->unit);
		s->done = e->done;
		s->total = e->total;
		break;
	case EVENT_CHANGE:
		add_change(s, e);
		break;
	case EVENT_OUTPUT:
		add_output(s, e);
		break;
	case EVENT_FAILURE:
		set_failure(&s->failure, &e->failure);
		break;
	case EVENT_RUN_START:
	case EVENT_NOTICE:
	case EVENT_RUN_END:
	case EVENT_ROLLBACK_START:
	case EVENT_ROLLBACK_END:
		break;
	}
}

void bus_emit(struct bus *b, const struct event *theirs)
{
	struct event e = *theirs;
	int64_t now = rn_now_ms();
	e.wall_ms = rn_wall_ms();
	if (e.stage && e.index < b->view.n && e.rollback)
		rollback_event(&b->view.stages[e.index], &e, now);
	else if (e.stage && e.index < b->view.n)
		stage_event(&b->view.stages[e.index], &e, now);
	if (e.kind == EVENT_RUN_START)
		b->view.begin_ms = now;
	if (e.kind == EVENT_RUN_END) {
		b->view.ended = true;
		b->view.status = e.status;
		b->view.exit_code = e.exit_code;
		b->view.ms = e.ms;
	}
	for (size_t i = 0; i < b->n; i++)
		b->reporters[i]->event(b->reporters[i], &b->view, &e);
}

void bus_tick(struct bus *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->reporters[i]->tick)
			b->reporters[i]->tick(b->reporters[i], &b->view, rn_now_ms());
}

int bus_tick_ms(const struct bus *b)
{
	int ms = -1;
	for (size_t i = 0; i < b->n; i++)
		if (b->reporters[i]->tick_ms && (ms < 0 || b->reporters[i]->tick_ms < ms))
			ms = b->reporters[i]->tick_ms;
	return ms;
}

void bus_clear(struct bus *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->reporters[i]->free(b->reporters[i]);
	free(b->reporters);
	for (size_t i = 0; i < b->view.n; i++) {
		struct view_stage *s = &b->view.stages[i];
		forget(s);
		for (size_t k = 0; k < VIEW_TAIL; k++)
			free(s->tail[k]);
		free(s->changes);
		free(s->restored);
		free(s->outputs);
		free(s->id);
		free(s->uses);
		free(s->log);
		free(s->reason);
		free(s->unit);
		free(s->complaint);
	}
	free(b->view.stages);
	*b = (struct bus){ 0 };
}

size_t view_count(const struct view *v, enum runner_action action)
{
	size_t n = 0;
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < v->stages[i].n_changes; k++)
			n += v->stages[i].changes[k].action == action;
	return n;
}

size_t view_stages(const struct view *v, enum event_status status)
{
	size_t n = 0;
	for (size_t i = 0; i < v->n; i++)
		n += v->stages[i].state == VIEW_DONE && v->stages[i].status == status;
	return n;
}
