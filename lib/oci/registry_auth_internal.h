/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by registry_auth.c and registry_token.c alone. */
#ifndef OCI_REGISTRY_AUTH_INTERNAL_H
#define OCI_REGISTRY_AUTH_INTERNAL_H

#include "base/map.h"
#include "registry_auth.h"

#include <pthread.h>

struct cached_token {
	char *header;       /* "Bearer …"            */
	int64_t expires_ms; /* of the monotonic clock */
};

struct registry_auth {
	struct registry_auth_options options;
	pthread_mutex_t lock;
	struct rn_map given;  /* host -> struct credentials            */
	struct rn_map found;  /* host/repository -> struct credentials */
	struct rn_map tokens; /* host and scopes -> struct cached_token */
	struct rn_map warned; /* texts that were said                   */
};

/** Hands a secret to the owner, so that it is masked. */
void registry_auth_secret(const struct registry_auth *a, const char *value);
/** Says a text once. */
void registry_auth_warn(struct registry_auth *a, const char *text);

#endif
