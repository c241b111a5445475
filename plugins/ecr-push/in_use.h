/* SPDX-License-Identifier: Apache-2.0 */
/* Which images the Lambda functions of the region start from. */
#ifndef ECR_PUSH_IN_USE_H
#define ECR_PUSH_IN_USE_H

#include "stage/stage.h"

/**
 * For each digest of `digests` (array) that a version of any function uses, a member in the new object *ret: digest -> "FUNCTION:VERSION".
 * Aliases point to versions, so they are covered. *ret_denied: the caller may not look; then *ret is NULL and 0 is returned.
 * Digests are compared, not repositories: rather one image too many stays.
 */
int images_in_use(struct aws_session *session, const cJSON *digests, cJSON **ret, bool *ret_denied, struct rn_error *err);

#endif
