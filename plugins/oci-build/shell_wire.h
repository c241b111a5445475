/* SPDX-License-Identifier: Apache-2.0 */
/* Between `runner shell` and the stage: one message a datagram, descriptors beside it. */
#ifndef SHELL_WIRE_H
#define SHELL_WIRE_H

#include "base/json.h"

#define SHELL_FDS_MAX 3

/** Sends a message (not consumed) with `n` descriptors. */
int shell_send(int socket, const cJSON *message, const int *fds, size_t n, struct rn_error *err);
/** The next message: the caller's; NULL at the end (err untouched) or on error. Descriptors that came are the caller's, the others -1. */
cJSON *shell_receive(int socket, int fds[SHELL_FDS_MAX], struct rn_error *err);
/** A socket at a path of any length: listens, or connects. -1. */
int shell_socket(const char *path, bool listens, struct rn_error *err);

#endif
