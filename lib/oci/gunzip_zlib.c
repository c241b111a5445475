/* SPDX-License-Identifier: Apache-2.0 */
#include "gunzip.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <zlib.h>

static void *zlib_new(void)
{
	z_stream *z = rn_alloc(sizeof(*z));
	if (inflateInit2(z, 15 + 16) != Z_OK)
		rn_die("out of memory");
	return z;
}

static void zlib_free(void *state)
{
	if (state)
		inflateEnd(state);
	free(state);
}

static void zlib_reset(void *state)
{
	inflateReset(state);
}

static int zlib_step(void *state, struct gunzip_io *io)
{
	z_stream *z = state;
	z->next_in = io->in;
	z->avail_in = io->n_in;
	z->next_out = io->out;
	z->avail_out = io->n_out;
	int rc = inflate(z, Z_NO_FLUSH);
	io->in = z->next_in;
	io->n_in = z->avail_in;
	io->out = z->next_out;
	io->n_out = z->avail_out;
	if (rc == Z_STREAM_END)
		return 1;
	if (rc == Z_OK || rc == Z_BUF_ERROR)
		return 0;
	io->why = z->msg ? z->msg : "data error";
	return -1;
}

const struct gunzip gunzip_zlib = { zlib_new, zlib_free, zlib_reset, zlib_step };
