/* SPDX-License-Identifier: Apache-2.0 */
/* The image by digest: Lambda pins a tag when it is deployed, so a tag is looked up first. */
#include "function.h"

#include <string.h>

/* "123456789012.dkr.ecr.eu-west-1.amazonaws.com" -> the region; new string, NULL for another host. */
static char *region_of(const char *host)
{
	const char *mark = strstr(host, ".dkr.ecr.");
	if (!mark)
		return NULL;
	const char *begin = mark + strlen(".dkr.ecr.");
	const char *end = strchr(begin, '.');
	return end ? rn_strndup(begin, (size_t)(end - begin)) : NULL;
}

static int check_region(const struct function *f, const char *host, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *region = region_of(host);
	const char *own = aws_client_region(f->client);
	if (!region || rn_streq(region, own))
		return 0;
	stage_blame(f->s, "image");
	rn_fail(err, RN_EINVAL, "the image lies in %s, the function in %s", region, own);
	return rn_hint(err, "Lambda takes images from its own region only: push to a repository in %s", own);
}

/* Account part of the registry's host; new string, NULL for another host. */
static char *account_of(const char *host)
{
	size_t digits = strspn(host, "0123456789");
	return digits == 12 && rn_starts(host + digits, ".dkr.ecr.") ? rn_strndup(host, digits) : NULL;
}

static int look_up(struct function *f, const char *host, const char *repository, const char *tag, struct rn_error *err)
{
	RN_AUTO(aws_client_freep) struct aws_client *ecr = aws_client_new(f->session, "ecr", err);
	if (!ecr)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *input = cJSON_CreateObject(), *answer = NULL;
	RN_AUTO(rn_freep) char *account = account_of(host);
	if (account)
		cJSON_AddStringToObject(input, "registryId", account);
	cJSON_AddStringToObject(input, "repositoryName", repository);
	cJSON *id = cJSON_CreateObject();
	cJSON_AddStringToObject(id, "imageTag", tag);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(input, "imageIds"), id);
	struct aws_error aerr = { 0 };
	if (aws_json(ecr, "DescribeImages", input, &answer, &aerr, err) < 0) {
		stage_blame(f->s, "image");
		if (aws_error_is(&aerr, "ImageNotFoundException") || aws_error_is(&aerr, "RepositoryNotFoundException"))
			rn_hint(err, "push the image first; an ecr-push stage gives it as ${{ stages.ID.image }}");
		return -1;
	}
	const char *digest = rn_json_str(rn_json_path(answer, "imageDetails.0"), "imageDigest");
	if (!digest)
		return rn_fail(err, RN_EREMOTE, "ECR does not tell the digest of %s/%s:%s", host, repository, tag);
	f->image = rn_asprintf("%s/%s@%s", host, repository, digest);
	return 0;
}

int function_resolve_image(struct function *f, struct rn_error *err)
{
	const char *image = f->p->image;
	if (!image || !*image)
		return 0; /* plan: the push has not happened yet */
	const char *slash = strchr(image, '/');
	if (!slash) {
		stage_blame(f->s, "image");
		rn_fail(err, RN_EINVAL, "the image \"%s\" names no registry", image);
		return rn_hint(err, "Lambda takes images from ECR: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@DIGEST");
	}
	RN_AUTO(rn_freep) char *host = rn_strndup(image, (size_t)(slash - image));
	if (check_region(f, host, err) < 0)
		return -1;
	const char *at = strchr(slash, '@'), *colon = strchr(slash, ':');
	if (at) { /* REPOSITORY:TAG@DIGEST: the digest counts */
		const char *end = colon && colon < at ? colon : at;
		f->image = rn_asprintf("%.*s%s", (int)(end - image), image, at);
		return 0;
	}
	RN_AUTO(rn_freep) char *repository = rn_strndup(slash + 1, colon ? (size_t)(colon - slash - 1) : strlen(slash + 1));
	return look_up(f, host, repository, colon ? colon + 1 : "latest", err);
}
