/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity of a CI job: GitHub Actions' token service, or a GitLab ID token
 * in a variable, exchanged for the role in AWS_ROLE_ARN. A renewal fetches a
 * new token where the CI can give one.
 */
#include "provider.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/retry.h"
#include "sts.h"

#include <string.h>

#define AUDIENCE "sts.amazonaws.com"

static int github_token(const struct aws_provider_request *q, const char *url, const char *bearer,
			char **ret, struct rn_error *err)
{
	const char *audience = aws_request_env(q, "RUNNER_OIDC_AUDIENCE");
	RN_AUTO(rn_freep) char *quoted = rn_percent(audience ? audience : AUDIENCE, "");
	RN_AUTO(rn_freep)
	char *whole = rn_asprintf("%s%caudience=%s", url, strchr(url, '?') ? '&' : '?', quoted);
	struct http_request r = { .url = whole, .timeout_ms = 20000 };
	RN_AUTO(http_response_clear) struct http_response answer = { 0 };
	struct http_retry retry = HTTP_RETRY_INIT;
	retry.cancel_fd = q->session->o.cancel_fd;
	http_headers_addf(&r.headers, "Authorization", "bearer %s", bearer);
	http_headers_add(&r.headers, "Accept", "application/json");
	int rc = http_send_retry(q->session->http, &r, &retry, &answer, err);
	http_headers_clear(&r.headers);
	if (rc < 0)
		return -1;
	if (answer.status != 200)
		return rn_fail(err, RN_EAUTH, "GitHub's token service answered HTTP %d: %.300s",
			       answer.status, rn_buf_str(&answer.body));
	cJSON *j = rn_json_parse(rn_buf_str(&answer.body), answer.body.len, err);
	const char *jwt = rn_json_str(j, "value");
	int done =
		jwt ? 0 : rn_fail(err, RN_EAUTH, "GitHub's token service answered without a token");
	if (jwt)
		*ret = rn_strdup(jwt);
	cJSON_Delete(j);
	return done;
}

static int github_lacks_permission(const struct aws_provider_request *q, const char *arn,
				   struct rn_error *err)
{
	if (!arn || !aws_request_env(q, "GITHUB_ACTIONS"))
		return aws_not_configured(
			err, "this is no GitHub or GitLab job with an ID token and AWS_ROLE_ARN");
	return aws_not_configured(
		err,
		"AWS_ROLE_ARN is set, but the GitHub job has no ID token: it needs `permissions: "
		"id-token: write`");
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	const char *url = aws_request_env(q, "ACTIONS_ID_TOKEN_REQUEST_URL");
	const char *bearer = aws_request_env(q, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
	const char *gitlab = aws_request_env(q, "GITLAB_OIDC_TOKEN");
	const char *arn = aws_request_env(q, "AWS_ROLE_ARN");
	bool github = url && bearer;
	if (!github && !(gitlab && arn))
		return github_lacks_permission(q, arn, err);
	if (!arn)
		return aws_not_configured(
			err, "the GitHub job has an ID token, but AWS_ROLE_ARN is not set");
	struct aws_role role = { .arn = arn,
				 .session_name = aws_request_env(q, "AWS_ROLE_SESSION_NAME") };
	RN_AUTO(rn_freep) char *jwt = NULL;
	if (github) {
		aws_session_mask(q->session, bearer);
		if (github_token(q, url, bearer, &jwt, err) < 0)
			return -1;
	} else {
		jwt = rn_strdup(gitlab);
	}
	aws_session_mask(q->session, jwt);
	if (aws_sts_web_identity(q->session, jwt, &role, ret, err) < 0)
		return -1;
	ret->source = rn_asprintf("%s (role %s)",
				  github ? "GitHub Actions ID token" : "GitLab ID token", arn);
	return 1;
}

const struct aws_provider aws_provider_oidc = { "GitHub or GitLab ID token", load };
