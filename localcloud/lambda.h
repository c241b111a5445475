/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lambda for the other services of the cloud: invoking a function. The API itself
 * is lambda_service; what its files share is in lambda_internal.h.
 */
#ifndef LAMBDA_H
#define LAMBDA_H

#include "cloud.h"

#include "base/buf.h"

enum lambda_type {
	LAMBDA_REQUEST_RESPONSE,
	LAMBDA_EVENT,   /* queued: answered at once, tried again twice when it fails */
	LAMBDA_DRY_RUN, /* everything but the call */
};

struct lambda_call {
	const char *region;
	const char *function;       /* name or ARN, a qualifier may be behind it */
	const char *qualifier;      /* version or alias; NULL: that of `function`, else $LATEST */
	enum lambda_type type;
	const void *payload;        /* JSON; n 0: {} */
	size_t n;
	const char *client_context; /* decoded JSON, or NULL */
	int64_t hops;               /* an event: how many functions have sent it on */
	/* A service calls: the function's policy must allow it. NULL: a signed caller. */
	const char *principal;      /* "apigateway.amazonaws.com" */
	const char *source_arn;     /* "arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/POST/predict" */
};

struct lambda_result {
	int status;              /* 200 it ran (see function_error), 202 queued, 204 dry run; else refused */
	char *error_code;        /* refused: "ResourceNotFoundException", … */
	char *error_message;
	const char *reason;      /* of a 429; static, or NULL */
	const char *function_error; /* NULL, or "Unhandled": the payload describes the error */
	struct rn_buf payload;
	char content_type[128];  /* of the payload, as the runtime tells it; "": not told */
	char *version;           /* that ran: "$LATEST", "3" */
	char *log;               /* last 4 KB of its log; NULL: did not run */
	char request_id[37];
};

/** Invokes; fills `ret` in every case. Blocks until the function answered, failed or timed out. Not inside a store transaction. */
void lambda_invoke(struct cloud *c, const struct lambda_call *call, struct lambda_result *ret);
void lambda_result_clear(struct lambda_result *r);

/** Does the function's policy let that service call it? False also when it does not exist. */
bool lambda_permits(struct cloud *c, const char *region, const char *function, const char *qualifier,
		    const char *principal, const char *source_arn);

#endif
