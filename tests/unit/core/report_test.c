/* SPDX-License-Identifier: Apache-2.0 */
/* Heartbeats, places and progress: what reporters print of the view. */
#include "core/report_plain.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void silence_of_30_seconds_is_broken_by_a_heartbeat(void **state)
{
	(void)state;
	struct bus bus = { 0 };
	int64_t beats[2] = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	bus_stage(&bus, "quiet", "exec", NULL);
	bus_stage(&bus, "idle", "exec", NULL);
	bus_emit(&bus, &(struct event){ .kind = EVENT_STAGE_START, .stage = "quiet", .attempt = 1 });
	bus_emit(&bus, &(struct event){ .kind = EVENT_STEP, .stage = "quiet", .text = "2/3 compile" });
	bus_emit(&bus, &(struct event){ .kind = EVENT_PROGRESS, .stage = "quiet", .text = "files", .done = 3, .total = 7 });
	int64_t begin = bus.view.stages[0].begin_ms;
	plain_heartbeats(&bus.view, begin + 29999, beats, &text);
	assert_int_equal(text.len, 0);
	plain_heartbeats(&bus.view, begin + 30000, beats, &text);
	assert_string_equal(rn_buf_str(&text), "quiet | still running after 30.0s: 2/3 compile, files 3 of 7\n");
	rn_buf_reset(&text);
	plain_heartbeats(&bus.view, begin + 59999, beats, &text);
	assert_int_equal(text.len, 0);
	plain_heartbeats(&bus.view, begin + 60000, beats, &text);
	assert_non_null(strstr(rn_buf_str(&text), "still running after 1m00s"));
	bus_clear(&bus);
}

static void a_place_is_relative_when_it_lies_below_the_working_directory(void **state)
{
	(void)state;
	RN_AUTO(rn_freep) char *cwd = getcwd(NULL, 0);
	RN_AUTO(rn_freep) char *below = rn_asprintf("%s/x/y.pipe", cwd);
	const struct {
		struct event_failure f;
		const char *want;
	} cases[] = {
		{ { .file = below, .line = 3, .column = 5 }, "x/y.pipe:3:5" },
		{ { .file = below, .line = 3 }, "x/y.pipe:3" },
		{ { .file = "/elsewhere/y", .line = 0 }, "/elsewhere/y" },
		{ { .line = 3 }, "" },
	};
	for (size_t i = 0; i < RN_LEN(cases); i++) {
		RN_AUTO(rn_freep) char *got = report_place(&cases[i].f);
		assert_string_equal(got, cases[i].want);
	}
}

static void a_view_of_a_flooding_stage_keeps_the_last_lines(void **state)
{
	(void)state;
	struct bus bus = { 0 };
	bus_stage(&bus, "a", "exec", "log");
	bus_emit(&bus, &(struct event){ .kind = EVENT_STAGE_START, .stage = "a", .attempt = 1 });
	for (int i = 0; i < 1000; i++) {
		char line[16];
		snprintf(line, sizeof(line), "line %d", i);
		bus_emit(&bus, &(struct event){ .kind = EVENT_LOG, .stage = "a", .text = line });
	}
	bus_emit(&bus, &(struct event){ .kind = EVENT_FAILURE, .stage = "a", .failure = { .cls = RUNNER_FAIL_STAGE, .message = "no" } });
	bus_emit(&bus, &(struct event){ .kind = EVENT_STAGE_END, .stage = "a", .status = EVENT_FAILED });
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	report_failures(&bus.view, false, &text);
	assert_non_null(strstr(text.p, "last 40 of 1000 lines"));
	assert_non_null(strstr(text.p, "  | line 960\n"));
	assert_non_null(strstr(text.p, "  | line 999\n"));
	assert_null(strstr(text.p, "line 959"));
	bus_clear(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_of_30_seconds_is_broken_by_a_heartbeat),
		cmocka_unit_test(a_place_is_relative_when_it_lies_below_the_working_directory),
		cmocka_unit_test(a_view_of_a_flooding_stage_keeps_the_last_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
