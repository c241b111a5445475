/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUN. The one instruction that executes what an image holds, and so needs the
 * sandbox; everything else in this plugin works without any privilege.
 */
#ifndef RUN_H
#define RUN_H

#include "step.h"

int step_run(struct step *s);

#endif
