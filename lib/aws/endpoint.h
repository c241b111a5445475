/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions, services and the endpoints that calls go to. Internal to lib/aws. */
#ifndef AWS_ENDPOINT_H
#define AWS_ENDPOINT_H

#include "client.h"

struct aws_partition {
	const char *name;          /* "aws", "aws-cn" ...                     */
	const char *region_prefix; /* NULL: everything else                   */
	const char *suffix;        /* "amazonaws.com"                         */
	const char *dual_suffix;   /* the same with IPv6: "api.aws"           */
	const char *global_region; /* that global services are signed for     */
	const char *iam[4];        /* hosts of IAM: plain, FIPS, dual-stack, FIPS and dual-stack */
};
/** Of a region; NULL region gives "aws". Never NULL. */
const struct aws_partition *aws_partition_of(const char *region);

enum aws_protocol {
	AWS_JSON,
	AWS_QUERY,
	AWS_REST,
};

/** What the client must know of a service. */
struct aws_service {
	const char *name;       /* as in the SDKs                                          */
	const char *title;      /* for people: "API Gateway"                               */
	const char *key;        /* in AWS_ENDPOINT_URL_KEY; lower case in `services`       */
	const char *host;       /* first part of the host name; FIPS hosts have -fips behind it */
	const char *dual_host;  /* on dual-stack hosts; NULL: the same                     */
	const char *signing;    /* name in the credential scope                            */
	const char *version;    /* Query: Version                                          */
	const char *target;     /* JSON: prefix of X-Amz-Target                            */
	enum aws_protocol protocol;
	bool global;            /* one endpoint a partition (IAM)                          */
	bool gov_is_fips;       /* in aws-us-gov the usual (not the dual-stack) hosts are the FIPS hosts */
	const char *only_region; /* the service has one region only                        */
	unsigned throttled_attempts; /* tries when throttled; 0: as for other failures     */
};
/** NULL with `err` for a service that this client does not know. */
const struct aws_service *aws_service_find(const char *name, struct rn_error *err);

/** Where calls of a service go. Strings owned. */
struct aws_endpoint {
	char *url;    /* scheme, host, port, base path without trailing slash */
	char *region; /* that calls are signed for */
	bool custom;
};
void aws_endpoint_clear(struct aws_endpoint *e);
/** `region` NULL: the session's. */
int aws_endpoint_find(struct aws_session *s, const struct aws_service *service, const char *region,
		      struct aws_endpoint *ret, struct rn_error *err);

#endif
