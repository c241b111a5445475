/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

int frame_write(int fd, enum frame_kind kind, const void *data, size_t n)
{
	unsigned char head[FRAME_HEAD] = { (unsigned char)kind, n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255 };
	struct iovec v[2] = { { head, sizeof(head) }, { (void *)data, n } };
	ssize_t k;
	do
		k = writev(fd, v, 2);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return -1;
	size_t done = (size_t)k;
	if (done < FRAME_HEAD) {
		if (rn_write_full(fd, head + done, FRAME_HEAD - done) < 0)
			return -1;
		done = FRAME_HEAD;
	}
	return rn_write_full(fd, (const char *)data + (done - FRAME_HEAD), n - (done - FRAME_HEAD));
}

int frame_write_json(int fd, const cJSON *j)
{
	RN_AUTO(rn_freep) char *text = rn_json_print(j);
	return frame_write(fd, FRAME_JSON, text, strlen(text));
}

void frame_reader_init(struct frame_reader *r, size_t max)
{
	*r = (struct frame_reader){ .max = max };
	rn_buf_init(&r->buf, max + FRAME_HEAD + 2 * READ_SIZE);
}

void frame_reader_clear(struct frame_reader *r)
{
	rn_buf_clear(&r->buf);
}

/* Keeps the buffer from growing with what was handed out already. */
static void compact(struct frame_reader *r)
{
	if (r->at == r->buf.len)
		rn_buf_reset(&r->buf);
	else if (r->at)
		rn_buf_drop(&r->buf, r->at);
	r->at = 0;
}

ssize_t frame_reader_fill(struct frame_reader *r, int fd)
{
	compact(r);
	char *to = rn_buf_reserve(&r->buf, READ_SIZE);
	if (!to)
		return errno = EOVERFLOW, -1;
	ssize_t n;
	do
		n = read(fd, to, READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		r->buf.len += (size_t)n;
	return n;
}

void frame_reader_feed(struct frame_reader *r, const void *data, size_t n)
{
	compact(r);
	rn_buf_add(&r->buf, data, n);
}

int frame_reader_next(struct frame_reader *r, struct frame *ret, struct rn_error *err)
{
	const unsigned char *p = (const unsigned char *)r->buf.p + r->at;
	size_t left = r->buf.len - r->at;
	if (left < FRAME_HEAD)
		return 0;
	if (p[0] != FRAME_JSON && p[0] != FRAME_OUTPUT)
		return rn_fail(err, RN_EINVAL, "malformed frame (kind %u)", p[0]);
	size_t n = p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16 | (size_t)p[4] << 24;
	if (n > r->max)
		return rn_fail(err, RN_ELIMIT, "a frame of %zu bytes is over the limit of %zu", n, r->max);
	if (left - FRAME_HEAD < n)
		return 0;
	*ret = (struct frame){ (enum frame_kind)p[0], (const char *)p + FRAME_HEAD, n };
	r->at += FRAME_HEAD + n;
	return 1;
}

bool frame_reader_pending(const struct frame_reader *r)
{
	return r->at < r->buf.len;
}
