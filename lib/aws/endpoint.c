/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints: a custom one (AWS_ENDPOINT_URL_SERVICE, AWS_ENDPOINT_URL, the
 * profile's services section, its endpoint_url), else by partition and region.
 */
#include "endpoint.h"

#include "base/mem.h"
#include "base/str.h"
#include "http/url.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct aws_partition partitions[] = {
	{ "aws-cn",
	  "cn-",
	  "amazonaws.com.cn",
	  "api.amazonwebservices.com.cn",
	  "cn-north-1",
	  { "iam.cn-north-1.amazonaws.com.cn", "iam-fips.amazonaws.com.cn",
	    "iam.global.api.amazonwebservices.com.cn", "iam-fips.api.amazonwebservices.com.cn" } },
	{ "aws-us-gov",
	  "us-gov-",
	  "amazonaws.com",
	  "api.aws",
	  "us-gov-west-1",
	  { "iam.us-gov.amazonaws.com", "iam.us-gov.amazonaws.com", "iam.us-gov.api.aws",
	    "iam.us-gov.api.aws" } },
	{ "aws-iso",
	  "us-iso-",
	  "c2s.ic.gov",
	  "api.aws.ic.gov",
	  "us-iso-east-1",
	  { "iam.us-iso-east-1.c2s.ic.gov", "iam-fips.us-iso-east-1.c2s.ic.gov",
	    "iam.api.aws.ic.gov", "iam-fips.api.aws.ic.gov" } },
	{ "aws-iso-b",
	  "us-isob-",
	  "sc2s.sgov.gov",
	  "api.aws.scloud",
	  "us-isob-east-1",
	  { "iam.us-isob-east-1.sc2s.sgov.gov", "iam-fips.us-isob-east-1.sc2s.sgov.gov",
	    "iam.api.aws.scloud", "iam-fips.api.aws.scloud" } },
	{ "aws-iso-e",
	  "eu-isoe-",
	  "cloud.adc-e.uk",
	  "api.cloud-aws.adc-e.uk",
	  "eu-isoe-west-1",
	  { "iam.eu-isoe-west-1.cloud.adc-e.uk", "iam-fips.cloud.adc-e.uk",
	    "iam.api.cloud-aws.adc-e.uk", "iam-fips.api.cloud-aws.adc-e.uk" } },
	{ "aws-iso-f",
	  "us-isof-",
	  "csp.hci.ic.gov",
	  "api.aws.hci.ic.gov",
	  "us-isof-south-1",
	  { "iam.us-isof-south-1.csp.hci.ic.gov", "iam-fips.csp.hci.ic.gov",
	    "iam.api.aws.hci.ic.gov", "iam-fips.api.aws.hci.ic.gov" } },
	{ "aws-eusc",
	  "eusc-",
	  "amazonaws.eu",
	  "api.amazonwebservices.eu",
	  "eusc-de-east-1",
	  { "iam.eusc-de-east-1.amazonaws.eu", "iam-fips.amazonaws.eu",
	    "iam.global.api.amazonwebservices.eu", "iam-fips.api.amazonwebservices.eu" } },
	{ "aws",
	  NULL,
	  "amazonaws.com",
	  "api.aws",
	  "us-east-1",
	  { "iam.amazonaws.com", "iam-fips.amazonaws.com", "iam.global.api.aws",
	    "iam-fips.global.api.aws" } },
};

const struct aws_partition *aws_partition_of(const char *region)
{
	size_t i = 0;
	while (partitions[i].region_prefix &&
	       !(region && rn_starts(region, partitions[i].region_prefix)))
		i++;
	return &partitions[i];
}

static const struct aws_service services[] = {
	{ "apigateway", "API Gateway", "API_GATEWAY", "apigateway", NULL, "apigateway",
	  .protocol = AWS_REST, .throttled_attempts = 12 },
	{ "ecr", "ECR", "ECR", "api.ecr", "ecr", "ecr", .protocol = AWS_JSON,
	  .target = "AmazonEC2ContainerRegistry_V20150921" },
	{ "ecr-public", "ECR Public", "ECR_PUBLIC", "api.ecr-public", "ecr-public", "ecr-public",
	  .protocol = AWS_JSON, .target = "SpencerFrontendService", .only_region = "us-east-1" },
	{ "iam", "IAM", "IAM", "iam", NULL, "iam", .protocol = AWS_QUERY, .version = "2010-05-08",
	  .global = true, .throttled_attempts = 8 },
	{ "lambda", "Lambda", "LAMBDA", "lambda", NULL, "lambda", .protocol = AWS_REST,
	  .throttled_attempts = 8 },
	{ "logs", "CloudWatch Logs", "CLOUDWATCH_LOGS", "logs", NULL, "logs",
	  .protocol = AWS_JSON, .target = "Logs_20140328", .gov_is_fips = true },
	{ "ssm", "SSM", "SSM", "ssm", NULL, "ssm", .protocol = AWS_JSON, .target = "AmazonSSM",
	  .gov_is_fips = true, .throttled_attempts = 8 },
	{ "sso", "SSO", "SSO", "portal.sso", NULL, "awsssoportal", .protocol = AWS_REST,
	  .gov_is_fips = true },
	{ "sso-oidc", "SSO OIDC", "SSO_OIDC", "oidc", NULL, "sso-oauth", .protocol = AWS_REST,
	  .gov_is_fips = true },
	{ "sts", "STS", "STS", "sts", NULL, "sts", .protocol = AWS_QUERY,
	  .version = "2011-06-15", .gov_is_fips = true },
};

const struct aws_service *aws_service_find(const char *name, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	for (size_t i = 0; i < RN_LEN(services); i++) {
		if (rn_streq(services[i].name, name))
			return &services[i];
		rn_strv_add(&names, services[i].name);
	}
	RN_AUTO(rn_freep) char *list = rn_strv_join(&names, ", ");
	rn_fail(err, RN_EUNSUPPORTED,
		"AWS service \"%s\" is not known to this client (it knows %s)", name, list);
	return NULL;
}

void aws_endpoint_clear(struct aws_endpoint *e)
{
	rn_freep(&e->url);
	rn_freep(&e->region);
}

static bool is_true(const char *v)
{
	return v && !strcasecmp(v, "true");
}

static bool ignores_configured(const struct aws_session *s)
{
	const char *v = aws_session_env(s, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
	return is_true(v ? v : aws_session_profile_value(s, "ignore_configured_endpoint_urls"));
}

static const char *custom_url(const struct aws_session *s, const struct aws_service *service)
{
	if (s->o.endpoint_url)
		return s->o.endpoint_url;
	if (ignores_configured(s))
		return NULL;
	RN_AUTO(rn_freep) char *variable = rn_asprintf("AWS_ENDPOINT_URL_%s", service->key);
	const char *url = aws_session_env(s, variable);
	if (!url)
		url = aws_session_env(s, "AWS_ENDPOINT_URL");
	const char *section = aws_session_profile_value(s, "services");
	if (!url && section) {
		RN_AUTO(rn_freep) char *key = rn_asprintf("%s.endpoint_url", service->key);
		url = aws_section_get(&s->profiles, "services", section, rn_lower(key));
	}
	return url ? url : aws_session_profile_value(s, "endpoint_url");
}

bool aws_session_custom_endpoint(const struct aws_session *s, const char *name)
{
	const struct aws_service *service = aws_service_find(name, NULL);
	return service && custom_url(s, service);
}

static bool wants(const struct aws_session *s, const char *variable, const char *key)
{
	const char *v = aws_session_env(s, variable);
	return is_true(v ? v : aws_session_profile_value(s, key));
}

static char *host_of(const struct aws_session *s, const struct aws_service *service,
		     const struct aws_partition *p, const char *region)
{
	bool fips = wants(s, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
	bool dual = wants(s, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
	if (service->global)
		return rn_strdup(p->iam[(fips ? 1 : 0) + (dual ? 2 : 0)]);
	if (fips && !dual && service->gov_is_fips && rn_streq(p->name, "aws-us-gov"))
		fips = false;
	const char *host = dual && service->dual_host ? service->dual_host : service->host;
	return rn_asprintf("%s%s.%s.%s", host, fips ? "-fips" : "", region,
			   dual ? p->dual_suffix : p->suffix);
}

static int no_region(struct rn_error *err)
{
	rn_fail(err, RN_EINVAL, "no AWS region is configured");
	return rn_hint(err, "set the stage's `region`, AWS_REGION, or `region` in the AWS profile");
}

static int check_custom(const char *url, const struct aws_service *service, char **ret,
			struct rn_error *err)
{
	RN_AUTO(url_clear) struct url u = { 0 };
	if (url_parse(url, &u, err) < 0 || u.query)
		return u.query ? rn_fail(err, RN_EINVAL, "endpoint %s of %s has a query", url,
					 service->title)
			       : rn_wrap(err, "endpoint of %s", service->title);
	char *text = url_format(&u);
	size_t n = strlen(text);
	while (n && text[n - 1] == '/')
		text[--n] = 0;
	*ret = text;
	return 0;
}

int aws_endpoint_find(struct aws_session *s, const struct aws_service *service, const char *region,
		      struct aws_endpoint *ret, struct rn_error *err)
{
	const char *asked = region ? region : s->region;
	if (!asked && rn_streq(service->name, "sts"))
		asked = "us-east-1"; /* as botocore: a chain can be resolved before a region is
					known */
	const struct aws_partition *p = aws_partition_of(asked);
	if (service->global)
		asked = p->global_region;
	if (service->only_region)
		asked = service->only_region;
	if (!asked)
		return no_region(err);
	const char *custom = custom_url(s, service);
	RN_AUTO(rn_freep) char *url = NULL;
	if (custom) {
		if (check_custom(custom, service, &url, err) < 0)
			return -1;
	} else {
		RN_AUTO(rn_freep) char *host = host_of(s, service, p, asked);
		url = rn_asprintf("https://%s", host);
	}
	*ret = (struct aws_endpoint){ .url = rn_take(&url),
				      .region = rn_strdup(asked),
				      .custom = custom };
	return 0;
}
