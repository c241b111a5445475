/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images: [REGISTRY/]REPOSITORY[:TAG][@DIGEST], with Docker's defaults
 * (docker.io, library/, tag latest). Grammar of distribution/reference. No I/O.
 */
#ifndef OCI_REFERENCE_H
#define OCI_REFERENCE_H

#include "digest.h"

struct reference {
	char *registry;       /* "docker.io", "localhost:5000"; never NULL after parsing    */
	char *repository;     /* "library/debian"                                           */
	char *tag;            /* NULL: none written                                         */
	struct digest digest; /* not set: none written                                      */
};

/** Parses with Docker's defaults; without tag and digest `tag` stays NULL (use reference_target). */
int reference_parse(const char *text, struct reference *ret, struct rn_error *err);
void reference_clear(struct reference *r); /* zeroed is fine; for RN_AUTO */
void reference_copy(const struct reference *from, struct reference *ret);
/** Canonical text "docker.io/library/debian:12@sha256:…". New string. */
char *reference_format(const struct reference *r);
/** As people write it: docker.io/ and library/ left out. New string. */
char *reference_familiar(const struct reference *r);
/** What to ask the registry for: the digest, else the tag, else "latest". Borrowed. */
const char *reference_target(const struct reference *r);
/** Host of the registry's API: docker.io is registry-1.docker.io. Borrowed. */
const char *reference_api_host(const struct reference *r);
/** Is `tag` a valid tag: [A-Za-z0-9_][A-Za-z0-9._-]{0,127}? */
bool reference_tag_valid(const char *tag);
/** Is `path` a valid repository path (without registry)? */
bool reference_repository_valid(const char *path);

#endif
