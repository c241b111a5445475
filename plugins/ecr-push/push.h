/* SPDX-License-Identifier: Apache-2.0 */
/* Sends an image from an OCI layout to a repository, when ECR does not have it already under all its tags. */
#ifndef ECR_PUSH_PUSH_H
#define ECR_PUSH_PUSH_H

#include "oci/layout.h"
#include "repository.h"

/** The image to send. */
struct push_image {
	struct layout *layout;
	struct descriptor descriptor;
};
void push_image_clear(struct push_image *i);
/** Opens the layout and finds its one image. */
int push_image_open(struct push_image *ret, const char *layout, struct rn_error *err);

/** All tags of the parameters: `tag` and `tags`, checked, without repeats. */
int push_tags(struct stage *s, const struct ecr_params *p, struct rn_strv *ret, struct rn_error *err);

/** Makes the repository hold the image under `tags`; in plan it only reports. `r` exists, or (in plan) would be created. */
int push_converge(struct stage *s, struct aws_client *ecr, const struct repository *r, const struct push_image *image,
		  const struct rn_strv *tags, struct rn_error *err);

#endif
