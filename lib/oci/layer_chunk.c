/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_chunk.h"

#include "deflate_walk.h"

#include <libdeflate.h>
#include <string.h>
#include <zstd.h>

void layer_chunk_clear(struct layer_chunk_coder *c)
{
	if (c->deflate)
		libdeflate_free_compressor(c->deflate);
	ZSTD_freeCCtx(c->zstd);
	*c = (struct layer_chunk_coder){ 0 };
}

static void set_up(struct layer_chunk_coder *c, enum layer_compression how, int level)
{
	if (how == LAYER_GZIP && !c->deflate) {
		c->deflate = libdeflate_alloc_compressor(level);
		if (!c->deflate)
			rn_die("out of memory");
	}
	if (how == LAYER_ZSTD && !c->zstd) {
		c->zstd = ZSTD_createCCtx();
		if (!c->zstd)
			rn_die("out of memory");
		ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level);
	}
}

/* Makes a stream joinable: its last block is no longer the last, and an empty stored block fills up to a byte. */
static int open_end(struct rn_buf *b, const struct deflate_stream *s, struct rn_error *err)
{
	b->p[s->last / 8] = (char)(b->p[s->last / 8] & ~(1 << (s->last % 8)));
	unsigned used = (unsigned)(s->end % 8);
	b->len = (size_t)((s->end + 7) / 8);
	if (used)
		b->p[b->len - 1] = (char)(b->p[b->len - 1] & ((1 << used) - 1));
	/* header of a stored block: three zero bits, then zeros up to the byte */
	if (used == 0 || used > 5)
		rn_buf_addc(b, 0);
	rn_buf_add(b, "\0\0\xff\xff", 4);
	return rn_buf_check(b, "compressed chunk", err);
}

static int open_ends(const struct layer_chunk *chunks, size_t n, struct rn_error *err)
{
	struct deflate_stream streams[LAYER_CHUNKS_MAX];
	for (size_t i = 0; i < n; i++)
		streams[i] = (struct deflate_stream){ .data = chunks[i].out->p, .n = chunks[i].out->len };
	if (deflate_last_blocks(streams, n) < 0)
		return rn_fail(err, RN_EINTERNAL, "a compressed chunk cannot be read back");
	for (size_t i = 0; i < n; i++)
		if (open_end(chunks[i].out, &streams[i], err) < 0)
			return -1;
	return 0;
}

static int compress_one(struct layer_chunk_coder *c, enum layer_compression how, const struct layer_chunk *chunk, struct rn_error *err)
{
	rn_buf_reset(chunk->out);
	if (how == LAYER_PLAIN)
		return rn_buf_add(chunk->out, chunk->data, chunk->n);
	size_t room = how == LAYER_GZIP ? libdeflate_deflate_compress_bound(c->deflate, chunk->n) : ZSTD_compressBound(chunk->n);
	char *to = rn_buf_reserve(chunk->out, room + 16);
	if (!to)
		return rn_buf_check(chunk->out, "compressed chunk", err);
	if (how == LAYER_ZSTD) {
		size_t k = ZSTD_compress2(c->zstd, to, room, chunk->data, chunk->n);
		if (ZSTD_isError(k))
			return rn_fail(err, RN_EINTERNAL, "zstd: %s", ZSTD_getErrorName(k));
		chunk->out->len = k;
		return 0;
	}
	chunk->out->len = libdeflate_deflate_compress(c->deflate, chunk->data, chunk->n, to, room);
	return chunk->out->len ? 0 : rn_fail(err, RN_EINTERNAL, "libdeflate did not fit its own bound");
}

int layer_chunk_compress(struct layer_chunk_coder *c, enum layer_compression how, int level, const struct layer_chunk *chunks, size_t n,
			 struct rn_error *err)
{
	set_up(c, how, level);
	for (size_t i = 0; i < n; i++)
		if (compress_one(c, how, &chunks[i], err) < 0)
			return -1;
	return how == LAYER_GZIP ? open_ends(chunks, n, err) : 0;
}

void layer_gzip_header(struct rn_buf *ret)
{
	rn_buf_add(ret, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
}

static void add_le32(struct rn_buf *b, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		rn_buf_addc(b, (char)(v >> 8 * i & 255));
}

void layer_gzip_trailer(struct rn_buf *ret, uint32_t crc, uint64_t total)
{
	rn_buf_add(ret, "\x03\x00", 2); /* a final block of fixed codes with nothing in it */
	add_le32(ret, crc);
	add_le32(ret, (uint32_t)total);
}
