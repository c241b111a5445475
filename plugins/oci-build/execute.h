/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the stages that the target needs, each after those that it is made of. */
#ifndef EXECUTE_H
#define EXECUTE_H

#include "stage_graph.h"

/** Brings the target of the graph to its final state (g->target->state). */
int execute(struct stage_graph *g, struct rn_error *err);

#endif
