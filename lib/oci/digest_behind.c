/* SPDX-License-Identifier: Apache-2.0 */
#include "digest_behind.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct digest_behind {
	struct digester *hash;
	uint64_t pieces;
	bool alone; /* no thread is to be had, or would help */
	bool running;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t given, taken;
	struct piece {
		const void *data;
		size_t n;
	} queue[DIGEST_BEHIND_DEPTH];
	uint64_t queued, hashed;
	bool stop;
};

struct digest_behind *digest_behind_new(void)
{
	struct digest_behind *h = rn_alloc(sizeof(*h));
	h->hash = digester_new(NULL);
	h->alone = sysconf(_SC_NPROCESSORS_ONLN) < 2;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->given, NULL);
	pthread_cond_init(&h->taken, NULL);
	return h;
}

static void *work(void *ctx)
{
	struct digest_behind *h = ctx;
	pthread_mutex_lock(&h->lock);
	for (;;) {
		while (h->hashed == h->queued && !h->stop)
			pthread_cond_wait(&h->given, &h->lock);
		if (h->hashed == h->queued)
			break;
		struct piece p = h->queue[h->hashed % DIGEST_BEHIND_DEPTH];
		pthread_mutex_unlock(&h->lock);
		digester_update(h->hash, p.data, p.n);
		pthread_mutex_lock(&h->lock);
		h->hashed++;
		pthread_cond_signal(&h->taken);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* Waits until no more than `pending` pieces are to be hashed; with the lock held. */
static void wait_for(struct digest_behind *h, uint64_t pending)
{
	while (h->queued - h->hashed > pending)
		pthread_cond_wait(&h->taken, &h->lock);
}

static void hand_over(struct digest_behind *h, const void *data, size_t n)
{
	pthread_mutex_lock(&h->lock);
	wait_for(h, DIGEST_BEHIND_DEPTH - 1);
	h->queue[h->queued++ % DIGEST_BEHIND_DEPTH] = (struct piece){ data, n };
	pthread_mutex_unlock(&h->lock);
	pthread_cond_signal(&h->given); /* without the lock, which it wants first */
}

void digest_behind_update(struct digest_behind *h, const void *data, size_t n)
{
	if (h->pieces++ == 1 && !h->alone) {
		h->running = pthread_create(&h->thread, NULL, work, h) == 0;
		h->alone = !h->running;
	}
	if (!h->running)
		digester_update(h->hash, data, n);
	else
		hand_over(h, data, n);
}

struct digest digest_behind_peek(struct digest_behind *h)
{
	pthread_mutex_lock(&h->lock);
	wait_for(h, 0);
	pthread_mutex_unlock(&h->lock);
	return digester_peek(h->hash);
}

void digest_behind_free(struct digest_behind *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->given);
	pthread_mutex_unlock(&h->lock);
	if (h->running)
		pthread_join(h->thread, NULL);
	digester_free(h->hash);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->given);
	pthread_cond_destroy(&h->taken);
	free(h);
}
