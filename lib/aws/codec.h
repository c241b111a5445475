/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to bytes and bytes to answers, for the three protocols. Pure; internal to lib/aws. */
#ifndef AWS_CODEC_H
#define AWS_CODEC_H

#include "endpoint.h"

/** "a=b&c=d" of a query object, RFC 3986, arrays repeat the name; new string, "" when empty. */
char *aws_encode_query(const cJSON *query);
/**
 * Body of a Query call: Action, Version and the flattened parameters (NAME.member.N). New string.
 */
char *aws_encode_form(const char *operation, const char *version, const cJSON *params);
/** Decodes a body by its first character: JSON or XML, NULL when it is neither or malformed. */
cJSON *aws_decode(const struct rn_buf *body, struct rn_error *err);
/** Fills code, message and request id from a refusal (status, headers, decoded body or NULL). */
void aws_decode_error(const struct http_response *r, const cJSON *body, struct aws_error *e);

/** What to do about a failed try. */
enum aws_verdict {
	AWS_FATAL = 0,
	AWS_THROTTLED,
	AWS_TRANSIENT,
	AWS_SKEWED,  /* clock: correct it and send again             */
	AWS_EXPIRED, /* credentials: get new ones and send again     */
};
enum aws_verdict aws_judge(const struct aws_error *e);
/** Class of the failure for struct rn_error. */
enum rn_code aws_error_class(const struct aws_error *e);

#endif
