/* SPDX-License-Identifier: Apache-2.0 */
/* What is installed in an image, as an SPDX 2.3 document: looked up in the books of package managers, without unpacking. */
#ifndef SBOM_H
#define SBOM_H

#include "packages.h"
#include "stage_graph.h"

/** Reads the books of the state's files. */
int sbom_survey(struct fs_state *s, struct build *b, struct packages *ret, struct rn_error *err);
/** The document about the image `subject`, called `name`; the same input gives the same bytes. Pure. */
void sbom_print(const struct packages *p, const char *name, const struct digest *subject, const char *created, struct rn_buf *ret);

#endif
