/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/limiter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-6)

static void nothing_waits_before_the_first_throttling(void **state)
{
	(void)state;
	struct aws_limiter l;
	aws_limiter_init(&l, 5);
	for (int i = 0; i < 1000; i++) {
		NEAR(aws_limiter_take(&l, 5), 0);
		aws_limiter_note(&l, 5, false);
	}
}

/* 10 answers in each half second: 20 a second, smoothed by 0.8 */
static double run_at_twenty(struct aws_limiter *l, double from, int slots)
{
	double t = from;
	for (int s = 0; s < slots; s++, t += 0.5)
		for (int i = 0; i < 10; i++)
			aws_limiter_note(l, t, false);
	return t;
}

static void a_throttled_answer_takes_thirty_percent(void **state)
{
	(void)state;
	struct aws_limiter l;
	aws_limiter_init(&l, 0);
	double t = run_at_twenty(&l, 0.5, 20);
	double measured = l.measured;
	assert_true(measured > 19 && measured < 21);
	aws_limiter_note(&l, t - 0.5, true);
	assert_true(l.enabled);
	NEAR(l.rate, 0.7 * measured);
	NEAR(l.zero_s, cbrt(measured * 0.3 / 0.4));
	aws_limiter_note(&l, t - 0.5, true); /* again: from the lowered rate */
	NEAR(l.rate, 0.7 * 0.7 * measured);
}

static void calls_wait_for_tokens_and_the_rate_comes_back(void **state)
{
	(void)state;
	struct aws_limiter l;
	aws_limiter_init(&l, 0);
	double t = run_at_twenty(&l, 0.5, 20) - 0.5;
	aws_limiter_note(&l, t, true);
	double rate = l.rate;
	NEAR(aws_limiter_take(&l, t), 1 / rate); /* none has gathered yet */
	NEAR(aws_limiter_take(&l, t + 1 / rate + 1e-9), 0);
	NEAR(aws_limiter_take(&l, t + 1 / rate + 1e-9), 1 / rate);
	double peak = l.peak, zero = l.zero_s;
	t = run_at_twenty(&l, t + 0.5, 1) - 0.5;
	NEAR(l.rate, 0.4 * pow(0.5 - zero, 3) + peak);
	run_at_twenty(&l, t + 0.5, 8);
	assert_true(l.rate > peak);
	assert_true(l.rate <= 2 * l.measured + 1e-6);
}

static void the_rate_never_falls_below_one_in_two_seconds(void **state)
{
	(void)state;
	struct aws_limiter l;
	aws_limiter_init(&l, 0);
	for (int i = 1; i < 50; i++)
		aws_limiter_note(&l, i, true);
	NEAR(l.rate, 0.5);
	assert_true(aws_limiter_take(&l, 49.1) <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_before_the_first_throttling),
		cmocka_unit_test(a_throttled_answer_takes_thirty_percent),
		cmocka_unit_test(calls_wait_for_tokens_and_the_rate_comes_back),
		cmocka_unit_test(the_rate_never_falls_below_one_in_two_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
