/* SPDX-License-Identifier: Apache-2.0 */
/* Pushing blobs: monolithic (POST or PUT with a digest), streamed or chunked (PATCH), mounted. */
#include "registry.h"

#include "images.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int drop(struct request *req, const void *data, size_t n, struct rn_error *err)
{
	(void)req;
	(void)data;
	(void)n;
	(void)err;
	return 0;
}

static int to_upload(struct request *req, const void *data, size_t n, struct rn_error *err)
{
	struct registry_call *call = req->sink_data;
	return images_upload_write(call->upload, data, n, err);
}

/* Content-Range "A-B" (with or without "bytes "): must go on where the upload ends. */
static int check_range(struct request *req, struct registry_call *call)
{
	const char *range = request_header(req, "Content-Range");
	const char *length = request_header(req, "Content-Length");
	long long first = 0, last = -1;
	if (!range)
		return 0;
	if (rn_starts(range, "bytes "))
		range += strlen("bytes ");
	if (sscanf(range, "%lld-%lld", &first, &last) != 2 || first < 0 || last < first)
		return registry_refuse(call, 400, "BLOB_UPLOAD_INVALID",
				       "Content-Range is not FIRST-LAST");
	if ((uint64_t)first != images_upload_size(call->upload))
		return registry_refuse(call, 416, "BLOB_UPLOAD_INVALID",
				       "the chunk starts at %lld, but the upload has %llu bytes",
				       first, (unsigned long long)images_upload_size(call->upload));
	if (length && strtoll(length, NULL, 10) != last - first + 1)
		return registry_refuse(call, 400, "SIZE_INVALID",
				       "Content-Range and Content-Length differ");
	return 0;
}

static int open_upload(struct request *req, struct registry_call *call, const char *id)
{
	struct rn_error err = { 0 };
	call->upload = images_upload_open(req->cloud, req->region, call->name, id, &err);
	if (call->upload)
		return 0;
	if (err.code == RN_ENOTFOUND)
		return registry_refuse(call, 404, "BLOB_UPLOAD_UNKNOWN", "%s", err.msg);
	if (err.code == RN_EEXISTS)
		return registry_refuse(call, 409, "BLOB_UPLOAD_INVALID", "%s", err.msg);
	return registry_refuse(call, 500, "UNKNOWN", "%s", err.msg);
}

void registry_upload_begin(struct request *req, struct registry_call *call)
{
	struct rn_error err = { 0 };
	const char *digest = request_arg(req, "digest");
	bool is_post = !strcmp(req->method, "POST") && call->kind == REGISTRY_UPLOADS;
	bool is_put = !strcmp(req->method, "PUT") && call->kind == REGISTRY_UPLOAD;
	bool is_patch = !strcmp(req->method, "PATCH") && call->kind == REGISTRY_UPLOAD;
	req->sink = drop;
	if (call->refusal || !(is_post || is_put || is_patch))
		return;
	if ((is_put || (is_post && digest)) && !images_is_digest(digest)) {
		registry_refuse(call, 400, "DIGEST_INVALID",
				"the digest is missing or not one of sha256 and sha512");
		return;
	}
	if (is_post && !digest)
		return;
	if (is_post) {
		if (images_upload_start(req->cloud, req->region, call->name, call->upload_id,
					&err) < 0) {
			registry_refuse(call, 500, "UNKNOWN", "%s", err.msg);
			return;
		}
	} else {
		snprintf(call->upload_id, sizeof(call->upload_id), "%s", call->reference);
	}
	if (open_upload(req, call, call->upload_id) == 0 && check_range(req, call) == 0)
		req->sink = to_upload;
}

static void answer_session(struct request *req, struct registry_call *call, struct response *res,
			   int status, uint64_t size)
{
	(void)req;
	response_body(res, status, NULL, NULL, 0);
	response_header(res, "Location", "/v2/%s/blobs/uploads/%s", call->name, call->upload_id);
	response_header(res, "Docker-Upload-UUID", "%s", call->upload_id);
	response_header(res, "Range", "0-%llu", (unsigned long long)(size ? size - 1 : 0));
}

static void answer_created(struct registry_call *call, struct response *res, const char *digest)
{
	response_body(res, 201, NULL, NULL, 0);
	response_header(res, "Location", "/v2/%s/blobs/%s", call->name, digest);
	response_header(res, "Docker-Content-Digest", "%s", digest);
}

static void finish(struct request *req, struct registry_call *call, struct response *res)
{
	struct rn_error err = { 0 };
	const char *digest = request_arg(req, "digest");
	if (images_upload_finish(call->upload, digest, &err) == 0) {
		answer_created(call, res, digest);
		return;
	}
	if (err.code == RN_EINVAL) {
		images_upload_abort(req->cloud, req->region, call->name, call->upload_id, NULL);
		answer_error(req, res, 400, "DIGEST_INVALID", "%s", err.msg);
	} else {
		answer_failure(req, res, &err);
	}
}

static void start(struct request *req, struct registry_call *call, struct response *res)
{
	struct rn_error err = { 0 };
	const char *mount = request_arg(req, "mount");
	if (mount && images_is_digest(mount)) {
		store_begin(req->cloud->store);
		bool done = images_mount_blob(req->cloud, req->region, request_arg(req, "from"),
					      call->name, mount);
		if (store_end(req->cloud->store, done, &err) < 0) {
			answer_failure(req, res, &err);
			return;
		}
		if (done) {
			answer_created(call, res, mount);
			return;
		}
	}
	if (images_upload_start(req->cloud, req->region, call->name, call->upload_id, &err) < 0)
		answer_failure(req, res, &err);
	else
		answer_session(req, call, res, 202, 0);
}

static void status(struct request *req, struct registry_call *call, struct response *res)
{
	struct rn_error err = { 0 };
	struct upload *u = images_upload_open(req->cloud, req->region, call->name, call->reference,
					      &err);
	snprintf(call->upload_id, sizeof(call->upload_id), "%s", call->reference);
	if (u) {
		answer_session(req, call, res, 204, images_upload_size(u));
		images_upload_close(u);
	} else if (err.code == RN_ENOTFOUND) {
		answer_error(req, res, 404, "BLOB_UPLOAD_UNKNOWN", "%s", err.msg);
	} else if (err.code == RN_EEXISTS) {
		answer_error(req, res, 409, "BLOB_UPLOAD_INVALID", "%s", err.msg);
	} else {
		answer_failure(req, res, &err);
	}
}

static void give_up(struct request *req, struct registry_call *call, struct response *res)
{
	struct rn_error err = { 0 };
	int rc = images_upload_abort(req->cloud, req->region, call->name, call->reference, &err);
	if (rc < 0)
		answer_failure(req, res, &err);
	else if (rc == 0)
		answer_error(req, res, 404, "BLOB_UPLOAD_UNKNOWN", "there is no upload %s",
			     call->reference);
	else
		response_body(res, 204, NULL, NULL, 0);
}

void registry_upload_handle(struct request *req, struct registry_call *call, struct response *res)
{
	if (req->body_error.code != RN_OK)
		answer_failure(req, res, &req->body_error);
	else if (call->upload && (!strcmp(req->method, "PUT") || !strcmp(req->method, "POST")))
		finish(req, call, res);
	else if (call->upload)
		answer_session(req, call, res, 202, images_upload_size(call->upload));
	else if (!strcmp(req->method, "POST"))
		start(req, call, res);
	else if (!strcmp(req->method, "DELETE"))
		give_up(req, call, res);
	else
		status(req, call, res);
}
