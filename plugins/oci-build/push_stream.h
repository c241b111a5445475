/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of the image go to the registry while they are written, when `push` is on: to the repository of the first tag.
 * What did not arrive that way is sent at the end (output.h), so nothing here can fail a build.
 */
#ifndef PUSH_STREAM_H
#define PUSH_STREAM_H

#include "oci/layer_writer.h"
#include "oci/registry.h"

struct push_streams;

/** NULL when `tag` is no reference. `r` must outlive it. */
struct push_streams *push_streams_new(struct registry *r, const char *tag);
/** For layer_options.tee. Borrowed. */
const struct layer_tee *push_streams_tee(struct push_streams *p);
/** Waits for all uploads that were begun. Returns how many blobs arrived. */
size_t push_streams_wait(struct push_streams *p);
/** Waits too. NULL is fine. */
void push_streams_free(struct push_streams *p);

#endif
