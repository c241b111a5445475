/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of the OCI distribution API (and Docker registry v2): pull and push by digest, in
 * parallel, resumed and retried. One object serves many registries and threads. Errors carry the registry's
 * own words: HTTP status and errors[] code, message, detail.
 */
#ifndef OCI_REGISTRY_H
#define OCI_REGISTRY_H

#include "base/str.h"
#include "blob_store.h"
#include "manifest.h"
#include "reference.h"
#include "registry_auth.h"

/** One blob's or manifest's state, for progress and logs. */
enum registry_step {
	REGISTRY_PRESENT = 1, /* was there already: nothing sent or fetched */
	REGISTRY_MOUNTED,     /* mounted from another repository            */
	REGISTRY_MOVING,      /* `done` of `total` bytes                    */
	REGISTRY_DONE,        /* sent or fetched and verified               */
	REGISTRY_RETRY,       /* `text` says what happened; goes on         */
};
struct registry_event {
	enum registry_step step;
	bool push;
	const struct descriptor *blob; /* NULL for manifests of unknown digest */
	uint64_t done, total;          /* of this blob                         */
	const char *text;              /* REGISTRY_RETRY: reason; else NULL    */
};

/** Members may be zero but cancel_fd (REGISTRY_INIT: -1). Strings and lists are copied. */
struct registry_options {
	struct registry_auth *auth;    /* borrowed; NULL: docker's files            */
	int cancel_fd;
	const char *const *insecure;   /* hosts "name:port" that may speak http or have a bad certificate; loopback may always speak http */
	size_t n_insecure;
	const char *const *mirrors;    /* "HOST=URL": asked first for pulls from HOST, in this order */
	size_t n_mirrors;
	unsigned parallel;             /* blobs at a time; 0: 4                     */
	unsigned attempts;             /* per request; 0: 6                         */
	uint64_t chunk_size;           /* 0: whole blobs in one PUT, chunks only to resume; else PATCHes of this size */
	const char *ca_file;
	/** Called from several threads, one at a time. May be NULL. */
	void (*event)(void *ctx, const struct registry_event *e);
	void *ctx;
};
#define REGISTRY_INIT { .cancel_fd = -1 }

struct registry;
/** Never NULL. */
struct registry *registry_new(const struct registry_options *o);
void registry_free(struct registry *r);
void registry_freep(struct registry **r);

/* ---- pull ---- */

/** What a reference stands for: HEAD (GET where HEAD has no digest). RN_ENOTFOUND. */
int registry_resolve(struct registry *r, const struct reference *ref, struct descriptor *ret,
		     struct rn_error *err);
/** The manifest's exact bytes (verified) and its descriptor. */
int registry_manifest(struct registry *r, const struct reference *ref, struct descriptor *ret,
		      struct rn_buf *ret_body, struct rn_error *err);

/** A single-platform image as pulled. */
struct registry_image {
	struct reference ref;       /* as asked                                    */
	struct descriptor top;      /* what the tag stands for (may be an index)   */
	struct descriptor descriptor; /* the image manifest                        */
	struct manifest manifest;
	cJSON *config;
};
void registry_image_clear(struct registry_image *i);
/** Manifest (by platform when it is an index) and config into the store; layers are not fetched. */
int registry_image(struct registry *r, const struct reference *ref, const struct platform *platform,
		   struct blob_store *store, struct registry_image *ret, struct rn_error *err);
/** Fetches blobs that the store lacks, in parallel, verified; a cut-off one goes on where it stopped. */
int registry_pull_blobs(struct registry *r, const struct reference *ref,
			const struct descriptor *blobs, size_t n, struct blob_store *store,
			struct rn_error *err);
/** Streams one blob to a sink without storing it; size and digest verified at the end. */
int registry_read_blob(struct registry *r, const struct reference *ref, const struct descriptor *blob,
		       int (*sink)(void *ctx, const void *data, size_t n), void *ctx,
		       struct rn_error *err);

/* ---- push ---- */

/** Has the repository this blob? 1, 0, -1. */
int registry_has_blob(struct registry *r, const struct reference *ref, const struct digest *d,
		      struct rn_error *err);
/**
 * Sends blobs that the repository lacks, in parallel: HEAD, mount from `mount_from` (repositories on the
 * same registry; n_mount 0: none), upload. The store may lack blobs that the repository has or can mount.
 */
int registry_push_blobs(struct registry *r, const struct reference *ref, struct blob_store *store,
			const struct descriptor *blobs, size_t n, const char *const *mount_from,
			size_t n_mount, struct rn_error *err);
/** Puts a manifest under `target` (tag or digest); checks the digest that the registry answers. */
int registry_push_manifest(struct registry *r, const struct reference *ref, const char *target,
			   const char *media_type, const void *data, size_t n, struct digest *ret,
			   struct rn_error *err);
/**
 * Pushes an image or index from a store with everything it refers to, under all tags (none: by digest only).
 * A tag that already has this digest is not written again. *ret_written (may be NULL): whether anything was sent.
 */
int registry_push_image(struct registry *r, const struct reference *ref, struct blob_store *store,
			const struct descriptor *d, const char *const *tags, size_t n_tags,
			const char *const *mount_from, size_t n_mount, bool *ret_written,
			struct rn_error *err);

/**
 * Pushes an artifact whose `subject` is an image of the repository, by digest, with its blobs; where the registry does not
 * keep the list of such artifacts, the tag sha256-HEX of the subject keeps it.
 */
int registry_push_referrer(struct registry *r, const struct reference *ref, struct blob_store *store,
			   const struct descriptor *d, struct rn_error *err);

#endif
