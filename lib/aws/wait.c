/* SPDX-License-Identifier: Apache-2.0 */
/* Polling until something is so, within a time. */
#include "client.h"

#include "base/time.h"

#define DEFAULT_DELAY_MS 1000
#define DEFAULT_TIMEOUT_MS ((int64_t)5 * 60 * 1000)

int aws_wait(struct aws_session *s, const struct aws_waiter *w,
	     int (*poll)(void *ctx, struct rn_error *err), void *ctx, struct rn_error *err)
{
	int64_t delay = w->delay_ms ? w->delay_ms : DEFAULT_DELAY_MS;
	int64_t longest = w->max_delay_ms ? w->max_delay_ms : delay;
	int64_t timeout = w->timeout_ms ? w->timeout_ms : DEFAULT_TIMEOUT_MS;
	int64_t start = rn_now_ms();
	for (;;) {
		int rc = poll(ctx, err);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		int64_t elapsed = rn_now_ms() - start, left = timeout - elapsed;
		if (left <= 0)
			return rn_fail(err, RN_ETIMEOUT, "gave up after %lld s of waiting for %s",
				       (long long)(timeout / 1000), w->what);
		if (w->tick)
			w->tick(ctx, elapsed, left);
		if (rn_sleep_ms(delay < left ? delay : left, aws_session_cancel_fd(s)) < 0)
			return rn_fail(err, RN_ECANCELLED, "cancelled while waiting for %s",
				       w->what);
		delay = delay + delay / 2 < longest ? delay + delay / 2 : longest;
	}
}
