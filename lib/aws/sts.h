/* SPDX-License-Identifier: Apache-2.0 */
/* The three STS calls that credentials are made of. Internal to lib/aws. */
#ifndef AWS_STS_H
#define AWS_STS_H

#include "session.h"

struct aws_role {
	const char *arn;
	const char *session_name; /* NULL: made up        */
	const char *external_id;  /* may be NULL          */
	int64_t duration_s;       /* 0: the service's     */
	const char *region;       /* NULL: the session's  */
};

/** AssumeRole signed with `source`. */
int aws_sts_assume_role(struct aws_session *s, const struct aws_credentials *source,
			const struct aws_role *role, struct aws_credentials *ret,
			struct rn_error *err);
/** AssumeRoleWithWebIdentity, unsigned. A refusal shows iss, aud and sub of the token. */
int aws_sts_web_identity(struct aws_session *s, const char *jwt, const struct aws_role *role,
			 struct aws_credentials *ret, struct rn_error *err);
/**
 * What a person compares with the trust policy: "iss=…, aud=…, sub=…" of a JWT (not verified). New
 * string.
 */
char *aws_jwt_claims(const char *jwt);
/** duration_seconds of a profile; 0 when missing. */
int aws_role_duration(const char *text, int64_t *ret, struct rn_error *err);

#endif
