/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a command writes its outputs to: NAME=VALUE lines, and NAME<<WORD blocks for several lines. Pure. */
#ifndef EXEC_OUTPUTS_H
#define EXEC_OUTPUTS_H

#include "base/error.h"

#include <stddef.h>

/**
 * Calls `set` for each output in order. A value may be empty; blank lines are skipped. NAME is a letter or
 * underscore followed by letters, digits, underscores or hyphens. -1 with the line's number for anything else, a block without its
 * end, or when `set` returns -1.
 */
int outputs_parse(const char *text, size_t n,
		  int (*set)(void *ctx, const char *name, const char *value, struct rn_error *err), void *ctx,
		  struct rn_error *err);

#endif
