/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline file with the plugins that it uses, checked: where every command that takes a file begins. */
#ifndef CORE_LOADED_H
#define CORE_LOADED_H

#include "pipeline.h"
#include "plugin.h"

struct loaded {
	struct diags diags; /* everything wrong with the file */
	struct pipeline *pipeline; /* NULL: there is nothing to model */
	struct plugin_set plugins;
};

/**
 * Reads, models and checks `path` (see pipeline_load and pipeline_check for `sets` and `flags`). What is wrong with the
 * file or its plugins is in ret->diags; -1 only when no plugin can be probed at all. The caller clears in any case.
 */
int loaded_read(struct loaded *ret, const char *path, const struct rn_strv *sets, const struct rn_strv *plugin_path,
		unsigned flags, struct rn_error *err);
void loaded_clear(struct loaded *l);
/** Prints errors and warnings to stderr and returns the exit code that they mean; 0 when the file is fine. */
int loaded_print(struct loaded *l, const char *path);

#endif
