/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of gzip in pieces, with memory that nobody may touch beside each piece: what zlib reads in one go, every gunzip reads
 * to the same place with the same bytes. What zlib refuses, nobody takes, but for sets of codes that are not all used up. The
 * first byte says how the pieces are cut, and whether the rest is a whole member, or deflate that gets a header and the right
 * checksum.
 */
#include "base/mem.h"
#include "base/str.h"
#include "oci/gunzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#define ROOM ((size_t)1 << 20)
#define PIECE_MAX ((size_t)256 << 10) /* more than what ISA-L keeps itself */
#define FENCE ((size_t)64 << 10) /* a multiple of each system's page */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fenced {
	unsigned char *p; /* PIECE_MAX bytes */
};

static struct fenced fenced_new(void)
{
	unsigned char *p = mmap(NULL, PIECE_MAX + 2 * FENCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p + FENCE, PIECE_MAX, PROT_READ | PROT_WRITE) < 0)
		abort();
	return (struct fenced){ p + FENCE };
}

/* A place for n bytes at one end of it or the other. */
static unsigned char *at_end(struct fenced f, size_t n, uint32_t chance)
{
	return chance & 1 ? f.p : f.p + PIECE_MAX - n;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* The size of a piece: mostly a few bytes, or some hundred, or most of what there is. */
static size_t piece(uint32_t *random, unsigned cut, size_t most)
{
	const size_t below[] = { 3, 40, 600, PIECE_MAX };
	size_t n = 1 + next_random(random) % below[cut & 4 ? next_random(random) % 4 : cut % 4];
	return n < most ? n : most;
}

struct result {
	int rc; /* as of a step; 0: it wants more */
	size_t in, out;
	bool open_set; /* refused, since a set of codes is not used up */
};

static struct result in_pieces(const struct gunzip *g, const uint8_t *data, size_t size, unsigned cut, unsigned char *out)
{
	static struct fenced in_place, out_place;
	if (!in_place.p) {
		in_place = fenced_new();
		out_place = fenced_new();
	}
	struct result r = { 0 };
	uint32_t random = cut;
	void *state = g->new();
	for (bool stuck = false; r.rc == 0 && !stuck && r.out < ROOM;) {
		size_t n_in = piece(&random, cut, size - r.in), n_out = piece(&random, cut >> 3, ROOM - r.out);
		unsigned char *given = at_end(out_place, n_out, cut >> 7);
		struct gunzip_io io = { at_end(in_place, n_in, cut >> 6), given, (uint32_t)n_in, (uint32_t)n_out, NULL };
		if (n_in)
			memcpy(io.in, data + r.in, n_in);
		r.rc = g->step(state, &io);
		if (r.rc == 0 && io.n_in && io.n_out) /* for no reason */
			abort();
		if (io.n_in > n_in || io.n_out > n_out || (r.rc < 0) != (io.why != NULL))
			abort();
		stuck = !n_in && io.n_out == n_out;
		r.in += n_in - io.n_in;
		memcpy(out + r.out, given, n_out - io.n_out);
		r.out += n_out - io.n_out;
	}
	struct gunzip_io more = { .in = in_place.p, .out = out_place.p, .n_in = 1, .n_out = 1 };
	if (r.rc < 0 && g->step(state, &more) >= 0) /* damaged for ever */
		abort();
	g->free(state);
	return r;
}

static struct result by_zlib(const uint8_t *data, size_t size, int window, unsigned char *out)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = out, .avail_out = ROOM };
	if (inflateInit2(&z, window) != Z_OK)
		abort();
	int rc = inflate(&z, Z_FINISH);
	struct result r = { rc == Z_STREAM_END ? 1 : rc == Z_BUF_ERROR || rc == Z_OK ? 0 : -1, z.total_in, z.total_out, false };
	r.open_set = r.rc < 0 && z.msg && rn_ends(z.msg, " set");
	inflateEnd(&z);
	return r;
}

static void put32(unsigned char *to, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(n >> 8 * i);
}

/* Puts a header before deflate, and behind its end what belongs there; its size. */
static size_t wrap(const uint8_t *data, size_t size, unsigned char *to)
{
	static const unsigned char header[10] = { 0x1f, 0x8b, 8 };
	static unsigned char out[ROOM];
	struct result r = by_zlib(data, size, -15, out);
	size_t end = r.rc > 0 ? r.in : size;
	memcpy(to, header, sizeof(header));
	memcpy(to + sizeof(header), data, end);
	put32(to + sizeof(header) + end, (uint32_t)crc32(0, out, (uInt)r.out));
	put32(to + sizeof(header) + end + 4, (uint32_t)r.out);
	memcpy(to + sizeof(header) + end + 8, data + end, size - end);
	return sizeof(header) + size + 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char want_out[ROOM], out[ROOM];
	if (size < 2)
		return 0;
	unsigned cut = data[0] ^ data[1] << 8;
	unsigned char *member = rn_alloc(size + 32);
	size_t n = size - 1;
	if (data[0] & 1)
		n = wrap(data + 1, size - 1, member);
	else
		memcpy(member, data + 1, n);
	const struct gunzip *const kinds[] = { &gunzip_zlib, gunzip_isal() };
	struct result want = by_zlib(member, n, 15 + 16, want_out);
	for (size_t i = 0; i < 2 && kinds[i] && want.out < ROOM; i++) {
		struct result r = in_pieces(kinds[i], member, n, cut, out);
		if ((r.rc > 0) != (want.rc > 0) && !want.open_set)
			abort();
		if (want.rc > 0 && (r.in != want.in || r.out != want.out || memcmp(out, want_out, r.out) != 0))
			abort();
	}
	free(member);
	return 0;
}
