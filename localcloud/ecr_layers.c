/* SPDX-License-Identifier: Apache-2.0 */
/* Layers by the JSON API: are they there, where to read them, upload in parts. */
#include "ecr.h"
#include "ecr_token.h"
#include "store.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>

#define PART_SIZE 20971520

void ecr_check_layers(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	const char *name = rn_json_str(repository, "repositoryName");
	const cJSON *digests = rn_json_get(req->json, "layerDigests");
	if (!cJSON_IsArray(digests) || !digests->child || cJSON_GetArraySize(digests) > 100) {
		ecr_invalid(req, res, "layerDigests", "must have 1 to 100 members");
		return;
	}
	cJSON *out = cJSON_CreateObject(), *layers = cJSON_AddArrayToObject(out, "layers");
	cJSON *failures = cJSON_AddArrayToObject(out, "failures");
	for (const cJSON *d = digests->child; d; d = d->next) {
		uint64_t size = 0;
		cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "layerDigest",
					cJSON_IsString(d) ? d->valuestring : "");
		if (!cJSON_IsString(d) || !images_is_digest(d->valuestring)) {
			cJSON_AddStringToObject(one, "failureCode", "InvalidLayerDigest");
			cJSON_AddStringToObject(one, "failureReason", "Invalid layer digest");
			cJSON_AddItemToArray(failures, one);
			continue;
		}
		bool here = images_has_blob(req->cloud, req->region, name, d->valuestring, &size);
		cJSON_AddStringToObject(one, "layerAvailability",
					here ? "AVAILABLE" : "UNAVAILABLE");
		if (here) {
			cJSON_AddNumberToObject(one, "layerSize", (double)size);
			cJSON_AddStringToObject(
				one, "mediaType",
				"application/vnd.docker.image.rootfs.diff.tar.gzip");
		}
		cJSON_AddItemToArray(layers, one);
	}
	response_json(req, res, 200, out);
}

void ecr_download_url(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	const char *digest = repository ? ecr_string(req, res, "layerDigest") : NULL;
	if (!digest)
		return;
	double expires;
	const char *name = rn_json_str(repository, "repositoryName");
	if (!images_has_blob(req->cloud, req->region, name, digest, NULL)) {
		answer_error(req, res, 400, "LayersNotFoundException",
			     "The layer with digest '%s' does not exist in the repository with "
			     "name '%s' in the registry with id "
			     "'" CLOUD_ACCOUNT "'",
			     digest, name);
		return;
	}
	RN_AUTO(rn_freep) char *token = ecr_token_new(req->cloud, req->region, &expires);
	RN_AUTO(rn_freep) char *url =
		rn_asprintf("%s/v2/%s/blobs/%s?token=%s", req->cloud->endpoint, name, digest,
				token);
	cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "downloadUrl", url);
	cJSON_AddStringToObject(out, "layerDigest", digest);
	response_json(req, res, 200, out);
}

void ecr_initiate_upload(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	char id[37];
	struct rn_error err = { 0 };
	if (images_upload_start(req->cloud, req->region, rn_json_str(repository, "repositoryName"),
				id, &err) < 0) {
		answer_failure(req, res, &err);
		return;
	}
	cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "uploadId", id);
	cJSON_AddNumberToObject(out, "partSize", PART_SIZE);
	response_json(req, res, 200, out);
}

/* The upload that the request names; NULL: answered. */
static struct upload *open_upload(struct request *req, struct response *res, const char *name)
{
	struct rn_error err = { 0 };
	const char *id = ecr_string(req, res, "uploadId");
	struct upload *u = id ? images_upload_open(req->cloud, req->region, name, id, &err) : NULL;
	if (id && !u && (err.code == RN_ENOTFOUND || err.code == RN_EEXISTS))
		answer_error(req, res, 400, "UploadNotFoundException",
			     "The upload with id '%s' does not exist in the repository with name "
			     "'%s' in the registry with id "
			     "'" CLOUD_ACCOUNT "'",
			     id, name);
	else if (id && !u)
		answer_failure(req, res, &err);
	return u;
}

static void take_part(struct request *req, struct response *res, const char *name, struct upload *u)
{
	struct rn_error err = { 0 };
	RN_AUTO(rn_buf_clearp) struct rn_buf part = RN_BUF_INIT;
	const char *blob = rn_json_str(req->json, "layerPartBlob");
	int64_t first = rn_json_int(req->json, "partFirstByte", -1),
		last = rn_json_int(req->json, "partLastByte", -1);
	if (!blob || rn_base64_decode(blob, &part, NULL) < 0 || part.len == 0 ||
	    part.len > PART_SIZE) {
		ecr_invalid(req, res, "layerPartBlob", "must be 1 to 20971520 bytes in base64");
		return;
	}
	if (first != (int64_t)images_upload_size(u) || last - first + 1 != (int64_t)part.len) {
		int64_t have = (int64_t)images_upload_size(u) - 1;
		answer_error(req, res, 400, "InvalidLayerPartException",
			     "The layer part with first byte %lld and last byte %lld is not the "
			     "one expected: the last byte received is %lld",
			     (long long)first, (long long)last, (long long)have);
		return;
	}
	if (images_upload_write(u, part.p, part.len, &err) < 0) {
		answer_failure(req, res, &err);
		return;
	}
	cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "registryId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(out, "repositoryName", name);
	cJSON_AddStringToObject(out, "uploadId", rn_json_str(req->json, "uploadId"));
	cJSON_AddNumberToObject(out, "lastByteReceived", (double)last);
	response_json(req, res, 200, out);
}

void ecr_upload_part(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	const char *name = rn_json_str(repository, "repositoryName");
	struct upload *u = repository ? open_upload(req, res, name) : NULL;
	if (u)
		take_part(req, res, name, u);
	images_upload_close(u);
}

static void complete(struct request *req, struct response *res, const char *name, struct upload *u,
		     const char *digest)
{
	struct rn_error err = { 0 };
	if (images_upload_size(u) == 0) {
		answer_error(req, res, 400, "EmptyUploadException",
			     "The upload with id '%s' has no parts",
			     rn_json_str(req->json, "uploadId"));
		return;
	}
	if (images_has_blob(req->cloud, req->region, name, digest, NULL)) {
		images_upload_abort(req->cloud, req->region, name,
				    rn_json_str(req->json, "uploadId"), NULL);
		answer_error(req, res, 400, "LayerAlreadyExistsException",
			     "Layer with digest '%s' already exists in the repository with name "
			     "'%s' in registry with id '" CLOUD_ACCOUNT "'",
			     digest, name);
		return;
	}
	if (images_upload_finish(u, digest, &err) < 0) {
		if (err.code == RN_EINVAL)
			answer_error(req, res, 400, "InvalidLayerException", "%s", err.msg);
		else
			answer_failure(req, res, &err);
		return;
	}
	cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "registryId", CLOUD_ACCOUNT);
	cJSON_AddStringToObject(out, "repositoryName", name);
	cJSON_AddStringToObject(out, "uploadId", rn_json_str(req->json, "uploadId"));
	cJSON_AddStringToObject(out, "layerDigest", digest);
	response_json(req, res, 200, out);
}

void ecr_complete_upload(struct request *req, struct response *res)
{
	RN_AUTO(rn_json_freep) cJSON *repository = ecr_repository(req, res);
	if (!repository)
		return;
	const char *name = rn_json_str(repository, "repositoryName");
	const cJSON *digests = rn_json_get(req->json, "layerDigests");
	const cJSON *digest = cJSON_IsArray(digests) ? digests->child : NULL;
	if (!digest || digest->next || !cJSON_IsString(digest) ||
	    !images_is_digest(digest->valuestring)) {
		ecr_invalid(req, res, "layerDigests", "must be one sha256 digest");
		return;
	}
	struct upload *u = open_upload(req, res, name);
	if (u)
		complete(req, res, name, u, digest->valuestring);
	images_upload_close(u);
}
