/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probe said of a plugin, kept between runs in the user's cache, so that an unchanged plugin
 * need not be loaded to be described. It is trusted like the plugin itself: a file or folder that other
 * users can write is no memory. Whatever is wrong with it, the plugin is asked again.
 */
#ifndef CORE_PLUGIN_MEMORY_H
#define CORE_PLUGIN_MEMORY_H

#include "plugin.h"

/**
 * What tells one state of a plugin's file, and of the program at `runner` that probes it, from any other: version, ABI,
 * and of both files device, inode, size and the times of the last change. New string, or NULL when one cannot be looked at.
 */
char *plugin_stamp(const char *path, const char *runner);
/** What is remembered of the plugin `name` at `path` in that state, its digest too. The caller frees; NULL: nothing that can be used. */
struct plugin_info *plugin_recall(const char *name, const char *path, const char *stamp);
/** Remembers what the probe said of a file that had this stamp before and after. A file that changed a moment ago is not remembered, nor what cannot be written. */
void plugin_remember(struct plugin_info *p, const char *stamp);

#endif
