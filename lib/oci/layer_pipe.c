/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_pipe.h"

#include "layer_chunk.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define THREADS_MAX 16 /* as many as the hash of the tar, which is one thread's, can keep busy */

enum slot_state {
	SLOT_FREE,
	SLOT_READY, /* filled, waits for a thread */
	SLOT_BUSY,
	SLOT_DONE,
};

struct slot {
	enum slot_state state;
	unsigned char *data;
	size_t n;
	struct rn_buf out;
	uint32_t crc;
	bool failed;
	struct rn_error *err;
};

struct layer_pipe {
	struct blob_writer *blob;
	struct layer_options o;
	void *stream; /* who follows it; NULL: nobody */
	struct digester *diff_id;
	uint64_t total;
	uint32_t crc;
	/* a ring: `filled` slots were handed over, `written` of them are on disk */
	struct slot *slots;
	size_t n_slots;
	size_t filled, written;
	size_t at; /* bytes in the slot being filled */
	pthread_mutex_t lock;
	pthread_cond_t ready, done;
	size_t idle; /* threads that wait */
	bool stop;
	pthread_t threads[THREADS_MAX];
	size_t n_threads, want_threads;
	struct layer_chunk_coder own; /* of the calling thread, for layers of one chunk */
};

struct layer_pipe *layer_pipe_new(struct blob_store *store, const struct layer_options *o, struct rn_error *err)
{
	struct blob_writer *w = blob_writer_new(store, NULL, err);
	if (!w)
		return NULL;
	struct layer_pipe *p = rn_alloc(sizeof(*p));
	p->blob = w;
	if (o)
		p->o = *o;
	p->o.level = layer_level(p->o.compression, p->o.level);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	p->want_threads = p->o.threads ? p->o.threads : cores > 0 ? (size_t)cores : 1;
	if (p->want_threads > THREADS_MAX)
		p->want_threads = THREADS_MAX;
	p->n_slots = p->want_threads * (LAYER_CHUNKS_MAX + 1) + 1;
	p->slots = rn_alloc(p->n_slots * sizeof(*p->slots));
	p->diff_id = digester_new(NULL);
	if (p->o.tee)
		p->stream = p->o.tee->begin(p->o.tee->ctx, blob_writer_fd(w));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->ready, NULL);
	pthread_cond_init(&p->done, NULL);
	return p;
}

static void stop_threads(struct layer_pipe *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->ready);
	pthread_mutex_unlock(&p->lock);
	while (p->n_threads)
		pthread_join(p->threads[--p->n_threads], NULL);
}

void layer_pipe_abort(struct layer_pipe *p)
{
	if (!p)
		return;
	stop_threads(p);
	if (p->stream)
		p->o.tee->end(p->stream, NULL);
	blob_writer_abort(p->blob);
	digester_free(p->diff_id);
	for (size_t i = 0; i < p->n_slots; i++) {
		free(p->slots[i].data);
		free(p->slots[i].err);
		rn_buf_clear(&p->slots[i].out);
	}
	free(p->slots);
	layer_chunk_clear(&p->own);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->ready);
	pthread_cond_destroy(&p->done);
	free(p);
}

uint64_t layer_pipe_total(const struct layer_pipe *p)
{
	return p->total;
}

/* ---- compressing ---------------------------------------------------------------------- */

static void compress_slots(const struct layer_pipe *p, struct layer_chunk_coder *coder, struct slot *const *slots, size_t n)
{
	struct rn_error err = { 0 };
	struct layer_chunk chunks[LAYER_CHUNKS_MAX] = { 0 };
	for (size_t i = 0; i < n; i++) {
		chunks[i] = (struct layer_chunk){ slots[i]->data, slots[i]->n, &slots[i]->out };
		slots[i]->crc = p->o.compression == LAYER_GZIP ? libdeflate_crc32(0, slots[i]->data, slots[i]->n) : 0;
	}
	bool failed = layer_chunk_compress(coder, p->o.compression, p->o.level, chunks, n, &err) < 0;
	for (size_t i = 0; i < n && failed; i++) {
		slots[i]->failed = true;
		slots[i]->err = rn_memdup(&err, sizeof(err));
	}
}

/* The oldest slots that wait: one, and more if those are left that other threads wait for. Called with the lock held. */
static size_t take_ready(struct layer_pipe *p, struct slot **ret)
{
	size_t n = 0, ready = 0;
	for (size_t i = p->written; i < p->filled; i++)
		ready += p->slots[i % p->n_slots].state == SLOT_READY;
	size_t want = ready > p->idle ? ready - p->idle : 1;
	for (size_t i = p->written; i < p->filled && n < want && n < LAYER_CHUNKS_MAX; i++) {
		struct slot *s = &p->slots[i % p->n_slots];
		if (s->state != SLOT_READY)
			continue;
		s->state = SLOT_BUSY;
		ret[n++] = s;
	}
	return n;
}

static void *thread(void *arg)
{
	struct layer_pipe *p = arg;
	struct layer_chunk_coder coder = { 0 };
	struct slot *slots[LAYER_CHUNKS_MAX];
	pthread_mutex_lock(&p->lock);
	for (;;) {
		size_t n = take_ready(p, slots);
		if (!n && p->stop)
			break;
		if (!n) {
			p->idle++;
			pthread_cond_wait(&p->ready, &p->lock);
			p->idle--;
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		compress_slots(p, &coder, slots, n);
		pthread_mutex_lock(&p->lock);
		for (size_t i = 0; i < n; i++)
			slots[i]->state = SLOT_DONE;
		pthread_cond_broadcast(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	layer_chunk_clear(&coder);
	return NULL;
}

/* ---- writing, in order ------------------------------------------------------------------- */

static int emit(struct layer_pipe *p, const struct rn_buf *b, struct rn_error *err)
{
	if (blob_writer_write(p->blob, rn_buf_str(b), b->len, err) < 0)
		return -1;
	if (p->stream)
		p->o.tee->grown(p->stream, blob_writer_size(p->blob));
	return 0;
}

static int emit_header(struct layer_pipe *p, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	layer_gzip_header(&b);
	return emit(p, &b, err);
}

/* Writes the oldest slot, which is compressed, and frees it. */
static int write_slot(struct layer_pipe *p, struct rn_error *err)
{
	struct slot *s = &p->slots[p->written % p->n_slots];
	if (s->failed) {
		if (err)
			*err = *s->err;
		return -1;
	}
	if (p->written == 0 && p->o.compression == LAYER_GZIP && emit_header(p, err) < 0)
		return -1;
	if (p->o.compression == LAYER_GZIP)
		p->crc = (uint32_t)crc32_combine(p->crc, s->crc, (z_off_t)s->n);
	if (emit(p, &s->out, err) < 0)
		return -1;
	pthread_mutex_lock(&p->lock);
	s->state = SLOT_FREE;
	p->written++;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

/* Waits for the oldest slot and writes it. */
static int drain_one(struct layer_pipe *p, struct rn_error *err)
{
	struct slot *s = &p->slots[p->written % p->n_slots];
	pthread_mutex_lock(&p->lock);
	while (s->state != SLOT_DONE)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
	return write_slot(p, err);
}

/* Hands the filled slot to the threads (which the first one starts) and makes room for the next. */
static int hand_over(struct layer_pipe *p, struct rn_error *err)
{
	struct slot *s = &p->slots[p->filled % p->n_slots];
	pthread_mutex_lock(&p->lock);
	s->n = p->at;
	s->state = SLOT_READY;
	p->filled++;
	p->at = 0;
	pthread_cond_signal(&p->ready);
	pthread_mutex_unlock(&p->lock);
	while (p->n_threads < p->want_threads && p->n_threads < p->filled) {
		if (pthread_create(&p->threads[p->n_threads], NULL, thread, p) != 0) {
			if (!p->n_threads)
				return rn_fail(err, RN_EIO, "cannot start a thread to compress with");
			p->want_threads = p->n_threads;
			break;
		}
		p->n_threads++;
	}
	return p->filled - p->written == p->n_slots ? drain_one(p, err) : 0;
}

int layer_pipe_write(struct layer_pipe *p, const void *data, size_t n, struct rn_error *err)
{
	const char *from = data;
	digester_update(p->diff_id, data, n);
	if (p->o.raw)
		p->o.raw->bytes(p->o.raw->ctx, data, n);
	p->total += n;
	while (n) {
		/* a full chunk is handed over only when more comes, so that a small layer needs no thread */
		if (p->at == LAYER_CHUNK && hand_over(p, err) < 0)
			return -1;
		struct slot *s = &p->slots[p->filled % p->n_slots];
		if (!s->data)
			s->data = rn_alloc(LAYER_CHUNK);
		size_t k = LAYER_CHUNK - p->at < n ? LAYER_CHUNK - p->at : n;
		memcpy(s->data + p->at, from, k);
		p->at += k;
		from += k;
		n -= k;
	}
	return 0;
}

/* The slot that is not full, by this thread: others may have work left, or there are none. */
static void compress_last(struct layer_pipe *p)
{
	struct slot *s = &p->slots[p->filled % p->n_slots];
	s->n = p->at;
	compress_slots(p, &p->own, &s, 1);
	pthread_mutex_lock(&p->lock);
	s->state = SLOT_DONE;
	p->filled++;
	pthread_mutex_unlock(&p->lock);
}

/* What is left of the tar, and the end of the compressed stream. */
static int finish(struct layer_pipe *p, struct rn_error *err)
{
	if (p->at)
		compress_last(p);
	while (p->written < p->filled)
		if (drain_one(p, err) < 0)
			return -1;
	if (p->o.compression != LAYER_GZIP)
		return 0;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	layer_gzip_trailer(&b, p->crc, p->total);
	return emit(p, &b, err);
}

int layer_pipe_finish(struct layer_pipe *p, struct layer_result *ret, struct rn_error *err)
{
	struct layer_result r = { .media_type = layer_media_type(p->o.compression), .tar_size = p->total };
	int rc = finish(p, err);
	r.diff_id = digester_peek(p->diff_id);
	if (rc == 0)
		rc = blob_writer_commit(rn_take(&p->blob), &r.digest, &r.size, err);
	if (rc == 0 && p->stream)
		p->o.tee->end(rn_take(&p->stream), &r);
	layer_pipe_abort(p);
	if (rc == 0)
		*ret = r;
	return rc;
}
