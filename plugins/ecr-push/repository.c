/* SPDX-License-Identifier: Apache-2.0 */
#include "repository.h"

#include "policy.h"

#include <string.h>

void repository_clear(struct repository *r)
{
	rn_freep(&r->arn);
	rn_freep(&r->uri);
	rn_json_freep(&r->described);
	rn_json_freep(&r->tags);
}

/* {"repositoryName": name} */
static cJSON *named(const char *name)
{
	cJSON *j = cJSON_CreateObject();
	cJSON_AddStringToObject(j, "repositoryName", name);
	return j;
}

static void take_description(struct repository *r, const cJSON *described)
{
	rn_json_freep(&r->described);
	rn_freep(&r->arn);
	rn_freep(&r->uri);
	r->described = cJSON_Duplicate(described, 1);
	r->arn = rn_strdup(rn_json_str(described, "repositoryArn"));
	r->uri = rn_strdup(rn_json_str(described, "repositoryUri"));
}

int repository_read(struct aws_client *ecr, const char *name, struct repository *ret, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddItemToArray(cJSON_AddArrayToObject(input, "repositoryNames"), cJSON_CreateString(name));
	ret->name = name;
	if (aws_json(ecr, "DescribeRepositories", input, &answer, &aerr, err) < 0)
		return aws_error_is(&aerr, "RepositoryNotFoundException") ? 0 : -1;
	const cJSON *found = cJSON_GetArrayItem(rn_json_get(answer, "repositories"), 0);
	if (!rn_json_str(found, "repositoryArn") || !rn_json_str(found, "repositoryUri"))
		return rn_fail(err, RN_EREMOTE, "ecr DescribeRepositories: the answer has no repository \"%s\"", name);
	RN_AUTO(rn_json_freep) cJSON *ask = cJSON_CreateObject(), *tagged = NULL;
	cJSON_AddStringToObject(ask, "resourceArn", rn_json_str(found, "repositoryArn"));
	if (aws_json(ecr, "ListTagsForResource", ask, &tagged, NULL, err) < 0)
		return -1;
	take_description(ret, found);
	rn_json_freep(&ret->tags);
	ret->tags = stage_tags_object(rn_json_get(tagged, "tags"));
	return 0;
}

/* ---- creating ---------------------------------------------------------------- */

static cJSON *create_input(const struct stage *s, const struct ecr_params *p, const cJSON *tags)
{
	cJSON *in = named(p->repository);
	cJSON_AddItemToObject(in, "tags", stage_tags_list(tags, "Key", "Value"));
	cJSON_AddBoolToObject(cJSON_AddObjectToObject(in, "imageScanningConfiguration"), "scanOnPush", p->scan_on_push);
	if (s->host->is_set(s->rs, "tag_mutability"))
		cJSON_AddStringToObject(in, "imageTagMutability", p->tag_mutability);
	if (p->encryption) {
		cJSON *e = cJSON_AddObjectToObject(in, "encryptionConfiguration");
		cJSON_AddStringToObject(e, "encryptionType", p->encryption);
		if (p->kms_key)
			cJSON_AddStringToObject(e, "kmsKey", p->kms_key);
	}
	return in;
}

static int create(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, struct repository *r,
		  struct rn_error *err)
{
	if (!p->create) {
		stage_blame(s, "repository");
		rn_fail(err, RN_ENOTFOUND, "ECR has no repository \"%s\" in %s", p->repository, aws_client_region(ecr));
		return rn_hint(err, "leave out \"create: false\", or create it first");
	}
	if (s->mode == STAGE_PLAN)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *tags = stage_tags(s, &p->resource_tags, err), *in = NULL, *answer = NULL;
	if (!tags || stage_may_write(s, "CreateRepository", err) < 0)
		return -1;
	struct aws_error aerr = { 0 };
	in = create_input(s, p, tags);
	if (aws_json(ecr, "CreateRepository", in, &answer, &aerr, err) < 0) {
		/* a try whose answer was lost, or another run: look what is there now */
		return aws_error_is(&aerr, "RepositoryAlreadyExistsException") ? repository_read(ecr, p->repository, r, err) : -1;
	}
	const cJSON *made = rn_json_get(answer, "repository");
	if (!rn_json_str(made, "repositoryArn") || !rn_json_str(made, "repositoryUri"))
		return rn_fail(err, RN_EREMOTE, "ecr CreateRepository: the answer has no repository");
	take_description(r, made);
	r->tags = rn_take(&tags);
	return 0;
}

/* ---- settings of one that exists ------------------------------------------------ */

/* One write with an input that names the repository; `in` is consumed. */
static int write_setting(struct stage *s, struct aws_client *ecr, const char *operation, cJSON *in, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *input = in;
	if (s->mode == STAGE_PLAN)
		return 0;
	if (stage_may_write(s, operation, err) < 0)
		return -1;
	return aws_json(ecr, operation, input, NULL, NULL, err);
}

static int converge_scanning(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
			     const struct repository *r, struct stage_diff *d, struct rn_error *err)
{
	bool have = cJSON_IsTrue(rn_json_path(r->described, "imageScanningConfiguration.scanOnPush"));
	if (!s->host->is_set(s->rs, "scan_on_push") || !stage_diff_bool(d, "scan_on_push", have, p->scan_on_push))
		return 0;
	cJSON *in = named(p->repository);
	cJSON_AddBoolToObject(cJSON_AddObjectToObject(in, "imageScanningConfiguration"), "scanOnPush", p->scan_on_push);
	return write_setting(s, ecr, "PutImageScanningConfiguration", in, err);
}

static int converge_mutability(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
			       const struct repository *r, struct stage_diff *d, struct rn_error *err)
{
	const char *have = rn_json_str(r->described, "imageTagMutability");
	if (!s->host->is_set(s->rs, "tag_mutability") || !stage_diff_str(d, "tag_mutability", have, p->tag_mutability))
		return 0;
	cJSON *in = named(p->repository);
	cJSON_AddStringToObject(in, "imageTagMutability", p->tag_mutability);
	return write_setting(s, ecr, "PutImageTagMutability", in, err);
}

static int converge_tags(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
			 const struct repository *r, bool adopted, struct stage_diff *d, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *want = stage_tags(s, &p->resource_tags, err);
	if (!want)
		return -1;
	if (adopted) { /* not ours to destroy, so not ours to mark */
		cJSON_DeleteItemFromObject(want, STAGE_TAG_PIPELINE);
		cJSON_DeleteItemFromObject(want, STAGE_TAG_STAGE);
	}
	RN_AUTO(rn_json_freep) cJSON *missing = stage_tags_missing(want, r->tags);
	if (!missing->child)
		return 0;
	const cJSON *t;
	cJSON_ArrayForEach(t, missing)
		stage_diff_str(d, t->string, rn_json_str(r->tags, t->string), t->valuestring);
	cJSON *in = cJSON_CreateObject();
	cJSON_AddStringToObject(in, "resourceArn", r->arn);
	cJSON_AddItemToObject(in, "tags", stage_tags_list(missing, "Key", "Value"));
	return write_setting(s, ecr, "TagResource", in, err);
}

/* ECR cannot change it later, so a difference is an error and not drift to repair. */
static int check_encryption(struct stage *s, const struct ecr_params *p, const struct repository *r, struct rn_error *err)
{
	const cJSON *have = rn_json_get(r->described, "encryptionConfiguration");
	const char *type = rn_json_str(have, "encryptionType");
	const char *key = rn_json_str(have, "kmsKey");
	bool same = !p->encryption || rn_streq(p->encryption, type ? type : "AES256");
	if (same && (!p->kms_key || !key || rn_streq(p->kms_key, key) || rn_ends(key, p->kms_key)))
		return 0;
	stage_blame(s, same ? "kms_key" : "encryption");
	rn_fail(err, RN_EINVAL, "repository \"%s\" is encrypted by %s %s, which ECR cannot change", p->repository,
		type ? type : "AES256", key ? key : "");
	return rn_hint(err, "use another repository name, or leave `encryption` and `kms_key` out");
}

/* The document under `member` that `operation` answers, parsed; *ret NULL when ECR says `none`. */
static int read_document(struct aws_client *ecr, const char *operation, const char *name, const char *member,
			 const char *none, cJSON **ret, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	RN_AUTO(rn_json_freep) cJSON *in = named(name), *answer = NULL;
	*ret = NULL;
	if (aws_json(ecr, operation, in, &answer, &aerr, err) < 0)
		return aws_error_is(&aerr, none) ? 0 : -1;
	const char *text = rn_json_str(answer, member);
	*ret = text ? rn_json_parse_str(text, err) : NULL;
	return *ret ? 0 : rn_wrap(err, "ecr %s", operation);
}

static int converge_lifecycle(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
			      const struct repository *r, struct stage_diff *d, struct rn_error *err)
{
	if (!p->lifecycle.text || !s->host->is_known(s->rs, "lifecycle"))
		return 0;
	stage_blame(s, "lifecycle");
	RN_AUTO(rn_json_freep) cJSON *want = lifecycle_document(p->lifecycle.text, err), *have = NULL;
	if (!want)
		return -1;
	if (r->arn && read_document(ecr, "GetLifecyclePolicy", p->repository, "lifecyclePolicyText",
				    "LifecyclePolicyNotFoundException", &have, err) < 0)
		return -1;
	if (!stage_diff_json(d, "lifecycle", have, want)) {
		s->param = NULL;
		return 0;
	}
	RN_AUTO(rn_freep) char *text = rn_json_print(want);
	cJSON *in = named(p->repository);
	cJSON_AddStringToObject(in, "lifecyclePolicyText", text);
	int rc = write_setting(s, ecr, "PutLifecyclePolicy", in, err);
	if (rc == 0)
		s->param = NULL;
	return rc;
}

static int converge_lambda_pull(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
				const struct repository *r, struct stage_diff *d, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *have = NULL;
	if (!p->lambda_pull || (s->mode == STAGE_PLAN && !r->arn))
		return 0;
	if (read_document(ecr, "GetRepositoryPolicy", p->repository, "policyText", "RepositoryPolicyNotFoundException",
			  &have, err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *statement = lambda_pull_statement(r->arn);
	if (policy_has_statement(have, statement))
		return 0;
	stage_diff_note(d, "policy: Lambda functions of this account may pull");
	RN_AUTO(rn_json_freep) cJSON *want = policy_with_statement(have, statement);
	RN_AUTO(rn_freep) char *text = rn_json_print(want);
	cJSON *in = named(p->repository);
	cJSON_AddStringToObject(in, "policyText", text);
	return write_setting(s, ecr, "SetRepositoryPolicy", in, err);
}

int repository_converge(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, struct repository *r,
			struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 }, at_birth = { 0 };
	bool fresh = !r->arn, adopted = false;
	if (fresh) {
		if (create(s, ecr, p, r, err) < 0 || converge_lifecycle(s, ecr, p, r, &at_birth, err) < 0 ||
		    converge_lambda_pull(s, ecr, p, r, &at_birth, err) < 0)
			return -1;
		stage_change(s, RUNNER_CREATED, NULL, "ECR repository %s", p->repository);
		return 0;
	}
	if (stage_claim(s, p->repository, r->tags, &adopted, err) < 0)
		return stage_blame(s, "repository");
	if (check_encryption(s, p, r, err) < 0 || converge_scanning(s, ecr, p, r, &d, err) < 0 ||
	    converge_mutability(s, ecr, p, r, &d, err) < 0 || converge_tags(s, ecr, p, r, adopted, &d, err) < 0 ||
	    converge_lifecycle(s, ecr, p, r, &d, err) < 0 || converge_lambda_pull(s, ecr, p, r, &d, err) < 0)
		return -1;
	stage_change_diff(s, &d, "ECR repository %s", p->repository);
	return 0;
}
