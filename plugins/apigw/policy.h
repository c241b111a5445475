/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements in a function's policy that let API Gateway invoke it, one a
 * route, scoped to API, stage, method and path. Pure: no calls.
 */
#ifndef APIGW_POLICY_H
#define APIGW_POLICY_H

#include "content.h"

/** An ARN of a function taken apart. Zeroed: empty. */
struct function_ref {
	char *arn;       /* without the qualifier          */
	char *qualifier; /* version or alias; NULL: none   */
};
void function_ref_parse(const char *arn, struct function_ref *ret);
void function_ref_clear(struct function_ref *r);

/** "arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/POST/PATH"; ANY and variables become an asterisk. New string. */
char *policy_source(const struct content_place *at, const char *api, const char *stage, const char *method,
		    const char *path);
/** "runner-API-" + a hash of stage, method and path: the statement id. New string. */
char *policy_sid(const char *api, const char *stage, const char *method, const char *path);
/** Source ARN of all authorizers of an API; new string. */
char *policy_source_authorizers(const struct content_place *at, const char *api);
/** Prefix of all our statement ids for that API; new string. */
char *policy_sid_prefix(const char *api);

/** Statement with that id in a policy document; NULL when there is none. Borrowed. */
const cJSON *policy_find(const cJSON *policy, const char *sid);
/** The one source ARN that a statement is for; NULL when it is not of our form. Borrowed. */
const char *policy_source_of(const cJSON *statement);
/** True when the statement lets API Gateway invoke the function for exactly that source. */
bool policy_allows(const cJSON *statement, const char *source);

#endif
