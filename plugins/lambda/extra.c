/* SPDX-License-Identifier: Apache-2.0 */
#include "extra.h"

#include "fields.h"

#include "base/mem.h"

#include <string.h>

const struct extra_statement extra_statements[EXTRA_STATEMENTS] = {
	{ "FunctionURLAllowPublicAccess", "lambda:InvokeFunctionUrl", "lambda:FunctionUrlAuthType", "NONE" },
	{ "FunctionURLAllowInvokeAction", "lambda:InvokeFunction", "lambda:InvokedViaFunctionUrl", "true" },
};

/* ---- their members ------------------------------------------------------------------------- */

static const struct field recursion_fields[] = {
	{ .name = "recursive_loop", .wire = "RecursiveLoop", .kind = FIELD_TEXT },
};
static const struct field async_fields[] = {
	{ .name = "max_age", .wire = "MaximumEventAgeInSeconds", .kind = FIELD_SECONDS, .min = 60, .max = 21600, .def = 21600 },
	{ .name = "retries", .wire = "MaximumRetryAttempts", .kind = FIELD_NUMBER, .min = 0, .max = 2, .def = 2 },
	{ .name = "on_success", .wire = "OnSuccess", .kind = FIELD_TEXT },
	{ .name = "on_failure", .wire = "OnFailure", .kind = FIELD_TEXT },
};
static const struct field provisioned_fields[] = {
	{ .name = "provisioned_concurrency", .wire = "ProvisionedConcurrentExecutions", .kind = FIELD_NUMBER, .min = 0, .max = INT32_MAX },
	{ .name = "state", .wire = "Status", .kind = FIELD_TEXT },
};
static const struct field cors_fields[] = {
	{ .name = "origins", .wire = "AllowOrigins", .kind = FIELD_SET },
	{ .name = "methods", .wire = "AllowMethods", .kind = FIELD_SET, .one_of = "*|GET|PUT|HEAD|POST|PATCH|DELETE" },
	{ .name = "headers", .wire = "AllowHeaders", .kind = FIELD_NAMES },
	{ .name = "expose_headers", .wire = "ExposeHeaders", .kind = FIELD_NAMES },
	{ .name = "credentials", .wire = "AllowCredentials", .kind = FIELD_FLAG },
	{ .name = "max_age", .wire = "MaxAge", .kind = FIELD_SECONDS, .min = 0, .max = 86400 },
};
static const struct field url_fields[] = {
	{ .name = "auth", .wire = "AuthType", .kind = FIELD_TEXT, .one_of = "NONE|AWS_IAM" },
	{ .name = "invoke_mode", .wire = "InvokeMode", .kind = FIELD_TEXT, .one_of = "BUFFERED|RESPONSE_STREAM" },
	{ .name = "cors", .wire = "Cors", .kind = FIELD_MAP, .inner = cors_fields, .n_inner = RN_LEN(cors_fields) },
};

static const struct {
	const char *param, *words;
	const struct field *fields;
	size_t n;
	bool qualified;
} extras[EXTRA_N] = {
	[EXTRA_RECURSION] = { "recursive_loop", "loop detection", recursion_fields, RN_LEN(recursion_fields), false },
	[EXTRA_ASYNC] = { "async", "asynchronous invocation", async_fields, RN_LEN(async_fields), true },
	[EXTRA_PROVISIONED] = { "provisioned_concurrency", "provisioned concurrency", provisioned_fields, RN_LEN(provisioned_fields), true },
	[EXTRA_URL] = { "url", "URL", url_fields, RN_LEN(url_fields), true },
};

const char *extra_param(enum extra e)
{
	return extras[e].param;
}

const char *extra_words(enum extra e)
{
	return extras[e].words;
}

bool extra_qualified(enum extra e)
{
	return extras[e].qualified;
}

const char *extra_spoken(enum extra e, const char *wire)
{
	return strcmp(wire, "Public") == 0 ? "public" : fields_spoken(extras[e].fields, extras[e].n, wire);
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool is_false(const char *text)
{
	return text && strcmp(text, "false") == 0;
}

/* What an event may be sent to: a queue, topic, event bus, function, and a bucket after a failure. */
static int check_destination(const char *member, const char *to, struct rn_error *err)
{
	static const char *const services[] = { "sqs", "sns", "lambda", "events", "s3" };
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	if (!*to || rn_starts(to, "kafka://"))
		return 0;
	rn_strv_split(&parts, to, ':');
	bool bucket = parts.n > 2 && strcmp(parts.v[2], "s3") == 0;
	if (bucket && strcmp(member, "on_success") == 0) {
		rn_fail(err, RN_EINVAL, "async.on_success cannot be a bucket");
		return rn_hint(err, "Lambda sends only failures to S3: name a queue, topic, event bus or function");
	}
	for (size_t i = 0; parts.n >= 6 && strcmp(parts.v[0], "arn") == 0 && i < RN_LEN(services); i++)
		if (strcmp(parts.v[2], services[i]) == 0)
			return 0;
	rn_fail(err, RN_EINVAL, "async.%s must be the ARN of a queue, topic, event bus, function%s, not \"%s\"", member,
		strcmp(member, "on_failure") == 0 ? " or bucket" : "", to);
	return rn_hint(err, "for example arn:aws:sqs:eu-central-1:123456789012:failed");
}

static int check_async(const char *text, struct rn_error *err)
{
	if (is_false(text))
		return 0;
	if (fields_check("async", text, async_fields, RN_LEN(async_fields), err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *want = fields_take_text(text, async_fields, RN_LEN(async_fields));
	return check_destination("on_success", rn_json_str(want, "OnSuccess"), err) < 0 ?
		       -1 :
		       check_destination("on_failure", rn_json_str(want, "OnFailure"), err);
}

static int check_url(const char *text, struct rn_error *err)
{
	if (!text || is_false(text))
		return 0;
	if (fields_check("url", text, url_fields, RN_LEN(url_fields), err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *want = fields_take_text(text, url_fields, RN_LEN(url_fields));
	if (*rn_json_str(want, "AuthType"))
		return 0;
	rn_fail(err, RN_EINVAL, "url.auth must be given: NONE or AWS_IAM");
	return rn_hint(err, "NONE: everybody may call it; AWS_IAM: only who signs and is allowed to");
}

static int check_provisioned(const struct lambda_params *p, struct rn_error *err)
{
	int64_t n = p->provisioned_concurrency;
	if (n < 0 || n > INT32_MAX)
		return rn_fail(err, RN_EINVAL, "provisioned concurrency is 1 or more, or 0 for none");
	if (n > 0 && !(p->alias && *p->alias)) {
		rn_fail(err, RN_EINVAL, "provisioned_concurrency needs an alias: there is none for $LATEST");
		return rn_hint(err, "add alias, for example alias: live");
	}
	if (n > 0 && p->reserved_concurrency >= 0 && n > p->reserved_concurrency)
		return rn_fail(err, RN_EINVAL, "provisioned_concurrency (%lld) is more than reserved_concurrency (%lld) leaves room for",
			       (long long)n, (long long)p->reserved_concurrency);
	return 0;
}

int extra_check(const struct lambda_params *p, const char **ret_param, struct rn_error *err)
{
	*ret_param = "async";
	if (check_async(p->async.text, err) < 0)
		return -1;
	*ret_param = "provisioned_concurrency";
	if (check_provisioned(p, err) < 0)
		return -1;
	*ret_param = "url";
	return check_url(p->url.text, err);
}

/* ---- documents -------------------------------------------------------------------------------- */

static cJSON *want_url(const char *text)
{
	cJSON *want = fields_take_text(text, url_fields, RN_LEN(url_fields));
	if (!*rn_json_str(want, "InvokeMode"))
		cJSON_ReplaceItemInObjectCaseSensitive(want, "InvokeMode", cJSON_CreateString("BUFFERED"));
	cJSON *public = cJSON_AddArrayToObject(want, "Public");
	for (size_t i = 0; i < EXTRA_STATEMENTS && rn_streq(rn_json_str(want, "AuthType"), "NONE"); i++)
		cJSON_AddItemToArray(public, cJSON_CreateString(extra_statements[i].sid));
	return want;
}

cJSON *extra_want(enum extra e, const struct lambda_params *p)
{
	cJSON *want;
	switch (e) {
	case EXTRA_RECURSION:
		want = cJSON_CreateObject();
		cJSON_AddStringToObject(want, "RecursiveLoop", p->recursive_loop ? p->recursive_loop : "Terminate");
		return want;
	case EXTRA_ASYNC:
		return is_false(p->async.text) ? cJSON_CreateNull() : fields_take_text(p->async.text, async_fields, RN_LEN(async_fields));
	case EXTRA_PROVISIONED:
		if (p->provisioned_concurrency <= 0)
			break;
		want = cJSON_CreateObject();
		cJSON_AddNumberToObject(want, "ProvisionedConcurrentExecutions", (double)p->provisioned_concurrency);
		return want;
	case EXTRA_URL:
		return is_false(p->url.text) ? cJSON_CreateNull() : want_url(p->url.text);
	case EXTRA_N:
		break;
	}
	return cJSON_CreateNull();
}

static cJSON *have_async(const cJSON *answer)
{
	RN_AUTO(rn_json_freep) cJSON *flat = cJSON_Duplicate(answer, true);
	static const char *const names[] = { "OnSuccess", "OnFailure" };
	for (size_t i = 0; i < RN_LEN(names); i++) {
		const char *to = rn_json_str(rn_json_get(rn_json_get(answer, "DestinationConfig"), names[i]), "Destination");
		cJSON_AddStringToObject(flat, names[i], to ? to : "");
	}
	return fields_take(flat, async_fields, RN_LEN(async_fields));
}

static cJSON *have_provisioned(const cJSON *answer)
{
	cJSON *have = cJSON_CreateObject();
	const char *reason = rn_json_str(answer, "StatusReason");
	cJSON_AddNumberToObject(have, "ProvisionedConcurrentExecutions", rn_json_num(answer, "RequestedProvisionedConcurrentExecutions", 0));
	if (rn_streq(rn_json_str(answer, "Status"), "FAILED")) {
		RN_AUTO(rn_freep) char *text = rn_asprintf("FAILED: %s", reason ? reason : "no reason");
		cJSON_AddStringToObject(have, "Status", text);
	}
	return have;
}

cJSON *extra_have(enum extra e, const cJSON *answer)
{
	if (!answer || cJSON_IsNull(answer))
		return cJSON_CreateNull();
	switch (e) {
	case EXTRA_ASYNC:
		return have_async(answer);
	case EXTRA_PROVISIONED:
		return have_provisioned(answer);
	case EXTRA_URL: {
		cJSON *have = fields_take(answer, url_fields, RN_LEN(url_fields));
		if (!*rn_json_str(have, "InvokeMode"))
			cJSON_ReplaceItemInObjectCaseSensitive(have, "InvokeMode", cJSON_CreateString("BUFFERED"));
		return have;
	}
	case EXTRA_RECURSION:
	case EXTRA_N:
		break;
	}
	cJSON *have = fields_take(answer, recursion_fields, RN_LEN(recursion_fields));
	if (!*rn_json_str(have, "RecursiveLoop"))
		cJSON_ReplaceItemInObjectCaseSensitive(have, "RecursiveLoop", cJSON_CreateString("Terminate"));
	return have;
}

/* ---- the public statements -------------------------------------------------------------------- */

const cJSON *extra_find_statement(const cJSON *policy, const char *sid)
{
	const cJSON *s;
	cJSON_ArrayForEach(s, rn_json_get(policy, "Statement"))
	{
		if (rn_streq(rn_json_str(s, "Sid"), sid))
			return s;
	}
	return NULL;
}

static bool has_condition(const cJSON *statement, const struct extra_statement *s)
{
	const cJSON *operator;
	cJSON_ArrayForEach(operator, rn_json_get(statement, "Condition"))
	{
		const cJSON *value = rn_json_get(operator, s->condition);
		if (rn_streq(cJSON_GetStringValue(value), s->value) || (cJSON_IsTrue(value) && strcmp(s->value, "true") == 0))
			return true;
	}
	return false;
}

bool extra_has_statement(const cJSON *policy, const struct extra_statement *s)
{
	const cJSON *found = extra_find_statement(policy, s->sid), *who = rn_json_get(found, "Principal");
	const char *everybody = cJSON_IsString(who) ? who->valuestring : rn_json_str(who, "AWS");
	return found && rn_streq(rn_json_str(found, "Effect"), "Allow") && rn_streq(rn_json_str(found, "Action"), s->action) &&
	       rn_streq(everybody, "*") && has_condition(found, s);
}

cJSON *extra_public(const cJSON *policy)
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < EXTRA_STATEMENTS; i++) {
		const struct extra_statement *s = &extra_statements[i];
		if (!extra_find_statement(policy, s->sid))
			continue;
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s%s", s->sid, extra_has_statement(policy, s) ? "" : " (changed)");
		cJSON_AddItemToArray(list, cJSON_CreateString(name));
	}
	return list;
}

/* ---- bodies ------------------------------------------------------------------------------------- */

cJSON *extra_async_body(const cJSON *want)
{
	static const char *const names[] = { "OnSuccess", "OnFailure" };
	cJSON *body = cJSON_CreateObject();
	cJSON_AddNumberToObject(body, "MaximumEventAgeInSeconds", rn_json_num(want, "MaximumEventAgeInSeconds", 0));
	cJSON_AddNumberToObject(body, "MaximumRetryAttempts", rn_json_num(want, "MaximumRetryAttempts", 0));
	cJSON *to = cJSON_AddObjectToObject(body, "DestinationConfig");
	for (size_t i = 0; i < RN_LEN(names); i++)
		if (*rn_json_str(want, names[i]))
			cJSON_AddStringToObject(cJSON_AddObjectToObject(to, names[i]), "Destination", rn_json_str(want, names[i]));
	return body;
}

cJSON *extra_url_body(const cJSON *want, bool creating)
{
	cJSON *body = cJSON_CreateObject(), *cors = cJSON_CreateObject();
	const cJSON *item;
	cJSON_ArrayForEach(item, rn_json_get(want, "Cors"))
	{
		if (!fields_empty(item) && !(cJSON_IsNumber(item) && item->valuedouble <= 0))
			cJSON_AddItemToObject(cors, item->string, cJSON_Duplicate(item, true));
	}
	cJSON_AddStringToObject(body, "AuthType", rn_json_str(want, "AuthType"));
	cJSON_AddStringToObject(body, "InvokeMode", rn_json_str(want, "InvokeMode"));
	if (creating && !cors->child)
		cJSON_Delete(cors);
	else
		cJSON_AddItemToObject(body, "Cors", cors); /* {} takes away what was there */
	return body;
}

cJSON *extra_statement_body(const struct extra_statement *s)
{
	cJSON *body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "StatementId", s->sid);
	cJSON_AddStringToObject(body, "Action", s->action);
	cJSON_AddStringToObject(body, "Principal", "*");
	if (strcmp(s->value, "true") == 0)
		cJSON_AddTrueToObject(body, "InvokedViaFunctionUrl");
	else
		cJSON_AddStringToObject(body, "FunctionUrlAuthType", s->value);
	return body;
}
