/* SPDX-License-Identifier: Apache-2.0 */
/* What the runner itself writes below a build context must not get into the image: it differs from run to run. */
#ifndef OWN_FILES_H
#define OWN_FILES_H

#include "build.h"

/** Adds .runner/ of this run and the layout and archive that this stage writes to b->ignore, where they lie below b->context. */
int own_files_ignore(struct build *b, struct rn_error *err);

#endif
