/* SPDX-License-Identifier: Apache-2.0 */
/* The ecr-push stage: a repository, its settings, and an image in it under its tags. */
#include "policy.h"
#include "push.h"
#include "retention.h"

#include "oci/reference.h"

#include <string.h>

static const struct runner_param params[] = {
	RUNNER_PARAM(struct ecr_params, repository, .flags = RUNNER_REQUIRED, .help = "Name of the ECR repository.",
		     .example = "team/app"),
	RUNNER_PARAM(struct ecr_params, tag, .help = "Tag of the image. Functions are deployed by digest; tags are for people.",
		     .example = "latest"),
	RUNNER_PARAM(struct ecr_params, tags, .help = "More tags.", .example = "[v1, v1.2]"),
	RUNNER_PARAM_PATH(struct ecr_params, layout, .flags = RUNNER_REQUIRED,
			  .help = "OCI image layout to push, as oci-build makes it.", .example = "${{ stages.image.layout }}"),
	RUNNER_PARAM(struct ecr_params, create, .def = "true",
		     .help = "Create the repository when it does not exist. `false`: it must exist, or ECR must have a repository creation template "
			     "that makes it on push."),
	RUNNER_PARAM(struct ecr_params, mount_from,
		     .help = "Repositories of the same registry whose layers are mounted instead of sent, where ECR allows it.",
		     .example = "[team/base]"),
	RUNNER_PARAM(struct ecr_params, scan_on_push, .help = "Scan images when they are pushed; left as it is when not given."),
	RUNNER_PARAM(struct ecr_params, tag_mutability, .one_of = "MUTABLE|IMMUTABLE|MUTABLE_WITH_EXCLUSION|IMMUTABLE_WITH_EXCLUSION",
		     .help = "Whether a tag may move to another image; left as it is when not given."),
	RUNNER_PARAM(struct ecr_params, tag_mutability_exclusions,
		     .help = "Tags of which the opposite holds, with `tag_mutability: …_WITH_EXCLUSION`; * stands for any characters.",
		     .example = "[latest, 'dev-*']"),
	RUNNER_PARAM(struct ecr_params, lifecycle,
		     .help = "Lifecycle policy: a list of rules, or {rules: [...]}; [] removes it. Left as it is when not given.",
		     .example = "[{rulePriority: 1, selection: {tagStatus: untagged, countType: imageCountMoreThan, countNumber: 10}, action: {type: expire}}]"),
	RUNNER_PARAM(struct ecr_params, encryption, .one_of = "AES256|KMS|KMS_DSSE", .help = "Encryption of a new repository. ECR cannot change it later."),
	RUNNER_PARAM(struct ecr_params, kms_key, .help = "KMS key of a new repository with `encryption: KMS`."),
	RUNNER_PARAM(struct ecr_params, lambda_pull, .def = "true",
		     .help = "Let Lambda functions of the same account and region pull: one statement in the repository's policy."),
	RUNNER_PARAM(struct ecr_params, resource_tags, .help = "Tags of the repository as an AWS resource.", .example = "{team: data}"),
	RUNNER_PARAM(struct ecr_params, keep,
		     .help = "Keep the newest images of the repository, this many, and remove older ones with their tags; in a repository that "
			     "this stage made. Never removed: the image of this run, and any that a version or alias of a Lambda function in the "
			     "region uses.",
		     .example = "10"),
	RUNNER_PARAM(struct ecr_params, force_delete,
		     .help = "On `destroy`, remove the repository also when it holds images that this pipeline does not name."),
	RUNNER_PARAM(struct ecr_params, region, .help = "Region; AWS_REGION or the profile's when not given.", .example = "eu-central-1"),
	{ 0 },
};

static const struct runner_output outputs[] = {
	{ .name = "image", .help = "The image by digest: URI@sha256:..., to deploy." },
	{ .name = "uri", .help = "URI of the repository." },
	{ .name = "digest", .help = "Digest of the image's manifest." },
	{ 0 },
};

#define ON_REPOSITORY(action) "ecr:" action " arn:*:ecr:*:*:repository/${repository}\n"

static const char permissions[] =
	ON_REPOSITORY("DescribeRepositories") ON_REPOSITORY("CreateRepository") ON_REPOSITORY("DeleteRepository")
	ON_REPOSITORY("ListTagsForResource") ON_REPOSITORY("TagResource") ON_REPOSITORY("PutImageScanningConfiguration")
	ON_REPOSITORY("PutImageTagMutability") ON_REPOSITORY("GetLifecyclePolicy") ON_REPOSITORY("PutLifecyclePolicy")
	ON_REPOSITORY("DeleteLifecyclePolicy") ON_REPOSITORY("GetRepositoryPolicy") ON_REPOSITORY("SetRepositoryPolicy")
	ON_REPOSITORY("BatchCheckLayerAvailability") ON_REPOSITORY("InitiateLayerUpload") ON_REPOSITORY("UploadLayerPart")
	ON_REPOSITORY("CompleteLayerUpload") ON_REPOSITORY("PutImage") ON_REPOSITORY("BatchGetImage")
	ON_REPOSITORY("ListImages") ON_REPOSITORY("DescribeImages") ON_REPOSITORY("BatchDeleteImage")
	/* these know no single resource */
	"ecr:GetAuthorizationToken\necr:DescribeRepositoryCreationTemplates\nlambda:ListFunctions\nlambda:GetFunction";

static int check_exclusions(struct stage *s, const struct ecr_params *p, struct rn_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._*-";
	bool with = p->tag_mutability && rn_ends(p->tag_mutability, "_WITH_EXCLUSION");
	bool known = s->host->is_known(s->rs, "tag_mutability_exclusions") && s->host->is_known(s->rs, "tag_mutability");
	if (known && with != (p->tag_mutability_exclusions.n > 0)) {
		stage_blame(s, with ? "tag_mutability" : "tag_mutability_exclusions");
		return rn_fail(err, RN_EINVAL, "`tag_mutability: …_WITH_EXCLUSION` and `tag_mutability_exclusions` go together");
	}
	for (size_t i = 0; known && i < p->tag_mutability_exclusions.n; i++) {
		const char *v = p->tag_mutability_exclusions.v[i];
		if (*v && strlen(v) <= 128 && strspn(v, allowed) == strlen(v))
			continue;
		stage_blame(s, "tag_mutability_exclusions");
		return rn_fail(err, RN_EINVAL, "\"%s\" is not 1 to 128 letters, digits, '.', '_', '-' and '*'", v);
	}
	return 0;
}

static int check_mounts(struct stage *s, const struct ecr_params *p, struct rn_error *err)
{
	for (size_t i = 0; i < p->mount_from.n && s->host->is_known(s->rs, "mount_from"); i++) {
		if (reference_repository_valid(p->mount_from.v[i]))
			continue;
		stage_blame(s, "mount_from");
		return rn_fail(err, RN_EINVAL, "\"%s\" is not a repository name", p->mount_from.v[i]);
	}
	return 0;
}

static int check(struct runner_stage *rs, const struct runner_host *host, const void *params_)
{
	const struct ecr_params *p = params_;
	struct stage s;
	struct rn_error err = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv tags = { 0 };
	stage_init(&s, rs, host, STAGE_PLAN);
	if (host->is_known(rs, "repository") && !reference_repository_valid(p->repository)) {
		rn_fail(&err, RN_EINVAL, "\"%s\" is not a repository name", p->repository);
		rn_hint(&err, "lower-case letters, digits, '.', '_', '-' and '/', as in team/app");
		return stage_fail(&s, &err, "repository");
	}
	if (p->kms_key && !(p->encryption && rn_starts(p->encryption, "KMS"))) {
		rn_fail(&err, RN_EINVAL, "`kms_key` has no use without \"encryption: KMS\"");
		return stage_fail(&s, &err, "kms_key");
	}
	if (host->is_set(rs, "keep") && host->is_known(rs, "keep") && p->keep < 1) {
		rn_fail(&err, RN_EINVAL, "`keep` is a number of images, at least 1");
		return stage_fail(&s, &err, "keep");
	}
	if (p->lifecycle.text && host->is_known(rs, "lifecycle")) {
		RN_AUTO(rn_json_freep) cJSON *rules = lifecycle_document(p->lifecycle.text, &err);
		if (!rules)
			return stage_fail(&s, &err, "lifecycle");
	}
	if (check_exclusions(&s, p, &err) < 0 || check_mounts(&s, p, &err) < 0)
		return stage_fail(&s, &err, NULL);
	return push_tags(&s, p, &tags, &err) < 0 ? stage_fail(&s, &err, NULL) : 0;
}

static int set_outputs(struct stage *s, const struct repository *r, const struct push_image *image, struct rn_error *err)
{
	if (!r->uri)
		return 0;
	if (stage_output(s, "uri", r->uri, err) < 0)
		return -1;
	if (!image->layout)
		return 0;
	RN_AUTO(rn_freep) char *by_digest = rn_asprintf("%s@%s", r->uri, image->descriptor.digest.text);
	return stage_output(s, "image", by_digest, err) < 0 ? -1 : stage_output(s, "digest", image->descriptor.digest.text, err);
}

/* ECR made the repository when the image came: now it has settings to be looked at. */
static int settle_made_on_push(struct stage *s, struct aws_client *ecr, const struct ecr_params *p, struct repository *r,
			       struct rn_error *err)
{
	if (repository_read(ecr, p->repository, repository_documents(s, p), r, err) < 0)
		return -1;
	if (!r->arn)
		return rn_fail(err, RN_EREMOTE, "the push to repository \"%s\" went through, but ECR does not describe it", p->repository);
	return repository_converge(s, ecr, p, r, err);
}

static int converge(struct stage *s, struct aws_session *session, struct aws_client *ecr, const struct ecr_params *p, struct rn_error *err)
{
	RN_AUTO(repository_clear) struct repository r = { 0 };
	RN_AUTO(push_image_clear) struct push_image image = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv tags = { 0 };
	bool known = s->host->is_known(s->rs, "layout");
	if (push_tags(s, p, &tags, err) < 0)
		return -1;
	if (known && push_image_open(&image, p->layout, err) < 0)
		return stage_blame(s, "layout");
	if (repository_read(ecr, p->repository, repository_documents(s, p), &r, err) < 0 || repository_converge(s, ecr, p, &r, err) < 0)
		return -1;
	if (!known) {
		stage_info(s, "the image is not built yet; run builds and pushes it");
		return set_outputs(s, &r, &image, err);
	}
	if (push_converge(s, ecr, &r, &image, &tags, &p->mount_from, err) < 0)
		return -1;
	if (r.on_push && s->mode != STAGE_PLAN && settle_made_on_push(s, ecr, p, &r, err) < 0)
		return -1;
	if (retention_converge(s, session, ecr, p, &r, image.descriptor.digest.text, image.present, err) < 0)
		return -1;
	return set_outputs(s, &r, &image, err);
}

static int fail(const struct stage *s, const struct ecr_params *p, struct rn_error *err)
{
	stage_about(err, "repository", p->repository);
	return stage_fail(s, err, NULL);
}

static int with_ecr(struct runner_stage *rs, const struct runner_host *host, const struct ecr_params *p, enum stage_mode mode)
{
	struct stage s;
	struct rn_error err = { 0 };
	stage_init(&s, rs, host, mode);
	if (!host->is_known(rs, "repository")) {
		stage_info(&s, "repository depends on what another stage makes and is not known yet");
		return 0;
	}
	RN_AUTO(aws_session_freep) struct aws_session *session = stage_session(&s, p->region, &err);
	RN_AUTO(aws_client_freep) struct aws_client *ecr = session ? aws_client_new(session, "ecr", &err) : NULL;
	if (!ecr)
		return stage_fail(&s, &err, NULL);
	if (mode != STAGE_DESTROY)
		return converge(&s, session, ecr, p, &err) < 0 ? fail(&s, p, &err) : 0;
	RN_AUTO(rn_strv_clear) struct rn_strv tags = { 0 };
	if (push_tags(&s, p, &tags, &err) < 0 || repository_destroy(&s, ecr, p, &tags, &err) < 0)
		return fail(&s, p, &err);
	return 0;
}

static int run(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_ecr(rs, host, p, STAGE_RUN);
}

static int plan(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_ecr(rs, host, p, STAGE_PLAN);
}

static int destroy(struct runner_stage *rs, const struct runner_host *host, const void *p)
{
	return with_ecr(rs, host, p, STAGE_DESTROY);
}

RUNNER_PLUGIN(.name = "ecr-push", .version = RUNNER_VERSION, .summary = "Keeps an ECR repository and pushes an image to it",
	      .param_size = sizeof(struct ecr_params), .params = params, .outputs = outputs, .check = check, .run = run, .plan = plan,
	      .destroy = destroy, .permissions = permissions,
	      .help = "Reads the repository and the image's tags first, and sends only what is missing. A push that was cut off goes on "
		      "with the blobs that are not there yet. A repository that this stage did not make is used and never removed.");
