/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of a repository: the statement that lets Lambda pull, and lifecycle policies. Pure. */
#ifndef ECR_PUSH_POLICY_H
#define ECR_PUSH_POLICY_H

#include "base/json.h"

/**
 * Statement that lets Lambda functions in the repository's account and region pull
 * ("Using container images with Lambda": BatchGetImage, GetDownloadUrlForLayer). New object.
 */
cJSON *lambda_pull_statement(const char *repository_arn);
/** True when the policy (may be NULL) has a statement that grants the same, whatever its Sid and order of actions. */
bool policy_has_statement(const cJSON *policy, const cJSON *statement);
/** The policy with the statement added (one with its Sid is replaced). New object. */
cJSON *policy_with_statement(const cJSON *policy, const cJSON *statement);
/** A lifecycle policy from the parameter: {rules: [...]}, or the list of rules alone (an empty one: no policy is wanted). NULL with RN_EINVAL. */
cJSON *lifecycle_document(const char *text, struct rn_error *err);

#endif
