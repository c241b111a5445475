/* SPDX-License-Identifier: Apache-2.0 */
#include "byte_ring.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)4 << 20) /* what writer and reader may be apart, so that neither waits for each step of the other */
#define PIECE (SIZE / 16)      /* the reader sleeps until there is that much, so that few bytes wake nobody        */

struct byte_ring {
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	uint64_t written, passed; /* bytes since the beginning                   */
	size_t held;              /* of the piece that the reader looks at       */
	bool reader_waits, writer_waits, ended, left;
	char data[SIZE];
};

struct byte_ring *byte_ring_new(void)
{
	struct byte_ring *r = rn_alloc(sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->more, NULL);
	pthread_cond_init(&r->room, NULL);
	return r;
}

void byte_ring_free(struct byte_ring *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->more);
	pthread_cond_destroy(&r->room);
	free(r);
}

static size_t present(const struct byte_ring *r)
{
	return (size_t)(r->written - r->passed);
}

/* Room for a piece without a break, 0 when nobody reads. */
static size_t wait_for_room(struct byte_ring *r)
{
	while (present(r) == SIZE && !r->left) {
		r->writer_waits = true;
		pthread_cond_wait(&r->room, &r->lock);
	}
	r->writer_waits = false;
	size_t at = r->written % SIZE, room = SIZE - present(r);
	return r->left ? 0 : room < SIZE - at ? room : SIZE - at;
}

bool byte_ring_write(struct byte_ring *r, const void *data, size_t n)
{
	const char *from = data;
	while (n) {
		pthread_mutex_lock(&r->lock);
		size_t k = wait_for_room(r);
		pthread_mutex_unlock(&r->lock);
		if (!k)
			return false;
		k = k < n ? k : n;
		memcpy(r->data + r->written % SIZE, from, k); /* nobody looks there yet, and nobody else moves `written` */
		pthread_mutex_lock(&r->lock);
		r->written += k;
		bool wake = r->reader_waits && present(r) >= PIECE;
		r->reader_waits = r->reader_waits && !wake;
		pthread_mutex_unlock(&r->lock);
		if (wake) /* without the lock, which it wants first */
			pthread_cond_signal(&r->more);
		from += k;
		n -= k;
	}
	return true;
}

void byte_ring_end(struct byte_ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
}

size_t byte_ring_next(struct byte_ring *r, const void **ret)
{
	pthread_mutex_lock(&r->lock);
	r->passed += r->held;
	if (r->writer_waits && SIZE - present(r) >= PIECE)
		pthread_cond_signal(&r->room);
	while (present(r) < PIECE && !r->ended) {
		r->reader_waits = true;
		pthread_cond_wait(&r->more, &r->lock);
	}
	r->reader_waits = false;
	size_t at = r->passed % SIZE, n = present(r) < PIECE ? present(r) : PIECE;
	r->held = n < SIZE - at ? n : SIZE - at;
	*ret = r->data + at;
	pthread_mutex_unlock(&r->lock);
	return r->held;
}

void byte_ring_leave(struct byte_ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->left = true;
	pthread_cond_signal(&r->room);
	pthread_mutex_unlock(&r->lock);
}
