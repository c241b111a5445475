/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_ahead.h"

#include "rootfs_internal.h"

#include <stdlib.h>

struct rootfs_ahead {
	struct rootfs_ahead *next;
	pthread_t thread;
	struct build *b;
	struct fs_state state; /* a copy: the stage goes on */
};

static void *work(void *ctx)
{
	struct rootfs_ahead *a = ctx;
	RN_AUTO(rn_strv_clear) struct rn_strv lowers = { 0 };
	struct rootfs *r = rootfs_get(a->b, NULL);
	if (r && r->host.overlay)
		rootfs_lowers(r, &a->state, &lowers, NULL);
	return NULL;
}

bool rootfs_leads_to_run(const struct step *s)
{
	bool behind = false;
	for (size_t i = 0; i < s->stage->n_steps; i++) {
		if (behind && s->stage->steps[i]->op == DF_RUN)
			return true;
		behind = behind || s->stage->steps[i] == s->i;
	}
	return false;
}

void rootfs_ahead(const struct step *s)
{
	if (s->stage->ahead || s->stage->state.n_layers == 0 || s->i->op == DF_RUN || !rootfs_leads_to_run(s))
		return;
	s->stage->ahead = true;
	s->stage->state.unpack = true;
	struct rootfs_ahead *a = rn_alloc(sizeof(*a));
	a->b = s->b;
	fs_state_copy(&s->stage->state, &a->state);
	a->state.unpack = true;
	pthread_mutex_lock(&s->b->lock);
	if (pthread_create(&a->thread, NULL, work, a) == 0) {
		a->next = s->b->ahead;
		s->b->ahead = a;
		a = NULL;
	}
	pthread_mutex_unlock(&s->b->lock);
	if (a) { /* no thread: RUN unpacks by itself */
		fs_state_clear(&a->state);
		free(a);
	}
}

void rootfs_ahead_end(struct build *b)
{
	if (b->ahead)
		build_stop(b);
	for (struct rootfs_ahead *a = b->ahead, *next; a; a = next) {
		next = a->next;
		pthread_join(a->thread, NULL);
		fs_state_clear(&a->state);
		free(a);
	}
	b->ahead = NULL;
}
