/* SPDX-License-Identifier: Apache-2.0 */
/* The function that decides who may call: as the parameter `authorizer` describes it, and as a document does. Pure: no calls. */
#ifndef APIGW_AUTHORIZER_H
#define APIGW_AUTHORIZER_H

#include "content.h"

/** Name of the authorizer that the stage makes: an API's authorizers have no tags. */
#define AUTHORIZER_NAME "runner"

/**
 * *ret: the body of CreateAuthorizer but its authorizerUri; NULL when the parameter is not given. *ret_function: who
 * decides. Both new. RN_EINVAL also when routes want one that is not given, or none wants the one given.
 */
int authorizer_parse(const struct apigw_params *p, const struct routes *r, cJSON **ret, char **ret_function, struct rn_error *err);

/** Lets the methods of the content with authorization CUSTOM name the authorizer. */
void authorizer_use(cJSON *content, const char *id);

/** Operations from one authorizer to the other, and a line for each into `d` through `tell` (field, have, want: true when both differ). */
void authorizer_patch(cJSON *ops, const cJSON *have, const cJSON *want, bool (*tell)(void *ctx, const char *field, const char *have, const char *want),
		      void *ctx);

/** The function's ARN in an authorizer's URI; NULL: none. New string. */
char *authorizer_function(const cJSON *authorizer);

#endif
