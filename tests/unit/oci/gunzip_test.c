/* SPDX-License-Identifier: Apache-2.0 */
/* Members of gzip in pieces of every size, by each gunzip that this machine has. */
#include "oci/gunzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define ROOM 4096

static const struct gunzip *gunzip;
static const char text[] = "a line, a longer line, the longest line of all lines, and once more: the longest line of all lines";
static unsigned char member[ROOM], got[ROOM];
static size_t n_member, n_behind, n_got;

/* A member with these optional parts (by their bits in FLG), and three bytes behind it. */
static void make_member(unsigned flags, unsigned extra)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)text, .avail_in = sizeof(text), .next_out = member, .avail_out = ROOM };
	gz_header h = { .text = flags & 1, .time = 0x01020304, .hcrc = flags & 2, .extra = flags & 4 ? (Bytef *)"extra" : NULL, .extra_len = extra,
			.name = flags & 8 ? (Bytef *)"name" : NULL, .comment = flags & 16 ? (Bytef *)"a comment" : NULL };
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflateSetHeader(&z, &h), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	assert_int_equal(member[3], flags);
	n_member = z.total_out;
	memcpy(member + n_member, "\x1f\x8b\x08", 3);
	n_behind = 3;
}

/* Feeds it in pieces: one of `first` bytes, then of `piece`; the last rc. What was taken is counted off n_behind. */
static int feed(void *state, size_t first, size_t piece, uint32_t room, const char **ret_why)
{
	size_t at = 0, n = n_member + n_behind;
	int rc = 0;
	n_got = 0;
	for (size_t want = first; rc == 0; want = piece) {
		uint32_t give = (uint32_t)(want < n - at ? want : n - at);
		struct gunzip_io io = { member + at, got + n_got, give, room, NULL };
		rc = gunzip->step(state, &io);
		assert_true(rc != 0 || !io.n_in || !io.n_out);
		*ret_why = io.why;
		if (rc == 0 && !give && io.n_out == room)
			break;
		at += give - io.n_in;
		n_got += room - io.n_out;
	}
	if (rc > 0)
		n_behind = n - at;
	return rc;
}

static void expect_whole(void *state, size_t first, size_t piece, uint32_t room)
{
	const char *why = NULL;
	n_behind = 3;
	assert_int_equal(feed(state, first, piece, room, &why), 1);
	assert_int_equal(n_behind, 3);
	assert_int_equal(n_got, sizeof(text));
	assert_memory_equal(got, text, sizeof(text));
	gunzip->reset(state);
}

static void every_header_is_read_in_pieces_of_every_size(void **test)
{
	(void)test;
	void *state = gunzip->new();
	for (unsigned flags = 0; flags < 32; flags++)
		for (unsigned extra = 0; extra < (flags & 4 ? 6 : 1); extra++) {
			make_member(flags, extra);
			for (size_t piece = 1; piece < 12; piece++)
				expect_whole(state, piece, piece, 512);
			expect_whole(state, ROOM, ROOM, ROOM);
		}
	gunzip->free(state);
}

static void a_member_may_be_cut_anywhere(void **test)
{
	(void)test;
	void *state = gunzip->new();
	make_member(31, 5);
	for (size_t first = 1; first < n_member + 3; first++)
		for (uint32_t room = 1; room < 2 * sizeof(text); room += 1 + room / 2)
			expect_whole(state, first, ROOM, room);
	gunzip->free(state);
}

static void what_is_missing_at_the_end_is_waited_for(void **test)
{
	(void)test;
	make_member(31, 5);
	size_t whole = n_member;
	n_behind = 0;
	for (n_member = 0; n_member < whole; n_member++) {
		const char *why = NULL;
		void *state = gunzip->new();
		assert_int_equal(feed(state, ROOM, ROOM, ROOM, &why), 0);
		gunzip->free(state);
	}
}

static void expect_damage(size_t at, unsigned char value, const char *want)
{
	make_member(2, 0);
	member[at] = value;
	for (size_t piece = 1; piece < ROOM; piece *= 2) {
		const char *why = NULL;
		void *state = gunzip->new();
		assert_int_equal(feed(state, piece, piece, ROOM, &why), -1);
		if (want)
			assert_string_equal(why, want);
		struct gunzip_io more = { member, got, 10, ROOM, NULL };
		assert_int_equal(gunzip->step(state, &more), -1); /* and it stays damaged */
		assert_non_null(more.why);
		gunzip->reset(state);
		make_member(0, 0);
		expect_whole(state, piece, piece, ROOM);
		gunzip->free(state);
		make_member(2, 0);
		member[at] = value;
	}
}

static void headers_that_are_none_are_refused(void **test)
{
	(void)test;
	expect_damage(0, 0x1e, "incorrect header check");
	expect_damage(1, 0x8c, "incorrect header check");
	expect_damage(2, 7, "unknown compression method");
	expect_damage(3, 0x22, "unknown header flags set");
	expect_damage(3, 0x42, "unknown header flags set");
	expect_damage(3, 0x82, "unknown header flags set");
	expect_damage(4, 0xff, "header crc mismatch");
	expect_damage(9, 0xff, "header crc mismatch");
	expect_damage(10, (unsigned char)~member[10], "header crc mismatch");
	expect_damage(11, (unsigned char)~member[11], "header crc mismatch");
}

static void damaged_data_are_refused(void **test)
{
	(void)test;
	make_member(2, 0);
	size_t trailer = n_member - 8;
	for (size_t i = 0; i < 8; i++)
		expect_damage(trailer + i, (unsigned char)~member[trailer + i], NULL);
	expect_damage(12, 0x07, NULL); /* a last block of the type that is none */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_header_is_read_in_pieces_of_every_size),
		cmocka_unit_test(a_member_may_be_cut_anywhere),
		cmocka_unit_test(what_is_missing_at_the_end_is_waited_for),
		cmocka_unit_test(headers_that_are_none_are_refused),
		cmocka_unit_test(damaged_data_are_refused),
	};
	gunzip = &gunzip_zlib;
	int failed = cmocka_run_group_tests_name("by zlib", tests, NULL, NULL);
	gunzip = gunzip_isal();
	return failed + (gunzip ? cmocka_run_group_tests_name("by ISA-L", tests, NULL, NULL) : 0);
}
