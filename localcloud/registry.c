/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include "ecr_token.h"
#include "faults_apply.h"
#include "images.h"
#include "store.h"

#include "base/encode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST_MAX (4u << 20)

static void call_free(void *data)
{
	struct registry_call *call = data;
	images_upload_close(call->upload);
	free(call->name);
	free(call->reference);
	free(call->message);
	free(call);
}

int registry_refuse(struct registry_call *call, int status, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	free(call->message);
	call->message = NULL;
	if (vasprintf(&call->message, fmt, ap) < 0)
		rn_die("out of memory");
	va_end(ap);
	call->refusal = status;
	call->code = code;
	return -1;
}

/* ---- addresses ---- */

/* Splits "NAME/MARK/REST" at the last "/MARK/"; false when it is not there. */
static bool split(struct registry_call *call, const char *rest, const char *mark,
		  enum registry_kind kind)
{
	const char *found = NULL;
	for (const char *p = rest; (p = strstr(p, mark)); p++)
		found = p;
	if (!found || found == rest)
		return false;
	call->name = rn_strndup(rest, (size_t)(found - rest));
	call->reference = rn_percent_decode(found + strlen(mark), false);
	call->kind = kind;
	return true;
}

static struct registry_call *parse(const struct request *req)
{
	struct registry_call *call = rn_alloc(sizeof(*call));
	const char *rest = strlen(req->path) > 4 ? req->path + 4 : "";
	call->kind = REGISTRY_NOTHING;
	if (!*rest) {
		call->kind = REGISTRY_BASE;
	} else if (!strcmp(rest, "_catalog")) {
		call->kind = REGISTRY_CATALOG;
	} else if (rn_ends(rest, "/tags/list")) {
		call->kind = REGISTRY_TAGS;
		call->name = rn_strndup(rest, strlen(rest) - strlen("/tags/list"));
	} else if (split(call, rest, "/blobs/uploads/", REGISTRY_UPLOAD)) {
		if (!*call->reference)
			call->kind = REGISTRY_UPLOADS;
	} else if (rn_ends(rest, "/blobs/uploads")) {
		call->kind = REGISTRY_UPLOADS;
		call->name = rn_strndup(rest, strlen(rest) - strlen("/blobs/uploads"));
	} else if (!split(call, rest, "/blobs/", REGISTRY_BLOB) &&
		   !split(call, rest, "/manifests/", REGISTRY_MANIFEST)) {
		split(call, rest, "/referrers/", REGISTRY_REFERRERS);
	}
	return call;
}

/* ---- who ---- */

int registry_authenticate(struct request *req, struct registry_call *call)
{
	const char *header = request_header(req, "Authorization");
	RN_AUTO(rn_buf_clearp) struct rn_buf plain = RN_BUF_INIT;
	struct rn_error err = { 0 };
	if (!header && request_arg(req, "token")) /* GetDownloadUrlForLayer's address carries it */
		rn_buf_addf(&plain, "AWS:%s", request_arg(req, "token"));
	else if (!header || strncasecmp(header, "Basic ", 6) != 0 ||
		 rn_base64_decode(header + 6, &plain, NULL) < 0)
		return registry_refuse(call, 401, "UNAUTHORIZED", "Not Authorized");
	const char *text = rn_buf_str(&plain);
	req->region = rn_starts(text, "AWS:") ? ecr_token_region(req->cloud, text + 4, &err) : NULL;
	if (req->region)
		return 0;
	if (err.code == RN_ETIMEOUT)
		return registry_refuse(call, 403, "DENIED", "%s", err.msg);
	return registry_refuse(call, 401, "UNAUTHORIZED", "Not Authorized");
}

bool registry_has_repository(struct request *req, struct registry_call *call)
{
	if (store_has(req->cloud->store, REPOSITORY, req->region, call->name))
		return true;
	registry_refuse(call, 404, "NAME_UNKNOWN",
			"The repository with name '%s' does not exist in the registry with id "
			"'" CLOUD_ACCOUNT "'",
			call->name);
	return false;
}

static void answer_refusal(struct request *req, struct registry_call *call, struct response *res)
{
	answer_error(req, res, call->refusal, call->code, "%s", call->message);
	if (call->refusal == 429)
		response_header(res, "Retry-After", "1");
	if (call->refusal == 401)
		response_header(res, "WWW-Authenticate",
				"Basic realm=\"%s/\",service=\"ecr.amazonaws.com\"",
				req->cloud->endpoint);
}

/* ---- lists ---- */

/* ?n=: 0 when not given; -1 when it is not a number. */
static int64_t page_size(const struct request *req)
{
	const char *n = request_arg(req, "n");
	int64_t size = 0;
	return n && rn_parse_int(n, 0, 10000, &size, NULL) < 0 ? -1 : size;
}

static void add_link(const struct request *req, struct response *res, int64_t n, const char *last)
{
	RN_AUTO(rn_freep) char *name = rn_percent(last, "");
	response_header(res, "Link", "<%s?n=%lld&last=%s>; rel=\"next\"", req->path, (long long)n,
			name);
}

static void list_tags(struct request *req, struct registry_call *call, struct response *res)
{
	int64_t n = page_size(req);
	if (n < 0) {
		answer_error(req, res, 400, "PAGINATION_NUMBER_INVALID", "n is not a number");
		return;
	}
	RN_AUTO(rn_strv_clear) struct rn_strv tags = { 0 };
	bool none = request_arg(req, "n") && n == 0;
	if (!none)
		images_tags(req->cloud, req->region, call->name, request_arg(req, "last"),
			    n ? (size_t)n + 1 : 0, &tags);
	bool more = n > 0 && tags.n > (size_t)n;
	size_t shown = more ? (size_t)n : tags.n;
	cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "name", call->name);
	cJSON *list = cJSON_AddArrayToObject(doc, "tags");
	for (size_t i = 0; i < shown; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(tags.v[i]));
	response_json(req, res, 200, doc);
	if (more)
		add_link(req, res, n, tags.v[shown - 1]);
}

static void list_repositories(struct request *req, struct response *res)
{
	int64_t n = page_size(req);
	if (n < 0) {
		answer_error(req, res, 400, "PAGINATION_NUMBER_INVALID", "n is not a number");
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *all = store_list(req->cloud->store, REPOSITORY, req->region,
				request_arg(req, "last"), n ? (size_t)n + 1 : 0);
	cJSON *doc = cJSON_CreateObject(), *names = cJSON_AddArrayToObject(doc, "repositories");
	const char *last = NULL;
	int64_t count = 0;
	for (const cJSON *one = all->child; one && (n == 0 || count < n);
	     one = one->next, count++) {
		last = rn_json_str(one, "repositoryName");
		cJSON_AddItemToArray(names, cJSON_CreateString(last));
	}
	response_json(req, res, 200, doc);
	if (n > 0 && cJSON_GetArraySize(all) > n)
		add_link(req, res, n, last);
}

static void list_referrers(struct request *req, struct registry_call *call, struct response *res)
{
	if (!images_is_digest(call->reference)) {
		answer_error(req, res, 400, "DIGEST_INVALID", "%s is not a digest",
			     call->reference);
		return;
	}
	const char *wanted = request_arg(req, "artifactType");
	cJSON *doc = cJSON_CreateObject();
	cJSON_AddNumberToObject(doc, "schemaVersion", 2);
	cJSON_AddStringToObject(doc, "mediaType", "application/vnd.oci.image.index.v1+json");
	cJSON *list = cJSON_AddArrayToObject(doc, "manifests");
	RN_AUTO(rn_json_freep) cJSON *all = images_list(req->cloud, req->region, call->name);
	for (cJSON *one = all->child; one; one = one->next) {
		const char *type = rn_json_str(one, "artifactType");
		if (!rn_streq(rn_json_str(one, "subject"), call->reference) ||
		    (wanted && !rn_streq(type, wanted)))
			continue;
		cJSON *item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "mediaType", rn_json_str(one, "mediaType"));
		cJSON_AddStringToObject(item, "digest", rn_json_str(one, "imageDigest"));
		cJSON_AddNumberToObject(item, "size", rn_json_num(one, "size", 0));
		if (type)
			cJSON_AddStringToObject(item, "artifactType", type);
		cJSON *annotations = cJSON_DetachItemFromObjectCaseSensitive(one, "annotations");
		if (annotations)
			cJSON_AddItemToObject(item, "annotations", annotations);
		cJSON_AddItemToArray(list, item);
	}
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	cJSON_Delete(doc);
	response_body(res, 200, "application/vnd.oci.image.index.v1+json", text, strlen(text));
	if (wanted)
		response_header(res, "OCI-Filters-Applied", "artifactType");
}

/* ---- manifests ---- */

static void get_manifest(struct request *req, struct registry_call *call, struct response *res)
{
	struct image_manifest m;
	struct rn_error err = { 0 };
	if (images_manifest(req->cloud, req->region, call->name, call->reference, &m, &err) < 0) {
		if (err.code == RN_ENOTFOUND)
			answer_error(req, res, 404, "MANIFEST_UNKNOWN",
				     "Requested image not found");
		else
			answer_failure(req, res, &err);
		return;
	}
	response_body(res, 200, m.media_type, m.body.p, m.body.len);
	response_header(res, "Docker-Content-Digest", "%s", m.digest);
	response_header(res, "ETag", "\"%s\"", m.digest);
	image_manifest_clear(&m);
}

static void answer_put(struct request *req, struct registry_call *call, struct response *res,
		       enum images_put_status status, const char *digest, const char *subject,
		       const struct rn_error *err)
{
	switch (status) {
	case IMAGES_PUT_OK:
	case IMAGES_PUT_SAME:
		response_body(res, 201, NULL, NULL, 0);
		response_header(res, "Location", "/v2/%s/manifests/%s", call->name, digest);
		response_header(res, "Docker-Content-Digest", "%s", digest);
		if (subject)
			response_header(res, "OCI-Subject", "%s", subject);
		break;
	case IMAGES_PUT_INVALID:
		answer_error(req, res, 400, "MANIFEST_INVALID", "The manifest is not valid: %s",
			     err->msg);
		break;
	case IMAGES_PUT_DIGEST_MISMATCH:
		answer_error(req, res, 400, "DIGEST_INVALID", "%s", err->msg);
		break;
	case IMAGES_PUT_BLOB_UNKNOWN:
		answer_error(
			req, res, 400, "MANIFEST_BLOB_UNKNOWN",
			"The manifest mentions the blob %s, which repository '%s' does not have",
			err->msg, call->name);
		break;
	case IMAGES_PUT_CHILD_UNKNOWN:
		answer_error(req, res, 400, "MANIFEST_BLOB_UNKNOWN",
			     "Images with digest '%s' required for pushing image into repository "
			     "'%s' do not exist",
			     err->msg, call->name);
		break;
	case IMAGES_PUT_IMMUTABLE:
		answer_error(req, res, 400, "TAG_INVALID",
			     "The image tag '%s' already exists in the '%s' repository and cannot "
			     "be overwritten because the "
			     "tag is immutable.",
			     call->reference, call->name);
		break;
	}
}

static void put_manifest(struct request *req, struct registry_call *call, struct response *res)
{
	bool by_digest = images_is_digest(call->reference);
	const char *type = request_header(req, "Content-Type");
	RN_AUTO(rn_freep) char *media_type = type ? rn_strndup(type, strcspn(type, "; ")) : NULL;
	if (!by_digest && !images_is_tag(call->reference)) {
		answer_error(req, res, 400, "TAG_INVALID", "'%s' is neither a tag nor a digest",
			     call->reference);
		return;
	}
	if (req->body.len > MANIFEST_MAX || req->body_error.code) {
		answer_error(req, res, 413, "SIZE_INVALID", "a manifest may have %u bytes at most",
			     MANIFEST_MAX);
		return;
	}
	const struct images_put put = {
		.region = req->region,
		.repository = call->name,
		.tag = by_digest ? NULL : call->reference,
		.digest = by_digest ? call->reference : NULL,
		.media_type = media_type,
		.body = rn_buf_str(&req->body),
		.n = req->body.len,
	};
	char digest[IMAGES_DIGEST_MAX] = "";
	RN_AUTO(rn_freep) char *subject = NULL;
	struct rn_error err = { 0 };
	store_begin(req->cloud->store);
	enum images_put_status status = images_put_manifest(req->cloud, &put, digest, &subject,
							    &err);
	bool stored = status == IMAGES_PUT_OK || status == IMAGES_PUT_SAME;
	if (store_end(req->cloud->store, stored, &err) < 0)
		answer_failure(req, res, &err);
	else
		answer_put(req, call, res, status, digest, subject, &err);
}

static void delete_manifest(struct request *req, struct registry_call *call, struct response *res)
{
	struct rn_error err = { 0 };
	store_begin(req->cloud->store);
	bool gone = images_is_digest(call->reference)
			    ? images_remove_manifest(req->cloud, req->region, call->name,
						     call->reference)
			    : images_remove_tag(req->cloud, req->region, call->name,
						call->reference);
	if (store_end(req->cloud->store, true, &err) < 0)
		answer_failure(req, res, &err);
	else if (!gone)
		answer_error(req, res, 404, "MANIFEST_UNKNOWN", "Requested image not found");
	else
		response_body(res, 202, NULL, NULL, 0);
}

/* ---- blobs ---- */

/* "bytes=A-B", "bytes=A-", "bytes=-N": -1 when it cannot be met; 0: all; 1: a part. */
static int parse_range(const char *range, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
	if (!range || !rn_starts(range, "bytes=") || strchr(range, ','))
		return 0;
	RN_AUTO(rn_freep) char *text = rn_strdup(range + strlen("bytes="));
	char *dash = strchr(text, '-');
	int64_t first = 0, last = (int64_t)size - 1;
	if (!dash)
		return 0;
	*dash++ = '\0';
	if ((*text && rn_parse_int(text, 0, INT64_MAX, &first, NULL) < 0) ||
	    (*dash && rn_parse_int(dash, 0, INT64_MAX, &last, NULL) < 0) || (!*text && !*dash))
		return 0;
	if (!*text) {
		first = last >= (int64_t)size ? 0 : (int64_t)size - last;
		last = (int64_t)size - 1;
	}
	if (last >= (int64_t)size)
		last = (int64_t)size - 1;
	if (first > last)
		return -1;
	*ret_first = (uint64_t)first;
	*ret_last = (uint64_t)last;
	return 1;
}

static void get_blob(struct request *req, struct registry_call *call, struct response *res)
{
	struct rn_error err = { 0 };
	uint64_t size = 0, first = 0, last = 0;
	int fd = images_open_blob(req->cloud, req->region, call->name, call->reference, &size,
				  &err);
	if (fd < 0) {
		if (err.code == RN_ENOTFOUND)
			answer_error(req, res, 404, "BLOB_UNKNOWN", "%s", err.msg);
		else
			answer_failure(req, res, &err);
		return;
	}
	int part = parse_range(request_header(req, "Range"), size, &first, &last);
	if (part < 0) {
		close(fd);
		answer_error(req, res, 416, "RANGE_INVALID", "the blob has %llu bytes",
			     (unsigned long long)size);
		response_header(res, "Content-Range", "bytes */%llu", (unsigned long long)size);
		return;
	}
	res->status = part ? 206 : 200;
	res->fd = fd;
	res->fd_offset = first;
	res->fd_size = part ? last - first + 1 : size;
	response_header(res, "Content-Type", "application/octet-stream");
	response_header(res, "Docker-Content-Digest", "%s", call->reference);
	response_header(res, "ETag", "\"%s\"", call->reference);
	response_header(res, "Accept-Ranges", "bytes");
	if (part)
		response_header(res, "Content-Range", "bytes %llu-%llu/%llu",
				(unsigned long long)first, (unsigned long long)last,
				(unsigned long long)size);
}

static void delete_blob(struct request *req, struct registry_call *call, struct response *res)
{
	struct rn_error err = { 0 };
	store_begin(req->cloud->store);
	bool found = images_has_blob(req->cloud, req->region, call->name, call->reference, NULL);
	if (found)
		images_unlink_blob(req->cloud, req->region, call->name, call->reference);
	if (store_end(req->cloud->store, true, &err) < 0)
		answer_failure(req, res, &err);
	else if (!found)
		answer_error(req, res, 404, "BLOB_UNKNOWN", "repository %s has no blob %s",
			     call->name, call->reference);
	else
		response_body(res, 202, NULL, NULL, 0);
}

/* ---- the door ---- */

static void on_base(struct request *req, struct registry_call *call, struct response *res)
{
	(void)call;
	response_json(req, res, 200, cJSON_CreateObject());
}

static void on_catalog(struct request *req, struct registry_call *call, struct response *res)
{
	(void)call;
	list_repositories(req, res);
}

static const struct {
	enum registry_kind kind;
	const char *method;
	void (*handle)(struct request *req, struct registry_call *call, struct response *res);
	const char *operation;
} HANDLERS[] = {
	{ REGISTRY_BASE, "GET", on_base, "base" },
	{ REGISTRY_CATALOG, "GET", on_catalog, "catalog" },
	{ REGISTRY_TAGS, "GET", list_tags, "tags" },
	{ REGISTRY_REFERRERS, "GET", list_referrers, "referrers" },
	{ REGISTRY_MANIFEST, "GET", get_manifest, "get-manifest" },
	{ REGISTRY_MANIFEST, "PUT", put_manifest, "put-manifest" },
	{ REGISTRY_MANIFEST, "DELETE", delete_manifest, "delete-manifest" },
	{ REGISTRY_BLOB, "GET", get_blob, "get-blob" },
	{ REGISTRY_BLOB, "DELETE", delete_blob, "delete-blob" },
	{ REGISTRY_UPLOADS, "POST", NULL, "start-upload" },
	{ REGISTRY_UPLOAD, "GET", NULL, "upload-status" },
	{ REGISTRY_UPLOAD, "PATCH", NULL, "upload" },
	{ REGISTRY_UPLOAD, "PUT", NULL, "finish-upload" },
	{ REGISTRY_UPLOAD, "DELETE", NULL, "abort-upload" },
};

void registry_names(struct rn_strv *ret)
{
	for (size_t i = 0; i < RN_LEN(HANDLERS); i++)
		rn_strv_addf(ret, "registry.%s", HANDLERS[i].operation);
}

static const char *method_of(const struct request *req)
{
	return strcmp(req->method, "HEAD") == 0 ? "GET" : req->method;
}

static const char *operation_of(const struct request *req, const struct registry_call *call)
{
	for (size_t i = 0; i < RN_LEN(HANDLERS); i++)
		if (HANDLERS[i].kind == call->kind && !strcmp(HANDLERS[i].method, method_of(req)))
			return HANDLERS[i].operation;
	return NULL;
}

static void dispatch(struct request *req, struct registry_call *call, struct response *res)
{
	const char *method = method_of(req);
	bool kind_known = false;
	for (size_t i = 0; i < RN_LEN(HANDLERS); i++) {
		if (HANDLERS[i].kind != call->kind)
			continue;
		kind_known = true;
		if (strcmp(HANDLERS[i].method, method) != 0)
			continue;
		req->operation = HANDLERS[i].operation;
		if (HANDLERS[i].handle)
			HANDLERS[i].handle(req, call, res);
		else
			registry_upload_handle(req, call, res);
		return;
	}
	answer_error(req, res, kind_known ? 405 : 404, kind_known ? "UNSUPPORTED" : "NAME_INVALID",
		     "%s %s is not an operation of this registry", req->method, req->path);
}

/* What a fault rule does must be done before the body: it would reach the upload's file. */
static void take_fault(struct request *req, struct registry_call *call)
{
	const char *code = NULL;
	struct fault f;
	faults_before_body(req, call->operation, &f);
	if (f.effect == FAULT_THROTTLE) {
		int status = faults_throttle_of("registry", &code);
		registry_refuse(call, status, code, "Rate exceeded");
	} else if (f.effect == FAULT_ERROR) {
		snprintf(call->fault_code, sizeof(call->fault_code), "%s", f.code ? f.code : "UNKNOWN");
		registry_refuse(call, f.status, call->fault_code, "%s",
				f.message ? f.message : "A fault rule of the local cloud made this call fail.");
	} else if (f.effect == FAULT_RESET_BEFORE) {
		registry_refuse(call, 500, "UNKNOWN", "cut");
		call->cut = true;
	}
	fault_clear(&f);
}

void registry_begin(struct request *req)
{
	struct registry_call *call = parse(req);
	req->protocol = PROTOCOL_REGISTRY;
	req->sink_data = call;
	req->free_sink_data = call_free;
	call->operation = operation_of(req, call);
	if (registry_authenticate(req, call) == 0 && call->name)
		registry_has_repository(req, call);
	if (!call->refusal && call->operation)
		take_fault(req, call);
	if (call->kind == REGISTRY_UPLOADS || call->kind == REGISTRY_UPLOAD)
		registry_upload_begin(req, call);
}

void registry_handle(struct request *req, struct response *res)
{
	struct registry_call *call = req->sink_data;
	if (call->refusal)
		answer_refusal(req, call, res);
	else
		dispatch(req, call, res);
	/* before the answer is on its way: the client's next request may come at once */
	images_upload_close(rn_take(&call->upload));
	response_header(res, "Docker-Distribution-Api-Version", "registry/2.0");
	res->cut = call->cut;
}
