/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who needs a cloud that was started for programs (--env-fd): each of them is a connection to
 * DIR/holders, and the cloud ends when the last one has left, however it ended. So two runs
 * share a cloud, whichever of them started it.
 */
#ifndef HOLDERS_H
#define HOLDERS_H

#include "base/error.h"

#include <stdbool.h>

struct holders;
/** The cloud's side: takes holders from now on, in a thread of its own. */
struct holders *holders_start(const char *dir, struct rn_error *err);
/** Becomes readable when the last holder left, or when none came for half a minute. -1 for NULL. */
int holders_fd(const struct holders *h);
/** Takes no more. The last one stays connected until this process ends: that tells it. NULL is fine. */
void holders_stop(struct holders *h, const char *dir);

/** A holder's side: its descriptor, readable when the cloud ended; -1 when the cloud is ending (or has). */
int holders_join(const char *dir);
/** Leaves and closes. True: the cloud has ended with it; false: it lives on for others. */
bool holders_leave(int fd);

#endif
