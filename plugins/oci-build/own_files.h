/* SPDX-License-Identifier: Apache-2.0 */
/* What of a context is no part of it: what .dockerignore says, and what the runner itself writes there, since it differs from run to run. */
#ifndef OWN_FILES_H
#define OWN_FILES_H

#include "build.h"

/**
 * What to leave out of the context `folder` (the build context or a named one): the patterns of `file` (NULL: the folder's own .dockerignore,
 * if there is one), .runner/ of this run, and the layout and archive that this stage writes. The caller clears `ret`, also after a failure.
 */
int context_ignore(struct build *b, const char *folder, const char *file, struct ignore_list *ret, struct rn_error *err);

#endif
