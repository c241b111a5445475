/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking ahead: while a COPY is compressed, the layers below it become folders, so that the RUN that
 * follows does not wait for them. Changes nothing but when work is done; what fails here is said by the RUN.
 */
#ifndef ROOTFS_AHEAD_H
#define ROOTFS_AHEAD_H

#include "step.h"

/** True when a RUN stands behind the step in its stage. */
bool rootfs_leads_to_run(const struct step *s);
/** Begins for the state before the step, once a stage, when a RUN follows in it. Call when the step is certain to run. */
void rootfs_ahead(const struct step *s);
/** Waits for all that was begun. What build_clear calls, before rootfs_free. */
void rootfs_ahead_end(struct build *b);

#endif
