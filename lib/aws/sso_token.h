/* SPDX-License-Identifier: Apache-2.0 */
/* The token of IAM Identity Center that `aws sso login` keeps in ~/.aws/sso/cache. Internal to lib/aws. */
#ifndef AWS_SSO_TOKEN_H
#define AWS_SSO_TOKEN_H

#include "provider.h"

struct sso {
	const char *session; /* name of the sso-session; NULL: the older form without one */
	const char *start_url;
	const char *region;
	const char *account;
	const char *role;
};

/**
 * A live access token, new string. One of a session that ends within a quarter of an hour is renewed
 * by its refresh token and written back, as the SDKs do. RN_EAUTH with the cure.
 */
int sso_token(const struct aws_provider_request *q, const struct sso *s, char **ret,
	      struct rn_error *err);

#endif
