/* SPDX-License-Identifier: Apache-2.0 */
/* Images of a repository: put, get, list, describe, delete. */
#include "ecr.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

#define WHERE "in the repository with name '%s' in registry with id '" CLOUD_ACCOUNT "'"

/* {imageDigest?, imageTag?}. New. */
static cJSON *image_id(const char *digest, const char *tag)
{
	cJSON *id = cJSON_CreateObject();
	if (digest)
		cJSON_AddStringToObject(id, "imageDigest", digest);
	if (tag)
		cJSON_AddStringToObject(id, "imageTag", tag);
	return id;
}

static void answer_put(struct request *req, struct response *res, enum images_put_status status,
		       const char *name, const char *tag, const char *digest,
		       const struct rn_error *err)
{
	switch (status) {
	case IMAGES_PUT_OK:
		break;
	case IMAGES_PUT_SAME:
		answer_error(req, res, 400, "ImageAlreadyExistsException",
			     "Image with digest '%s' and tag '%s' already exists " WHERE, digest,
			     tag ? tag : "null", name);
		break;
	case IMAGES_PUT_INVALID:
		ecr_invalid(req, res, "ImageManifest", err->msg);
		break;
	case IMAGES_PUT_DIGEST_MISMATCH:
		answer_error(req, res, 400, "ImageDigestDoesNotMatchException", "%s", err->msg);
		break;
	case IMAGES_PUT_BLOB_UNKNOWN:
		answer_error(req, res, 400, "LayersNotFoundException",
			     "Layers with digests '[%s]' required for pushing image into "
			     "repository with name '%s' in the registry "
			     "with id '" CLOUD_ACCOUNT "' do not exist",
			     err->msg, name);
		break;
	case IMAGES_PUT_CHILD_UNKNOWN:
		answer_error(req, res, 400, "ReferencedImagesNotFoundException",
			     "Images with digests '[%s]' required for pushing image into "
			     "repository with name '%s' in the registry "
			     "with id '" CLOUD_ACCOUNT "' do not exist",
			     err->msg, name);
		break;
	case IMAGES_PUT_IMMUTABLE:
		answer_error(req, res, 400, "ImageTagAlreadyExistsException",
			     "The image tag '%s' already exists in the '%s' repository and cannot "
			     "be overwritten because the tag is "
			     "immutable.",
			     tag, name);
		break;
	}
}

void ecr_put_image(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	const char *manifest = repository ? ecr_string(req, res, "imageManifest") : NULL;
	if (!manifest)
		return;
	const char *name = rn_json_str(repository, "repositoryName"),
		   *tag = rn_json_str(req->json, "imageTag");
	const char *digest = rn_json_str(req->json, "imageDigest");
	if ((tag && !images_is_tag(tag)) || (digest && !images_is_digest(digest))) {
		ecr_invalid(req, res, tag ? "imageTag" : "imageDigest", "is not valid");
		return;
	}
	const struct images_put put = { .region = req->region,
					.repository = name,
					.tag = tag,
					.digest = digest,
					.media_type = rn_json_str(req->json,
								  "imageManifestMediaType"),
					.body = manifest,
					.n = strlen(manifest) };
	char stored[IMAGES_DIGEST_MAX] = "";
	struct rn_error err = { 0 };
	enum images_put_status status = images_put_manifest(req->cloud, &put, stored, NULL, &err);
	answer_put(req, res, status, name, tag, stored, &err);
	struct image_manifest m;
	if (status != IMAGES_PUT_OK ||
	    images_manifest(req->cloud, req->region, name, stored, &m, NULL) < 0)
		return;
	cJSON *out = cJSON_CreateObject(), *image = cJSON_AddObjectToObject(out, "image");
	cJSON_AddStringToObject(image, "registryId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(image, "repositoryName", name);
	cJSON_AddItemToObject(image, "imageId", image_id(stored, tag));
	cJSON_AddStringToObject(image, "imageManifest", manifest);
	cJSON_AddStringToObject(image, "imageManifestMediaType", m.media_type);
	image_manifest_clear(&m);
	response_json(req, res, 200, out);
}

static void add_failure(cJSON *failures, const cJSON *id, const char *code, const char *reason)
{
	cJSON *failure = cJSON_CreateObject();
	cJSON_AddItemToObject(failure, "imageId", cJSON_Duplicate(id, true));
	cJSON_AddStringToObject(failure, "failureCode", code);
	cJSON_AddStringToObject(failure, "failureReason", reason);
	cJSON_AddItemToArray(failures, failure);
}

/* Finds the image of {imageDigest?, imageTag?}: both must agree. NULL or why not. */
static const char *find_image(struct request *req, const char *name, const cJSON *id,
			      struct image_manifest *ret, const char **ret_code)
{
	const char *digest = rn_json_str(id, "imageDigest"), *tag = rn_json_str(id, "imageTag");
	*ret_code = "MissingDigestAndTag";
	if (!digest && !tag)
		return "Invalid request parameters: both tag and digest cannot be null";
	*ret_code = "InvalidImageDigest";
	if (digest && !images_is_digest(digest))
		return "Invalid request parameters: image digest should satisfy the regex "
		       "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'";
	*ret_code = "ImageNotFound";
	if (images_manifest(req->cloud, req->region, name, tag ? tag : digest, ret, NULL) < 0)
		return "Requested image not found";
	if (digest && strcmp(digest, ret->digest) != 0) {
		image_manifest_clear(ret);
		*ret_code = "ImageTagDoesNotMatchDigest";
		return "The tag does not name the image with that digest";
	}
	return NULL;
}

void ecr_batch_get(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	const cJSON *ids = rn_json_get(req->json, "imageIds");
	if (!cJSON_IsArray(ids) || !ids->child || cJSON_GetArraySize(ids) > 100) {
		ecr_invalid(req, res, "imageIds", "must have 1 to 100 members");
		return;
	}
	const char *name = rn_json_str(repository, "repositoryName"), *code = NULL;
	cJSON *out = cJSON_CreateObject(), *images = cJSON_AddArrayToObject(out, "images");
	cJSON *failures = cJSON_AddArrayToObject(out, "failures");
	for (const cJSON *id = ids->child; id; id = id->next) {
		struct image_manifest m;
		const char *why = find_image(req, name, id, &m, &code);
		if (why) {
			add_failure(failures, id, code, why);
			continue;
		}
		cJSON *image = cJSON_CreateObject();
		cJSON_AddStringToObject(image, "registryId", CLOUD_ACCOUNT);
		cJSON_AddStringToObject(image, "repositoryName", name);
		cJSON_AddItemToObject(image, "imageId",
				      image_id(m.digest, rn_json_str(id, "imageTag")));
		cJSON_AddStringToObject(image, "imageManifest", rn_buf_str(&m.body));
		cJSON_AddStringToObject(image, "imageManifestMediaType", m.media_type);
		cJSON_AddItemToArray(images, image);
		image_manifest_clear(&m);
	}
	response_json(req, res, 200, out);
}

/* Takes a tag away, or the image when it was named by digest or has no other tag. */
static void delete_one(struct request *req, const char *name, const struct image_manifest *m,
		       const cJSON *id, cJSON *deleted, cJSON *failures)
{
	const char *tag = rn_json_str(id, "imageTag");
	RN_AUTO(rn_json_freep) cJSON *all = images_list(req->cloud, req->region, name);
	cJSON *image = all->child;
	while (image && !rn_streq(rn_json_str(image, "imageDigest"), m->digest))
		image = image->next;
	const cJSON *tags = rn_json_get(image, "imageTags");
	bool only_tag = tag && cJSON_GetArraySize(tags) > 1;
	if (!only_tag && images_is_referenced(req->cloud, req->region, name, m->digest)) {
		add_failure(failures, id, "ImageReferencedByManifestList",
			    "Requested image referenced by manifest list: delete the list first");
		return;
	}
	if (only_tag) {
		images_remove_tag(req->cloud, req->region, name, tag);
		cJSON_AddItemToArray(deleted, image_id(m->digest, tag));
		return;
	}
	images_remove_manifest(req->cloud, req->region, name, m->digest);
	for (const cJSON *t = tags ? tags->child : NULL; t; t = t->next)
		cJSON_AddItemToArray(deleted, image_id(m->digest, t->valuestring));
	if (!tags || !tags->child)
		cJSON_AddItemToArray(deleted, image_id(m->digest, NULL));
}

void ecr_batch_delete(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	const cJSON *ids = rn_json_get(req->json, "imageIds");
	if (!cJSON_IsArray(ids) || !ids->child || cJSON_GetArraySize(ids) > 100) {
		ecr_invalid(req, res, "imageIds", "must have 1 to 100 members");
		return;
	}
	const char *name = rn_json_str(repository, "repositoryName"), *code = NULL;
	cJSON *out = cJSON_CreateObject(), *deleted = cJSON_AddArrayToObject(out, "imageIds");
	cJSON *failures = cJSON_AddArrayToObject(out, "failures");
	for (const cJSON *id = ids->child; id; id = id->next) {
		struct image_manifest m;
		const char *why = find_image(req, name, id, &m, &code);
		if (why) {
			add_failure(failures, id, code, why);
			continue;
		}
		delete_one(req, name, &m, id, deleted, failures);
		image_manifest_clear(&m);
	}
	response_json(req, res, 200, out);
}

/* Does the image pass filter.tagStatus? */
static bool passes(const cJSON *input, const cJSON *image)
{
	const char *status = rn_json_str(rn_json_get(input, "filter"), "tagStatus");
	bool tagged = cJSON_GetArraySize(rn_json_get(image, "imageTags")) > 0;
	return !status || !strcmp(status, "ANY") || tagged == !strcmp(status, "TAGGED");
}

void ecr_list_images(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	RN_AUTO(rn_json_freep) cJSON *all = images_list(req->cloud, req->region,
				 rn_json_str(repository, "repositoryName"));
	cJSON *ids = cJSON_CreateArray();
	for (const cJSON *image = all->child; image; image = image->next) {
		const cJSON *tags = rn_json_get(image, "imageTags");
		if (!passes(req->json, image))
			continue;
		for (const cJSON *tag = tags->child; tag; tag = tag->next)
			cJSON_AddItemToArray(
				ids, image_id(rn_json_str(image, "imageDigest"), tag->valuestring));
		if (!tags->child)
			cJSON_AddItemToArray(ids,
					     image_id(rn_json_str(image, "imageDigest"), NULL));
	}
	ecr_answer_page(req, res, "imageIds", ids, NULL);
}

/* imageDetails' member of an images_list item. New. */
static cJSON *detail(const char *name, const cJSON *image)
{
	cJSON *out = cJSON_CreateObject();
	const cJSON *tags = rn_json_get(image, "imageTags");
	cJSON_AddStringToObject(out, "registryId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(out, "repositoryName", name);
	cJSON_AddStringToObject(out, "imageDigest", rn_json_str(image, "imageDigest"));
	if (tags->child)
		cJSON_AddItemToObject(out, "imageTags", cJSON_Duplicate(tags, true));
	cJSON_AddNumberToObject(out, "imageSizeInBytes", rn_json_num(image, "imageSize", 0));
	cJSON_AddNumberToObject(out, "imagePushedAt", rn_json_num(image, "pushed", 0));
	cJSON_AddStringToObject(out, "imageManifestMediaType", rn_json_str(image, "mediaType"));
	if (rn_json_str(image, "artifactType"))
		cJSON_AddStringToObject(out, "artifactMediaType",
					rn_json_str(image, "artifactType"));
	if (rn_json_str(image, "subject"))
		cJSON_AddStringToObject(out, "subjectManifestDigest",
					rn_json_str(image, "subject"));
	return out;
}

static void answer_no_image(struct request *req, struct response *res, const char *name,
			    const cJSON *id)
{
	const char *digest = rn_json_str(id, "imageDigest"), *tag = rn_json_str(id, "imageTag");
	answer_error(req, res, 400, "ImageNotFoundException",
		     "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist "
		     "within the repository with name '%s' in "
		     "the registry with id '" CLOUD_ACCOUNT "'",
		     digest ? digest : "null", tag ? tag : "null", name);
}

void ecr_describe_images(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	const char *name = rn_json_str(repository, "repositoryName"), *code = NULL;
	const cJSON *ids = rn_json_get(req->json, "imageIds");
	RN_AUTO(rn_json_freep) cJSON *all = images_list(req->cloud, req->region, name);
	RN_AUTO(rn_json_freep) cJSON *out = cJSON_CreateArray();
	for (const cJSON *image = ids ? NULL : all->child; image; image = image->next)
		if (passes(req->json, image))
			cJSON_AddItemToArray(out, detail(name, image));
	for (const cJSON *id = ids ? ids->child : NULL; id; id = id->next) {
		struct image_manifest m;
		if (find_image(req, name, id, &m, &code)) {
			answer_no_image(req, res, name, id);
			return;
		}
		for (const cJSON *image = all->child; image; image = image->next)
			if (rn_streq(rn_json_str(image, "imageDigest"), m.digest))
				cJSON_AddItemToArray(out, detail(name, image));
		image_manifest_clear(&m);
	}
	ecr_answer_page(req, res, "imageDetails", rn_take(&out), NULL);
}

/* No scanner runs here, so no image has findings; AWS says it so too. */
void ecr_scan_findings(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	const char *name = rn_json_str(repository, "repositoryName"), *code = NULL;
	const cJSON *id = rn_json_get(req->json, "imageId");
	struct image_manifest m;
	if (find_image(req, name, id, &m, &code)) {
		answer_no_image(req, res, name, id);
		return;
	}
	answer_error(req, res, 400, "ScanNotFoundException",
		     "Image scan does not exist for the image with '{imageDigest:'%s', "
		     "imageTag:'%s'}' " WHERE,
		     m.digest, rn_json_str(id, "imageTag") ? rn_json_str(id, "imageTag") : "null",
		     name);
	image_manifest_clear(&m);
}
