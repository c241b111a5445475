/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where AWS credentials come from: a chain of providers in botocore's order
 * (provider.h), the first that is configured wins. Values are renewed ahead of
 * their expiry. When none has any, the error lists what was tried.
 */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct aws_credentials {
	char *access_key;
	char *secret_key;
	char *token;        /* session token; NULL: none                              */
	char *account;      /* when the provider says it; else NULL                   */
	int64_t expires_ms; /* wall clock; 0: does not expire                         */
	char *source;       /* for people: "environment", "profile dev (assume role …)" */
};
void aws_credentials_clear(struct aws_credentials *c); /* wipes; zeroed is fine; for RN_AUTO */
void aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from);

struct aws_session;

/**
 * Current credentials of the session, renewed when they expire within a fifth of their life
 * (at most 10 minutes, at least 1): a copy. RN_EAUTH with the list of what was tried.
 */
int aws_session_credentials(struct aws_session *s, struct aws_credentials *ret,
			    struct rn_error *err);
/** Forgets them, so that the next call asks the provider again (after ExpiredToken). */
void aws_session_forget_credentials(struct aws_session *s);

#endif
