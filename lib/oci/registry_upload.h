/* SPDX-License-Identifier: Apache-2.0 */
/* One blob being uploaded: a session of the registry that is begun, goes on after a cut, and is closed. For registry_*.c alone. */
#ifndef OCI_REGISTRY_UPLOAD_H
#define OCI_REGISTRY_UPLOAD_H

#include "registry_internal.h"

/** Everything is borrowed but `location`. */
struct upload {
	struct registry *r;
	const struct reference *ref;
	const struct endpoint *to;
	const struct descriptor *blob; /* NULL while it is not known how it ends */
	int fd;
	char *location;                /* where it goes on; NULL: no session     */
	uint64_t offset;               /* what the registry has                  */
	int64_t after_ms;              /* how long it asked to be left alone     */
};

/** Has the repository this blob? 1, 0, -1. */
int upload_has_blob(struct registry *r, const struct endpoint *to, const struct reference *ref, const struct digest *d,
		    struct rn_error *err);
/** Starts a session, or mounts from a repository (needs `blob`). 1: mounted, 0: session begun, -1. */
int upload_begin(struct upload *u, const char *mount_from, struct rn_error *err);
/** Sends what the registry lacks and closes the session, over cuts. A session that was begun goes on. */
int upload_run(struct upload *u, struct rn_error *err);
/** Sends what `pull` gives in one PATCH of unknown length; u->offset is the caller's to set. Not repeated. */
int upload_pour(struct upload *u, ssize_t (*pull)(void *ctx, void *to, size_t n), void *ctx, struct rn_error *err);
/** After a cut: asks how much arrived. A session that is gone leaves location NULL. */
int upload_find_offset(struct upload *u, struct rn_error *err);
/** Tells the registry to forget the session. */
void upload_cancel(struct upload *u);

#endif
