/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source of credentials, and the chain of them. One provider_NAME.c each;
 * internal to lib/aws.
 */
#ifndef AWS_PROVIDER_H
#define AWS_PROVIDER_H

#include "session.h"

/** What a provider is asked for. */
struct aws_provider_request {
	struct aws_session *session;
	const char *profile;        /* whose settings count                                   */
	/* the profile was named explicitly or is a source profile: its own settings only */
	bool no_env;
	const struct rn_strv *seen; /* profiles on the way here, to find circles              */
};

struct aws_provider {
	const char *name; /* for people: "environment"                                        */
	/**
	 * 1 with *ret filled; 0 when it is not configured, the text of `err` says what it looked
	 * for; -1 when it is configured and fails, which ends the chain.
	 */
	int (*load)(const struct aws_provider_request *q, struct aws_credentials *ret,
		    struct rn_error *err);
	bool env_only;     /* left out when no_env                                              */
	bool machine;      /* of the machine, not of a profile: left out for source profiles     */
};

extern const struct aws_provider aws_provider_environment;
extern const struct aws_provider aws_provider_assume_role;
extern const struct aws_provider aws_provider_web_identity;
extern const struct aws_provider aws_provider_oidc;
extern const struct aws_provider aws_provider_sso;
extern const struct aws_provider aws_provider_shared_file;
extern const struct aws_provider aws_provider_login;
extern const struct aws_provider aws_provider_process;
extern const struct aws_provider aws_provider_config_file;
extern const struct aws_provider aws_provider_container;
extern const struct aws_provider aws_provider_imds;

/**
 * Asks the chain; `for_source`: for a source_profile, so the machine's providers and the
 * environment do not count. RN_EAUTH when nobody has any.
 */
int aws_chain_load(const struct aws_provider_request *q, bool for_source,
		   struct aws_credentials *ret, struct rn_error *err);

/** "not configured": sets the text and returns 0. */
int aws_not_configured(struct rn_error *err, const char *fmt, ...) RN_PRINTF(2, 3);
/** Value of a key of the asked profile. Borrowed. */
const char *aws_request_profile(const struct aws_provider_request *q, const char *key);
/** Environment variable, NULL when no_env. Borrowed. */
const char *aws_request_env(const struct aws_provider_request *q, const char *name);
/** Static keys of a profile in one of the files; used by two providers. */
int aws_static_keys(const struct aws_provider_request *q, enum aws_file file, const char *what,
		    struct aws_credentials *ret, struct rn_error *err);
/**
 * Keys from JSON, as the container, IMDS, SSO and process formats have them: {key, secret, token,
 * expiration} are the members' names; account may be NULL.
 */
struct aws_key_names {
	const char *key, *secret, *token, *expiration, *account;
};
int aws_keys_from_json(const cJSON *j, const struct aws_key_names *names,
		       struct aws_credentials *ret, struct rn_error *err);
/** GET from a metadata service into JSON or text: few quick tries, no proxy. `ret` is the body. */
int aws_metadata_get(struct aws_session *s, const struct http_request *q, unsigned tries,
		     struct http_response *ret, struct rn_error *err);

#endif
