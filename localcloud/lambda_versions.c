/* SPDX-License-Identifier: Apache-2.0 */
/* Versions listed, and aliases. */
#include "lambda_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lambda_list_versions(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	if (doc) {
		RN_AUTO(rn_freep) char *parent = function_parent(&r);
		RN_AUTO(rn_freep) char *arn = function_arn(&r, LATEST);
		RN_AUTO(rn_json_freep) cJSON *docs = store_list(req->cloud->store, VERSION, parent, NULL, 0);
		cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Versions");
		const cJSON *v;
		cJSON_AddItemToArray(list, function_public(doc, arn));
		cJSON_ArrayForEach(v, docs)
			cJSON_AddItemToArray(list, function_public(v, NULL));
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}

/* Sets what an alias request gives; -1 when the refusal is answered. */
static int alias_set(struct request *req, struct response *res, const struct function_ref *r, const cJSON *in,
		     cJSON *alias)
{
	const char *version = rn_json_str(in, "FunctionVersion");
	char uuid[37];
	if (version) {
		/* an alias of an alias is none */
		int64_t n;
		bool number = !strcmp(version, LATEST) || rn_parse_int(version, 1, 9999999999LL, &n, NULL) == 0;
		RN_AUTO(rn_json_freep) cJSON *doc = number ? function_qualified(req->cloud, r, version) : NULL;
		if (!doc) {
			RN_AUTO(rn_freep) char *arn = function_arn(r, version);
			return answer_error(req, res, 404, "ResourceNotFoundException", "Function not found: %s", arn);
		}
		json_set_str(alias, "FunctionVersion", version);
	}
	if (rn_json_str(in, "Description"))
		json_set_str(alias, "Description", rn_json_str(in, "Description"));
	const cJSON *routing = rn_json_get(in, "RoutingConfig"), *w;
	cJSON_ArrayForEach(w, rn_json_get(routing, "AdditionalVersionWeights"))
		if (!cJSON_IsNumber(w) || w->valuedouble < 0 || w->valuedouble > 1)
			return answer_error(req, res, 400, "InvalidParameterValueException",
					    "The weight of version %s must be between 0.0 and 1.0", w->string);
	if (routing && rn_json_path(routing, "AdditionalVersionWeights") &&
	    rn_json_path(routing, "AdditionalVersionWeights")->child)
		json_set(alias, "RoutingConfig", cJSON_Duplicate(routing, true));
	else if (routing)
		json_set_str(alias, "RoutingConfig", NULL);
	json_set_str(alias, "RevisionId", cloud_uuid(uuid));
	return 0;
}

static int alias_missing(struct request *req, struct response *res, const struct function_ref *r, const char *name)
{
	RN_AUTO(rn_freep) char *arn = function_arn(r, name);
	return answer_error(req, res, 404, "ResourceNotFoundException", "Cannot find alias arn: %s", arn);
}

static void save_alias(struct request *req, const struct function_ref *r, const cJSON *alias)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	store_put(req->cloud->store, ALIAS, parent, rn_json_str(alias, "Name"), alias, NULL);
}

static void create_alias(struct request *req, struct response *res, const struct function_ref *r, const cJSON *in)
{
	const char *name = rn_json_str(in, "Name");
	int64_t n;
	if (!name || !rn_json_str(in, "FunctionVersion") || rn_parse_int(name, 0, INT64_MAX, &n, NULL) == 0) {
		answer_error(req, res, 400, "ValidationException",
			     "1 validation error detected: Value %s at '%s' failed to satisfy constraint: Member must satisfy "
			     "regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
			     name ? name : "null", name && !rn_json_str(in, "FunctionVersion") ? "functionVersion" : "name");
		return;
	}
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	RN_AUTO(rn_freep) char *arn = function_arn(r, name);
	if (store_has(req->cloud->store, ALIAS, parent, name)) {
		answer_error(req, res, 409, "ResourceConflictException", "Alias already exists: %s", arn);
		return;
	}
	RN_AUTO(rn_json_freep) cJSON *alias = cJSON_CreateObject();
	cJSON_AddStringToObject(alias, "AliasArn", arn);
	cJSON_AddStringToObject(alias, "Name", name);
	cJSON_AddStringToObject(alias, "Description", "");
	if (alias_set(req, res, r, in, alias) < 0)
		return;
	save_alias(req, r, alias);
	response_json(req, res, 201, cJSON_Duplicate(alias, true));
}

void lambda_create_alias(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	if (!in || function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	if (doc)
		create_alias(req, res, &r, in);
	function_ref_clear(&r);
}

/* The alias in the path; NULL when answered. */
static cJSON *asked(struct request *req, struct response *res, struct function_ref *r)
{
	if (function_ref_of(req, res, r) < 0)
		return NULL;
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	const char *name = request_param(req, "alias");
	cJSON *alias = store_get(req->cloud->store, ALIAS, parent, name ? name : "");
	if (!alias)
		alias_missing(req, res, r, name);
	return alias;
}

void lambda_get_alias(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	cJSON *alias = asked(req, res, &r);
	if (alias)
		response_json(req, res, 200, alias);
	function_ref_clear(&r);
}

void lambda_update_alias(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *alias = in ? asked(req, res, &r) : NULL;
	const char *revision = rn_json_str(in, "RevisionId");
	if (alias && revision && !rn_streq(revision, rn_json_str(alias, "RevisionId"))) {
		answer_error(req, res, 412, "PreconditionFailedException",
			     "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API "
			     "to retrieve the latest Revision Id");
	} else if (alias && alias_set(req, res, &r, in, alias) == 0) {
		save_alias(req, &r, alias);
		if (rn_json_str(in, "FunctionVersion"))
			provision_alias(req->cloud, &r, rn_json_str(alias, "Name"), false);
		response_json(req, res, 200, cJSON_Duplicate(alias, true));
	}
	function_ref_clear(&r);
}

void lambda_delete_alias(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_freep) char *parent = function_parent(&r);
	const char *name = request_param(req, "alias");
	name = name ? name : "";
	store_remove(req->cloud->store, ALIAS, parent, name, NULL); /* AWS answers 204 also when there is none */
	store_remove(req->cloud->store, ASYNC, parent, name, NULL);
	struct function_ref of = { r.region, r.name, (char *)(uintptr_t)name };
	lambda_forget_url(req->cloud, &of);
	provision_alias(req->cloud, &r, name, true);
	response_json(req, res, 204, NULL);
	function_ref_clear(&r);
}

void lambda_list_aliases(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	const char *version = request_arg(req, "FunctionVersion");
	if (doc) {
		RN_AUTO(rn_freep) char *parent = function_parent(&r);
		RN_AUTO(rn_json_freep) cJSON *docs = store_list(req->cloud->store, ALIAS, parent, NULL, 0);
		cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Aliases");
		const cJSON *a;
		cJSON_ArrayForEach(a, docs)
			if (!version || rn_streq(version, rn_json_str(a, "FunctionVersion")))
				cJSON_AddItemToArray(list, cJSON_Duplicate(a, true));
		response_json(req, res, 200, out);
	}
	function_ref_clear(&r);
}
