/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a new plugin, as `runner plugins new` writes them. */
#ifndef CORE_SCAFFOLD_H
#define CORE_SCAFFOLD_H

#include "base/error.h"

/** Writes a plugin called `name` into the new folder `dir`. RN_EINVAL: no valid name; RN_EEXISTS: the folder has files in it. */
int scaffold_plugin(const char *name, const char *dir, struct rn_error *err);

#endif
