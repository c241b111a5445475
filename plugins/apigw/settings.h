/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of a stage that hold for all its methods or for one: throttle, log,
 * metrics. What is wanted, what is there, and the patch between. Pure: no calls.
 */
#ifndef APIGW_SETTINGS_H
#define APIGW_SETTINGS_H

#include "content.h"
#include "stage/stage.h"

/** Checks throttle and access_log; *ret_param names the one at fault. */
int settings_check(const struct apigw_params *p, const char **ret_param, struct rn_error *err);

/**
 * {"* *": {…}, "/predict POST": {…}} with the members of API Gateway's MethodSetting. "* *" is left
 * out when nothing is wanted for all methods. New object.
 */
cJSON *settings_want(const struct routes *r, const struct apigw_params *p);
/** The same keys from a stage's methodSettings, whichever way their paths are escaped. New object. */
cJSON *settings_have(const cJSON *stage);

/**
 * True when only the account's own limits can tell whether the throttle that is there for all
 * methods was set by somebody: API Gateway fills them in when none is.
 */
bool settings_need_account(const cJSON *have, const cJSON *want);
/** Operations from `have` to `want`, and a line for each into `d`. `account`: its limits; rate 0: not asked. */
void settings_patch(cJSON *ops, const cJSON *have, const cJSON *want, const struct throttle *account, struct stage_diff *d);

/** {"destinationArn", "format"} that access_log wants; NULL when it is not given. New object. */
cJSON *settings_access_log(const struct apigw_params *p, const struct content_place *at);
/** Operations for it. */
void settings_patch_access_log(cJSON *ops, const cJSON *have, const cJSON *want, struct stage_diff *d);

#endif
