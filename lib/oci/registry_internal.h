/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by registry*.c alone: one authorised request, endpoints, and work in parallel. */
#ifndef OCI_REGISTRY_INTERNAL_H
#define OCI_REGISTRY_INTERNAL_H

#include "base/map.h"
#include "registry.h"

#include <pthread.h>

struct registry {
	struct registry_options options; /* lists copied below */
	struct rn_strv insecure;
	struct rn_strv mirrors;
	char *ca_file;
	struct registry_auth *auth;
	struct registry_auth *own_auth;
	struct http_client *http;
	struct http_client *http_insecure;
	pthread_mutex_t lock;    /* of the members below and of events */
	struct rn_map bases;     /* host -> "https://host"             */
	struct rn_map challenges; /* host -> struct challenge          */
};

/** Where a repository is reached: the registry itself or a mirror of it. */
struct endpoint {
	char *base;       /* "https://host[/path]" without a slash behind */
	char *host;       /* for credentials                              */
	bool insecure;
};
void endpoint_clear(struct endpoint *e);
/** The registry's own endpoint (probes once whether a loopback or insecure host speaks TLS). */
int registry_endpoint(struct registry *r, const char *host, struct endpoint *ret, struct rn_error *err);

/** One request to a repository. */
struct registry_call {
	const struct endpoint *to;
	const char *repository;
	bool push;               /* asks for push rights        */
	const char *also_pull;   /* repository to mount from    */
	struct http_request http; /* method, headers, body; `url` may be absolute, else `path` is used */
	const char *path;        /* below /v2/REPOSITORY, "/blobs/…" */
	bool once;               /* transport errors and 5xx are the caller's to handle */
	bool resumes;            /* transport errors are: it goes on where it was cut off */
};
/** Sends it with the right Authorization, renews it on 401, repeats on transient answers. Any status but 401 is success. */
int registry_call(struct registry *r, struct registry_call *c, struct http_response *ret, struct rn_error *err);
/** "HOST answered 404: NAME_UNKNOWN: repository name not known to registry (detail)"; sets code and retryable. Always returns -1. */
int registry_refused(const struct http_response *a, const char *what, const struct reference *ref, struct rn_error *err);

void registry_tell(struct registry *r, enum registry_step step, bool push, const struct descriptor *blob, uint64_t done,
		   const char *text);
bool registry_cancelled(const struct registry *r);

/** Runs `work` for 0..n-1 on up to options.parallel threads; stops at the first error and reports it. */
int registry_parallel(struct registry *r, size_t n, int (*work)(void *ctx, size_t i, struct rn_error *err), void *ctx,
		      struct rn_error *err);

/** registry_push_manifest that tells whether the registry keeps the list of what refers to the subject. */
int registry_put_manifest(struct registry *r, const struct reference *ref, const char *target, const char *media_type, const void *data,
			  size_t n, bool *ret_subject, struct rn_error *err);

#define REGISTRY_ATTEMPTS(r) ((r)->options.attempts ? (r)->options.attempts : 6)

#endif
