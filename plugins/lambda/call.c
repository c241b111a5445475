/* SPDX-License-Identifier: Apache-2.0 */
/* Writing calls, with patience for what Lambda refuses only for now. */
#include "function.h"

#include "base/time.h"

#include <string.h>

#define MINUTE_MS 60000
#define FIRST_DELAY_MS 1000
#define LAST_DELAY_MS 10000

/* A refusal that passes by itself. */
struct passing {
	const char *code;
	const char *text;  /* part of the message; NULL: any      */
	int64_t limit_ms;  /* 0: the stage's role_wait            */
	const char *why;   /* told while waiting                  */
	const char *hint;  /* when it did not pass                */
};
static const struct passing passing[] = {
	{ "InvalidParameterValueException", "cannot be assumed by Lambda", 0,
	  "Lambda cannot assume the role yet (a new role takes a while to arrive everywhere)",
	  "the trust policy of the role must allow lambda.amazonaws.com to assume it" },
	{ "InvalidParameterValueException", "does not have permissions to call", 2 * MINUTE_MS,
	  "the role's permissions have not arrived everywhere yet",
	  "attach the permission that the message names to the role (a VPC needs AWSLambdaVPCAccessExecutionRole)" },
	{ "InvalidParameterValueException", "permission to access the ECR image", MINUTE_MS,
	  "Lambda cannot read the repository yet",
	  "the repository's policy must let lambda.amazonaws.com call ecr:BatchGetImage and ecr:GetDownloadUrlForLayer" },
	{ "AccessDeniedException", "permission to access the ECR image", MINUTE_MS, "Lambda cannot read the repository yet",
	  "the repository's policy must let lambda.amazonaws.com call ecr:BatchGetImage and ecr:GetDownloadUrlForLayer" },
	{ "ResourceConflictException", "in progress", 5 * MINUTE_MS, "another update of the function is in progress",
	  "something else keeps updating this function" },
	{ "ResourceConflictException", "state: Pending", 5 * MINUTE_MS, "the function is not ready yet", NULL },
	{ "TooManyRequestsException", NULL, 5 * MINUTE_MS, "Lambda is throttling calls of this account", NULL },
};

static const struct passing *find_passing(const struct aws_error *e)
{
	for (size_t i = 0; i < RN_LEN(passing); i++)
		if (aws_error_is(e, passing[i].code) && (!passing[i].text || strstr(e->message, passing[i].text)))
			return &passing[i];
	return NULL;
}

int function_write(struct function *f, const char *operation, const char *method, const char *path, const cJSON *body,
		   cJSON **ret, struct aws_error *aerr, struct rn_error *err)
{
	int64_t begin = rn_now_ms(), delay = FIRST_DELAY_MS;
	for (;;) {
		struct aws_error own = { 0 };
		if (stage_may_write(f->s, operation, err) < 0)
			return -1;
		if (aws_rest(f->client, operation, method, path, NULL, body, ret, &own, err) == 0)
			return 0;
		if (aerr)
			*aerr = own;
		const struct passing *p = find_passing(&own);
		if (!p)
			return -1;
		int64_t left = begin + (p->limit_ms ? p->limit_ms : f->p->role_wait.ms) - rn_now_ms();
		if (left <= 0)
			return p->hint ? rn_hint(err, "%s", p->hint) : -1;
		char rest[32];
		stage_info(f->s, "%s: trying again in %lld s, for %s more", p->why, (long long)(delay + 500) / 1000,
			   rn_format_duration(left, rest, sizeof rest));
		if (rn_sleep_ms(delay < left ? delay : left, aws_session_cancel_fd(f->session)) < 0)
			return rn_fail(err, RN_ECANCELLED, "stopped while waiting to repeat %s", operation);
		delay = delay * 3 / 2 < LAST_DELAY_MS ? delay * 3 / 2 : LAST_DELAY_MS;
	}
}
