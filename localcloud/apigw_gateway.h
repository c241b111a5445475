/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API Gateway's data plane: /restapis/ID/STAGE/_user_request_/PATH, served from the
 * deployment that the stage points at, with keys, throttling and quotas enforced.
 */
#ifndef APIGW_GATEWAY_H
#define APIGW_GATEWAY_H

#include "route.h"

/** Is the request a call of a deployed API (not of the control plane)? */
bool gateway_is_call(const struct request *req);
void gateway_handle(struct request *req, struct response *res);

#endif
