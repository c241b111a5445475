/* SPDX-License-Identifier: Apache-2.0 */
/* Sends an image from an OCI layout to a repository, when ECR does not have it already under all its tags. */
#ifndef ECR_PUSH_PUSH_H
#define ECR_PUSH_PUSH_H

#include "oci/layout.h"
#include "repository.h"

/** The image to send, and what refers to it in the same layout (signatures, SBOMs: manifests with a `subject`). */
struct push_image {
	struct layout *layout;
	struct descriptor descriptor;
	struct descriptor *artifacts;
	size_t n_artifacts;
	bool present; /* set by push_converge: ECR has the image when it returns */
};
void push_image_clear(struct push_image *i);
/** Opens the layout and finds its one image or index. */
int push_image_open(struct push_image *ret, const char *layout, struct rn_error *err);

/** All tags of the parameters: `tag` and `tags`, checked, without repeats. */
int push_tags(struct stage *s, const struct ecr_params *p, struct rn_strv *ret, struct rn_error *err);

/**
 * Makes the repository hold the image under `tags`; in plan it only reports. `r` exists, or ECR makes it on push, or (in plan) it would
 * be created. Blobs that a repository of `mount_from` has are mounted instead of sent.
 */
int push_converge(struct stage *s, struct aws_client *ecr, const struct repository *r, struct push_image *image, const struct rn_strv *tags,
		  const struct runner_list *mount_from, struct rn_error *err);

#endif
