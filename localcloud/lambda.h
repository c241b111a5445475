/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What API Gateway asks of Lambda. The functions live in lambda_*.c.
 */
#ifndef LAMBDA_H
#define LAMBDA_H

#include "cloud.h"

#include "base/buf.h"

struct lambda_result {
	int status;            /* 200; else Lambda refused to run it: code and message say why */
	char *code;            /* "ResourceNotFoundException", "TooManyRequestsException"      */
	char *message;
	char *function_error;  /* "Unhandled" / "Handled"; NULL: it returned                   */
	struct rn_buf payload; /* what it returned, or the error object                        */
};

void lambda_result_clear(struct lambda_result *r);

/**
 * Invokes a function and waits (RequestResponse). `function` is its ARN, which may end in a
 * qualifier. Fails only when this machine cannot; a refusal or an error of the function is a result.
 */
int lambda_invoke(struct cloud *c, const char *function, const void *payload, size_t n, struct lambda_result *ret,
		  struct rn_error *err);

/** Does the function's policy let `principal` ("apigateway.amazonaws.com") invoke it on behalf of `source_arn`? */
bool lambda_permits(struct cloud *c, const char *function, const char *principal, const char *source_arn);

#endif
