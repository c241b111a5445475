/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends a blob to a registry while its file is still being written: a thread of its own follows the file, so that the
 * writer never waits for the network and no byte is kept in memory. What is cut off goes on once the blob is whole.
 */
#ifndef OCI_REGISTRY_STREAM_H
#define OCI_REGISTRY_STREAM_H

#include "registry.h"

/** Files below this size are sent when they are whole: then the registry can be asked first whether it has them. */
#define REGISTRY_STREAM_MIN ((uint64_t)4 << 20)

struct registry_stream;
/** Follows `fd` (its own copy is made). `r` must outlive it. NULL: no thread, or no descriptor. */
struct registry_stream *registry_stream_new(struct registry *r, const struct reference *ref, int fd, struct rn_error *err);
/** The file has this many bytes now. */
void registry_stream_grown(struct registry_stream *s, uint64_t size);
/** The blob is whole; NULL: it was given up, and the registry is told so. Does not wait. */
void registry_stream_end(struct registry_stream *s, const struct descriptor *blob);
/** Waits for the end of the upload (registry_stream_end was called) and frees. 0: the repository has the blob. */
int registry_stream_wait(struct registry_stream *s, struct rn_error *err);

#endif
