/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for whom: file order, `needs`, references; cycles spelled out with their reasons. */
#include "pipeline_internal.h"

#include <stdlib.h>
#include <string.h>

enum reason {
	NO_REASON,
	FILE_ORDER, /* stands after it in the file */
	NEEDS,      /* says needs: */
	REFERENCE,  /* uses an output of it */
};

/* reasons[a * n + b]: why a waits for b. Dense is fine up to a few thousand stages; edges are few. */
struct edge {
	size_t to;
	enum reason reason;
	char *what; /* REFERENCE: "stages.x.out" */
	int line;
};

struct edges {
	struct edge *v;
	size_t n, cap;
};

struct graph {
	struct pipeline *p;
	struct edges *of; /* one a stage */
	size_t from;      /* the stage whose mentions are being collected */
};

static void add_edge(struct graph *g, size_t from, size_t to, enum reason reason, const char *what, int line)
{
	struct edges *e = &g->of[from];
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].to == to)
			return;
	e->v = rn_grow(e->v, &e->cap, e->n + 1, sizeof(*e->v));
	e->v[e->n++] = (struct edge){ .to = to, .reason = reason, .what = rn_strdup(what), .line = line };
}

static void add_mention(void *ctx, const struct mention *m)
{
	struct graph *g = ctx;
	const struct pipeline_stage *s = m->ref->kind == REFERENCE_OUTPUT ? pipeline_stage(g->p, m->ref->name) : NULL;
	if (!s || s->index == g->from)
		return;
	RN_AUTO(rn_freep) char *what = rn_asprintf("stages.%s.%s", m->ref->name, m->ref->output);
	add_edge(g, g->from, s->index, REFERENCE, what, mention_at(m, m->ref->name_at, 1).line);
}

static void collect(struct graph *g)
{
	for (size_t i = 0; i < g->p->n_stages; i++) {
		struct pipeline_stage *s = &g->p->stages[i];
		g->from = i;
		for (size_t k = 0; k < s->needs.n; k++) {
			const struct pipeline_stage *other = pipeline_stage(g->p, s->needs.v[k]);
			if (other && other != s)
				add_edge(g, i, other->index, NEEDS, NULL, s->at.line);
		}
		pipeline_stage_mentions(g->p, s, add_mention, g);
		if (!s->has_needs && i > 0)
			add_edge(g, i, i - 1, FILE_ORDER, NULL, s->at.line);
	}
}

static void explain(const struct graph *g, size_t from, const struct edge *e, struct rn_buf *to)
{
	const char *a = g->p->stages[from].id, *b = g->p->stages[e->to].id;
	rn_buf_addf(to, "%s%s waits for %s ", to->len ? "; " : "", a, b);
	if (e->reason == REFERENCE)
		rn_buf_addf(to, "because it uses %s (line %d)", e->what, e->line);
	else if (e->reason == NEEDS)
		rn_buf_adds(to, "because of its `needs`");
	else
		rn_buf_addf(to, "because it stands after it (`needs: []` in %s changes that)", a);
}

/* path: the stages from the cycle's first to its last; the last one waits for the first. */
static void report_cycle(const struct graph *g, const size_t *path, size_t n)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	RN_AUTO(rn_buf_clear) struct rn_buf why = RN_BUF_INIT;
	for (size_t i = 0; i < n; i++) {
		size_t next = path[(i + 1) % n];
		rn_buf_addf(&text, "%s -> ", g->p->stages[path[i]].id);
		for (size_t k = 0; k < g->of[path[i]].n; k++)
			if (g->of[path[i]].v[k].to == next)
				explain(g, path[i], &g->of[path[i]].v[k], &why);
	}
	diags_error(g->p->diags, g->p->stages[path[0]].id_at, rn_buf_str(&why), "stages wait for each other: %s%s",
		    rn_buf_str(&text), g->p->stages[path[0]].id);
}

/* Depth-first without recursion: a file may have thousands of stages. */
static void find_cycles(const struct graph *g)
{
	size_t n = g->p->n_stages, depth = 0;
	enum { NEW, OPEN, DONE };
	RN_AUTO(rn_freep) unsigned char *state = rn_alloc(n + 1);
	RN_AUTO(rn_freep) size_t *path = rn_alloc((n + 1) * sizeof(*path));
	RN_AUTO(rn_freep) size_t *next = rn_alloc((n + 1) * sizeof(*next));
	for (size_t root = 0; root < n; root++) {
		if (state[root] != NEW)
			continue;
		path[depth++] = root;
		state[root] = OPEN;
		while (depth) {
			size_t at = path[depth - 1];
			if (next[at] == g->of[at].n) {
				state[at] = DONE;
				depth--;
				continue;
			}
			size_t to = g->of[at].v[next[at]++].to, start = depth - 1;
			if (state[to] == NEW) {
				state[to] = OPEN;
				path[depth++] = to;
			} else if (state[to] == OPEN) {
				while (path[start] != to)
					start--;
				report_cycle(g, path + start, depth - start);
			}
		}
	}
}

static int by_index(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	return x < y ? -1 : x > y;
}

void pipeline_link(struct pipeline *p)
{
	struct graph g = { .p = p, .of = rn_alloc((p->n_stages + 1) * sizeof(*g.of)) };
	bool named = true;
	collect(&g);
	for (size_t i = 0; i < p->n_stages; i++) {
		struct pipeline_stage *s = &p->stages[i];
		named = named && s->id;
		s->deps = rn_alloc((g.of[i].n + 1) * sizeof(*s->deps));
		for (size_t k = 0; k < g.of[i].n; k++)
			s->deps[s->n_deps++] = g.of[i].v[k].to;
		qsort(s->deps, s->n_deps, sizeof(*s->deps), by_index);
	}
	if (named)
		find_cycles(&g);
	for (size_t i = 0; i < p->n_stages; i++) {
		for (size_t k = 0; k < g.of[i].n; k++)
			free(g.of[i].v[k].what);
		free(g.of[i].v);
	}
	free(g.of);
}

void pipeline_order(const struct pipeline *p, size_t *ret)
{
	RN_AUTO(rn_freep) bool *done = rn_alloc(p->n_stages + 1);
	for (size_t filled = 0; filled < p->n_stages;) {
		size_t before = filled;
		for (size_t i = 0; i < p->n_stages; i++) {
			bool ready = !done[i];
			for (size_t k = 0; ready && k < p->stages[i].n_deps; k++)
				ready = done[p->stages[i].deps[k]];
			if (ready) {
				done[i] = true;
				ret[filled++] = i;
			}
		}
		if (filled == before) /* a cycle: pipeline_load refused it */
			rn_die("pipeline_order: stages wait for each other");
	}
}

bool pipeline_depends(const struct pipeline *p, size_t stage, size_t on)
{
	RN_AUTO(rn_freep) bool *seen = rn_alloc(p->n_stages + 1);
	RN_AUTO(rn_freep) size_t *todo = rn_alloc((p->n_stages + 1) * sizeof(*todo));
	size_t n = 0;
	todo[n++] = stage;
	while (n) {
		const struct pipeline_stage *s = &p->stages[todo[--n]];
		for (size_t k = 0; k < s->n_deps; k++) {
			if (s->deps[k] == on)
				return true;
			if (!seen[s->deps[k]]) {
				seen[s->deps[k]] = true;
				todo[n++] = s->deps[k];
			}
		}
	}
	return false;
}
