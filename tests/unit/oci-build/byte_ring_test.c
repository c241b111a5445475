/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that go from one thread to another: all of them, in order, and an end that leaves is noticed by the other. */
#include "plugins/oci-build/byte_ring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOTAL ((size_t)9 << 20)

static unsigned char byte_at(size_t at)
{
	return (unsigned char)(at * 2654435761U >> 13);
}

struct writing {
	struct byte_ring *ring;
	size_t step; /* how much longer each write is than the one before */
	size_t done;
	bool refused;
};

static void *write_all(void *ctx)
{
	struct writing *w = ctx;
	unsigned char *piece = malloc(TOTAL);
	for (size_t n = 1; piece && w->done < TOTAL && !w->refused; n += w->step) {
		size_t k = n < TOTAL - w->done ? n : TOTAL - w->done;
		for (size_t i = 0; i < k; i++)
			piece[i] = byte_at(w->done + i);
		w->refused = !byte_ring_write(w->ring, piece, k);
		w->done += k;
	}
	free(piece);
	byte_ring_end(w->ring);
	return NULL;
}

static void all_comes_in_order(void **state)
{
	(void)state;
	static const size_t steps[] = { 1, 511, 4096, 300000, TOTAL };
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct writing w = { .ring = byte_ring_new(), .step = steps[i] };
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
		const void *piece;
		size_t at = 0;
		bool same = true;
		for (size_t n; (n = byte_ring_next(w.ring, &piece)) > 0; at += n)
			for (size_t k = 0; k < n; k++)
				same = same && ((const unsigned char *)piece)[k] == byte_at(at + k);
		assert_true(same);
		assert_int_equal(at, TOTAL);
		assert_int_equal(byte_ring_next(w.ring, &piece), 0);
		pthread_join(thread, NULL);
		assert_false(w.refused);
		byte_ring_free(w.ring);
	}
}

static void who_writes_is_told_that_nobody_reads(void **state)
{
	(void)state;
	struct writing w = { .ring = byte_ring_new(), .step = 4096 };
	pthread_t thread;
	const void *piece;
	assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
	assert_true(byte_ring_next(w.ring, &piece) > 0);
	byte_ring_leave(w.ring);
	pthread_join(thread, NULL);
	assert_true(w.refused);
	byte_ring_free(w.ring);
}

static void an_end_without_bytes_is_an_end(void **state)
{
	(void)state;
	struct byte_ring *r = byte_ring_new();
	const void *piece;
	byte_ring_end(r);
	assert_int_equal(byte_ring_next(r, &piece), 0);
	byte_ring_free(r);
	byte_ring_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_comes_in_order),
		cmocka_unit_test(who_writes_is_told_that_nobody_reads),
		cmocka_unit_test(an_end_without_bytes_is_an_end),
	};
	return cmocka_run_group_tests_name("oci-build/byte_ring", tests, NULL, NULL);
}
