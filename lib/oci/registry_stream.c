/* SPDX-License-Identifier: Apache-2.0 */
#include "registry_stream.h"

#include "registry_upload.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct registry_stream {
	struct upload u;
	struct reference ref;
	struct endpoint to;
	pthread_t thread;
	pthread_mutex_t lock; /* of the members below, up to `sent` */
	pthread_cond_t changed;
	uint64_t size;        /* bytes in the file             */
	bool ended;           /* ... and no more will come     */
	bool given_up;
	struct descriptor blob;
	uint64_t sent;        /* by the stream's own thread    */
	struct rn_error err;
	int rc;
};

/* Waits until the file has more than `have` bytes or the end is known; false when the run is being stopped. */
static bool wait_beyond(struct registry_stream *s, uint64_t have)
{
	pthread_mutex_lock(&s->lock);
	while (s->size <= have && !s->ended && !registry_cancelled(s->u.r)) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++; /* to look at the cancellation now and then */
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	bool go_on = s->size > have || s->ended;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static ssize_t pull(void *ctx, void *to, size_t n)
{
	struct registry_stream *s = ctx;
	if (!wait_beyond(s, s->sent))
		return -1;
	pthread_mutex_lock(&s->lock);
	uint64_t left = s->size - s->sent;
	bool given_up = s->given_up;
	pthread_mutex_unlock(&s->lock);
	if (given_up)
		return -1;
	ssize_t got;
	do
		got = left ? pread(s->u.fd, to, left < n ? (size_t)left : n, (off_t)s->sent) : 0;
	while (got < 0 && errno == EINTR);
	if (got > 0)
		s->sent += (uint64_t)got;
	return got;
}

/* The part that happens while the file grows. A failure is no matter: the rest is sent when the blob is whole. */
static void pour(struct registry_stream *s)
{
	struct rn_error err = { 0 };
	if (upload_begin(&s->u, NULL, &err) < 0)
		return;
	if (upload_pour(&s->u, pull, s, &err) == 0)
		s->u.offset = s->sent;
	else if (upload_find_offset(&s->u, &err) < 0)
		rn_freep(&s->u.location);
}

static int send_whole(struct registry_stream *s)
{
	s->u.blob = &s->blob;
	if (s->u.offset == 0) {
		int there = upload_has_blob(s->u.r, &s->to, &s->ref, &s->blob.digest, &s->err);
		if (there)
			return there < 0 ? -1 : 0;
	}
	return upload_run(&s->u, &s->err);
}

static void *follow(void *arg)
{
	struct registry_stream *s = arg;
	bool go_on = wait_beyond(s, REGISTRY_STREAM_MIN);
	pthread_mutex_lock(&s->lock);
	bool whole = s->ended;
	pthread_mutex_unlock(&s->lock);
	s->rc = registry_endpoint(s->u.r, reference_api_host(&s->ref), &s->to, &s->err);
	if (s->rc == 0 && go_on && !whole) {
		pour(s);
		go_on = wait_beyond(s, UINT64_MAX - 1); /* it may have failed long before the end */
	}
	if (!go_on || s->given_up)
		s->rc = rn_fail(&s->err, RN_ECANCELLED, "the layer was given up");
	else if (s->rc == 0)
		s->rc = send_whole(s);
	if (s->rc < 0)
		upload_cancel(&s->u);
	else
		registry_tell(s->u.r, REGISTRY_DONE, true, &s->blob, s->blob.size, NULL);
	return NULL;
}

static void stream_free(struct registry_stream *s)
{
	rn_closep(&s->u.fd);
	rn_freep(&s->u.location);
	endpoint_clear(&s->to);
	reference_clear(&s->ref);
	descriptor_clear(&s->blob);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}

struct registry_stream *registry_stream_new(struct registry *r, const struct reference *ref, int fd, struct rn_error *err)
{
	struct registry_stream *s = rn_alloc(sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	reference_copy(ref, &s->ref);
	s->u = (struct upload){ .r = r, .ref = &s->ref, .to = &s->to, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0) };
	if (s->u.fd < 0)
		rn_fail(err, RN_EIO, "follow a layer: %m");
	else if (pthread_create(&s->thread, NULL, follow, s) != 0)
		rn_fail(err, RN_EIO, "cannot start a thread to send a layer");
	else
		return s;
	stream_free(s);
	return NULL;
}

void registry_stream_grown(struct registry_stream *s, uint64_t size)
{
	pthread_mutex_lock(&s->lock);
	s->size = size;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void registry_stream_end(struct registry_stream *s, const struct descriptor *blob)
{
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	s->given_up = !blob;
	if (blob) {
		descriptor_copy(blob, &s->blob);
		s->size = blob->size;
	}
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

int registry_stream_wait(struct registry_stream *s, struct rn_error *err)
{
	pthread_join(s->thread, NULL);
	int rc = s->rc;
	if (rc < 0 && err)
		*err = s->err;
	stream_free(s);
	return rc;
}
