/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that a build starts from or copies out of: in a registry, or in an OCI layout on disk.
 * Their manifest and config are read at once; layers stay where they are until somebody needs a byte of them.
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "build.h"

/* Where a blob that the store lacks can be had. */
struct origin {
	struct reference ref;       /* a repository of a registry, or */
	char *layout;               /* a layout on disk               */
	struct descriptor blob;
	bool cache;                 /* `cache_from` said so: it may be gone without the build being wrong */
};
void origin_free(void *origin);
/** Notes where a blob can be had; the first that said so counts. */
void origin_remember(struct build *b, const struct descriptor *blob, const struct reference *ref, const char *layout, bool cache);
/** NULL: not known. Borrowed. */
const struct origin *origin_find(struct build *b, const struct digest *d);

/* An image as found. */
struct base_image {
	char *name;                 /* for messages, history and annotations */
	struct manifest manifest;
	cJSON *config;
	struct descriptor descriptor; /* of the manifest */
};
void base_image_clear(struct base_image *i);

/**
 * "NAME[:TAG][@DIGEST]" in a registry, "docker-image://NAME", or "oci-layout://PATH[:TAG|@DIGEST]" (PATH absolute or
 * relative to the pipeline's folder). RN_ENOTFOUND, RN_EINVAL, RN_ENET …
 */
int base_image_load(struct build *b, const char *name, const struct platform *platform, struct base_image *ret,
		    struct rn_error *err);
/** Makes blobs present in the store (for layer_tree_options.need as `need_blob`; ctx is the build). */
int need_blob(void *build, const struct digest *d, struct rn_error *err);
int need_blobs(struct build *b, const struct descriptor *blobs, size_t n, struct rn_error *err);

#endif
