/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--local`: starts the helper program `runner-cloud` around a run and takes the
 * environment that it prints. What a cloud is, the core does not know.
 */
#ifndef CORE_LOCAL_H
#define CORE_LOCAL_H

#include "base/json.h"

#include <sys/types.h>

struct local {
	pid_t pid;  /* 0: it serves somebody else already, or nothing was started */
	cJSON *env; /* NAME -> value: what every stage gets */
};

/** Starts it with its state in `root`/cloud and waits until it is ready. Its log goes to `root`/cloud.log. */
int local_start(const char *root, struct local *ret, struct rn_error *err);
/** TERM, and KILL when it does not end. */
void local_stop(struct local *l);
/** True for variables of the user that stages do not get when the cloud is local. */
bool local_replaces(const char *name);

#endif
