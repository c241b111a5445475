/* SPDX-License-Identifier: Apache-2.0 */
/* The credentials endpoint of ECS, EKS Pod Identity and Greengrass, by
 * AWS_CONTAINER_CREDENTIALS_*_URI. */
#include "provider.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/url.h"

#include <string.h>

#define ECS_HOST "http://169.254.170.2"
#define MAX_TOKEN ((size_t)256 * 1024)
#define TRIES 3

static int check_url(const char *text, struct rn_error *err)
{
	static const char *const hosts[] = { "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
					     "localhost" };
	RN_AUTO(url_clear) struct url u = { 0 };
	if (url_parse(text, &u, err) < 0)
		return rn_wrap(err, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (rn_streq(u.scheme, "https") || url_is_loopback(&u))
		return 0;
	for (size_t i = 0; i < RN_LEN(hosts); i++)
		if (rn_streq(u.host, hosts[i]))
			return 0;
	return rn_fail(
		err, RN_EAUTH,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI points to %s without TLS; allowed are https, "
		"loopback and the addresses of ECS and EKS",
		u.host);
}

/* The token file is read again for each renewal: EKS rotates it. */
static int read_token(const struct aws_session *s, char **ret, struct rn_error *err)
{
	const char *file = aws_session_env(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = aws_session_env(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	if (!file) {
		*ret = rn_strdup(token);
		return 0;
	}
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file(file, MAX_TOKEN, &b, err) < 0)
		return rn_wrap(err, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	*ret = rn_strdup(b.p ? rn_trim(b.p) : "");
	return 0;
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	static const struct aws_key_names names = { "AccessKeyId", "SecretAccessKey", "Token",
						    "Expiration", "AccountId" };
	struct aws_session *s = q->session;
	const char *relative = aws_session_env(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = aws_session_env(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (!relative && !full)
		return aws_not_configured(
			err, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and …_FULL_URI are not set");
	RN_AUTO(rn_freep)
	char *url = relative ? rn_asprintf(ECS_HOST "%s", relative) : rn_strdup(full);
	RN_AUTO(rn_freep) char *token = NULL;
	if (check_url(url, err) < 0 || read_token(s, &token, err) < 0)
		return -1;
	struct http_request r = { .url = url };
	RN_AUTO(http_response_clear) struct http_response answer = { 0 };
	http_headers_add(&r.headers, "Accept", "application/json");
	if (token)
		http_headers_add(&r.headers, "Authorization", token);
	int rc = aws_metadata_get(s, &r, TRIES, &answer, err);
	http_headers_clear(&r.headers);
	if (rc < 0)
		return -1;
	RN_AUTO(rn_json_freep)
	cJSON *j = rn_json_parse(rn_buf_str(&answer.body), answer.body.len, err);
	if (!j || aws_keys_from_json(j, &names, ret, err) < 0)
		return rn_wrap(err, "%s", url);
	ret->source = rn_strdup("container credentials endpoint");
	return 1;
}

const struct aws_provider aws_provider_container = { "container endpoint", load, .machine = true };
