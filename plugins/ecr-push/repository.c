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
	rn_json_freep(&r->lifecycle);
	rn_json_freep(&r->policy);
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

unsigned repository_documents(const struct stage *s, const struct ecr_params *p)
{
	bool lifecycle = p->lifecycle.text && s->host->is_known(s->rs, "lifecycle");
	return (lifecycle ? REPOSITORY_LIFECYCLE : 0u) | (p->lambda_pull ? REPOSITORY_POLICY : 0u);
}

/* A document of the repository that ECR hands out as text. */
struct document {
	struct aws_client *ecr;
	const char *name;
	const char *operation, *member, *none; /* `none`: the code when there is none */
	cJSON **ret;
};

static int read_document(void *arg, struct rn_error *err)
{
	const struct document *d = arg;
	struct aws_error aerr = { 0 };
	RN_AUTO(rn_json_freep) cJSON *in = named(d->name), *answer = NULL;
	if (aws_json(d->ecr, d->operation, in, &answer, &aerr, err) < 0) {
		if (!aws_error_is(&aerr, d->none))
			return -1;
		rn_error_clear(err);
		return 0;
	}
	const char *text = rn_json_str(answer, d->member);
	*d->ret = text ? rn_json_parse_str(text, err) : NULL;
	return *d->ret ? 0 : rn_wrap(err, "ECR %s", d->operation);
}

struct tagged {
	struct aws_client *ecr;
	const char *arn;
	cJSON *tags;
};

static int read_tags(void *arg, struct rn_error *err)
{
	struct tagged *t = arg;
	RN_AUTO(rn_json_freep) cJSON *in = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddStringToObject(in, "resourceArn", t->arn);
	if (aws_json(t->ecr, "ListTagsForResource", in, &answer, NULL, err) < 0)
		return -1;
	t->tags = stage_tags_object(rn_json_get(answer, "tags"));
	return 0;
}

static int read_details(struct aws_client *ecr, unsigned documents, struct repository *r, struct rn_error *err)
{
	struct tagged tagged = { .ecr = ecr, .arn = r->arn };
	struct document lifecycle = { ecr, r->name, "GetLifecyclePolicy", "lifecyclePolicyText", "LifecyclePolicyNotFoundException", &r->lifecycle };
	struct document policy = { ecr, r->name, "GetRepositoryPolicy", "policyText", "RepositoryPolicyNotFoundException", &r->policy };
	struct stage_task tasks[3] = { { read_tags, &tagged } };
	size_t n = 1;
	if (documents & REPOSITORY_LIFECYCLE)
		tasks[n++] = (struct stage_task){ read_document, &lifecycle };
	if (documents & REPOSITORY_POLICY)
		tasks[n++] = (struct stage_task){ read_document, &policy };
	int rc = stage_parallel(tasks, n, err);
	r->tags = tagged.tags;
	return rc;
}

int repository_read(struct aws_client *ecr, const char *name, unsigned documents, struct repository *ret, struct rn_error *err)
{
	struct aws_error aerr = { 0 };
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddItemToArray(cJSON_AddArrayToObject(input, "repositoryNames"), cJSON_CreateString(name));
	repository_clear(ret);
	ret->name = name;
	if (aws_json(ecr, "DescribeRepositories", input, &answer, &aerr, err) < 0) {
		if (!aws_error_is(&aerr, "RepositoryNotFoundException"))
			return -1;
		rn_error_clear(err);
		return 0;
	}
	const cJSON *found = cJSON_GetArrayItem(rn_json_get(answer, "repositories"), 0);
	if (!rn_json_str(found, "repositoryArn") || !rn_json_str(found, "repositoryUri"))
		return rn_fail(err, RN_EREMOTE, "ECR DescribeRepositories: the answer has no repository \"%s\"", name);
	take_description(ret, found);
	return read_details(ecr, documents, ret, err);
}

/* ---- creating ---------------------------------------------------------------- */

/* The exclusions as ECR takes them: [{filterType, filter}]; NULL: none. */
static cJSON *exclusion_filters(const struct ecr_params *p)
{
	if (!p->tag_mutability_exclusions.n)
		return NULL;
	cJSON *out = cJSON_CreateArray();
	for (size_t i = 0; i < p->tag_mutability_exclusions.n; i++) {
		cJSON *f = cJSON_CreateObject();
		cJSON_AddStringToObject(f, "filterType", "WILDCARD");
		cJSON_AddStringToObject(f, "filter", p->tag_mutability_exclusions.v[i]);
		cJSON_AddItemToArray(out, f);
	}
	return out;
}

static void add_mutability(cJSON *in, const struct ecr_params *p)
{
	cJSON *filters = exclusion_filters(p);
	cJSON_AddStringToObject(in, "imageTagMutability", p->tag_mutability);
	if (filters)
		cJSON_AddItemToObject(in, "imageTagMutabilityExclusionFilters", filters);
}

/* `*` stands for any characters; there is nothing else special. */
static bool matches(const char *pattern, const char *text)
{
	for (; *pattern && *pattern != '*'; pattern++, text++)
		if (*pattern != *text)
			return false;
	if (!*pattern)
		return !*text;
	do
		if (matches(pattern + 1, text))
			return true;
	while (*text++);
	return false;
}

bool repository_tag_moves(const struct repository *r, const char *tag)
{
	const char *mode = rn_json_str(r->described, "imageTagMutability");
	bool moves = !mode || rn_starts(mode, "MUTABLE");
	const cJSON *f;
	cJSON_ArrayForEach(f, rn_json_get(r->described, "imageTagMutabilityExclusionFilters"))
		if (mode && rn_ends(mode, "_WITH_EXCLUSION") && rn_json_str(f, "filter") && matches(rn_json_str(f, "filter"), tag))
			return !moves;
	return moves;
}

static cJSON *create_input(const struct stage *s, const struct ecr_params *p, const cJSON *tags)
{
	cJSON *in = named(p->repository);
	cJSON_AddItemToObject(in, "tags", stage_tags_list(tags, "Key", "Value"));
	cJSON_AddBoolToObject(cJSON_AddObjectToObject(in, "imageScanningConfiguration"), "scanOnPush", p->scan_on_push);
	if (s->host->is_set(s->rs, "tag_mutability"))
		add_mutability(in, p);
	if (p->encryption) {
		cJSON *e = cJSON_AddObjectToObject(in, "encryptionConfiguration");
		cJSON_AddStringToObject(e, "encryptionType", p->encryption);
		if (p->kms_key)
			cJSON_AddStringToObject(e, "kmsKey", p->kms_key);
	}
	return in;
}

/* Does a template make repositories of this name when an image is pushed to them? */
static bool is_template(const cJSON *template, const char *name)
{
	const char *prefix = rn_json_str(template, "prefix");
	size_t n = prefix ? strlen(prefix) : 0;
	bool slash = n && prefix[n - 1] == '/';
	bool covers = rn_streq(prefix, "ROOT") || (n && rn_starts(name, prefix) && (slash || name[n] == '/'));
	const cJSON *a;
	cJSON_ArrayForEach(a, rn_json_get(template, "appliedFor"))
		if (covers && cJSON_IsString(a) && rn_streq(a->valuestring, "CREATE_ON_PUSH"))
			return true;
	return false;
}

/* The prefix of the template that applies, new string; NULL: none, or it cannot be seen. */
static char *find_template(struct aws_client *ecr, const char *name)
{
	static const struct aws_pages pages = { .list = "repositoryCreationTemplates", .out_token = "nextToken" };
	RN_AUTO(rn_json_freep) cJSON *all = NULL;
	if (aws_json_pages(ecr, "DescribeRepositoryCreationTemplates", NULL, &pages, &all, NULL, NULL) < 0)
		return NULL;
	const cJSON *t, *best = NULL;
	cJSON_ArrayForEach(t, all) {
		if (!is_template(t, name))
			continue;
		const char *have = rn_json_str(best, "prefix"), *prefix = rn_json_str(t, "prefix");
		if (!have || rn_streq(have, "ROOT") || (!rn_streq(prefix, "ROOT") && strlen(prefix) > strlen(have)))
			best = t;
	}
	return rn_strdup(rn_json_str(best, "prefix"));
}

static int leave_to_ecr(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, struct repository *r, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *prefix = find_template(ecr, p->repository);
	r->on_push = prefix != NULL;
	if (prefix) {
		stage_info(s, "ECR makes repository %s on push, by its template %s", p->repository, prefix);
		return 0;
	}
	stage_blame(s, "repository");
	rn_fail(err, RN_ENOTFOUND, "ECR has no repository \"%s\" in %s", p->repository, aws_client_region(ecr));
	return rn_hint(err, "leave out \"create: false\", create it first, or give ECR a repository creation template for its name "
			    "that is applied for CREATE_ON_PUSH");
}

/* *ret_made stays false for one that exists after all and was made by somebody else. */
static int create(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, struct repository *r, bool *ret_made,
		  struct rn_error *err)
{
	*ret_made = p->create && s->mode == STAGE_PLAN;
	if (!p->create)
		return leave_to_ecr(s, ecr, p, r, err);
	if (s->mode == STAGE_PLAN)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *tags = stage_tags(s, &p->resource_tags, err), *in = NULL, *answer = NULL;
	if (!tags || stage_may_write(s, "CreateRepository", err) < 0)
		return -1;
	struct aws_error aerr = { 0 };
	in = create_input(s, p, tags);
	if (aws_json(ecr, "CreateRepository", in, &answer, &aerr, err) < 0) {
		/* a try whose answer was lost, or another run: look what is there now */
		if (!aws_error_is(&aerr, "RepositoryAlreadyExistsException"))
			return -1;
		rn_error_clear(err);
		if (repository_read(ecr, p->repository, repository_documents(s, p), r, err) < 0)
			return -1;
		*ret_made = aerr.attempts > 1 && r->arn && stage_owns(s, r->tags);
		return r->arn ? 0 : rn_fail(err, RN_EREMOTE, "ECR says that repository \"%s\" exists, but does not describe it", p->repository);
	}
	const cJSON *made = rn_json_get(answer, "repository");
	if (!rn_json_str(made, "repositoryArn") || !rn_json_str(made, "repositoryUri"))
		return rn_fail(err, RN_EREMOTE, "ecr CreateRepository: the answer has no repository");
	take_description(r, made);
	r->tags = rn_take(&tags);
	*ret_made = true;
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

/* The filters in an order of ours, for comparing and for people; NULL: none. */
static char *filters_text(const cJSON *filters)
{
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	const cJSON *f;
	cJSON_ArrayForEach(f, filters)
		if (rn_json_str(f, "filter"))
			rn_strv_add(&all, rn_json_str(f, "filter"));
	rn_strv_sort(&all);
	return all.n ? rn_strv_join(&all, ", ") : NULL;
}

static int converge_mutability(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
			       const struct repository *r, struct stage_diff *d, struct rn_error *err)
{
	if (!s->host->is_set(s->rs, "tag_mutability"))
		return 0;
	RN_AUTO(rn_json_freep) cJSON *want = exclusion_filters(p);
	RN_AUTO(rn_freep) char *before = filters_text(rn_json_get(r->described, "imageTagMutabilityExclusionFilters"));
	RN_AUTO(rn_freep) char *after = filters_text(want);
	bool differs = stage_diff_str(d, "tag_mutability", rn_json_str(r->described, "imageTagMutability"), p->tag_mutability);
	differs |= stage_diff_str(d, "tag_mutability_exclusions", before, after);
	if (!differs)
		return 0;
	cJSON *in = named(p->repository);
	add_mutability(in, p);
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

/* `in` is consumed. A policy that is gone already (a try whose answer was lost) is what is wanted. */
static int delete_lifecycle(struct stage *s, struct aws_client *ecr, cJSON *in, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *input = in;
	struct aws_error aerr = { 0 };
	if (s->mode == STAGE_PLAN)
		return 0;
	if (stage_may_write(s, "DeleteLifecyclePolicy", err) < 0)
		return -1;
	if (aws_json(ecr, "DeleteLifecyclePolicy", input, NULL, &aerr, err) == 0)
		return 0;
	if (!aws_error_is(&aerr, "LifecyclePolicyNotFoundException"))
		return -1;
	rn_error_clear(err);
	return 0;
}

static int converge_lifecycle(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
			      const struct repository *r, struct stage_diff *d, struct rn_error *err)
{
	if (!p->lifecycle.text || !s->host->is_known(s->rs, "lifecycle"))
		return 0;
	stage_blame(s, "lifecycle");
	RN_AUTO(rn_json_freep) cJSON *want = lifecycle_document(p->lifecycle.text, err);
	if (!want)
		return -1;
	if (!cJSON_GetArraySize(rn_json_get(want, "rules")))
		rn_json_freep(&want);
	if (!stage_diff_json(d, "lifecycle", r->lifecycle, want)) {
		s->param = NULL;
		return 0;
	}
	RN_AUTO(rn_freep) char *text = want ? rn_json_print(want) : NULL;
	cJSON *in = named(p->repository);
	if (want)
		cJSON_AddStringToObject(in, "lifecyclePolicyText", text);
	int rc = want ? write_setting(s, ecr, "PutLifecyclePolicy", in, err) : delete_lifecycle(s, ecr, in, err);
	if (rc == 0)
		s->param = NULL;
	return rc;
}

static int converge_lambda_pull(struct stage *s, struct aws_client *ecr, const struct ecr_params *p,
				const struct repository *r, struct stage_diff *d, struct rn_error *err)
{
	if (!p->lambda_pull || (s->mode == STAGE_PLAN && !r->arn))
		return 0;
	RN_AUTO(rn_json_freep) cJSON *statement = lambda_pull_statement(r->arn);
	if (policy_has_statement(r->policy, statement))
		return 0;
	stage_diff_note(d, "policy: Lambda functions of this account may pull");
	RN_AUTO(rn_json_freep) cJSON *want = policy_with_statement(r->policy, statement);
	RN_AUTO(rn_freep) char *text = rn_json_print(want);
	cJSON *in = named(p->repository);
	cJSON_AddStringToObject(in, "policyText", text);
	return write_setting(s, ecr, "SetRepositoryPolicy", in, err);
}

int repository_converge(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, struct repository *r,
			struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 }, at_birth = { 0 };
	bool made = false, adopted = false;
	if (!r->arn && create(s, ecr, p, r, &made, err) < 0)
		return -1;
	if (r->on_push && !r->arn)
		return 0;
	if (made) {
		if (converge_lifecycle(s, ecr, p, r, &at_birth, err) < 0 || converge_lambda_pull(s, ecr, p, r, &at_birth, err) < 0)
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
