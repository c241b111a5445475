/* SPDX-License-Identifier: Apache-2.0 */
/* Fault rules at work on requests, and their own HTTP interface, /_runner/faults. */
#ifndef FAULTS_APPLY_H
#define FAULTS_APPLY_H

#include "faults.h"
#include "route.h"

/**
 * For a call that is known and admitted, before it acts. True: it is answered, or its connection is to
 * be cut (response.cut), and must not act. May wait.
 */
bool faults_before(struct request *req, struct response *res, const char *service, const char *operation);

/** The registry asks before the body comes: delays are over, the rest is in `ret` (clear it). A lost answer is noted. */
void faults_before_body(struct request *req, const char *operation, struct fault *ret);

/** The error by which a service refuses what comes too fast: status, and the code in *ret_code. */
int faults_throttle_of(const char *service, const char **ret_code);

/** GET, POST and DELETE of /_runner/faults[/ID]; Basic authentication with the cloud's own credentials. */
bool faults_is_request(const struct request *req);
void faults_handle(struct request *req, struct response *res);

#endif
