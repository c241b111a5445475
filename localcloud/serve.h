/* SPDX-License-Identifier: Apache-2.0 */
/* Running the cloud in this process, from its lock to its orderly stop. */
#ifndef SERVE_H
#define SERVE_H

#include "options.h"

/** Serves the folder, whose lock the caller holds, until a signal or until the last holder left. */
int serve_cloud(const struct options *o, struct rn_error *err);

/** Blocks the signals that stop it in this and all later threads, for serve_wait to see. */
void serve_block_signals(void);
/** Waits for one of them, or until either descriptor is readable (-1: none). */
void serve_wait(int fd, int other_fd);

#endif
