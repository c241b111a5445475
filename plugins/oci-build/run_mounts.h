/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of one RUN while it runs: from checked values to what the sandbox is given. */
#ifndef RUN_MOUNTS_H
#define RUN_MOUNTS_H

#include "rootfs.h"
#include "run_spec.h"

struct run_mounts {
	struct sandbox_bind *binds;
	size_t n_binds;
	struct sandbox_file *files;
	size_t n_files;
	struct sandbox_tmpfs *tmpfs;
	size_t n_tmpfs;
	struct rn_strv env;     /* NAME=VALUE that mounts bring: secrets, SSH_AUTH_SOCK         */
	struct rn_strv paths;   /* strings that the members above borrow                       */
	struct rn_strv targets; /* all places in the image over which something lies           */
	struct rn_buf *secrets; /* contents of files                                           */
	size_t n_secrets;
	int *locks;             /* of caches                                                   */
	size_t n_locks;
	const char **caches;    /* folder of each mount that is a cache, by its number         */
	struct run_ssh **agents;
	size_t n_agents;
};

/** Prepares them all (waits for caches that others hold). run_mounts_clear frees, also after a failure. */
int run_mounts_make(struct step *s, const struct run_spec *r, struct rootfs_step *place, struct run_mounts *ret);
void run_mounts_clear(struct run_mounts *m);
/** Adds a file that is there while the step runs, and in no layer. `data` is borrowed. */
void run_mounts_file(struct run_mounts *m, const char *target, const char *data, size_t n, mode_t mode);

#endif
