/* SPDX-License-Identifier: Apache-2.0 */
/* The file named by $RUNNER_OUTPUT: NAME=VALUE lines and NAME<<END heredocs. Pure. */
#ifndef EXEC_OUTPUTS_H
#define EXEC_OUTPUTS_H

#include "base/str.h"

struct outputs_item {
	char *name;
	char *value;
};

struct outputs {
	struct outputs_item *v;
	size_t n, cap;
};

/** Blank lines are skipped; of a repeated name the last counts when it is handed on. The error names the line. */
int outputs_parse(const char *text, struct outputs *ret, struct rn_error *err);
void outputs_clear(struct outputs *o);

#endif
