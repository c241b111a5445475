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
#include "base/str.h"

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

/* ---- for the registry and the ECR API; all inside a store transaction unless said otherwise ---- */

#define REPOSITORY "ecr.repository" /* documents by region and name */

/** Prepares the blob folder and removes what no repository holds any more. Before serving. */
int images_start(struct cloud *c, struct rn_error *err);

/** "sha256:…" or "sha512:…" with the right number of lower-case digits. */
bool images_is_digest(const char *s);
bool images_is_tag(const char *s);
/** Digest of data with the algorithm of `like` (a digest; NULL: sha256) into to[IMAGES_DIGEST_MAX]. */
void images_digest(const void *data, size_t n, const char *like, char *to);

bool images_has_blob(struct cloud *c, const char *region, const char *repository, const char *digest, uint64_t *ret_size);
/** Gives a blob of repository `from` (NULL: of any of the region) to `to` too; false when it is not there. */
bool images_mount_blob(struct cloud *c, const char *region, const char *from, const char *to, const char *digest);
void images_unlink_blob(struct cloud *c, const char *region, const char *repository, const char *digest);

enum images_put_status {
	IMAGES_PUT_OK,
	IMAGES_PUT_SAME,            /* digest and tag were there already              */
	IMAGES_PUT_INVALID,         /* not a manifest; `err` says why                 */
	IMAGES_PUT_DIGEST_MISMATCH, /* the content is not what its digest says        */
	IMAGES_PUT_BLOB_UNKNOWN,    /* `err` names the blob or manifest that is missing */
	IMAGES_PUT_CHILD_UNKNOWN,
	IMAGES_PUT_IMMUTABLE,       /* the tag names another image and may not move   */
};
struct images_put {
	const char *region, *repository;
	const char *tag;        /* NULL: by digest only      */
	const char *digest;     /* NULL: computed, sha256    */
	const char *media_type; /* NULL: what the body says  */
	const void *body;
	size_t n;
};
/** Stores a manifest; ret_digest[IMAGES_DIGEST_MAX] and *ret_subject (new, or NULL) tell its digest and subject. */
enum images_put_status images_put_manifest(struct cloud *c, const struct images_put *put, char *ret_digest,
					   char **ret_subject, struct rn_error *err);
/** Removes a tag; false when it is not there. */
bool images_remove_tag(struct cloud *c, const char *region, const char *repository, const char *tag);
/** Removes a manifest and its tags; false when it is not there. */
bool images_remove_manifest(struct cloud *c, const char *region, const char *repository, const char *digest);
/** True when an index of the repository mentions the manifest. */
bool images_is_referenced(struct cloud *c, const char *region, const char *repository, const char *digest);
/** Everything of a repository; blobs that nobody else holds go from the disk. */
void images_remove_all(struct cloud *c, const char *region, const char *repository);
/** All manifests: [{imageDigest, imageTags[], mediaType, size, imageSize, pushed, artifactType?, subject?, annotations?}], newest first. New. */
cJSON *images_list(struct cloud *c, const char *region, const char *repository);
/** Tags in order: those behind `after`, at most n (0: all). */
void images_tags(struct cloud *c, const char *region, const char *repository, const char *after, size_t n, struct rn_strv *ret);

/* ---- uploads: their bytes lie in a file until they are whole ---- */

/** Before serving, and after. */
void images_uploads_start(struct cloud *c);
void images_uploads_stop(struct cloud *c);

struct upload;
/** A new upload; its id into ret_id[37]. */
int images_upload_start(struct cloud *c, const char *region, const char *repository, char *ret_id, struct rn_error *err);
/** Opens it for one request at a time. RN_ENOTFOUND: no such upload; RN_EEXISTS: another request writes to it. NULL on error. */
struct upload *images_upload_open(struct cloud *c, const char *region, const char *repository, const char *id, struct rn_error *err);
uint64_t images_upload_size(const struct upload *u);
int images_upload_write(struct upload *u, const void *data, size_t n, struct rn_error *err);
/** Checks the digest (RN_EINVAL when it is another), syncs, and gives the blob to the repository. Not inside a transaction. */
int images_upload_finish(struct upload *u, const char *digest, struct rn_error *err);
/** Lets go of it; what was written stays for the next request. NULL is fine. */
void images_upload_close(struct upload *u);
/** Gives it up; 1 when it was there. */
int images_upload_abort(struct cloud *c, const char *region, const char *repository, const char *id, struct rn_error *err);

/** Path of a blob's file. New string. */
char *images_blob_path(const struct cloud *c, const char *digest);

#endif
