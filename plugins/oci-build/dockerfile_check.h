/* SPDX-License-Identifier: Apache-2.0 */
/* The directives `# syntax=` (whose language this is) and `# check=` (which remarks are left out or are errors). */
#ifndef DOCKERFILE_CHECK_H
#define DOCKERFILE_CHECK_H

#include "dockerfile_ast.h"

/**
 * RN_EUNSUPPORTED: d->syntax names another language than docker/dockerfile of any version.
 * Drops the warnings that d->check skips; with `error=true` the first one left is an error at its place.
 * RN_EINVAL also for an option that the directive does not have.
 */
int dockerfile_check(struct dockerfile *d, struct rn_error *err);

#endif
