/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the result of a step depends on: the files below (by the chain of their layers), the instruction as
 * understood, and the content, mode and owner of every file that it reads. Times of files do not count.
 */
#ifndef STEP_KEY_H
#define STEP_KEY_H

#include "key_parts.h"
#include "step.h"

/**
 * Part of every key, with the version of the program: what another version made may have other bytes. To be raised
 * whenever a step of equal key would make another layer than before.
 */
#define STEP_KEY_VERSION "4"

struct step_key {
	struct key_parts parts;
	struct digest id;         /* of the parts                                                        */
	bool by_source;           /* the source of COPY --from counts as a whole, not by what is copied  */
	bool of_content;          /* made by step_key_by_content                                         */
	struct rn_buf files;      /* what `parts` has as "files": see copy_inputs                        */
	char *workdir;            /* WORKDIR: the path that it sets                                      */
};
void step_key_clear(struct step_key *k);

/** Does an instruction make a layer, so that caching it is worth something? */
bool step_key_applies(const struct step *s);
/**
 * Computes the key. COPY --from a stage or an image is keyed by that image as a whole at first (by_source), which needs no
 * look into it; step_key_by_content then makes the key of what is copied. Errors are those of the step.
 */
int step_key(struct step *s, struct step_key *ret);
int step_key_by_content(struct step *s, struct step_key *ret);

#endif
