/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking inside. A RUN that failed leaves its root as it was (until the next run of the stage) with a description in the
 * stage's state folder. `runner shell` runs the stage with a request in the environment: the build goes as far as
 * the step that is asked for and opens a program there, in the sandbox of that step with its mounts, variables and user,
 * on the descriptors that `runner shell` hands over its socket.
 */
#ifndef RUN_SHELL_H
#define RUN_SHELL_H

#include "rootfs.h"
#include "run_spec.h"

/* Environment variable with the request: {"socket": PATH, "step": "3" | "NAME.3"}; without "step" the one that failed. */
#define RUN_SHELL_VARIABLE "RUNNER_OCI_BUILD_SHELL"

/** The request of this run: 1, 0 when there is none (what an earlier run kept is removed then), -1. run_shell_clear frees. */
int run_shell_read(struct stage_graph *g, struct run_shell *ret, struct rn_error *err);
void run_shell_clear(struct run_shell *r);
/** Is this the step that the request means? */
bool run_shell_wants(const struct run_shell *r, const struct step *s);
/** Opens the program in the step. Always returns -1: the build goes no further. */
int run_shell_open(const struct run_shell *r, struct step *s);

/** Keeps the root of a step that failed. No harm when it cannot. */
void run_shell_keep(struct step *s, struct rootfs_step *place);

#endif
