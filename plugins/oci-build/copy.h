/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD: from the build context, stages, images, heredocs, URLs and archives into a layer. */
#ifndef COPY_H
#define COPY_H

#include "file_source.h"
#include "step.h"

int step_copy(struct step *s);

/**
 * What COPY or ADD would read, as copy_inputs writes it, whatever the image below is like: sources are walked as step_copy
 * does, archives count as files, owners of --chown do not count. Reads the files of a stage or image when --from names one.
 * The warnings of the step are given here; step->surveyed keeps step_copy from repeating them.
 */
int copy_survey(struct step *s, struct rn_buf *ret);
/** The same for one path (taken literally, "" for everything) of a source. */
int copy_survey_path(struct step *s, struct file_source *source, const char *path, struct rn_buf *ret);

/** Where --from finds files: an image or stage, or a folder. Borrowed. */
struct step_files {
	struct fs_state *state;
	const char *folder;
	const struct ignore_list *ignore;
};
/** What --from names (NULL: the build context); a stage is run first. For RUN mounts too. */
int step_files(const struct step *s, const struct df_flag *from, struct step_files *ret);
/** The files of a stage or of an image: run and loaded by execute.c. Name as in --from. NULL on error; the caller frees. */
struct file_source *step_source(const struct step *s, const struct df_flag *from);

#endif
