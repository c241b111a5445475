/* SPDX-License-Identifier: Apache-2.0 */
/* Orderly stop: the signals that a run listens to, as a descriptor. */
#ifndef CORE_SIGNALS_H
#define CORE_SIGNALS_H

#include "base/error.h"

#include <signal.h>

struct signals {
	int fd;       /* to poll for reading */
	sigset_t old; /* to restore          */
};

/** Blocks INT, TERM, HUP and CHLD and makes them readable; ignores PIPE. */
int signals_open(struct signals *s, struct rn_error *err);
/** Number of requests to stop since the last call; *ret_child: a child changed (both may be 0). */
int signals_read(struct signals *s, bool *ret_child);
void signals_close(struct signals *s);

#endif
