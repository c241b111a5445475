/* SPDX-License-Identifier: Apache-2.0 */
/* Resource policies: who but the account may invoke a function. */
#include "lambda_internal.h"

#include "pattern.h"

#include <stdlib.h>
#include <string.h>

/* Statements of a qualifier ("" for the function), made when `make`. */
static cJSON *statements(cJSON *doc, const char *qualifier, bool make)
{
	cJSON *policy = rn_json_get(doc, "_policy");
	if (!policy && make)
		policy = cJSON_AddObjectToObject(doc, "_policy");
	const char *key = qualifier ? qualifier : "";
	cJSON *list = rn_json_get(policy, key);
	return list || !make ? list : cJSON_AddArrayToObject(policy, key);
}

static cJSON *find(cJSON *list, const char *sid)
{
	cJSON *s;
	cJSON_ArrayForEach(s, list)
		if (rn_streq(rn_json_str(s, "Sid"), sid))
			return s;
	return NULL;
}

static void add_condition(cJSON *statement, const char *op, const char *key, const char *value)
{
	if (!value)
		return;
	cJSON *condition = rn_json_get(statement, "Condition");
	if (!condition)
		condition = cJSON_AddObjectToObject(statement, "Condition");
	cJSON *test = rn_json_get(condition, op);
	if (!test)
		test = cJSON_AddObjectToObject(condition, op);
	cJSON_AddStringToObject(test, key, value);
}

static cJSON *make_statement(const cJSON *in, const char *arn)
{
	const char *principal = rn_json_str(in, "Principal");
	cJSON *s = cJSON_CreateObject();
	cJSON_AddStringToObject(s, "Sid", rn_json_str(in, "StatementId"));
	cJSON_AddStringToObject(s, "Effect", "Allow");
	if (strstr(principal, ".amazonaws.com")) {
		cJSON_AddStringToObject(cJSON_AddObjectToObject(s, "Principal"), "Service", principal);
	} else if (!strcmp(principal, "*")) {
		cJSON_AddStringToObject(s, "Principal", "*");
	} else {
		RN_AUTO(rn_freep) char *aws =
			rn_starts(principal, "arn:") ? rn_strdup(principal) : rn_asprintf("arn:aws:iam::%s:root", principal);
		cJSON_AddStringToObject(cJSON_AddObjectToObject(s, "Principal"), "AWS", aws);
	}
	cJSON_AddStringToObject(s, "Action", rn_json_str(in, "Action"));
	cJSON_AddStringToObject(s, "Resource", arn);
	add_condition(s, "StringEquals", "lambda:FunctionUrlAuthType", rn_json_str(in, "FunctionUrlAuthType"));
	if (rn_json_get(in, "InvokedViaFunctionUrl"))
		add_condition(s, "Bool", "lambda:InvokedViaFunctionUrl", rn_json_bool(in, "InvokedViaFunctionUrl", false) ? "true" : "false");
	add_condition(s, "StringEquals", "AWS:SourceAccount", rn_json_str(in, "SourceAccount"));
	add_condition(s, "StringEquals", "lambda:EventSourceToken", rn_json_str(in, "EventSourceToken"));
	add_condition(s, "StringEquals", "aws:PrincipalOrgID", rn_json_str(in, "PrincipalOrgID"));
	add_condition(s, "ArnLike", "AWS:SourceArn", rn_json_str(in, "SourceArn"));
	return s;
}

static int check_statement(struct request *req, struct response *res, const cJSON *in)
{
	static const char *const NEEDED[][2] = { { "StatementId", "statementId" },
						 { "Action", "action" },
						 { "Principal", "principal" } };
	for (size_t i = 0; i < RN_LEN(NEEDED); i++)
		if (!rn_json_str(in, NEEDED[i][0]))
			return answer_error(req, res, 400, "ValidationException",
					    "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member "
					    "must not be null",
					    NEEDED[i][1]);
	if (!rn_starts(rn_json_str(in, "Action"), "lambda:"))
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value '%s' at 'action' failed to satisfy constraint: Member must "
				    "satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])",
				    rn_json_str(in, "Action"));
	const char *auth = rn_json_str(in, "FunctionUrlAuthType");
	if (auth && strcmp(rn_json_str(in, "Action"), "lambda:InvokeFunctionUrl") != 0)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action");
	if (auth && strcmp(auth, "NONE") != 0 && strcmp(auth, "AWS_IAM") != 0)
		return answer_error(req, res, 400, "ValidationException",
				    "1 validation error detected: Value '%s' at 'functionUrlAuthType' failed to satisfy constraint: Member must "
				    "satisfy enum value set: [NONE, AWS_IAM]",
				    auth);
	return 0;
}

/* The function, when the qualifier exists too; NULL when answered. */
static cJSON *asked(struct request *req, struct response *res, struct function_ref *r)
{
	if (function_ref_of(req, res, r) < 0)
		return NULL;
	cJSON *doc = function_require(req, res, r);
	if (!doc || !r->qualifier)
		return doc;
	RN_AUTO(rn_json_freep) cJSON *version = function_qualified(req->cloud, r, r->qualifier);
	if (version)
		return doc;
	RN_AUTO(rn_freep) char *arn = function_arn(r, r->qualifier);
	answer_error(req, res, 404, "ResourceNotFoundException", "Function not found: %s", arn);
	cJSON_Delete(doc);
	return NULL;
}

/* A policy changes nothing that runs: only the revision is new. */
static void save(struct request *req, const struct function_ref *r, cJSON *doc)
{
	char uuid[37];
	json_set_str(doc, "RevisionId", cloud_uuid(uuid));
	function_save(req->cloud, r, doc);
}

void lambda_add_permission(struct request *req, struct response *res)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = in ? asked(req, res, &r) : NULL;
	if (doc && check_statement(req, res, in) == 0) {
		cJSON *list = statements(doc, r.qualifier, true);
		const char *sid = rn_json_str(in, "StatementId");
		RN_AUTO(rn_freep) char *arn = function_arn(&r, r.qualifier);
		if (find(list, sid)) {
			answer_error(req, res, 409, "ResourceConflictException",
				     "The statement id (%s) provided already exists. Please provide a new statement id, or remove "
				     "the existing statement.",
				     sid);
		} else {
			cJSON *s = make_statement(in, arn), *out = cJSON_CreateObject();
			cJSON_AddItemToArray(list, s);
			save(req, &r, doc);
			RN_AUTO(rn_freep) char *text = rn_json_print(s);
			cJSON_AddStringToObject(out, "Statement", text);
			response_json(req, res, 201, out);
		}
	}
	function_ref_clear(&r);
}

static void no_policy(struct request *req, struct response *res)
{
	answer_error(req, res, 404, "ResourceNotFoundException", "The resource you requested does not exist.");
}

void lambda_remove_permission(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r);
	const char *sid = request_param(req, "sid");
	if (doc) {
		cJSON *list = statements(doc, r.qualifier, false), *s = find(list, sid);
		if (!list || !list->child) {
			answer_error(req, res, 404, "ResourceNotFoundException", "No policy is associated with the given resource.");
		} else if (!s) {
			answer_error(req, res, 404, "ResourceNotFoundException",
				     "Statement %s is not found in resource policy.", sid ? sid : "");
		} else {
			cJSON_Delete(cJSON_DetachItemViaPointer(list, s));
			save(req, &r, doc);
			response_json(req, res, 204, NULL);
		}
	}
	function_ref_clear(&r);
}

void lambda_get_policy(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	RN_AUTO(rn_json_freep) cJSON *doc = asked(req, res, &r);
	const cJSON *list = doc ? statements(doc, r.qualifier, false) : NULL;
	if (doc && list && list->child) {
		RN_AUTO(rn_json_freep) cJSON *policy = cJSON_CreateObject();
		cJSON_AddStringToObject(policy, "Version", "2012-10-17");
		cJSON_AddStringToObject(policy, "Id", "default");
		cJSON_AddItemToObject(policy, "Statement", cJSON_Duplicate(list, true));
		RN_AUTO(rn_freep) char *text = rn_json_print(policy);
		cJSON *out = cJSON_CreateObject();
		cJSON_AddStringToObject(out, "Policy", text);
		cJSON_AddStringToObject(out, "RevisionId", rn_json_str(doc, "RevisionId"));
		response_json(req, res, 200, out);
	} else if (doc) {
		no_policy(req, res);
	}
	function_ref_clear(&r);
}

static bool allows(const cJSON *s, const char *principal, const char *source_arn)
{
	const cJSON *who = rn_json_get(s, "Principal");
	const char *service = rn_json_str(who, "Service"), *action = rn_json_str(s, "Action");
	bool everyone = cJSON_IsString(who) && !strcmp(who->valuestring, "*");
	if (!everyone && !rn_streq(service, principal))
		return false;
	if (!rn_streq(action, "lambda:InvokeFunction") && !rn_streq(action, "lambda:*"))
		return false;
	if (rn_streq(rn_json_str(rn_json_path(s, "Condition.Bool"), "lambda:InvokedViaFunctionUrl"), "true"))
		return false;
	const char *like = rn_json_str(rn_json_path(s, "Condition.ArnLike"), "AWS:SourceArn");
	const char *account = rn_json_str(rn_json_path(s, "Condition.StringEquals"), "AWS:SourceAccount");
	return (!like || (source_arn && glob_matches(like, source_arn))) && (!account || !strcmp(account, CLOUD_ACCOUNT));
}

/* A statement that lets everybody do `action` by a URL without authentication. */
static bool is_public(const cJSON *s, const char *action)
{
	const cJSON *who = rn_json_get(s, "Principal");
	const char *everybody = cJSON_IsString(who) ? who->valuestring : rn_json_str(who, "AWS");
	const char *its = rn_json_str(s, "Action"), *auth = rn_json_str(rn_json_path(s, "Condition.StringEquals"), "lambda:FunctionUrlAuthType"),
		   *via = rn_json_str(rn_json_path(s, "Condition.Bool"), "lambda:InvokedViaFunctionUrl");
	return rn_streq(everybody, "*") && (rn_streq(its, action) || rn_streq(its, "lambda:*")) && (!auth || !strcmp(auth, "NONE")) &&
	       (!via || !strcmp(via, "true"));
}

bool lambda_is_public(struct cloud *c, const struct function_ref *r)
{
	static const char *const NEEDED[] = { "lambda:InvokeFunctionUrl", "lambda:InvokeFunction" };
	RN_AUTO(rn_json_freep) cJSON *doc = function_load(c, r);
	const cJSON *list = doc ? statements(doc, r->qualifier, false) : NULL, *s;
	size_t found = 0;
	for (size_t i = 0; i < RN_LEN(NEEDED); i++) {
		bool one = false;
		cJSON_ArrayForEach(s, list)
			one = one || is_public(s, NEEDED[i]);
		found += one;
	}
	return found == RN_LEN(NEEDED);
}

bool lambda_permits(struct cloud *c, const char *region, const char *function, const char *qualifier,
		    const char *principal, const char *source_arn)
{
	struct function_ref r = { 0 };
	if (function_ref_parse(region, function, qualifier, &r, NULL) < 0)
		return false;
	RN_AUTO(rn_json_freep) cJSON *doc = function_load(c, &r);
	const cJSON *list = doc ? statements(doc, r.qualifier, false) : NULL, *s;
	bool ok = false;
	cJSON_ArrayForEach(s, list)
		ok = ok || allows(s, principal, source_arn);
	function_ref_clear(&r);
	return ok;
}
