/* SPDX-License-Identifier: Apache-2.0 */
/* All that one RUN holds while it executes: the place, the mounts, the user, the environment. */
#ifndef RUN_PLACE_H
#define RUN_PLACE_H

#include "passwd.h"
#include "run_mounts.h"
#include "run_spec.h"

struct run_place {
	struct step *s;
	const struct run_spec *r;
	struct rootfs_step place;
	struct run_mounts mounts;
	struct passwd_user user;
	struct rn_strv env;
	struct rn_buf resolv, hosts;
};

/** Makes it for a step. run_place_clear frees, also after a failure. */
int run_place_make(struct step *s, const struct run_spec *r, struct run_place *ret);
void run_place_clear(struct run_place *x);
/** Sets a variable, NAME=VALUE: it takes the place of one of the same name. */
void run_place_set_env(struct run_place *x, const char *text);
/** What the sandbox is told; borrows from `x`. */
void run_place_sandbox(const struct run_place *x, struct sandbox_spec *ret);

#endif
