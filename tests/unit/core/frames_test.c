/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between host and worker: whole or not at all, bounded, of known kinds. */
#include "core/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void frames_come_out_whole_however_they_are_cut(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "type", "log");
	assert_int_equal(frame_write_json(ends[1], j), 0);
	assert_int_equal(frame_write(ends[1], FRAME_OUTPUT, "a\0b", 3), 0);
	assert_int_equal(frame_write(ends[1], FRAME_OUTPUT, "", 0), 0);
	char bytes[256];
	ssize_t n = read(ends[0], bytes, sizeof(bytes));
	for (size_t step = 1; step <= (size_t)n; step++) {
		struct frame_reader r;
		struct frame f;
		struct rn_buf seen = RN_BUF_INIT;
		frame_reader_init(&r, 1000);
		for (size_t i = 0; i < (size_t)n; i += step) {
			frame_reader_feed(&r, bytes + i, (size_t)n - i < step ? (size_t)n - i : step);
			while (frame_reader_next(&r, &f, NULL) > 0) {
				rn_buf_addf(&seen, "%c%zu:", f.kind, f.n);
				rn_buf_add(&seen, f.data, f.n);
			}
		}
		assert_int_equal(seen.len, strlen("J14:{\"type\":\"log\"}O3:aXbO0:"));
		assert_memory_equal(seen.p, "J14:{\"type\":\"log\"}O3:a\0bO0:", seen.len);
		assert_false(frame_reader_pending(&r));
		rn_buf_clear(&seen);
		frame_reader_clear(&r);
	}
	close(ends[0]);
	close(ends[1]);
}

static void a_frame_over_the_ceiling_is_refused_before_it_is_read(void **state)
{
	(void)state;
	struct frame_reader r;
	struct frame f;
	struct rn_error err = { 0 };
	frame_reader_init(&r, 10);
	frame_reader_feed(&r, "O\x0b\0\0\0", 5);
	assert_int_equal(frame_reader_next(&r, &f, &err), -1);
	assert_int_equal(err.code, RN_ELIMIT);
	frame_reader_clear(&r);
}

static void a_frame_of_no_known_kind_is_refused(void **state)
{
	(void)state;
	struct frame_reader r;
	struct frame f;
	frame_reader_init(&r, 10);
	frame_reader_feed(&r, "nonsense", 8);
	assert_int_equal(frame_reader_next(&r, &f, NULL), -1);
	frame_reader_clear(&r);
}

static void a_large_frame_passes_a_pipe_that_holds_less(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	size_t n = 3 << 20;
	char *big = rn_alloc(n);
	memset(big, 'x', n);
	pid_t pid = fork();
	if (pid == 0)
		_exit(frame_write(ends[1], FRAME_OUTPUT, big, n) == 0 ? 0 : 1);
	close(ends[1]);
	struct frame_reader r;
	struct frame f = { 0 };
	frame_reader_init(&r, n);
	while (frame_reader_next(&r, &f, NULL) == 0)
		assert_true(frame_reader_fill(&r, ends[0]) > 0);
	assert_int_equal(f.n, n);
	assert_memory_equal(f.data, big, n);
	frame_reader_clear(&r);
	free(big);
	close(ends[0]);
	int status;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_whole_however_they_are_cut),
		cmocka_unit_test(a_frame_over_the_ceiling_is_refused_before_it_is_read),
		cmocka_unit_test(a_frame_of_no_known_kind_is_refused),
		cmocka_unit_test(a_large_frame_passes_a_pipe_that_holds_less),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
