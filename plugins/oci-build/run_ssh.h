/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --mount=type=ssh: a socket of the step's own that leads to the agent outside, whoever owns that one. */
#ifndef RUN_SSH_H
#define RUN_SSH_H

#include "base/error.h"

struct run_ssh;

/** Listens at `socket` (a new path) and passes on to the agent. RN_ENOTFOUND when there is no agent. Ended by run_ssh_stop. */
struct run_ssh *run_ssh_start(const char *agent, const char *socket, struct rn_error *err);
void run_ssh_stop(struct run_ssh *r);

#endif
