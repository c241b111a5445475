/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the newest images of a repository and removing older ones, but never one that a Lambda function
 * may still start from, by any of its versions. Knows nothing of pushing.
 */
#ifndef ECR_PUSH_RETENTION_H
#define ECR_PUSH_RETENTION_H

#include "repository.h"

/**
 * The images that go so that the newest `keep` stay. Pure. `details` is DescribeImages' list, `children` an object from the
 * digest of each index to the list of its children's digests. Children and what refers to another image (signatures) are not
 * counted. `pushed` is kept whatever its age; `coming`: it is not in the list yet, and takes a place all the same.
 * New array of digests, oldest first.
 */
cJSON *retention_choose(const cJSON *details, const cJSON *children, int64_t keep, const char *pushed, bool coming);
/**
 * What has no meaning without the images in `gone` (digests): children of indexes that no other index names, and artifacts
 * whose subject goes. Pure; new array of digests.
 */
cJSON *retention_followers(const cJSON *details, const cJSON *children, const cJSON *gone);

/**
 * Removes what exceeds `p->keep`, in plan only tells; nothing in a repository that this stage did not make, and nothing
 * when it cannot be seen which images Lambda uses. `pushed`: digest of this run's image, `present` whether ECR has it.
 */
int retention_converge(struct stage *s, struct aws_session *session, struct aws_client *ecr, const struct ecr_params *p,
		       const struct repository *r, const char *pushed, bool present, struct rn_error *err);

#endif
