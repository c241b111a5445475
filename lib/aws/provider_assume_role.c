/* SPDX-License-Identifier: Apache-2.0 */
/* A profile with role_arn and source_profile or credential_source: STS AssumeRole, chained. */
#include "provider.h"

#include "base/mem.h"
#include "base/str.h"
#include "sts.h"

static bool has(const struct aws_provider_request *q, const char *profile, const char *key)
{
	return aws_profile_get(&q->session->profiles, AWS_FILE_ANY, profile, key) != NULL;
}

static bool has_static_keys(const struct aws_provider_request *q, const char *profile)
{
	return has(q, profile, "aws_access_key_id") || has(q, profile, "aws_secret_access_key");
}

static int from_source_profile(const struct aws_provider_request *q, const char *source,
			       struct aws_credentials *ret, struct rn_error *err)
{
	if (!aws_profile_exists(&q->session->profiles, source))
		return rn_fail(err, RN_EAUTH,
			       "source_profile \"%s\" of profile \"%s\" does not exist", source,
			       q->profile);
	bool itself = rn_streq(source, q->profile);
	if (rn_strv_has(q->seen, source) && !(itself && has_static_keys(q, source))) {
		RN_AUTO(rn_freep) char *way = rn_strv_join(q->seen, " -> ");
		return rn_fail(err, RN_EAUTH, "source_profile leads in a circle: %s -> %s", way,
			       source);
	}
	RN_AUTO(rn_strv_clear) struct rn_strv seen = { 0 };
	for (size_t i = 0; i < q->seen->n; i++)
		rn_strv_add(&seen, q->seen->v[i]);
	rn_strv_add(&seen, source);
	struct aws_provider_request inner = {
		.session = q->session, .profile = source, .no_env = true, .seen = &seen
	};
	if (!has_static_keys(q, source))
		return aws_chain_load(&inner, true, ret, err);
	int rc = aws_static_keys(&inner, AWS_FILE_CREDENTIALS, "shared credentials file", ret, err);
	if (rc == 0)
		rc = aws_static_keys(&inner, AWS_FILE_CONFIG, "config file", ret, err);
	return rc > 0 ? 0 : -1;
}

static int from_credential_source(const struct aws_provider_request *q, const char *source,
				  struct aws_credentials *ret, struct rn_error *err)
{
	static const struct {
		const char *name;
		const struct aws_provider *provider;
	} known[] = {
		{ "Environment", &aws_provider_environment },
		{ "EcsContainer", &aws_provider_container },
		{ "Ec2InstanceMetadata", &aws_provider_imds },
	};
	for (size_t i = 0; i < RN_LEN(known); i++) {
		if (!rn_streq(known[i].name, source))
			continue;
		struct aws_provider_request inner = *q;
		inner.no_env = false;
		int rc = known[i].provider->load(&inner, ret, err);
		return rc > 0 ? 0
			      : rn_wrap(err, "credential_source %s of profile \"%s\"", source,
					q->profile);
	}
	return rn_fail(
		err, RN_EAUTH,
		"credential_source \"%s\" of profile \"%s\" is none of Environment, EcsContainer, "
		"Ec2InstanceMetadata",
		source, q->profile);
}

static int check(const struct aws_provider_request *q, const char *source, const char *named,
		 struct rn_error *err)
{
	const char *mfa = aws_request_profile(q, "mfa_serial");
	if (source && named)
		return rn_fail(err, RN_EAUTH,
			       "profile \"%s\" has both source_profile and credential_source",
			       q->profile);
	if (!source && !named)
		return rn_fail(err, RN_EAUTH,
			       "profile \"%s\" has role_arn but neither source_profile nor "
			       "credential_source",
			       q->profile);
	if (!mfa)
		return 0;
	rn_fail(err, RN_EUNSUPPORTED,
		"profile \"%s\" wants a one-time code of %s, which a pipeline cannot ask for",
		q->profile, mfa);
	return rn_hint(err,
		       "get a session first (`aws sts get-session-token --serial-number %s "
		       "--token-code …`) and "
		       "export its keys, or use a profile without mfa_serial",
		       mfa);
}

static int load(const struct aws_provider_request *q, struct aws_credentials *ret,
		struct rn_error *err)
{
	const char *arn = aws_request_profile(q, "role_arn");
	if (!arn || aws_request_profile(q, "web_identity_token_file"))
		return aws_not_configured(err, "profile \"%s\" names no role_arn with a source",
					  q->profile);
	const char *source = aws_request_profile(q, "source_profile");
	const char *named = aws_request_profile(q, "credential_source");
	struct aws_role role = {
		.arn = arn,
		.session_name = aws_request_profile(q, "role_session_name"),
		.external_id = aws_request_profile(q, "external_id"),
		.region = aws_request_profile(q, "region"),
	};
	RN_AUTO(aws_credentials_clear) struct aws_credentials from = { 0 };
	if (check(q, source, named, err) < 0 ||
	    aws_role_duration(aws_request_profile(q, "duration_seconds"), &role.duration_s, err) <
		    0)
		return -1;
	if ((source ? from_source_profile(q, source, &from, err)
		    : from_credential_source(q, named, &from, err)) < 0)
		return -1;
	if (aws_sts_assume_role(q->session, &from, &role, ret, err) < 0)
		return -1;
	ret->source = rn_asprintf("profile \"%s\" (role %s by %s)", q->profile, arn, from.source);
	return 1;
}

const struct aws_provider aws_provider_assume_role = { "profile with a role", load };
