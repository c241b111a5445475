/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about an image beside it: SBOM and provenance as OCI artifacts whose `subject` is the image. They never
 * stand in its index, so that what takes one image only (Lambda) is not disturbed.
 */
#ifndef ATTEST_H
#define ATTEST_H

#include "output.h"

#include "oci/layout.h"

#define MEDIA_SPDX "application/spdx+json"
#define MEDIA_IN_TOTO "application/vnd.in-toto+json"

/** Makes what the parameters ask for about one platform's image, into the store and b->artifacts. */
int attest_image(struct stage_graph *g, const struct built *image, struct rn_error *err);
/** Enters them in a layout. */
int attest_to_layout(struct build *b, struct layout *l, struct rn_error *err);
/** Pushes them to where the image was pushed. */
int attest_push(struct build *b, const struct reference *ref, struct rn_error *err);
/** A list of descriptors as build_clear frees it. */
void artifacts_clear(struct build *b);

#endif
