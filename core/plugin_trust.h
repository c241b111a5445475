/* SPDX-License-Identifier: Apache-2.0 */
/* Who can write a plugin, or what is remembered of one: files and folders that other users can write are refused. */
#ifndef CORE_PLUGIN_TRUST_H
#define CORE_PLUGIN_TRUST_H

#include "base/error.h"

/**
 * A regular file and its folder belong to root, this user or the owner of this program, and only owners can write them
 * and the folders above (a sticky one above is fine; whose those are does not matter, since a container's work folder often
 * is another user's). A link counts as what it points to and as where it lies. 0, or -1: RN_EIO it cannot be looked at,
 * RN_EUNSUPPORTED it is no regular file, RN_EAUTH with the cure.
 */
int plugin_check_file(const char *path, struct rn_error *err);
/** The same for a folder. */
int plugin_check_folder(const char *path, struct rn_error *err);

#endif
