/* SPDX-License-Identifier: Apache-2.0 */
/* ECR's JSON API: what its files share. The images themselves are in images.h. */
#ifndef ECR_H
#define ECR_H

#include "images.h"
#include "route.h"

/** The repository that the request's "repositoryName" names: its document (new) and, in req->json, the input. NULL: answered. */
cJSON *ecr_repository(struct request *req, struct response *res);
/** The input, or NULL when an error is answered. */
cJSON *ecr_input(struct request *req, struct response *res);
/** Required string member; NULL: answered. */
const char *ecr_string(struct request *req, struct response *res, const char *name);
int ecr_invalid(struct request *req, struct response *res, const char *name, const char *why);
/** Answers {NAME: part of items, nextToken} by maxResults and nextToken; `extra` (may be NULL) has the other members. Deletes both. */
void ecr_answer_page(struct request *req, struct response *res, const char *name, cJSON *items, cJSON *extra);

handler_fn ecr_create, ecr_describe, ecr_delete, ecr_get_token, ecr_put_scanning, ecr_put_mutability,
	ecr_put_lifecycle, ecr_get_lifecycle, ecr_delete_lifecycle, ecr_set_policy, ecr_get_policy, ecr_delete_policy,
	ecr_tag, ecr_untag, ecr_list_tags, ecr_describe_registry;
handler_fn ecr_put_image, ecr_batch_get, ecr_batch_delete, ecr_list_images, ecr_describe_images,
	ecr_scan_findings;
handler_fn ecr_check_layers, ecr_download_url, ecr_initiate_upload, ecr_upload_part, ecr_complete_upload;

#endif
