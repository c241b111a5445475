/* SPDX-License-Identifier: Apache-2.0 */
#include "push_stream.h"

#include "base/mem.h"
#include "oci/registry_stream.h"

#include <pthread.h>
#include <stdlib.h>

struct push_streams {
	struct registry *registry;
	struct reference ref;
	struct layer_tee tee;
	pthread_mutex_t lock; /* stages may run at the same time */
	struct registry_stream **v;
	size_t n;
	size_t cap;
};

static void *begin(void *ctx, int fd)
{
	struct push_streams *p = ctx;
	struct registry_stream *s = registry_stream_new(p->registry, &p->ref, fd, NULL);
	if (!s)
		return NULL;
	pthread_mutex_lock(&p->lock);
	p->v = rn_grow(p->v, &p->cap, p->n + 1, sizeof(struct registry_stream *));
	p->v[p->n++] = s;
	pthread_mutex_unlock(&p->lock);
	return s;
}

static void grown(void *stream, uint64_t size)
{
	registry_stream_grown(stream, size);
}

static void end(void *stream, const struct layer_result *r)
{
	if (!r) {
		registry_stream_end(stream, NULL);
		return;
	}
	RN_AUTO(descriptor_clear) struct descriptor d;
	descriptor_init(&d, r->media_type, &r->digest, r->size);
	registry_stream_end(stream, &d);
}

struct push_streams *push_streams_new(struct registry *r, const char *tag)
{
	struct push_streams *p = rn_alloc(sizeof(*p));
	if (reference_parse(tag, &p->ref, NULL) < 0) {
		free(p);
		return NULL;
	}
	p->registry = r;
	p->tee = (struct layer_tee){ begin, grown, end, p };
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

const struct layer_tee *push_streams_tee(struct push_streams *p)
{
	return &p->tee;
}

size_t push_streams_wait(struct push_streams *p)
{
	size_t arrived = 0;
	for (size_t i = 0; i < p->n; i++)
		arrived += registry_stream_wait(p->v[i], NULL) == 0;
	p->n = 0;
	return arrived;
}

void push_streams_free(struct push_streams *p)
{
	if (!p)
		return;
	push_streams_wait(p);
	reference_clear(&p->ref);
	pthread_mutex_destroy(&p->lock);
	free(p->v);
	free(p);
}
