/* SPDX-License-Identifier: Apache-2.0 */
#include "limiter.h"

#include <math.h>

#define SLOT_S 0.5
#define SMOOTHING 0.8
#define SCALE 0.4
#define BETA 0.7
#define MIN_RATE 0.5
#define MOST_ABOVE_MEASURED 2.0

void aws_limiter_init(struct aws_limiter *l, double now_s)
{
	*l = (struct aws_limiter){ .slot_s = floor(now_s), .throttled_s = now_s, .filled_s = now_s };
}

static void refill(struct aws_limiter *l, double now_s)
{
	l->tokens = fmin(l->room, l->tokens + (now_s - l->filled_s) * l->rate);
	l->filled_s = now_s;
}

static void set_rate(struct aws_limiter *l, double now_s, double rate)
{
	refill(l, now_s);
	l->rate = fmax(rate, MIN_RATE);
	l->room = fmax(rate, 1);
	l->tokens = fmin(l->tokens, l->room);
}

static void measure(struct aws_limiter *l, double now_s)
{
	double slot = floor(now_s / SLOT_S) * SLOT_S;
	l->count++;
	if (slot <= l->slot_s)
		return;
	double rate = l->count / (slot - l->slot_s);
	l->measured = rate * SMOOTHING + l->measured * (1 - SMOOTHING);
	l->count = 0;
	l->slot_s = slot;
}

double aws_limiter_take(struct aws_limiter *l, double now_s)
{
	if (!l->enabled)
		return 0;
	refill(l, now_s);
	if (l->tokens < 1)
		return (1 - l->tokens) / l->rate;
	l->tokens--;
	return 0;
}

void aws_limiter_note(struct aws_limiter *l, double now_s, bool throttled)
{
	double rate;
	measure(l, now_s);
	if (throttled) {
		l->peak = l->enabled ? fmin(l->measured, l->rate) : l->measured;
		l->zero_s = cbrt(l->peak * (1 - BETA) / SCALE);
		l->throttled_s = now_s;
		l->enabled = true;
		rate = l->peak * BETA;
	} else {
		rate = SCALE * pow(now_s - l->throttled_s - l->zero_s, 3) + l->peak;
	}
	if (l->enabled)
		set_rate(l, now_s, fmin(rate, MOST_ABOVE_MEASURED * l->measured));
}
