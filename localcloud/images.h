/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry holds: blobs (files by digest, shared by all repositories),
 * manifests, tags. The ECR API, the /v2/ protocol and Lambda all go through here.
 * A repository is named by region and name. Knows nothing of HTTP.
 */
#ifndef IMAGES_H
#define IMAGES_H

#include "cloud.h"

#include "base/buf.h"
#include "base/json.h"

#define IMAGES_DIGEST_MAX 160 /* "sha512:" + 128 digits + NUL fits */

struct image_manifest {
	char digest[IMAGES_DIGEST_MAX];
	char *media_type;
	struct rn_buf body; /* the exact bytes */
};

void image_manifest_clear(struct image_manifest *m);

/** Manifest by tag or digest. RN_ENOTFOUND when repository or manifest is missing. */
int images_manifest(struct cloud *c, const char *region, const char *repository, const char *reference,
		    struct image_manifest *ret, struct rn_error *err);
/** Opens a repository's blob for reading; -1 with RN_ENOTFOUND. *ret_size may be NULL. */
int images_open_blob(struct cloud *c, const char *region, const char *repository, const char *digest,
		     uint64_t *ret_size, struct rn_error *err);

/**
 * Splits an image URI of this cloud, "127.0.0.1:4566/team/app:tag" or "…@sha256:…" (also with
 * AWS's host name ACCOUNT.dkr.ecr.REGION.amazonaws.com), into repository and tag or digest; new strings.
 * RN_EINVAL when it is not an image of this cloud.
 */
int images_parse_uri(const struct cloud *c, const char *uri, char **ret_repository, char **ret_reference,
		     struct rn_error *err);

#endif
