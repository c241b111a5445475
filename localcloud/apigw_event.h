/* SPDX-License-Identifier: Apache-2.0 */
/* The event of a Lambda proxy integration (format 1.0) and what may come back. */
#ifndef APIGW_EVENT_H
#define APIGW_EVENT_H

#include "apigw_gateway.h"

/** The event as JSON text. New. */
char *event_build(const struct gateway_call *call);
/** The event of a REQUEST authorizer: the same without body, and with its type and the ARN of the method. New. */
char *event_build_authorizer(const struct gateway_call *call, const char *method_arn);
/** Answers with what the function returned; -1 with the reason when that is not a proxy response. */
int event_answer(struct gateway_call *call, const char *payload, size_t n, struct rn_error *err);

#endif
