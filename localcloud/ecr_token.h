/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's password: which region, until when, and a keyed hash of both. Nothing is stored. */
#ifndef ECR_TOKEN_H
#define ECR_TOKEN_H

#include "cloud.h"

/** New password for 12 hours; *ret_expires in seconds since 1970. */
char *ecr_token_new(const struct cloud *c, const char *region, double *ret_expires);
/** Region of a password, new. NULL: RN_EAUTH not ours, RN_ETIMEOUT expired. */
char *ecr_token_region(const struct cloud *c, const char *password, struct rn_error *err);

#endif
