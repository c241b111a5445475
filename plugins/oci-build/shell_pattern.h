/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns in ${v#p}, ${v%p} and ${v/p/r}: * any text, ? any character, \ before * ? \ } / takes them as they are. */
#ifndef SHELL_PATTERN_H
#define SHELL_PATTERN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum shell_side {
	SHELL_PREFIX,
	SHELL_SUFFIX,
};

/** `value` without what matches at that side: the longest match or the shortest. New string. RN_EINVAL: a bad escape. */
int shell_pattern_trim(const char *pattern, const char *value, enum shell_side side, bool longest, char **ret,
		       struct rn_error *err);
/** `value` with the first (or each) longest match replaced. An empty match replaces nothing. New string. */
int shell_pattern_replace(const char *pattern, const char *value, const char *with, bool all, char **ret,
			  struct rn_error *err);

#endif
