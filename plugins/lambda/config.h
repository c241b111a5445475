/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration of a function as documents: what the pipeline wants, what
 * Lambda has, and what differs. Pure: no calls, no clock.
 */
#ifndef LAMBDA_CONFIG_H
#define LAMBDA_CONFIG_H

#include "params.h"
#include "stage/stage.h"

/** Checks members, types, ranges and what contradicts itself; *ret_param names the one at fault. */
int config_check(const struct lambda_params *p, const char **ret_param, struct rn_error *err);

/** What the pipeline wants, as the members of UpdateFunctionConfiguration. NULL values (not known yet in plan) are left out. New object. */
cJSON *config_want(const struct lambda_params *p);
/** What Lambda has, from a FunctionConfiguration, in the same form: each member is there, defaults filled in. New object. */
cJSON *config_have(const cJSON *configuration);
/** Members of `want` that differ from `have`, as a request body; a line for each into `d`. New object, empty when equal. */
cJSON *config_difference(const cJSON *have, const cJSON *want, struct stage_diff *d);

/** "sha256:…" of the image that runs, from GetFunction's answer; NULL when it is not told. Borrowed. */
const char *config_digest(const cJSON *function);
/** True when a published version has the code and the settings of the function's $LATEST. */
bool config_same_version(const cJSON *latest, const cJSON *version);
/** "x86_64" for amd64 and x86_64, "arm64" for arm64 and aarch64. */
const char *config_architecture(const char *name);

#endif
