/* SPDX-License-Identifier: Apache-2.0 */
/* API Gateway's refusals look alike; these tell them apart by status, header and text. */
#include "explain.h"

#include "base/str.h"

#include <string.h>

struct cause {
	int status;
	const char *type; /* x-amzn-ErrorType; NULL: any */
	const char *text; /* in the body; NULL: any      */
	int with_key;     /* 1: a key was sent, 0: none, -1: either */
	const char *means;
};

static const struct cause causes[] = {
	{ 403, "MissingAuthenticationTokenException", NULL, -1,
	  "API Gateway has no such route: check path, method and stage name in the URL, and that "
	  "the change was deployed to the stage" },
	{ 403, NULL, "Missing Authentication Token", -1,
	  "API Gateway has no such route: check path, method and stage name in the URL, and that "
	  "the change was deployed to the stage" },
	{ 403, "AccessDeniedException", NULL, -1,
	  "a resource policy or IAM authorisation of the API refuses the caller" },
	{ 403, "ForbiddenException", NULL, 1,
	  "API Gateway does not accept the key: it is wrong or disabled, in no usage plan, or its "
	  "plan is not bound to this stage; a new "
	  "key needs up to a minute" },
	{ 403, "ForbiddenException", NULL, 0,
	  "the method wants an API key and none was sent: add headers: {x-api-key: ${{ "
	  "stages.ID.api_key }}}" },
	{ 403, NULL, "\"Forbidden\"", 1,
	  "API Gateway does not accept the key: it is wrong or disabled, in no usage plan, or its "
	  "plan is not bound to this stage; a new "
	  "key needs up to a minute" },
	{ 403, NULL, "\"Forbidden\"", 0,
	  "the method wants an API key and none was sent: add headers: {x-api-key: ${{ "
	  "stages.ID.api_key }}}" },
	{ 429, NULL, "Limit Exceeded", -1,
	  "the key's quota is used up: raise usage_plan.quota or wait for its next period" },
	{ 429, NULL, NULL, -1,
	  "throttled: more requests a second than the usage plan or the stage allows" },
	{ 502, NULL, NULL, -1,
	  "the function failed, or did not answer as a proxy integration must ({\"statusCode\": …, "
	  "\"body\": \"text\"}); see its log" },
	{ 504, NULL, NULL, -1,
	  "the function took longer than the integration's limit (29 s by default)" },
	{ 500, NULL, "Internal server error", -1,
	  "API Gateway may not invoke the function: its permission for this API and route is "
	  "missing" },
};

static bool has_mark(const struct http_response *r)
{
	return http_headers_get(&r->headers, "x-amzn-ErrorType") || http_headers_get(&r->headers, "x-amz-apigw-id") ||
	       http_headers_get(&r->headers, "x-amzn-RequestId");
}

bool explain_is_gateway(const struct http_response *r)
{
	return explain_may_settle(r->status) && has_mark(r);
}

const char *explain_answer(const struct http_response *r, bool sent_key)
{
	const char *type = http_headers_get(&r->headers, "x-amzn-ErrorType");
	bool gateway = has_mark(r);
	for (size_t i = 0; gateway && i < RN_LEN(causes); i++) {
		const struct cause *c = &causes[i];
		if (c->status != r->status || (c->with_key >= 0 && c->with_key != sent_key))
			continue;
		if ((c->type && (!type || !rn_starts(type, c->type))) ||
		    (c->text && !strstr(rn_buf_str(&r->body), c->text)))
			continue;
		return c->means;
	}
	return NULL;
}

bool explain_may_settle(int status)
{
	return status == 403 || status == 404 || status == 429 || status >= 500;
}
