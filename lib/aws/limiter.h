/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending rate of `AWS_RETRY_MODE=adaptive`: once a service throttles, calls wait for tokens
 * that come at a rate which falls by 30 % with each throttled answer and rises again along a cubic
 * curve. Pure: the caller gives the time, and does the waiting. The SDKs' numbers.
 */
#ifndef AWS_LIMITER_H
#define AWS_LIMITER_H

#include <stdbool.h>

struct aws_limiter {
	bool enabled;            /* since the first throttled answer      */
	double rate, room;       /* tokens a second; the most that gather */
	double tokens, filled_s; /* what is there, and since when         */
	double measured;         /* calls a second, smoothed              */
	double slot_s, count;    /* current half second, calls in it      */
	double peak, zero_s;     /* rate of the last throttling; the curve's flat point behind it */
	double throttled_s;
};

/** Times are seconds of any clock that does not jump. */
void aws_limiter_init(struct aws_limiter *l, double now_s);
/** Takes a token: 0. Or the seconds after which to ask again, and nothing is taken. */
double aws_limiter_take(struct aws_limiter *l, double now_s);
/** Told of every answer. */
void aws_limiter_note(struct aws_limiter *l, double now_s, bool throttled);

#endif
