/* SPDX-License-Identifier: Apache-2.0 */
/* The built image: config and manifest into the store, then to a layout, an archive and registries. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "stage_graph.h"

/* One platform's image in the store. */
struct built {
	struct descriptor descriptor; /* of its manifest, with the platform */
	uint64_t size;                /* bytes of config and layers         */
};
void built_clear(struct built *b);

/** Writes config and manifest of the target's state into the store. */
int output_image(struct stage_graph *g, struct built *ret, struct rn_error *err);
/** Several platforms: an index. */
int output_index(struct build *b, const struct built *images, size_t n, struct built *ret, struct rn_error *err);
/** Hands out image or index as the parameters say, and sets the stage's outputs. */
int output_deliver(struct build *b, const struct built *image, struct rn_error *err);
/**
 * Pushes an image of the store under the tag of `ref`, layers that the store lacks by mounting where they lie; those
 * that can be neither found nor mounted are pulled first.
 */
int output_push(struct build *b, struct registry *r, const struct descriptor *image, const struct reference *ref, bool *ret_written,
		struct rn_error *err);
/** In plan: says what output_deliver would change, and sets the outputs that are known; writes nothing. */
int output_foresee(struct build *b, const struct built *image, struct rn_error *err);
/** The same when the image is not known before it is built. */
void output_unforeseen(const struct build *b);
/** Path of the layout when the parameter does not give one; new string. */
char *output_default_layout(const struct build *b);

/** profile: lambda. RN_EINVAL for an image that Lambda refuses. */
int lambda_check(struct stage_graph *g, struct rn_error *err);

#endif
