/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by layer_tree.c and layer_tree_content.c alone. */
#ifndef OCI_LAYER_TREE_INTERNAL_H
#define OCI_LAYER_TREE_INTERNAL_H

#include "layer_index.h"

#include <pthread.h>

/* A node as its tree knows it; `pub` is first, so that both are one pointer. */
struct tree_node {
	struct layer_node pub;
	size_t cap_children;
	bool fetched;
	off_t content; /* in the scratch file, when fetched */
};

struct tree_layer {
	struct digest digest, diff_id;
	struct rn_buf records; /* strings of nodes point into it */
};

/* Memory for nodes, freed with the tree. */
struct tree_arena {
	struct tree_arena *next;
	size_t used, size;
	max_align_t data[];
};

struct layer_tree {
	struct blob_store *store;
	struct layer_tree_options o;
	struct tree_node *root;
	struct tree_layer **layers;
	size_t n_layers, cap_layers;
	uint64_t bytes; /* of all files of all layers */
	struct tree_arena *arena;
	struct tree_node **with_children; /* whose `children` are to be freed */
	size_t n_with_children, cap_with_children;
	pthread_mutex_t lock; /* of what is fetched: stages that copy from one image at the same time */
	int scratch;
	off_t scratch_end;
};

static inline struct tree_node *tree_node(struct layer_node *n)
{
	return (struct tree_node *)n;
}

/** Makes the blob of a layer present and opens it. */
int layer_tree_open_blob(struct layer_tree *t, size_t layer, struct rn_error *err);

#endif
