/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked now and then by whatever takes long and is worth nothing once nobody wants it any more. */
#ifndef RN_STOP_H
#define RN_STOP_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

struct rn_stop {
	bool (*asked)(void *ctx); /* true: end soon. From any thread */
	void *ctx;
};

/** RN_ECANCELLED once it is asked for; `s` may be NULL. */
static inline int rn_stop_check(const struct rn_stop *s, struct rn_error *err)
{
	return s && s->asked(s->ctx) ? rn_fail(err, RN_ECANCELLED, "stopped") : 0;
}

#endif
