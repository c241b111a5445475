/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD: from the build context, stages, images, heredocs, URLs and archives into a layer. */
#ifndef COPY_H
#define COPY_H

#include "step.h"

int step_copy(struct step *s);

/** The files of a stage or of an image: run and loaded by execute.c. Name as in --from. NULL on error; the caller frees. */
struct file_source *step_source(struct step *s, const struct df_flag *from);

#endif
