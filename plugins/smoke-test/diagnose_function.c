/* SPDX-License-Identifier: Apache-2.0 */
/* 5xx: the function behind the route. */
#include "diagnose.h"

#include "base/mem.h"

#include <string.h>

/* ARN in a Lambda integration's URI; NULL for another kind. New string. */
static char *function_arn(const cJSON *integration)
{
	const char *uri = rn_json_str(integration, "uri");
	const char *begin = uri ? strstr(uri, ":lambda:path/") : NULL;
	begin = begin ? strstr(begin, "/functions/") : NULL;
	if (!begin)
		return NULL;
	begin += strlen("/functions/");
	return rn_strndup(begin, strcspn(begin, "/"));
}

/* "arn:aws:lambda:R:A:function:NAME:QUALIFIER" cut behind NAME; the qualifier, or NULL. */
static const char *cut_qualifier(char *arn)
{
	char *p = strstr(arn, ":function:");
	p = p ? strchr(p + strlen(":function:"), ':') : NULL;
	if (!p)
		return NULL;
	*p = '\0';
	return p + 1;
}

static char *state_cause(const cJSON *function, const char *arn)
{
	const cJSON *c = rn_json_get(function, "Configuration");
	const char *state = rn_json_str(c, "State"), *update = rn_json_str(c, "LastUpdateStatus");
	const char *reason = rn_json_str(c, "StateReason"), *update_reason = rn_json_str(c, "LastUpdateStatusReason");
	if (state && strcmp(state, "Active") != 0)
		return rn_asprintf("function %s is %s%s%s: wait until it is active, or run the lambda stage", arn, state,
				   reason ? ": " : "", reason ? reason : "");
	if (rn_streq(update, "Failed"))
		return rn_asprintf("the last update of function %s failed%s%s: run the lambda stage, which says what to do", arn,
				   update_reason ? ": " : "", update_reason ? update_reason : "");
	const cJSON *reserved = rn_json_get(rn_json_get(function, "Concurrency"), "ReservedConcurrentExecutions");
	if (cJSON_IsNumber(reserved) && reserved->valuedouble < 1)
		return rn_asprintf("function %s is stopped: its reserved concurrency is 0", arn);
	return NULL;
}

/* Does a statement let this API's route invoke the function? */
static bool may_invoke(const struct diagnosis *d, const cJSON *policy)
{
	RN_AUTO(rn_freep) char *source = rn_asprintf(":%s/%s/%s%s", d->at.api, d->at.stage, d->method, d->route->string);
	const cJSON *statement;
	cJSON_ArrayForEach(statement, rn_json_get(policy, "Statement"))
	{
		const char *service = rn_json_str(rn_json_get(statement, "Principal"), "Service");
		const cJSON *like = rn_json_get(rn_json_get(statement, "Condition"), "ArnLike");
		const char *arn = rn_json_str(like, "AWS:SourceArn");
		const char *api = arn ? strrchr(arn, ':') : NULL;
		if (!rn_streq(rn_json_str(statement, "Effect"), "Allow") || !rn_streq(service, "apigateway.amazonaws.com"))
			continue;
		if (!like || (api && gateway_covers(api, source)))
			return true;
	}
	return false;
}

static char *permission_cause(struct diagnosis *d, struct aws_client *lambda, const char *arn, const char *qualifier)
{
	RN_AUTO(rn_freep) char *path = aws_path("/2015-03-31/functions/{}/policy", arn);
	RN_AUTO(rn_json_freep) cJSON *query = cJSON_CreateObject(), *answer = NULL;
	if (qualifier)
		cJSON_AddStringToObject(query, "Qualifier", qualifier);
	if (diagnose_get(d, lambda, "GetPolicy", path, query, &answer) < 0)
		return NULL;
	const char *text = rn_json_str(answer, "Policy");
	RN_AUTO(rn_json_freep) cJSON *policy = text ? rn_json_parse_str(text, NULL) : NULL;
	if (may_invoke(d, policy))
		return NULL;
	return rn_asprintf("API %s may not invoke function %s%s%s for %s %s: its permission is missing; run the apigw stage, which adds it",
			   d->at.api, arn, qualifier ? ":" : "", qualifier ? qualifier : "", d->method, d->route->string);
}

/* All is in place, so it is the function's own doing. */
static char *own_cause(const struct diagnosis *d, const cJSON *integration, const cJSON *function, const char *arn)
{
	const cJSON *c = rn_json_get(function, "Configuration");
	const char *group = rn_json_str(rn_json_get(c, "LoggingConfig"), "LogGroup");
	if (d->answer->status == 504)
		return rn_asprintf("function %s took longer than the integration waits (%lld ms; the function's own timeout is %lld s): make it "
				   "faster, give it more memory, or raise integration_timeout (29 s at most)",
				   arn, (long long)rn_json_int(integration, "timeoutInMillis", 29000), (long long)rn_json_int(c, "Timeout", 3));
	return rn_asprintf("function %s failed, or did not answer {\"statusCode\": …, \"body\": \"text\"} as a proxy integration must: see its "
			   "log group %s; `test_event` of the lambda stage shows it too",
			   arn, group ? group : "/aws/lambda/NAME");
}

char *diagnose_function(struct diagnosis *d)
{
	const cJSON *integration = rn_json_get(gateway_method(d->route, d->method), "methodIntegration");
	RN_AUTO(rn_freep) char *arn = function_arn(integration);
	struct rn_error err = { 0 };
	RN_AUTO(aws_client_freep) struct aws_client *lambda = arn ? aws_client_new(d->session, "lambda", &err) : NULL;
	if (!lambda)
		return NULL;
	const char *qualifier = cut_qualifier(arn);
	RN_AUTO(rn_freep) char *path = aws_path("/2015-03-31/functions/{}", arn);
	RN_AUTO(rn_json_freep) cJSON *function = NULL, *query = cJSON_CreateObject();
	if (qualifier)
		cJSON_AddStringToObject(query, "Qualifier", qualifier);
	if (diagnose_get(d, lambda, "GetFunction", path, query, &function) < 0)
		return NULL;
	if (!function)
		return rn_asprintf("function %s%s%s, which the route invokes, does not exist: run the lambda stage, or correct `function` of the "
				   "apigw stage",
				   arn, qualifier ? ":" : "", qualifier ? qualifier : "");
	char *cause = state_cause(function, arn);
	if (!cause)
		cause = permission_cause(d, lambda, arn, qualifier);
	return cause ? cause : own_cause(d, integration, function, arn);
}
