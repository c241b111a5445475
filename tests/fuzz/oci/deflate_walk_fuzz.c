/* SPDX-License-Identifier: Apache-2.0 */
/* Deflate streams: what zlib reads to its end is walked to the same places. */
#include "oci/deflate_walk.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <zlib.h>

#define ROOM ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 1: zlib read all of it, -1: it did not, or not with this room. */
static int by_zlib(const uint8_t *data, size_t size, uint64_t *ret_last, uint64_t *ret_end)
{
	static unsigned char out[ROOM];
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = out, .avail_out = ROOM };
	uint64_t begin = 0;
	int found = -1;
	if (inflateInit2(&z, -15) != Z_OK)
		abort();
	for (;;) {
		int rc = inflate(&z, Z_BLOCK);
		if (rc != Z_OK && rc != Z_STREAM_END)
			break;
		if (!(z.data_type & 128) && rc == Z_OK) {
			if (!z.avail_out || !z.avail_in)
				break;
			continue;
		}
		uint64_t bit = (uint64_t)z.total_in * 8 - (uint64_t)(z.data_type & 7);
		if (z.data_type & 64) {
			*ret_last = begin;
			*ret_end = bit;
			found = (bit + 7) / 8 == size ? 1 : -1;
			break;
		}
		begin = bit;
	}
	inflateEnd(&z);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t want = 0, want_end = 0;
	struct deflate_stream one = { .data = data, .n = size }, two[2] = { one, one };
	int walked = deflate_last_blocks(&one, 1);
	if (by_zlib(data, size, &want, &want_end) > 0 && (walked < 0 || one.last != want || one.end != want_end))
		abort();
	if (deflate_last_blocks(two, 2) != walked)
		abort();
	for (int i = 0; walked == 0 && i < 2; i++)
		if (two[i].last != one.last || two[i].end != one.end)
			abort();
	return 0;
}
