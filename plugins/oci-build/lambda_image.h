/* SPDX-License-Identifier: Apache-2.0 */
/* What AWS Lambda refuses of an image, or cannot run: from its configuration, its layers and their files. Knows no build. */
#ifndef LAMBDA_IMAGE_H
#define LAMBDA_IMAGE_H

#include "oci/layer_index.h"
#include "oci/manifest.h"

struct lambda_image {
	const cJSON *config;
	const struct descriptor *layers;
	size_t n_layers;
	size_t base_layers;       /* how many came with a base image: files there are somebody else's choice */
	/** Must be given before the files are looked at. */
	struct layer_tree *tree;
	/** Something that Lambda takes but the function may stumble over. */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

/** Layers, platform and command; needs no file. RN_EINVAL with the cure as hint. */
int lambda_check_config(const struct lambda_image *i, struct rn_error *err);
/** Size, program and readability, from the tree. RN_EINVAL, RN_ELIMIT. */
int lambda_check_files(const struct lambda_image *i, struct rn_error *err);

#endif
