/* SPDX-License-Identifier: Apache-2.0 */
/* What decides whether a finished stage must run again, and the words for the difference. Secret values have no part in it. */
#ifndef CORE_RESUME_H
#define CORE_RESUME_H

#include "plugin.h"
#include "redact.h"

#include "base/json.h"

/**
 * The key of a call: digest of the plugin, of each parameter and of each variable of the stage's own
 * environment, with a short text of the value for messages. What is secret or holds a secret is left out.
 * NULL when the plugin's file cannot be read.
 */
cJSON *resume_key(struct plugin_info *plugin, const cJSON *params, const cJSON *env, const struct redact *redact,
		  struct rn_error *err);
/** New text of what is different ("parameter `tag` changed: \"a\" -> \"b\""), or NULL when nothing is. */
char *resume_difference(const cJSON *before, const cJSON *now);

#endif
