/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an image was built, as an in-toto statement with a SLSA 1 predicate (slsa.dev/spec/v1.0/provenance; what its fields mean
 * here is in README.md). Names of build arguments only: their values may be secret. No time, machine or user of the build is in
 * it, so that the same input gives the same bytes.
 */
#ifndef PROVENANCE_H
#define PROVENANCE_H

#include "stage_graph.h"

/** Remembers what the build took in from outside: "docker-image://…", a URL, a repository. `algorithm` as in-toto names it. */
void build_material(struct build *b, const char *uri, const char *algorithm, const char *hex);
/** Forgets them: another platform takes in what is its own. */
void build_materials_clear(struct build *b);
/** The statement about the image `subject`, called `name`. */
void provenance_print(struct stage_graph *g, const char *name, const struct digest *subject, struct rn_buf *ret);

#define PROVENANCE_PREDICATE "https://slsa.dev/provenance/v1"

#endif
