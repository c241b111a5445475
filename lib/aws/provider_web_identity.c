/* SPDX-License-Identifier: Apache-2.0 */
/* A token file (AWS_WEB_IDENTITY_TOKEN_FILE or the profile's) and a role: STS
 * AssumeRoleWithWebIdentity. */
#include "provider.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "sts.h"

#include <string.h>

#define MAX_TOKEN ((size_t)256 * 1024)

static const char *value(const struct aws_provider_request *q, const char *variable,
			 const char *key)
{
	const char *v = aws_request_env(q, variable);
	return v ? v : aws_request_profile(q, key);
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	const char *file = value(q, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
	if (!file)
		return aws_not_configured(err, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
	struct aws_role role = {
		.arn = value(q, "AWS_ROLE_ARN", "role_arn"),
		.session_name = value(q, "AWS_ROLE_SESSION_NAME", "role_session_name"),
		.region = aws_request_profile(q, "region"),
	};
	if (!role.arn)
		return rn_fail(err, RN_EAUTH,
			       "a web identity token file is set, but no role (AWS_ROLE_ARN)");
	RN_AUTO(rn_freep) char *path = aws_session_expand(q->session, file);
	RN_AUTO(rn_buf_clear) struct rn_buf token = RN_BUF_INIT;
	if (rn_read_file(path, MAX_TOKEN, &token, err) < 0)
		return rn_wrap(err, "web identity token");
	char *jwt = rn_trim(token.p ? token.p : (char[]){ "" });
	if (aws_sts_web_identity(q->session, jwt, &role, ret, err) < 0)
		return -1;
	ret->source = rn_asprintf("web identity (role %s, token file %s)", role.arn, path);
	return 1;
}

const struct aws_provider aws_provider_web_identity = { "web identity token file", load };
