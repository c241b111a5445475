/* SPDX-License-Identifier: Apache-2.0 */
#include "stage_threads.h"

#include <unistd.h>

/*
 * Threads are few enough not to count and begin stages in the order of the file. A stage waits for earlier ones only, so the
 * first unfinished one never waits for a stage that nobody has begun: there is always one that goes on.
 */
#define THREADS_MAX 64

struct crew {
	struct stage_graph *g;
	stage_work *work;
};

/* Waits for a free slot. The lock is held. */
static void take_slot(struct stage_graph *g)
{
	while (g->free_slots == 0)
		pthread_cond_wait(&g->changed, &g->lock);
	g->free_slots--;
}

static void give_slot(struct stage_graph *g)
{
	g->free_slots++;
	pthread_cond_broadcast(&g->changed);
}

/* The lock is held. */
static void finish(struct stage_graph *g, struct build_stage *s, int rc, const struct rn_error *err)
{
	if (rc < 0 && !g->failed && g->error && err)
		*g->error = *err;
	g->failed |= rc < 0;
	s->done = rc == 0;
	pthread_cond_broadcast(&g->changed);
	if (rc < 0)
		build_stop(g->b);
}

int stages_need(struct stage_graph *g, struct build_stage *s, stage_work *work, struct rn_error *err)
{
	pthread_mutex_lock(&g->lock);
	bool mine = !s->started;
	s->started = true;
	if (!mine && !s->done) {
		give_slot(g);
		while (!s->done && !g->failed)
			pthread_cond_wait(&g->changed, &g->lock);
		take_slot(g);
	}
	bool done = s->done;
	pthread_mutex_unlock(&g->lock);
	if (!mine)
		return done ? 0 : rn_fail(err, RN_ECANCELLED, "another stage failed");
	RN_AUTO(rn_freep) char *mark = rn_strdup(build_mark());
	int rc = work(g, s, err);
	build_set_mark(mark);
	pthread_mutex_lock(&g->lock);
	finish(g, s, rc, err);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* The next stage to begin; NULL: none is left, or it is no use any more. The lock is held. */
static struct build_stage *next_stage(struct stage_graph *g)
{
	for (size_t i = 0; !g->failed && i < g->n; i++)
		if (g->v[i].needed && !g->v[i].started) {
			g->v[i].started = true;
			return &g->v[i];
		}
	return NULL;
}

static void *run_stages(void *arg)
{
	struct crew *c = arg;
	struct stage_graph *g = c->g;
	struct build_stage *s;
	pthread_mutex_lock(&g->lock);
	take_slot(g);
	while ((s = next_stage(g))) {
		struct rn_error err = { 0 };
		pthread_mutex_unlock(&g->lock);
		int rc = c->work(g, s, &err);
		build_set_mark(NULL);
		pthread_mutex_lock(&g->lock);
		finish(g, s, rc, &err);
	}
	give_slot(g);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

int stages_run(struct stage_graph *g, stage_work *work, struct rn_error *err)
{
	struct crew c = { .g = g, .work = work };
	pthread_t threads[THREADS_MAX];
	size_t needed = 0, started = 0;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	for (size_t i = 0; i < g->n; i++)
		needed += g->v[i].needed;
	g->several = needed > 1;
	g->error = err;
	g->free_slots = cores < 1 ? 1 : (size_t)cores;
	while (started + 1 < needed && started < THREADS_MAX && pthread_create(&threads[started], NULL, run_stages, &c) == 0)
		started++;
	run_stages(&c);
	while (started)
		pthread_join(threads[--started], NULL);
	build_unstop(g->b);
	return g->failed ? -1 : 0;
}
