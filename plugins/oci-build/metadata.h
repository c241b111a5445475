/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that change the image's configuration alone (and WORKDIR, which may add a folder). */
#ifndef METADATA_H
#define METADATA_H

#include "step.h"

int step_arg(struct step *s);
int step_cmd(struct step *s);
int step_entrypoint(struct step *s);
int step_env(struct step *s);
int step_expose(struct step *s);
int step_healthcheck(struct step *s);
int step_label(struct step *s);
int step_maintainer(struct step *s);
int step_onbuild(struct step *s);
int step_shell(struct step *s);
int step_stopsignal(struct step *s);
int step_user(struct step *s);
int step_volume(struct step *s);
int step_workdir(struct step *s);
/** The two halves of its work on the configuration: the path that it means (new string, NULL on error), and setting it. */
char *step_workdir_path(struct step *s);
void step_workdir_set(struct step *s, const char *path);

/** The command line of RUN, CMD or ENTRYPOINT: exec form as it is, shell form behind SHELL. Words from `first` on. */
void step_command(const struct step *s, size_t first, struct rn_strv *ret);

#endif
