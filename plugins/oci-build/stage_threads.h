/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages that the target needs, side by side where they do not wait for each other, as many as the
 * machine has cores. The first failure stops the others.
 */
#ifndef STAGE_THREADS_H
#define STAGE_THREADS_H

#include "stage_graph.h"

/** The work of one stage; `err` is its own. */
typedef int stage_work(struct stage_graph *g, struct build_stage *s, struct rn_error *err);

/** Runs every needed stage of the graph to its end. The error is that of the stage that failed first. */
int stages_run(struct stage_graph *g, stage_work *work, struct rn_error *err);
/** Called by the work of a stage: returns when `s` is done, running it here when nobody has begun it. */
int stages_need(struct stage_graph *g, struct build_stage *s, stage_work *work, struct rn_error *err);

#endif
