/* SPDX-License-Identifier: Apache-2.0 */
/* The permissions that the plugins of a pipeline declare, put together as one policy document. Knows no service. */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "loaded.h"

/**
 * {"Version": "2012-10-17", "Statement": [{"Sid", "Effect", "Action", "Resource"}]}: for each stage one statement a
 * set of actions with the same resources, each action once. `only` (may be NULL or empty): stage ids. Stages whose plugin
 * declares nothing are added to *ret_silent. What keeps `lease:` says its own. NULL with `err` when it does not. The caller
 * deletes.
 */
cJSON *policy_of(const struct loaded *l, const struct rn_strv *only, struct rn_strv *ret_silent, struct rn_error *err);

#endif
