/* SPDX-License-Identifier: Apache-2.0 */
/* Folders outside of the cache in which images were unpacked, since the cache's file system takes no overlay: chosen, remembered, found again. */
#ifndef ROOTFS_PLACES_H
#define ROOTFS_PLACES_H

#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

/** A folder (made when missing) of this user alone, as the one above it is (/tmp is everybody's), on another file system than `not`. */
bool rootfs_place_usable(const char *dir, dev_t not);
/** Notes in the cache that images are unpacked in `dir`. No harm when it cannot. */
void rootfs_place_remember(const char *cache, const char *dir);
/** CACHE/rootfs, and every folder that was noted, is there and this user's alone; absolute. */
void rootfs_places(const char *cache, struct rn_strv *ret);
/** Forgets those of them that are gone. */
void rootfs_places_forget(const char *cache);

#endif
