/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are at a registry: explicit credentials, docker's and podman's files with their
 * helpers, and the bearer token flow (CNCF Distribution, "Token Authentication").
 * Secrets are handed to `secret` before they are used.
 */
#ifndef OCI_REGISTRY_AUTH_H
#define OCI_REGISTRY_AUTH_H

#include "base/error.h"
#include "base/str.h"
#include "http/http.h"

/** Result of a lookup; all NULL: anonymous. */
struct credentials {
	char *user;
	char *password;
	char *identity_token; /* OAuth2 refresh token (from `docker login` with a token) */
	char *registry_token; /* ready-made bearer token                                 */
	char *source;         /* where it comes from, for messages: "/home/u/.docker/config.json (credHelpers: ecr-login)" */
};
void credentials_clear(struct credentials *c);

struct registry_auth_options {
	/** Reads an environment variable; NULL: getenv. */
	const char *(*env)(void *ctx, const char *name);
	/** A helper that is missing or fails, an unreadable file: said once, then anonymous. May be NULL. */
	void (*warn)(void *ctx, const char *text);
	/** Told every password and token. May be NULL. */
	void (*secret)(void *ctx, const char *value);
	void *ctx;
};

struct registry_auth;
/** `o` may be NULL. */
struct registry_auth *registry_auth_new(const struct registry_auth_options *o);
void registry_auth_free(struct registry_auth *a);
void registry_auth_freep(struct registry_auth **a);
/** Explicit Basic credentials for a host ("123.dkr.ecr.eu-west-1.amazonaws.com", "127.0.0.1:4566"); they beat all files. */
void registry_auth_set(struct registry_auth *a, const char *host, const char *user,
		       const char *password);
/** Credentials for `host`, in order: set ones, REGISTRY_AUTH_FILE, DOCKER_AUTH_CONFIG, $DOCKER_CONFIG or ~/.docker/config.json, $XDG_RUNTIME_DIR/containers/auth.json. Never fails: none is anonymous. */
void registry_auth_find(struct registry_auth *a, const char *host, const char *repository,
			struct credentials *ret);

/* ---- between registry_auth.c and registry.c ---- */

/** One challenge of WWW-Authenticate. */
struct challenge {
	char *scheme;  /* lower case: "bearer", "basic" */
	char *realm;
	char *service;
	char *scope;
	char *error;
};
void challenge_clear(struct challenge *c);
/** Parses the first Bearer (else Basic) challenge of all WWW-Authenticate headers; false: none. */
bool challenge_parse(const struct http_headers *h, struct challenge *ret);

/**
 * Value of the Authorization header that answers a challenge for `host`: a cached token, a new one from
 * the realm, or Basic. NULL in *ret: nothing to offer (anonymous and no challenge). `scopes` are joined
 * with the challenge's. `renew`: the last one was refused, take a new one.
 */
int registry_auth_answer(struct registry_auth *a, struct http_client *http, const char *host,
			 const char *repository, const struct challenge *c,
			 const struct rn_strv *scopes, bool renew, char **ret, struct rn_error *err);

#endif
