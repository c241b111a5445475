/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what the stage made: images by their tags, and a repository of ours when nothing of others is in it. */
#include "repository.h"

#include <string.h>

#define DELETE_BATCH 100 /* BatchDeleteImage takes that many */

static int list_images(struct aws_client *ecr, const char *name, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject();
	cJSON_AddStringToObject(in, "repositoryName", name);
	const struct aws_pages pages = { .list = "imageIds", .out_token = "nextToken" };
	return aws_json_pages(ecr, "ListImages", in, &pages, ret, NULL, err);
}

static int delete_repository(struct stage *s, struct aws_client *ecr, const char *name, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject();
	cJSON_AddStringToObject(in, "repositoryName", name);
	cJSON_AddBoolToObject(in, "force", 1);
	if (stage_may_write(s, "DeleteRepository", err) < 0)
		return -1;
	if (aws_json(ecr, "DeleteRepository", in, NULL, &aerr, err) < 0 && !aws_error_is(&aerr, "RepositoryNotFoundException"))
		return -1;
	stage_change(s, RUNNER_DELETED, "with its images", "ECR repository %s", name);
	return 0;
}

/* Sends one batch of image ids; takes `ids`. */
static int delete_batch(struct aws_client *ecr, const char *name, cJSON *ids, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddStringToObject(in, "repositoryName", name);
	cJSON_AddItemToObject(in, "imageIds", ids);
	if (aws_json(ecr, "BatchDeleteImage", in, &answer, NULL, err) < 0)
		return -1;
	const cJSON *f;
	cJSON_ArrayForEach(f, rn_json_get(answer, "failures")) {
		const char *code = rn_json_str(f, "failureCode");
		if (!rn_streq(code, "ImageNotFound"))
			return rn_fail(err, RN_EREMOTE, "ecr BatchDeleteImage: %s: %s", code ? code : "failed",
				       rn_json_str(f, "failureReason") ? rn_json_str(f, "failureReason") : "no reason given");
	}
	return 0;
}

static int delete_tags(struct stage *s, struct aws_client *ecr, const char *name, const cJSON *images,
		       const struct rn_strv *tags, struct rn_error *err)
{
	const cJSON *i;
	cJSON *ids = cJSON_CreateArray();
	cJSON_ArrayForEach(i, images) {
		const char *tag = rn_json_str(i, "imageTag");
		if (!tag || !rn_strv_has(tags, tag) || cJSON_GetArraySize(ids) >= DELETE_BATCH)
			continue;
		cJSON *id = cJSON_CreateObject();
		cJSON_AddStringToObject(id, "imageTag", tag);
		cJSON_AddItemToArray(ids, id);
	}
	RN_AUTO(rn_json_freep) cJSON *named = cJSON_Duplicate(ids, 1);
	if (!ids->child || stage_may_write(s, "BatchDeleteImage", err) < 0) {
		bool none = !ids->child;
		cJSON_Delete(ids);
		return none ? 0 : -1;
	}
	if (delete_batch(ecr, name, ids, err) < 0)
		return -1;
	cJSON_ArrayForEach(i, named)
		stage_change(s, RUNNER_DELETED, NULL, "image %s:%s", name, rn_json_str(i, "imageTag"));
	return 0;
}

/* Tags in the repository that the pipeline does not name, "a, b"; NULL when there are none. New string. */
static char *foreign_tags(const cJSON *images, const struct rn_strv *ours)
{
	RN_AUTO(rn_strv_clear) struct rn_strv found = { 0 };
	const cJSON *i;
	cJSON_ArrayForEach(i, images) {
		const char *tag = rn_json_str(i, "imageTag");
		if (tag && !rn_strv_has(ours, tag) && found.n < 10)
			rn_strv_add(&found, tag);
	}
	return found.n ? rn_strv_join(&found, ", ") : NULL;
}

int repository_destroy(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, const struct rn_strv *tags,
		       struct rn_error *err)
{
	RN_AUTO(repository_clear) struct repository r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *images = NULL;
	if (repository_read(ecr, p->repository, 0, &r, err) < 0)
		return -1;
	if (!r.arn) {
		stage_info(s, "repository %s does not exist", p->repository);
		return 0;
	}
	if (list_images(ecr, p->repository, &images, err) < 0)
		return -1;
	bool ours = stage_owns(s, r.tags);
	RN_AUTO(rn_freep) char *foreign = ours && !p->force_delete ? foreign_tags(images, tags) : NULL;
	if (ours && !foreign)
		return delete_repository(s, ecr, p->repository, err);
	if (delete_tags(s, ecr, p->repository, images, tags, err) < 0)
		return -1;
	if (foreign)
		stage_warn(s, "repository %s is kept: it also holds %s, which this pipeline does not name; \"force_delete: true\" removes it all the same",
			   p->repository, foreign);
	else
		stage_info(s, "repository %s is kept: this stage did not make it", p->repository);
	return 0;
}
