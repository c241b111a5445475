/* SPDX-License-Identifier: Apache-2.0 */
/* A running sha256 that a thread computes behind its caller, who meanwhile makes the next piece. */
#ifndef OCI_DIGEST_BEHIND_H
#define OCI_DIGEST_BEHIND_H

#include "digest.h"

struct digest_behind;
/** Never NULL. Starts no thread before the second piece, and none on a single core. */
struct digest_behind *digest_behind_new(void);
/** Adds n bytes, which must stay as they are until DIGEST_BEHIND_DEPTH further calls, or digest_behind_peek, have returned. */
#define DIGEST_BEHIND_DEPTH 3
void digest_behind_update(struct digest_behind *h, const void *data, size_t n);
/** The digest of all so far. */
struct digest digest_behind_peek(struct digest_behind *h);
void digest_behind_free(struct digest_behind *h);

#endif
