/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gzip as it is met: members with every header, padding, damage, and ends wherever a buffer may end; once for each gunzip that
 * this machine has. The judge is zlib.
 */
#include "oci/layer_stream.h"

#include "base/fs.h"
#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define ROOM ((size_t)2 << 20)
#define INPUT_SIZE ((size_t)256 << 10) /* of the stream's own buffer */

static unsigned char *plain, *packed, *back, *got;
static size_t n_plain, n_packed;
static uint32_t seed;
static const struct gunzip *gunzip;

static int begin(void **state)
{
	(void)state;
	plain = malloc(ROOM);
	packed = malloc(ROOM);
	back = malloc(ROOM);
	got = malloc(ROOM);
	return plain && packed && back && got ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	free(plain);
	free(packed);
	free(back);
	free(got);
	return 0;
}

static uint32_t chance(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Adds a member with so many bytes of some kind; header: the optional parts that it has, by their bits in FLG. */
static void add_member(size_t n, unsigned kind, int level, unsigned header)
{
	for (size_t i = 0; i < n; i++)
		plain[n_plain + i] = kind == 0 ? (unsigned char)chance(256) : kind == 1 ? (unsigned char)"abcde\n"[chance(6)] : 0;
	z_stream z = { .next_in = plain + n_plain, .avail_in = (uInt)n, .next_out = packed + n_packed, .avail_out = (uInt)(ROOM - n_packed) };
	gz_header h = { .text = header & 1, .hcrc = header & 2, .extra = header & 4 ? (Bytef *)"extra" : NULL, .extra_len = header & 64 ? 0 : 5,
			.name = header & 8 ? (Bytef *)"name" : NULL, .comment = header & 16 ? (Bytef *)"comment" : NULL };
	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	if (header)
		assert_int_equal(deflateSetHeader(&z, &h), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n_plain += n;
	n_packed += z.total_out;
	deflateEnd(&z);
}

/* What zlib makes of the first n bytes; false: damaged or cut off. open_set: for a set of codes alone that is not used up. */
static bool by_zlib(size_t n, size_t *ret, bool *open_set)
{
	size_t at = 0, out = 0;
	for (;;) {
		while (at && at < n && packed[at] == 0)
			at++;
		*ret = out;
		if (at && (at == n || packed[at] != 0x1f))
			return true;
		z_stream z = { .next_in = packed + at, .avail_in = (uInt)(n - at), .next_out = back + out, .avail_out = (uInt)(ROOM - out) };
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		int rc = inflate(&z, Z_FINISH);
		at += z.total_in;
		out += z.total_out;
		*open_set = rc == Z_DATA_ERROR && rn_ends(z.msg, " set");
		inflateEnd(&z);
		if (rc != Z_STREAM_END)
			return false;
	}
}

/* The same by the stream, read so many bytes at a time. */
static bool by_stream(size_t n, size_t step, size_t *ret)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_closep) int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && rn_write_full(fd, packed, n) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	struct layer_stream *s = layer_stream_new_by(gunzip, fd, UINT64_MAX, 0, &err);
	assert_non_null(s);
	ssize_t k;
	*ret = 0;
	while ((k = layer_stream_read(s, got + *ret, step, &err)) > 0)
		*ret += (size_t)k;
	assert_int_equal(layer_stream_total(s), *ret);
	layer_stream_free(s);
	assert_true((k < 0) == (err.code != RN_OK));
	return k == 0;
}

static void compare(size_t n, size_t step)
{
	size_t want, have;
	bool open_set, ok = by_zlib(n, &want, &open_set);
	if (by_stream(n, step, &have) != ok && !(open_set && gunzip != &gunzip_zlib))
		fail_msg("%zu bytes, %zu at a time: %s by zlib", n, step, ok ? "fine" : "damaged");
	if (ok) {
		assert_int_equal(have, want);
		assert_memory_equal(got, back, want);
	}
}

static void ends_of_members_around_the_end_of_a_buffer(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 80; shift++) {
		n_plain = n_packed = 0;
		seed = (uint32_t)shift;
		/* stored blocks: 18 bytes of the member and 5 a block of 64 KiB */
		add_member(INPUT_SIZE - 60 - 5 * 5 + shift, 0, 0, 0);
		add_member(shift % 3 ? 300 : 0, 1, 6, 31);
		add_member(70000, 1, 6, shift % 2 ? 31 : 0);
		compare(n_packed, shift % 2 ? 1 << 20 : 777);
		compare(n_packed - 1, 4096);
	}
}

static void what_is_cut_off_anywhere(void **state)
{
	(void)state;
	n_plain = n_packed = 0;
	seed = 1;
	add_member(400, 1, 6, 31);
	add_member(300, 0, 6, 0);
	for (size_t n = 2; n <= n_packed; n++)
		compare(n, n % 2 ? 1 : 5000);
}

static void damage_and_padding(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1500; i++) {
		n_plain = n_packed = 0;
		seed = i;
		for (uint32_t members = 1 + chance(3); members; members--)
			add_member(chance(2) ? chance(30) : chance(50000), chance(3), (int)chance(10), chance(2) ? chance(128) : 0);
		size_t pad = chance(3) ? 0 : chance(40);
		memset(packed + n_packed, 0, pad);
		n_packed += pad;
		if (chance(2))
			packed[2 + chance((uint32_t)n_packed - 2)] ^= (unsigned char)(1 << chance(8));
		compare(n_packed, (const size_t[]){ 1, 64, 5000, 1 << 20 }[chance(4)]);
	}
}

static void data_longer_than_a_buffer(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		n_plain = n_packed = 0;
		seed = i;
		add_member(chance(1000), 0, 0, 0); /* so that the buffer ends elsewhere */
		add_member((size_t)800 << 10, 1, (int)(1 + i % 4), 0);
		assert_true(n_packed > INPUT_SIZE);
		compare(n_packed, (const size_t[]){ 257, 5000, 32768, 65536, 1 << 20 }[i % 5]);
	}
}

/* Who asks again behind the end gets the same answer, whatever stands there. */
static void the_end_stays_the_end(void **state)
{
	(void)state;
	n_plain = n_packed = 0;
	seed = 1;
	add_member(1000, 1, 6, 0);
	packed[n_packed++] = 'X';
	add_member(1000, 1, 6, 0);
	struct rn_error err = { 0 };
	RN_AUTO(rn_closep) int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && rn_write_full(fd, packed, n_packed) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	struct layer_stream *s = layer_stream_new_by(gunzip, fd, UINT64_MAX, 0, &err);
	assert_int_equal(layer_stream_read(s, got, ROOM, &err), 1000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(layer_stream_read(s, got, ROOM, &err), 0);
	layer_stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_of_members_around_the_end_of_a_buffer),
		cmocka_unit_test(what_is_cut_off_anywhere),
		cmocka_unit_test(damage_and_padding),
		cmocka_unit_test(data_longer_than_a_buffer),
		cmocka_unit_test(the_end_stays_the_end),
	};
	gunzip = &gunzip_zlib;
	int failed = cmocka_run_group_tests_name("by zlib", tests, begin, end);
	gunzip = gunzip_isal();
	return failed + (gunzip ? cmocka_run_group_tests_name("by ISA-L", tests, begin, end) : 0);
}
