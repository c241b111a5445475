/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probe said of a plugin, kept between runs in the user's cache, so that an unchanged plugin
 * need not be loaded to be described. It is trusted like the plugin itself: a file of another user, and a file
 * or folder that others can write, is no memory. Whatever is wrong with it, the plugin is asked again.
 */
#ifndef CORE_PLUGIN_MEMORY_H
#define CORE_PLUGIN_MEMORY_H

#include "plugin.h"

/**
 * What tells one state of a plugin's file, and of this program that probes it, from any other: version, ABI, and of both files
 * device, inode, size and the times of the last change. New string, or NULL when one cannot be looked at.
 */
char *plugin_stamp(const char *path);
/** What is remembered of the plugin `name` at `path` in that state, its digest too if that was asked for. The caller frees; NULL: nothing that can be used. */
struct plugin_info *plugin_recall(const char *name, const char *path, const char *stamp);
/** Remembers it, unless its file is another one by now or changed a moment ago, or nothing can be written. */
void plugin_remember(const struct plugin_info *p);

#endif
