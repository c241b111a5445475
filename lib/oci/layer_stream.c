/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_stream.h"

#include "base/fs.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define INPUT_SIZE ((size_t)256 << 10)
#define RATIO_FREE_BYTES ((uint64_t)64 << 20) /* below this much output no ratio is too high */
#define ZSTD_WINDOW_LOG_MAX 27		      /* 128 MiB: what zstd -19 uses at most by default */

enum coding {
	CODING_PLAIN,
	CODING_GZIP,
	CODING_ZSTD,
};

struct layer_stream {
	int fd;
	enum coding coding;
	uint64_t max_bytes, max_ratio, in, out;
	unsigned char *input;
	size_t at, have;
	bool end_of_file;
	bool between;  /* a member or frame has just ended */
	const struct gunzip *gunzip;
	void *member; /* gunzip's state */
	ZSTD_DStream *zstd;
};

/* Reads more input behind what is left. */
static int fill(struct layer_stream *s, struct rn_error *err)
{
	if (s->at < s->have || s->end_of_file)
		return 0;
	ssize_t n = rn_read_full(s->fd, s->input, INPUT_SIZE);
	if (n < 0)
		return rn_fail(err, RN_EIO, "read a layer: %m");
	s->at = 0;
	s->have = (size_t)n;
	s->in += (uint64_t)n;
	s->end_of_file = (size_t)n < INPUT_SIZE;
	return 0;
}

struct layer_stream *layer_stream_new(int fd, uint64_t max_bytes, uint64_t max_ratio, struct rn_error *err)
{
	return layer_stream_new_by(NULL, fd, max_bytes, max_ratio, err);
}

static void begin_gzip(struct layer_stream *s, const struct gunzip *gunzip)
{
	s->coding = CODING_GZIP;
	s->gunzip = gunzip ? gunzip : gunzip_isal();
	if (!s->gunzip)
		s->gunzip = &gunzip_zlib;
	s->member = s->gunzip->new();
}

static void begin_zstd(struct layer_stream *s)
{
	s->coding = CODING_ZSTD;
	s->zstd = ZSTD_createDStream();
	if (!s->zstd)
		rn_die("out of memory");
	ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
}

struct layer_stream *layer_stream_new_by(const struct gunzip *gunzip, int fd, uint64_t max_bytes, uint64_t max_ratio,
					 struct rn_error *err)
{
	struct layer_stream *s = rn_alloc(sizeof(*s));
	s->fd = fd;
	s->max_bytes = max_bytes;
	s->max_ratio = max_ratio;
	s->input = rn_alloc(INPUT_SIZE);
	if (fill(s, err) < 0) {
		layer_stream_free(s);
		return NULL;
	}
	if (s->have >= 2 && s->input[0] == 0x1f && s->input[1] == 0x8b)
		begin_gzip(s, gunzip);
	else if (s->have >= 4 && memcmp(s->input, "\x28\xb5\x2f\xfd", 4) == 0)
		begin_zstd(s);
	return s;
}

void layer_stream_free(struct layer_stream *s)
{
	if (!s)
		return;
	if (s->gunzip)
		s->gunzip->free(s->member);
	ZSTD_freeDStream(s->zstd);
	free(s->input);
	free(s);
}

void layer_stream_freep(struct layer_stream **s)
{
	layer_stream_free(*s);
	*s = NULL;
}

uint64_t layer_stream_total(const struct layer_stream *s)
{
	return s->out;
}

static int cut_off(struct rn_error *err)
{
	return rn_fail(err, RN_EINVAL, "the layer is cut off: its compressed stream has no end");
}

/* The next member of a gzip file; zero bytes behind the last one are padding. False: there is none. */
static bool next_member(struct layer_stream *s)
{
	while (s->at < s->have && s->input[s->at] == 0)
		s->at++;
	if (s->at == s->have)
		return !s->end_of_file;
	if (s->input[s->at] != 0x1f)
		return false;
	s->gunzip->reset(s->member);
	return true;
}

static ssize_t read_gzip(struct layer_stream *s, void *to, size_t n, struct rn_error *err)
{
	uint32_t room = n > 1u << 30 ? 1u << 30 : (uint32_t)n;
	struct gunzip_io io = { .out = to, .n_out = room };
	while (io.n_out == room) {
		if (fill(s, err) < 0)
			return -1;
		if (s->between) {
			if (s->at == s->have || !next_member(s))
				return 0;
			if (s->at == s->have)
				continue;
		}
		io.in = s->input + s->at;
		io.n_in = (uint32_t)(s->have - s->at);
		int rc = s->gunzip->step(s->member, &io);
		if (rc < 0)
			return rn_fail(err, RN_EINVAL, "the layer is damaged: gzip says %s", io.why);
		if (rc == 0 && io.n_out == room && io.n_in == s->have - s->at)
			return cut_off(err);
		s->at = s->have - io.n_in;
		s->between = rc > 0;
	}
	return (ssize_t)(room - io.n_out);
}

static ssize_t read_zstd(struct layer_stream *s, void *to, size_t n, struct rn_error *err)
{
	ZSTD_outBuffer out = { to, n, 0 };
	while (!out.pos) {
		if (fill(s, err) < 0)
			return -1;
		if (s->at == s->have)
			return s->between ? 0 : cut_off(err);
		ZSTD_inBuffer in = { s->input, s->have, s->at };
		size_t rc = ZSTD_decompressStream(s->zstd, &out, &in);
		s->at = in.pos;
		if (ZSTD_isError(rc))
			return rn_fail(err, RN_EINVAL, "the layer is damaged: zstd says %s", ZSTD_getErrorName(rc));
		s->between = rc == 0;
	}
	return (ssize_t)out.pos;
}

static ssize_t read_plain(struct layer_stream *s, void *to, size_t n, struct rn_error *err)
{
	if (fill(s, err) < 0)
		return -1;
	size_t k = s->have - s->at < n ? s->have - s->at : n;
	memcpy(to, s->input + s->at, k);
	s->at += k;
	return (ssize_t)k;
}

ssize_t layer_stream_read(struct layer_stream *s, void *to, size_t n, struct rn_error *err)
{
	ssize_t k = s->coding == CODING_GZIP ? read_gzip(s, to, n, err) :
		    s->coding == CODING_ZSTD ? read_zstd(s, to, n, err) : read_plain(s, to, n, err);
	if (k <= 0)
		return k;
	s->out += (uint64_t)k;
	if (s->out > s->max_bytes)
		return rn_fail(err, RN_ELIMIT, "the layer unpacks to more than the limit of %llu bytes", (unsigned long long)s->max_bytes);
	if (s->max_ratio && s->out > RATIO_FREE_BYTES && s->out / s->max_ratio > s->in)
		return rn_fail(err, RN_ELIMIT, "the layer unpacks to more than %llu times its size", (unsigned long long)s->max_ratio);
	return k;
}
