/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A RUN as understood: the command line, the environment, mounts and network, with all variables resolved
 * by what the stage has there. Looks at nothing but the instruction, the configuration and the parameters, so that
 * it can serve as (part of) the key of the step as well.
 */
#ifndef RUN_SPEC_H
#define RUN_SPEC_H

#include "run_mount.h"
#include "step.h"

enum run_network {
	RUN_NET_HOST,
	RUN_NET_NONE,
};

struct run_spec {
	struct rn_strv argv;
	struct rn_strv env;      /* NAME=VALUE: ENV, then ARG, proxies, SOURCE_DATE_EPOCH; no secrets, no HOME        */
	struct rn_strv args;     /* NAME=VALUE of the ARGs in effect, in their order: what the history tells         */
	char *cwd;               /* absolute                                                                          */
	char *user;              /* as USER has it; "" for root                                                       */
	enum run_network network;
	struct run_mount *mounts;
	struct df_at *mounts_at; /* where each of them stands                                                         */
	size_t n_mounts;
	char *script;            /* a heredoc with a #! line: content of the file that is executed; NULL: none       */
	char *script_path;       /* its path inside                                                                   */
	char *created_by;        /* entry of the history                                                              */
};

int run_spec_make(const struct step *s, struct run_spec *ret);
/** One --mount, with its variables resolved. */
int run_spec_mount(const struct step *s, const struct df_flag *flag, struct run_mount *ret);
void run_spec_clear(struct run_spec *r);
/** Value of NAME in the environment of the spec; NULL: none. */
const char *run_spec_env(const struct run_spec *r, const char *name);

#endif
