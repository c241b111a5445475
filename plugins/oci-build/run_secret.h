/* SPDX-License-Identifier: Apache-2.0 */
/* The `secrets` and `ssh` parameters: what they may hold, and the secret of an id. */
#ifndef RUN_SECRET_H
#define RUN_SECRET_H

#include "base/buf.h"

#include <runner/plugin.h>

#define RUN_SECRET_MAX ((size_t)1 << 20)

/** Is the parameter an object of the forms that run_secret_find knows? RN_EINVAL. Reads nothing else. `text` may be NULL. */
int run_secrets_check(const char *text, struct rn_error *err);
/**
 * The secret of an id: 1, 0 when there is none of that id, -1. Masked in every sink from then on. `dir`: what paths
 * are relative to.
 */
int run_secret_find(const struct runner_host *host, struct runner_stage *stage, const char *text, const char *id, struct rn_buf *ret,
		    struct rn_error *err);

#endif
