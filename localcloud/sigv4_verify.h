/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls: verifies the request's AWS Signature Version 4 (header or presigned query)
 * against the printed credentials and the sessions that STS issued.
 */
#ifndef SIGV4_VERIFY_H
#define SIGV4_VERIFY_H

#include "route.h"

/** Signing name in the credential scope, new; NULL when the request carries none. Unverified. */
char *sigv4_service_of(const struct request *req);
/**
 * Verifies; on success sets region, service (when not set) and caller of the request.
 * -1 when the refusal is answered, with the code that AWS uses in that protocol.
 */
int sigv4_verify(struct request *req, struct response *res);

#define SESSION "sts.session" /* documents by access key: secret, token, arn, id, expires */

#endif
