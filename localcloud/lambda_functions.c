/* SPDX-License-Identifier: Apache-2.0 */
/* Functions themselves: create, read, change, delete. */
#include "lambda_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 50

static int create_checks(struct request *req, struct response *res, const cJSON *in, struct function_ref *ret)
{
	const char *name = rn_json_str(in, "FunctionName");
	const char *package = rn_json_str(in, "PackageType");
	if (!name || !rn_json_str(in, "Role"))
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must "
				    "not be null",
				    name ? "role" : "functionName");
	if (function_ref_parse(req->region, name, NULL, ret, NULL) < 0 || ret->qualifier)
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: "
				    "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+",
				    name);
	if (!rn_streq(package, "Image"))
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "The local cloud runs functions of package type Image only: give PackageType Image and "
				    "Code.ImageUri");
	return 0;
}

static cJSON *new_document(const struct function_ref *r, const cJSON *in)
{
	RN_AUTO(rn_freep) char *arn = function_arn(r, NULL);
	cJSON *doc = cJSON_CreateObject();
	cJSON_AddStringToObject(doc, "FunctionName", r->name);
	cJSON_AddStringToObject(doc, "FunctionArn", arn);
	const cJSON *tags = rn_json_get(in, "Tags");
	cJSON_AddItemToObject(doc, "_tags", cJSON_IsObject(tags) ? cJSON_Duplicate(tags, true) : cJSON_CreateObject());
	cJSON_AddNumberToObject(doc, "_next_version", 1);
	return doc;
}

static cJSON *publish(struct cloud *c, const struct function_ref *r, cJSON *doc, const char *description);

static void create(struct request *req, struct response *res, const cJSON *in, const struct function_ref *r)
{
	if (store_has(req->cloud->store, FUNCTION, r->region, r->name)) {
		answer_error(req, res, 409, "ResourceConflictException", "Function already exist: %s", r->name);
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *doc = new_document(r, in);
	RN_AUTO(rn_json_freep) cJSON *code = cJSON_Duplicate(rn_json_get(in, "Code"), true);
	if (code && rn_json_get(in, "Architectures"))
		json_set(code, "Architectures", cJSON_Duplicate(rn_json_get(in, "Architectures"), true));
	if (config_apply(req, res, in, doc, true) < 0 || config_apply_code(req, res, code, doc) < 0)
		return;
	function_begin_change(req, r, doc, true);
	if (!rn_json_bool(in, "Publish", false)) {
		function_save(req->cloud, r, doc);
		response_json(req, res, 201, function_public(doc, NULL));
		return;
	}
	cJSON *version = publish(req->cloud, r, doc, NULL);
	function_save(req->cloud, r, doc);
	response_json(req, res, 201, function_public(version, NULL));
	cJSON_Delete(version);
}

void lambda_create(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	if (in && create_checks(req, res, in, &r) == 0)
		create(req, res, in, &r);
	function_ref_clear(&r);
}

/* The version or $LATEST that the request names, with its ARN as asked for; NULL when answered. */
static cJSON *asked(struct request *req, struct response *res, struct function_ref *r, char **ret_arn)
{
	if (function_ref_of(req, res, r) < 0)
		return NULL;
	cJSON *doc = function_qualified(req->cloud, r, r->qualifier);
	*ret_arn = function_arn(r, r->qualifier);
	if (!doc)
		answer_error(req, res, 404, "ResourceNotFoundException", "Function not found: %s", *ret_arn);
	return doc;
}

static cJSON *code_of(const cJSON *doc)
{
	const cJSON *image = rn_json_get(doc, "_image");
	cJSON *code = cJSON_CreateObject();
	cJSON_AddStringToObject(code, "RepositoryType", "ECR");
	cJSON_AddStringToObject(code, "ImageUri", rn_json_str(image, "uri"));
	cJSON_AddStringToObject(code, "ResolvedImageUri", rn_json_str(image, "resolved"));
	return code;
}

void lambda_get(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_freep) char *arn = NULL;
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r, &arn);
	if (doc) {
		RN_AUTO(rn_json_freep) cJSON *latest = function_load(req->cloud, &r);
		cJSON *out = cJSON_CreateObject();
		cJSON_AddItemToObject(out, "Configuration", function_public(doc, arn));
		cJSON_AddItemToObject(out, "Code", code_of(doc));
		const cJSON *tags = rn_json_get(latest, "_tags"), *reserved = rn_json_get(latest, "_reserved");
		if (tags && tags->child)
			cJSON_AddItemToObject(out, "Tags", cJSON_Duplicate(tags, true));
		if (reserved)
			cJSON_AddNumberToObject(cJSON_AddObjectToObject(out, "Concurrency"),
						"ReservedConcurrentExecutions", reserved->valuedouble);
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

void lambda_get_configuration(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_freep) char *arn = NULL;
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r, &arn);
	if (doc)
		response_json(req, res, 200, function_public(doc, arn));
	function_ref_clear(&r);
}

void lambda_list(struct request *req, struct response *res)
{
	const char *text = request_arg(req, "MaxItems");
	int64_t limit = PAGE_MAX;
	if (text && rn_parse_int(text, 1, 10000, &limit, NULL) < 0) {
		answer_error(req, res, 400, "InvalidParameterValueException", "MaxItems must be between 1 and 10000");
		return;
	}
	limit = limit > PAGE_MAX ? PAGE_MAX : limit;
	bool versions = rn_streq(request_arg(req, "FunctionVersion"), "ALL");
	RN_AUTO(rn_json_freep) cJSON *docs = store_list(req->cloud->store, FUNCTION, req->region,
							request_arg(req, "Marker"), (size_t)limit + 1);
	cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Functions"), *d;
	const char *last = NULL;
	cJSON_ArrayForEach(d, docs) {
		if (limit-- == 0) {
			cJSON_AddStringToObject(out, "NextMarker", last);
			break;
		}
		last = rn_json_str(d, "FunctionName");
		struct function_ref r = { req->region, (char *)(uintptr_t)last, NULL };
		RN_AUTO(rn_json_freep) cJSON *doc = function_load(req->cloud, &r);
		RN_AUTO(rn_freep) char *arn = function_arn(&r, versions ? LATEST : NULL);
		cJSON_AddItemToArray(list, function_public(doc ? doc : d, arn));
		RN_AUTO(rn_freep) char *parent = function_parent(&r);
		RN_AUTO(rn_json_freep) cJSON *more =
			versions ? store_list(req->cloud->store, VERSION, parent, NULL, 0) : NULL;
		const cJSON *v;
		cJSON_ArrayForEach(v, more)
			cJSON_AddItemToArray(list, function_public(v, NULL));
	}
	response_json(req, res, 200, out);
}

static void delete_version(struct request *req, struct response *res, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_json_freep) cJSON *aliases = store_list(req->cloud->store, ALIAS, parent, NULL, 0);
	const cJSON *a;
	int64_t n;
	if (rn_parse_int(r->qualifier, 1, 9999999999LL, &n, NULL) < 0) {
		answer_error(req, res, 400, "InvalidParameterValueException",
			     !strcmp(r->qualifier, LATEST)
				     ? "$LATEST version cannot be deleted without deleting the function."
				     : "Deletion of aliases is not currently supported.");
		return;
	}
	cJSON_ArrayForEach(a, aliases)
		if (rn_streq(rn_json_str(a, "FunctionVersion"), r->qualifier)) {
			answer_error(req, res, 409, "ResourceConflictException",
				     "Version (%s) has a dependency on alias: (%s)", r->qualifier, rn_json_str(a, "Name"));
			return;
		}
	char id[24];
	snprintf(id, sizeof(id), "%010lld", (long long)n);
	store_remove(req->cloud->store, VERSION, parent, id, NULL);
	response_json(req, res, 204, NULL);
}

void lambda_delete(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	if (doc && r.qualifier) {
		delete_version(req, res, &r);
	} else if (doc) {
		RN_AUTO(rn_freep) char *parent = function_parent(&r);
		RN_AUTO(rn_json_freep) cJSON *kept = store_list(req->cloud->store, PROVISIONED, parent, NULL, 1);
		store_remove(req->cloud->store, FUNCTION, r.region, r.name, NULL);
		store_remove_all(req->cloud->store, VERSION, parent, NULL);
		store_remove_all(req->cloud->store, ALIAS, parent, NULL);
		store_remove_all(req->cloud->store, ASYNC, parent, NULL);
		store_remove_all(req->cloud->store, FUNCTION_URL, parent, NULL);
		instances_retire(lambda_of(req->cloud), parent, NULL);
		store_remove_all(req->cloud->store, PROVISIONED, parent, NULL);
		if (kept->child)
			provision(req->cloud, &r); /* lets go of those that are being made right now */
		response_json(req, res, 204, NULL);
	}
	function_ref_clear(&r);
}

/* ---- changes ---- */

static void update_code(struct request *req, struct response *res, const cJSON *in, const struct function_ref *r,
			cJSON *doc)
{
	if (function_may_change(req, res, r, doc, rn_json_str(in, "RevisionId")) < 0 ||
	    config_apply_code(req, res, in, doc) < 0)
		return;
	if (rn_json_bool(in, "DryRun", false)) {
		response_json(req, res, 200, function_public(doc, NULL));
		return;
	}
	function_begin_change(req, r, doc, false);
	cJSON *version = rn_json_bool(in, "Publish", false) ? publish(req->cloud, r, doc, NULL) : NULL;
	function_save(req->cloud, r, doc);
	response_json(req, res, 200, function_public(version ? version : doc, NULL));
	cJSON_Delete(version);
}

static void update_configuration(struct request *req, struct response *res, const cJSON *in,
				 const struct function_ref *r, cJSON *doc)
{
	if (function_may_change(req, res, r, doc, rn_json_str(in, "RevisionId")) < 0 ||
	    config_apply(req, res, in, doc, false) < 0)
		return;
	function_begin_change(req, r, doc, false);
	function_save(req->cloud, r, doc);
	response_json(req, res, 200, function_public(doc, NULL));
}

static void update(struct request *req, struct response *res,
		   void (*how)(struct request *, struct response *, const cJSON *, const struct function_ref *, cJSON *))
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	if (!in || function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	if (doc)
		how(req, res, in, &r, doc);
	function_ref_clear(&r);
}

void lambda_update_code(struct request *req, struct response *res)
{
	update(req, res, update_code);
}

void lambda_update_configuration(struct request *req, struct response *res)
{
	update(req, res, update_configuration);
}

/* ---- versions are made here, of $LATEST ---- */

/* The last version when nothing changed since (as AWS does), else a new one. New. */
static cJSON *publish(struct cloud *c, const struct function_ref *r, cJSON *doc, const char *description)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	const char *generation = rn_json_str(doc, "_generation");
	int64_t next = rn_json_int(doc, "_next_version", 1);
	char id[24], number[24];
	snprintf(id, sizeof(id), "%010lld", (long long)next - 1);
	cJSON *last = next > 1 ? store_get(c->store, VERSION, parent, id) : NULL;
	if (last && rn_streq(rn_json_str(last, "_generation"), generation))
		return last;
	cJSON_Delete(last);
	snprintf(id, sizeof(id), "%010lld", (long long)next);
	snprintf(number, sizeof(number), "%lld", (long long)next);
	RN_AUTO(rn_freep) char *arn = function_arn(r, number);
	cJSON *version = function_public(doc, arn);
	json_set_str(version, "Version", number);
	json_set_str(version, "State", "Active");
	json_set_str(version, "LastUpdateStatus", "Successful");
	static const char *const REASONS[] = { "StateReason", "StateReasonCode", "LastUpdateStatusReason",
					       "LastUpdateStatusReasonCode" };
	for (size_t i = 0; i < RN_LEN(REASONS); i++)
		json_set_str(version, REASONS[i], NULL);
	if (description)
		json_set_str(version, "Description", description);
	char uuid[37];
	json_set_str(version, "RevisionId", cloud_uuid(uuid));
	json_set_str(version, "_generation", generation);
	json_set(version, "_image", cJSON_Duplicate(rn_json_get(doc, "_image"), true));
	json_set(doc, "_next_version", cJSON_CreateNumber((double)next + 1));
	store_put(c->store, VERSION, parent, id, version, NULL);
	return version;
}

void lambda_publish(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	if (!in || function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	const char *sha = rn_json_str(in, "CodeSha256");
	if (!doc || function_may_change(req, res, &r, doc, rn_json_str(in, "RevisionId")) < 0) {
		function_ref_clear(&r);
		return;
	}
	if (sha && !rn_streq(sha, rn_json_str(doc, "CodeSha256"))) {
		answer_error(req, res, 400, "InvalidParameterValueException",
			     "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with "
			     "the CodeSHA256 in $LATEST.",
			     sha, rn_json_str(doc, "CodeSha256"));
	} else {
		RN_AUTO(rn_json_freep) cJSON *version = publish(req->cloud, &r, doc, rn_json_str(in, "Description"));
		function_save(req->cloud, &r, doc);
		response_json(req, res, 201, function_public(version, NULL));
	}
	function_ref_clear(&r);
}
