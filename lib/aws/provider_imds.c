/* SPDX-License-Identifier: Apache-2.0 */
/* The EC2 instance metadata service, version 2 (token first): keys of the instance's role. */
#include "provider.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

#define IPV4 "http://169.254.169.254"
#define IPV6 "http://[fd00:ec2::254]"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"
#define TOKEN_SECONDS "21600"

static char *base_url(const struct aws_session *s)
{
	const char *url = aws_session_env(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	if (!url)
		url = aws_session_profile_value(s, "ec2_metadata_service_endpoint");
	const char *mode = aws_session_env(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	if (!mode)
		mode = aws_session_profile_value(s, "ec2_metadata_service_endpoint_mode");
	char *base = rn_strdup(url ? url : mode && !strcasecmp(mode, "ipv6") ? IPV6 : IPV4);
	size_t n = strlen(base);
	while (n && base[n - 1] == '/')
		base[--n] = 0;
	return base;
}

static int fetch(struct aws_session *s, const char *method, const char *url, const char *token,
		 struct http_response *ret, struct rn_error *err)
{
	struct http_request r = { .method = method, .url = url };
	if (token) {
		http_headers_add(&r.headers, "X-aws-ec2-metadata-token", token);
	} else {
		http_headers_add(&r.headers, "X-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
		r.body = HTTP_BODY_MEMORY;
	}
	int rc = aws_metadata_get(s, &r, token ? 3 : 1, ret, err);
	http_headers_clear(&r.headers);
	return rc;
}

static char *path_url(const char *base, const char *role)
{
	RN_AUTO(rn_freep) char *quoted = rn_percent(role, "");
	return rn_asprintf("%s" ROLE_PATH "%s", base, quoted);
}

/* The role's name is the first line. */
static int role_name(struct aws_session *s, const char *base, const char *token, char **ret,
		     struct rn_error *err)
{
	RN_AUTO(http_response_clear) struct http_response r = { 0 };
	RN_AUTO(rn_freep) char *url = path_url(base, "");
	if (fetch(s, "GET", url, token, &r, err) < 0)
		return -1;
	const char *text = rn_buf_str(&r.body);
	*ret = rn_strndup(text, strcspn(text, "\r\n"));
	return 0;
}

static int role_keys(struct aws_session *s, const char *base, const char *token, const char *role,
		     struct aws_credentials *ret, struct rn_error *err)
{
	static const struct aws_key_names names = { "AccessKeyId", "SecretAccessKey", "Token",
						    "Expiration", "AccountId" };
	RN_AUTO(http_response_clear) struct http_response r = { 0 };
	RN_AUTO(rn_freep) char *url = path_url(base, role);
	if (fetch(s, "GET", url, token, &r, err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(rn_buf_str(&r.body), r.body.len, err);
	if (!j || aws_keys_from_json(j, &names, ret, err) < 0)
		return rn_wrap(err, "%s", url);
	return 0;
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	struct aws_session *s = q->session;
	const char *disabled = aws_session_env(s, "AWS_EC2_METADATA_DISABLED");
	if (disabled && !strcasecmp(disabled, "true"))
		return aws_not_configured(err, "switched off by AWS_EC2_METADATA_DISABLED");
	RN_AUTO(rn_freep) char *base = base_url(s);
	RN_AUTO(rn_freep) char *url = rn_asprintf("%s/latest/api/token", base);
	RN_AUTO(http_response_clear) struct http_response token = { 0 };
	struct rn_error e = { 0 };
	if (fetch(s, "PUT", url, NULL, &token, &e) < 0) {
		if (e.code == RN_ECANCELLED) {
			*err = e;
			return -1;
		}
		return aws_not_configured(err, "no answer from %s: this is no EC2 instance", base);
	}
	RN_AUTO(rn_freep) char *role = NULL;
	if (role_name(s, base, rn_buf_str(&token.body), &role, &e) < 0 || !*role)
		return aws_not_configured(err, "the EC2 instance has no role");
	if (role_keys(s, base, rn_buf_str(&token.body), role, ret, err) < 0)
		return -1;
	ret->source = rn_asprintf("EC2 instance role %s", role);
	return 1;
}

const struct aws_provider aws_provider_imds = { "EC2 instance metadata", load, .machine = true };
