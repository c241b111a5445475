/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a private repository is asked for with: the secrets GIT_AUTH_HEADER and GIT_AUTH_TOKEN, or the same with ".HOST" for one host alone.
 * Source: docs.docker.com, Build secrets, "Git authentication for remote contexts".
 */
#ifndef ADD_GIT_AUTH_H
#define ADD_GIT_AUTH_H

#include "build.h"

/**
 * Adds variables to git's environment that give each host its Authorization header; of several secrets for one the most specific
 * counts, a header before a token. Those without a host are for the host of `remote` alone (HOST here is HOST[:PORT], as the URL
 * has it). Nothing goes over plain http but to loopback. RN_EINVAL for a secret of several lines, or one that cannot be read.
 */
int git_auth_env(struct build *b, const char *remote, struct rn_strv *env, struct rn_error *err);

#endif
