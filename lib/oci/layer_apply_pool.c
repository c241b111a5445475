/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_apply_pool.h"

#include "layer_apply_file.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	THREADS_MAX = 3,
	SLOTS = THREADS_MAX + 2,
	FILES_MAX = 8, /* of one batch: SLOTS * FILES_MAX descriptors may be open, and several stages unpack at once */
};
#define BATCH ((size_t)256 << 10)   /* bytes that make a batch full: few, so that they are still in the processor's cache */
#define FILE_MAX ((uint64_t)1 << 20) /* a larger file is not taken */

struct file {
	int fd;
	char *path;
	struct layer_entry e;
	size_t at; /* in the batch's data */
};

enum slot_state { FREE, READY, BUSY };
/* Files that are handed over together, so that small ones wake nobody each. */
struct slot {
	enum slot_state state;
	struct file files[FILES_MAX];
	size_t n;
	char *data;
	size_t used, cap;
};

struct apply_pool {
	const struct layer_apply_options *o;
	pthread_mutex_t lock;
	pthread_cond_t ready, done;
	struct slot slots[SLOTS];
	struct slot *open; /* is being filled; NULL: none */
	bool stop, failed;
	struct rn_error err; /* the first one */
	pthread_t threads[THREADS_MAX];
	size_t n_threads, want_threads;
};

struct apply_pool *apply_pool_new(const struct layer_apply_options *o)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (cores < 2)
		return NULL;
	struct apply_pool *p = rn_alloc(sizeof(*p));
	p->o = o;
	p->want_threads = cores < THREADS_MAX ? (size_t)cores : THREADS_MAX;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->ready, NULL);
	pthread_cond_init(&p->done, NULL);
	return p;
}

/* ---- the threads ------------------------------------------------------------------------- */

static int write_file(const struct apply_pool *p, const struct slot *s, const struct file *f, struct rn_error *err)
{
	uint64_t end = 0;
	if (layer_apply_write(f->fd, s->data + f->at, (size_t)f->e.size, 0, &end) < 0)
		return rn_fail(err, RN_EIO, "write \"%s\": %m", f->path);
	return layer_apply_end(p->o, f->fd, &f->e, end, err);
}

static int write_slot(const struct apply_pool *p, struct slot *s, struct rn_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct file *f = &s->files[i];
		if (rc == 0)
			rc = write_file(p, s, f, err);
		rn_closep(&f->fd);
		rn_freep(&f->path);
	}
	s->n = 0;
	s->used = 0;
	return rc;
}

/* The first one counts. */
static void keep_failure(struct apply_pool *p, const struct rn_error *err)
{
	if (!p->failed)
		p->err = *err;
	p->failed = true;
}

static bool has_failed(const struct apply_pool *p, struct rn_error *err)
{
	if (p->failed && err)
		*err = p->err;
	return p->failed;
}

static struct slot *find(struct apply_pool *p, enum slot_state state)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (p->slots[i].state == state)
			return &p->slots[i];
	return NULL;
}

static void *work(void *ctx)
{
	struct apply_pool *p = ctx;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct slot *s = find(p, READY);
		if (!s && p->stop)
			break;
		if (!s) {
			pthread_cond_wait(&p->ready, &p->lock);
			continue;
		}
		struct rn_error err = { 0 };
		s->state = BUSY;
		pthread_mutex_unlock(&p->lock);
		int rc = write_slot(p, s, &err);
		pthread_mutex_lock(&p->lock);
		s->state = FREE;
		if (rc < 0)
			keep_failure(p, &err);
		pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- the reader's side --------------------------------------------------------------------- */

static void hand_over(struct apply_pool *p)
{
	struct slot *s = rn_take(&p->open);
	if (p->n_threads < p->want_threads && pthread_create(&p->threads[p->n_threads], NULL, work, p) == 0)
		p->n_threads++;
	if (!p->n_threads) { /* no thread to be had */
		struct rn_error err = { 0 };
		if (write_slot(p, s, &err) < 0)
			keep_failure(p, &err);
		return;
	}
	pthread_mutex_lock(&p->lock);
	s->state = READY;
	pthread_mutex_unlock(&p->lock);
	pthread_cond_signal(&p->ready); /* without the lock, which it wants first */
}

void apply_pool_drain(struct apply_pool *p)
{
	if (!p)
		return;
	if (p->open && p->open->n)
		hand_over(p);
	pthread_mutex_lock(&p->lock);
	while (find(p, READY) || find(p, BUSY))
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

bool apply_pool_takes(const struct apply_pool *p, const struct layer_entry *e)
{
	return p && e->size <= FILE_MAX && e->n_xattrs == 0;
}

char *apply_pool_room(struct apply_pool *p, const struct layer_entry *e, struct rn_error *err)
{
	size_t size = (size_t)e->size;
	if (p->open && (p->open->n == FILES_MAX || (p->open->used && p->open->used + size > BATCH)))
		hand_over(p);
	pthread_mutex_lock(&p->lock);
	while (!p->open && !(p->open = find(p, FREE)))
		pthread_cond_wait(&p->done, &p->lock);
	bool failed = has_failed(p, err);
	pthread_mutex_unlock(&p->lock);
	if (failed)
		return NULL;
	struct slot *s = p->open;
	if (s->cap < s->used + size || !s->data) {
		s->cap = size > BATCH ? size : BATCH; /* more than a batch: then it is empty */
		s->data = rn_realloc(s->data, s->cap);
	}
	return s->data + s->used;
}

void apply_pool_put(struct apply_pool *p, int fd, const struct layer_entry *e)
{
	struct slot *s = p->open;
	struct file *f = &s->files[s->n++];
	*f = (struct file){ .fd = fd, .path = rn_strdup(e->path), .e = *e, .at = s->used };
	f->e.path = f->path;
	s->used += (size_t)e->size;
}

int apply_pool_finish(struct apply_pool *p, struct rn_error *err)
{
	if (!p)
		return 0;
	apply_pool_drain(p);
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->ready);
	pthread_mutex_unlock(&p->lock);
	while (p->n_threads)
		pthread_join(p->threads[--p->n_threads], NULL);
	bool failed = has_failed(p, err);
	for (size_t i = 0; i < SLOTS; i++)
		free(p->slots[i].data);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->ready);
	pthread_cond_destroy(&p->done);
	free(p);
	return failed ? -1 : 0;
}
