/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked now and then by whatever takes long and is worth nothing once nobody wants it any more. */
#ifndef RN_STOP_H
#define RN_STOP_H

#include "error.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct rn_stop {
	bool (*asked)(void *ctx); /* true: end soon. From any thread */
	void *ctx;
};

/** For `asked`, with an int * as its context: is that descriptor readable? -1 never is. */
static inline bool rn_stop_fd(void *fd)
{
	struct pollfd p = { .fd = *(const int *)fd, .events = POLLIN };
	return p.fd >= 0 && poll(&p, 1, 0) > 0;
}

/** RN_ECANCELLED once it is asked for; `s` may be NULL. */
static inline int rn_stop_check(const struct rn_stop *s, struct rn_error *err)
{
	return s && s->asked(s->ctx) ? rn_fail(err, RN_ECANCELLED, "stopped") : 0;
}

#endif
