/* SPDX-License-Identifier: Apache-2.0 */
/* Where the last block begins, compared with what zlib finds by unpacking. */
#include "oci/deflate_walk.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>
#include <zlib.h>

#include <cmocka.h>

#define SIZE ((size_t)1 << 20)
#define ROOM (SIZE + 65536)

static unsigned char *in, *out, *back;

static int begin(void **state)
{
	(void)state;
	in = malloc(SIZE);
	out = malloc(ROOM);
	back = malloc(SIZE + 1);
	return in && out && back ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	free(in);
	free(out);
	free(back);
	return 0;
}

static int last_block(const void *data, size_t n, uint64_t *ret_last, uint64_t *ret_end)
{
	struct deflate_stream s = { .data = data, .n = n };
	int rc = deflate_last_blocks(&s, 1);
	*ret_last = s.last;
	*ret_end = s.end;
	return rc;
}

/* By zlib, which stops between blocks and tells the bits it has not used. */
static bool by_zlib(size_t n, uint64_t *ret_last, uint64_t *ret_end)
{
	z_stream z = { .next_in = out, .avail_in = (uInt)n, .next_out = back, .avail_out = (uInt)SIZE + 1 };
	uint64_t first = 0;
	bool ok = false;
	assert_int_equal(inflateInit2(&z, -15), Z_OK);
	for (;;) {
		int rc = inflate(&z, Z_BLOCK);
		if (rc != Z_OK && rc != Z_STREAM_END)
			break;
		if (!(z.data_type & 128) && rc == Z_OK)
			continue;
		uint64_t bit = (uint64_t)z.total_in * 8 - (uint64_t)(z.data_type & 7);
		if (z.data_type & 64) {
			*ret_last = first;
			*ret_end = bit;
			ok = true;
			break;
		}
		first = bit;
	}
	inflateEnd(&z);
	return ok;
}

static void compare(size_t n, const char *what)
{
	uint64_t want = 0, want_end = 0, have = 1, have_end = 1;
	if (!by_zlib(n, &want, &want_end))
		fail_msg("%s: zlib cannot read it", what);
	if (last_block(out, n, &have, &have_end) < 0)
		fail_msg("%s: not walked", what);
	if (have != want || have_end != want_end)
		fail_msg("%s: %llu-%llu instead of %llu-%llu", what, (unsigned long long)have, (unsigned long long)have_end,
			 (unsigned long long)want, (unsigned long long)want_end);
}

/* kind 0: noise, 1: text, 2: zeros, 3: few symbols, 4: all in turns */
static void fill(size_t n, unsigned kind)
{
	uint32_t x = 4711;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		unsigned k = kind == 4 ? (unsigned)(i >> 14) % 4 : kind;
		in[i] = k == 0 ? (unsigned char)(x >> 24) : k == 1 ? (unsigned char)("ate the cat on the mat;\n"[(x >> 16) % 25]) :
			k == 2 ? 0 : (unsigned char)(x >> 30);
	}
}

static void streams_of_libdeflate(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 2, 100, 5000, 70000, SIZE };
	for (int level = 0; level <= 12; level += level < 2 ? 1 : level < 9 ? 4 : 3) {
		struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
		for (size_t i = 0; i < RN_LEN(sizes); i++)
			for (unsigned kind = 0; kind < 5; kind++) {
				RN_AUTO(rn_freep) char *what = rn_asprintf("level %d, %zu bytes, kind %u", level, sizes[i], kind);
				fill(sizes[i], kind);
				size_t n = libdeflate_deflate_compress(c, in, sizes[i], out, ROOM);
				assert_true(n > 0);
				compare(n, what);
			}
		libdeflate_free_compressor(c);
	}
}

static void streams_of_zlib(void **state)
{
	(void)state;
	static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_FILTERED };
	for (size_t s = 0; s < RN_LEN(strategies); s++)
		for (unsigned kind = 0; kind < 5; kind++) {
			RN_AUTO(rn_freep) char *what = rn_asprintf("strategy %d, kind %u", strategies[s], kind);
			z_stream z = { .next_in = in, .avail_in = 300000, .next_out = out, .avail_out = (uInt)ROOM };
			fill(300000, kind);
			assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, strategies[s]), Z_OK);
			assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
			size_t n = z.total_out;
			deflateEnd(&z);
			compare(n, what);
		}
}

static void an_empty_stream(void **state)
{
	(void)state;
	uint64_t last = 9, last_end = 9;
	assert_int_equal(last_block("\3\0", 2, &last, &last_end), 0);
	assert_int_equal(last, 0);
	assert_int_equal(last_end, 10);
}

/* Of two streams at once each is found as alone, whatever the other is, and one that is none fails both. */
static void two_at_once(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 100, 70000, SIZE };
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(4);
	unsigned char *other = malloc(ROOM);
	assert_non_null(other);
	for (size_t i = 0; i < RN_LEN(sizes) * 5; i++)
		for (size_t j = 0; j < RN_LEN(sizes) * 5; j++) {
			struct deflate_stream alone[2], both[2];
			fill(sizes[i / 5], (unsigned)i % 5);
			both[0] = (struct deflate_stream){ .data = out, .n = libdeflate_deflate_compress(c, in, sizes[i / 5], out, ROOM) };
			fill(sizes[j / 5], (unsigned)j % 5);
			both[1] = (struct deflate_stream){ .data = other, .n = libdeflate_deflate_compress(c, in, sizes[j / 5], other, ROOM) };
			memcpy(alone, both, sizeof(alone));
			assert_int_equal(deflate_last_blocks(&alone[0], 1), 0);
			assert_int_equal(deflate_last_blocks(&alone[1], 1), 0);
			assert_int_equal(deflate_last_blocks(both, 2), 0);
			for (int k = 0; k < 2; k++) {
				assert_int_equal(both[k].last, alone[k].last);
				assert_int_equal(both[k].end, alone[k].end);
			}
			both[j % 2].n--;
			assert_int_equal(deflate_last_blocks(both, 2), -1);
		}
	free(other);
	libdeflate_free_compressor(c);
}

static void what_is_cut_off_or_longer_is_no_stream(void **state)
{
	(void)state;
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
	uint64_t last, last_end;
	fill(5000, 1);
	size_t n = libdeflate_deflate_compress(c, in, 5000, out, ROOM);
	for (size_t k = 0; k < n; k++)
		assert_int_equal(last_block(out, k, &last, &last_end), -1);
	memset(out + n, 0, 32);
	assert_int_equal(last_block(out, n + 1, &last, &last_end), -1);
	assert_int_equal(last_block(out, n + 20, &last, &last_end), -1);
	assert_int_equal(last_block(out, n, &last, &last_end), 0);
	libdeflate_free_compressor(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_of_libdeflate),
		cmocka_unit_test(streams_of_zlib),
		cmocka_unit_test(an_empty_stream),
		cmocka_unit_test(two_at_once),
		cmocka_unit_test(what_is_cut_off_or_longer_is_no_stream),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
