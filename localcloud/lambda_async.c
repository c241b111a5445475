/* SPDX-License-Identifier: Apache-2.0 */
/* How a function, version or alias treats asynchronous events: retries, age, and where the record of an end goes. */
#include "lambda_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RETRIES_MAX 2
#define AGE_MIN 60
#define AGE_MAX 21600

static const char *qualifier_of(const struct function_ref *r)
{
	return r->qualifier ? r->qualifier : LATEST;
}

cJSON *async_config(struct cloud *c, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *parent = function_parent(r);
	return store_get(c->store, ASYNC, parent, qualifier_of(r));
}

/* ---- checks ---- */

static int check_number(struct request *req, struct response *res, const cJSON *in, const char *name, const char *member, int min, int max)
{
	const cJSON *v = rn_json_get(in, name);
	if (!v || cJSON_IsNull(v))
		return 0;
	bool whole = cJSON_IsNumber(v) && floor(v->valuedouble) >= v->valuedouble;
	if (whole && v->valuedouble >= min && v->valuedouble <= max)
		return 0;
	RN_AUTO(rn_freep) char *text = rn_json_print(v);
	bool low = cJSON_IsNumber(v) && v->valuedouble < min;
	return answer_error(req, res, 400, "ValidationException",
			    "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have value "
			    "%s than or equal to %d",
			    text, member, low ? "greater" : "less", low ? min : max);
}

static const char *destination(const cJSON *config, const char *when)
{
	const char *to = rn_json_str(rn_json_get(rn_json_get(config, "DestinationConfig"), when), "Destination");
	return to && *to ? to : NULL;
}

/* A function must be there, and must not be the one itself. */
static int check_function(struct request *req, struct response *res, const struct function_ref *r, const char *arn)
{
	struct function_ref to = { 0 };
	if (function_ref_parse(req->region, arn, NULL, &to, NULL) < 0)
		return answer_error(req, res, 400, "InvalidParameterValueException", "The destination ARN %s is invalid.", arn);
	bool self = !strcmp(to.name, r->name) && !strcmp(to.region, r->region);
	RN_AUTO(rn_json_freep) cJSON *doc = self ? NULL : function_qualified(req->cloud, &to, to.qualifier);
	function_ref_clear(&to);
	if (self)
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "You can't specify the function as a destination for itself.");
	return doc ? 0 : answer_error(req, res, 400, "InvalidParameterValueException", "The destination ARN %s is invalid.", arn);
}

static int refuse_destinations(struct request *req, struct response *res, const cJSON *in)
{
	const char *ok = destination(in, "OnSuccess"), *bad = destination(in, "OnFailure");
	RN_AUTO(rn_freep) char *success = ok ? rn_asprintf("OnSuccess(destination=%s)", ok) : rn_strdup("null");
	RN_AUTO(rn_freep) char *failure = bad ? rn_asprintf("OnFailure(destination=%s)", bad) : rn_strdup("null");
	return answer_error(req, res, 400, "InvalidParameterValueException",
			    "The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.", success, failure);
}

static int check_destinations(struct request *req, struct response *res, const struct function_ref *r, const cJSON *in)
{
	const cJSON *config = rn_json_get(in, "DestinationConfig");
	if (config && !cJSON_IsObject(config))
		return answer_error(req, res, 400, "SerializationException", "DestinationConfig is not of the form that is expected");
	static const char *const WHEN[] = { "OnSuccess", "OnFailure" };
	static const char *const SERVICES[] = { ":lambda:", ":sqs:", ":sns:", ":events:", ":s3:" };
	for (size_t i = 0; i < RN_LEN(WHEN); i++) {
		const char *to = destination(in, WHEN[i]), *service = to ? strchr(to + strcspn(to, ":") + 1, ':') : NULL;
		bool known = !to;
		for (size_t k = 0; service && k < RN_LEN(SERVICES) - (i == 0); k++) /* a bucket takes failures only */
			known = known || rn_starts(service, SERVICES[k]);
		if (!known)
			return refuse_destinations(req, res, in);
		if (to && rn_starts(service, ":lambda:") && check_function(req, res, r, to) < 0)
			return -1;
	}
	return 0;
}

static int check(struct request *req, struct response *res, const struct function_ref *r, const cJSON *in)
{
	if (!rn_json_get(in, "MaximumRetryAttempts") && !rn_json_get(in, "MaximumEventAgeInSeconds") && !rn_json_get(in, "DestinationConfig"))
		return answer_error(req, res, 400, "InvalidParameterValueException",
				    "You must specify at least one of error handling or destination setting.");
	if (check_number(req, res, in, "MaximumRetryAttempts", "maximumRetryAttempts", 0, RETRIES_MAX) < 0 ||
	    check_number(req, res, in, "MaximumEventAgeInSeconds", "maximumEventAgeInSeconds", AGE_MIN, AGE_MAX) < 0)
		return -1;
	return check_destinations(req, res, r, in);
}

/* ---- the API ---- */

static void take(const cJSON *in, cJSON *config)
{
	static const char *const NAMES[] = { "MaximumRetryAttempts", "MaximumEventAgeInSeconds" };
	for (size_t i = 0; i < RN_LEN(NAMES); i++)
		if (cJSON_IsNumber(rn_json_get(in, NAMES[i])))
			json_set(config, NAMES[i], cJSON_Duplicate(rn_json_get(in, NAMES[i]), true));
	cJSON *to = cJSON_CreateObject();
	static const char *const WHEN[] = { "OnSuccess", "OnFailure" };
	for (size_t i = 0; i < RN_LEN(WHEN); i++) {
		/* what an update leaves out stays */
		const char *arn = rn_json_get(rn_json_get(in, "DestinationConfig"), WHEN[i]) ? destination(in, WHEN[i]) : destination(config, WHEN[i]);
		cJSON *one = cJSON_AddObjectToObject(to, WHEN[i]);
		if (arn)
			cJSON_AddStringToObject(one, "Destination", arn);
	}
	json_set(config, "DestinationConfig", to);
	json_set(config, "LastModified", cJSON_CreateNumber(cloud_now()));
}

/* The name and qualifier, both there; -1 when answered. */
static int asked(struct request *req, struct response *res, struct function_ref *r)
{
	if (function_ref_of(req, res, r) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *doc = function_qualified(req->cloud, r, r->qualifier);
	if (doc)
		return 0;
	answer_error(req, res, 404, "ResourceNotFoundException", "The function doesn't exist.");
	function_ref_clear(r);
	return -1;
}

static void no_config(struct request *req, struct response *res, const struct function_ref *r)
{
	RN_AUTO(rn_freep) char *arn = function_arn(r, qualifier_of(r));
	answer_error(req, res, 404, "ResourceNotFoundException", "The function %s doesn't have an EventInvokeConfig", arn);
}

static void put(struct request *req, struct response *res, bool merge)
{
	const cJSON *in = request_json(req, res);
	struct function_ref r = { 0 };
	if (!in || asked(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *config = merge ? async_config(req->cloud, &r) : cJSON_CreateObject();
	RN_AUTO(rn_freep) char *parent = function_parent(&r);
	RN_AUTO(rn_freep) char *arn = function_arn(&r, qualifier_of(&r));
	if (!config) {
		no_config(req, res, &r);
	} else if (check(req, res, &r, in) == 0) {
		json_set_str(config, "FunctionArn", arn);
		take(in, config);
		store_put(req->cloud->store, ASYNC, parent, qualifier_of(&r), config, NULL);
		response_json(req, res, 200, cJSON_Duplicate(config, true));
	}
	function_ref_clear(&r);
}

void lambda_put_async(struct request *req, struct response *res)
{
	put(req, res, false);
}

void lambda_update_async(struct request *req, struct response *res)
{
	put(req, res, true);
}

void lambda_get_async(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	cJSON *config = async_config(req->cloud, &r);
	if (config)
		response_json(req, res, 200, config);
	else
		no_config(req, res, &r);
	function_ref_clear(&r);
}

void lambda_delete_async(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_freep) char *parent = function_parent(&r);
	if (store_remove(req->cloud->store, ASYNC, parent, qualifier_of(&r), NULL) == 0)
		no_config(req, res, &r);
	else
		response_json(req, res, 204, NULL);
	function_ref_clear(&r);
}

void lambda_list_async(struct request *req, struct response *res)
{
	struct function_ref r = { 0 };
	if (function_ref_of(req, res, &r) < 0)
		return;
	RN_AUTO(rn_json_freep) cJSON *doc = function_require(req, res, &r);
	if (doc)
		lambda_answer_list(req, res, &r, ASYNC, "FunctionEventInvokeConfigs", NULL);
	function_ref_clear(&r);
}
