/* SPDX-License-Identifier: Apache-2.0 */
/* An ECR repository as it should be against as it is. Writes only what differs; knows nothing of images. */
#ifndef ECR_PUSH_REPOSITORY_H
#define ECR_PUSH_REPOSITORY_H

#include "stage/stage.h"

struct ecr_params {
	const char *repository;
	const char *tag;
	struct runner_list tags;
	const char *layout;
	bool create;
	bool scan_on_push;
	const char *tag_mutability;
	struct runner_list tag_mutability_exclusions;
	struct runner_json lifecycle;
	const char *encryption;
	const char *kms_key;
	bool lambda_pull;
	struct runner_map resource_tags;
	struct runner_list mount_from;
	int64_t keep;
	bool force_delete;
	const char *region;
};

/** A repository as ECR describes it. */
struct repository {
	const char *name; /* borrowed from the parameters                              */
	char *arn;        /* NULL: does not exist (in plan: would be created)          */
	char *uri;
	cJSON *described; /* as DescribeRepositories answers                           */
	cJSON *tags;      /* object; NULL when it does not exist                       */
	cJSON *lifecycle; /* as far as asked for; NULL: none                           */
	cJSON *policy;    /* the same                                                  */
	bool on_push;     /* ECR makes it by a template when the first image is pushed */
};
void repository_clear(struct repository *r);

/** Documents that repository_read fetches as well. */
enum repository_documents {
	REPOSITORY_LIFECYCLE = 1 << 0,
	REPOSITORY_POLICY = 1 << 1,
};
/** Those that the parameters are compared with. */
unsigned repository_documents(const struct stage *s, const struct ecr_params *p);
/** Reads it, with the documents asked for side by side; `ret->arn` stays NULL when there is none. */
int repository_read(struct aws_client *ecr, const char *name, unsigned documents, struct repository *ret, struct rn_error *err);
/**
 * Brings it to what the parameters say: creates (when allowed), compares, writes; reports the change. In plan it only reports.
 * One that ECR makes on push is left to it (`r->on_push`, and still no `r->arn`): read and converge again after the push.
 */
int repository_converge(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, struct repository *r,
			struct rn_error *err);
/** Removes the images that `tags` name, and the repository when this stage made it and nothing of others is left in it. */
int repository_destroy(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, const struct rn_strv *tags,
		       struct rn_error *err);

/** May a tag of this repository move, by its mutability and the exclusions from it? */
bool repository_tag_moves(const struct repository *r, const char *tag);

#endif
