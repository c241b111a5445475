/* SPDX-License-Identifier: Apache-2.0 */
/* Statement ids, source ARNs, and comparing statements as documents. */
#include "policy.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"

#include <openssl/sha.h>
#include <string.h>

#define SID_HASH_BYTES 8
#define ARN_FIELDS 7 /* arn:aws:lambda:REGION:ACCOUNT:function:NAME */

void function_ref_parse(const char *arn, struct function_ref *ret)
{
	const char *p = arn;
	for (int field = 1; p && field < ARN_FIELDS; field++) {
		p = strchr(p, ':');
		p = p ? p + 1 : NULL;
	}
	const char *colon = p ? strchr(p, ':') : NULL;
	ret->arn = colon ? rn_strndup(arn, (size_t)(colon - arn)) : rn_strdup(arn);
	ret->qualifier = colon ? rn_strdup(colon + 1) : NULL;
}

void function_ref_clear(struct function_ref *r)
{
	rn_freep(&r->arn);
	rn_freep(&r->qualifier);
}

char *policy_source(const struct content_place *at, const char *api, const char *stage, const char *method,
		    const char *path)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "arn:%s:execute-api:%s:%s:%s/%s/%s", at->partition, at->region, at->account, api, stage,
		    strcmp(method, "ANY") == 0 ? "*" : method);
	for (const char *p = path; *p;) {
		size_t n = *p == '{' ? strcspn(p, "}") + 1 : 1;
		if (n > 1)
			rn_buf_addc(&b, '*');
		else
			rn_buf_addc(&b, *p);
		p += n;
	}
	return rn_buf_take(&b);
}

char *policy_source_authorizers(const struct content_place *at, const char *api)
{
	return rn_asprintf("arn:%s:execute-api:%s:%s:%s/authorizers/*", at->partition, at->region, at->account, api);
}

char *policy_sid_prefix(const char *api)
{
	return rn_asprintf("runner-%s-", api);
}

char *policy_sid(const char *api, const char *stage, const char *method, const char *path)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("%s %s %s", stage, method, path);
	RN_AUTO(rn_freep) char *prefix = policy_sid_prefix(api);
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	SHA256((const unsigned char *)text, strlen(text), digest);
	return rn_asprintf("%s%s", prefix, rn_hex(digest, SID_HASH_BYTES, hex));
}

const cJSON *policy_find(const cJSON *policy, const char *sid)
{
	const cJSON *statement;
	cJSON_ArrayForEach(statement, rn_json_get(policy, "Statement"))
	{
		if (rn_streq(rn_json_str(statement, "Sid"), sid))
			return statement;
	}
	return NULL;
}

/* A value, or a list of that one value. */
static bool is_only(const cJSON *v, const char *text)
{
	if (cJSON_IsArray(v) && cJSON_GetArraySize(v) == 1)
		v = v->child;
	return rn_streq(cJSON_GetStringValue(v), text);
}

static const cJSON *source_of(const cJSON *statement)
{
	const cJSON *like = rn_json_get(rn_json_get(statement, "Condition"), "ArnLike");
	const cJSON *arn = rn_json_get(like, "AWS:SourceArn");
	return arn ? arn : rn_json_get(like, "aws:SourceArn");
}

const char *policy_source_of(const cJSON *statement)
{
	return cJSON_GetStringValue(source_of(statement));
}

bool policy_allows(const cJSON *statement, const char *source)
{
	const cJSON *condition = rn_json_get(statement, "Condition");
	const cJSON *like = rn_json_get(condition, "ArnLike"), *arn = source_of(statement);
	return rn_streq(rn_json_str(statement, "Effect"), "Allow") &&
	       is_only(rn_json_get(rn_json_get(statement, "Principal"), "Service"), "apigateway.amazonaws.com") &&
	       is_only(rn_json_get(statement, "Action"), "lambda:InvokeFunction") && cJSON_GetArraySize(condition) == 1 &&
	       cJSON_GetArraySize(like) == 1 && is_only(arn, source);
}
