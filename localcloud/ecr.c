/* SPDX-License-Identifier: Apache-2.0 */
/* The table of ECR's operations and what they have in common. */
#include "ecr.h"

#include "ecr_token.h"
#include "store.h"

#include "base/encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct route ROUTES[] = {
	{ .operation = "CreateRepository", .handle = ecr_create },
	{ .operation = "DescribeRepositories", .handle = ecr_describe },
	{ .operation = "DeleteRepository", .handle = ecr_delete },
	{ .operation = "DescribeRegistry", .handle = ecr_describe_registry },
	{ .operation = "GetAuthorizationToken", .handle = ecr_get_token },
	{ .operation = "PutImageScanningConfiguration", .handle = ecr_put_scanning },
	{ .operation = "PutImageTagMutability", .handle = ecr_put_mutability },
	{ .operation = "PutLifecyclePolicy", .handle = ecr_put_lifecycle },
	{ .operation = "GetLifecyclePolicy", .handle = ecr_get_lifecycle },
	{ .operation = "DeleteLifecyclePolicy", .handle = ecr_delete_lifecycle },
	{ .operation = "SetRepositoryPolicy", .handle = ecr_set_policy },
	{ .operation = "GetRepositoryPolicy", .handle = ecr_get_policy },
	{ .operation = "DeleteRepositoryPolicy", .handle = ecr_delete_policy },
	{ .operation = "TagResource", .handle = ecr_tag },
	{ .operation = "UntagResource", .handle = ecr_untag },
	{ .operation = "ListTagsForResource", .handle = ecr_list_tags },
	{ .operation = "PutImage", .handle = ecr_put_image },
	{ .operation = "BatchGetImage", .handle = ecr_batch_get },
	{ .operation = "BatchDeleteImage", .handle = ecr_batch_delete },
	{ .operation = "ListImages", .handle = ecr_list_images },
	{ .operation = "DescribeImages", .handle = ecr_describe_images },
	{ .operation = "DescribeImageScanFindings", .handle = ecr_scan_findings },
	{ .operation = "BatchCheckLayerAvailability", .handle = ecr_check_layers },
	{ .operation = "GetDownloadUrlForLayer", .handle = ecr_download_url },
	{ .operation = "InitiateLayerUpload", .handle = ecr_initiate_upload, .blocks = true },
	{ .operation = "UploadLayerPart", .handle = ecr_upload_part, .blocks = true },
	{ .operation = "CompleteLayerUpload", .handle = ecr_complete_upload, .blocks = true },
};

const struct service ecr_service = {
	.name = "ecr",
	.protocol = PROTOCOL_JSON,
	.target = "AmazonEC2ContainerRegistry_V20150921",
	.transaction = true,
	.routes = ROUTES,
	.n_routes = RN_LEN(ROUTES),
};

cJSON *ecr_input(struct request *req, struct response *res)
{
	cJSON *in = request_json(req, res);
	return in;
}

int ecr_invalid(struct request *req, struct response *res, const char *name, const char *why)
{
	return answer_error(req, res, 400, "InvalidParameterException",
			    "Invalid parameter at '%s' failed to satisfy constraint: '%s'", name,
			    why);
}

const char *ecr_string(struct request *req, struct response *res, const char *name)
{
	cJSON *in = ecr_input(req, res);
	const char *value = in ? rn_json_str(in, name) : NULL;
	if (in && !value)
		ecr_invalid(req, res, name, "must not be null");
	return value;
}

cJSON *ecr_repository(struct request *req, struct response *res)
{
	const char *name = ecr_string(req, res, "repositoryName");
	if (!name)
		return NULL;
	const char *registry = rn_json_str(req->json, "registryId");
	bool here = !registry || !strcmp(registry, CLOUD_ACCOUNT);
	cJSON *doc = here ? store_get(req->cloud->store, REPOSITORY, req->region, name) : NULL;
	if (!doc)
		answer_error(
			req, res, 400, "RepositoryNotFoundException",
			"The repository with name '%s' does not exist in the registry with id '%s'",
			name, here ? CLOUD_ACCOUNT : registry);
	return doc;
}

void ecr_answer_page(struct request *req, struct response *res, const char *name, cJSON *items,
		     cJSON *extra)
{
	RN_AUTO(rn_json_freep) cJSON *all = items;
	cJSON *out = extra ? extra : cJSON_CreateObject();
	int64_t max = rn_json_int(req->json, "maxResults", 100), skip = 0,
		total = cJSON_GetArraySize(all);
	const char *token = rn_json_str(req->json, "nextToken");
	RN_AUTO(rn_buf_clearp) struct rn_buf plain = RN_BUF_INIT;
	bool valid = max >= 1 && max <= 1000;
	if (valid && token)
		valid = rn_base64_decode(token, &plain, NULL) == 0 &&
			rn_parse_int(rn_buf_str(&plain), 0, INT32_MAX, &skip, NULL) == 0;
	if (!valid) {
		cJSON_Delete(out);
		ecr_invalid(req, res, token ? "nextToken" : "maxResults", "is not valid");
		return;
	}
	cJSON *page = cJSON_AddArrayToObject(out, name);
	for (int64_t i = 0; all->child && i < skip + max; i++) {
		cJSON *item = cJSON_DetachItemFromArray(all, 0);
		if (i < skip)
			cJSON_Delete(item);
		else
			cJSON_AddItemToArray(page, item);
	}
	if (skip + max < total) {
		char text[32];
		snprintf(text, sizeof(text), "%" PRId64, skip + max);
		RN_AUTO(rn_freep) char *next = rn_base64(text, strlen(text));
		cJSON_AddStringToObject(out, "nextToken", next);
	}
	response_json(req, res, 200, out);
}

void ecr_get_token(struct request *req, struct response *res)
{
	double expires;
	if (!ecr_input(req, res))
		return;
	RN_AUTO(rn_freep) char *password = ecr_token_new(req->cloud, req->region, &expires);
	RN_AUTO(rn_freep) char *plain = rn_asprintf("AWS:%s", password);
	RN_AUTO(rn_freep) char *token = rn_base64(plain, strlen(plain));
	cJSON *out = cJSON_CreateObject(), *data = cJSON_CreateObject();
	cJSON_AddStringToObject(data, "authorizationToken", token);
	cJSON_AddNumberToObject(data, "expiresAt", expires);
	cJSON_AddStringToObject(data, "proxyEndpoint", req->cloud->endpoint);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(out, "authorizationData"), data);
	response_json(req, res, 200, out);
}

void ecr_describe_registry(struct request *req, struct response *res)
{
	cJSON *out = cJSON_CreateObject();
	cJSON_AddStringToObject(out, "registryId", CLOUD_ACCOUNT);
	cJSON_AddArrayToObject(cJSON_AddObjectToObject(out, "replicationConfiguration"), "rules");
	response_json(req, res, 200, out);
}
