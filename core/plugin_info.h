/* SPDX-License-Identifier: Apache-2.0 */
/* What plugin.c, the probe and the worker share: descriptors as JSON and rows of the ABI's tables. */
#ifndef CORE_PLUGIN_INFO_H
#define CORE_PLUGIN_INFO_H

#include "plugin.h"

/** From plugin_info_json's form. NULL when something essential is missing. */
struct plugin_info *plugin_info_from_json(const cJSON *j);
void plugin_info_free(struct plugin_info *p);
/** The same form from a loaded descriptor (as accepted). The caller deletes. */
cJSON *plugin_descriptor_json(const struct runner_plugin *p, const char *path);

/** Row `i` of a loaded descriptor's table, missing members zeroed; false behind the last. */
bool plugin_param_row(const struct runner_plugin *p, size_t i, struct runner_param *ret);
bool plugin_output_row(const struct runner_plugin *p, size_t i, struct runner_output *ret);

#endif
