/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What COPY, ADD and a bind mount of RUN read, as text: one line for each file that enters the image,
 * with content, mode, owner and type, and without times of this machine. Equal text means an equal step.
 */
#ifndef COPY_INPUTS_H
#define COPY_INPUTS_H

#include "layer_draft.h"

#include "base/buf.h"

/**
 * One line an entry, "FACTS<TAB>PATH", in the order of the layer. Files of this machine that are not in `hashes`
 * are read, on several cores.
 */
int copy_inputs(struct layer_draft *d, struct file_hashes *hashes, struct rn_buf *ret, struct rn_error *err);

/** First path whose line differs between two such texts; new string, NULL when they are equal. *ret_how: "changed", "new" or "gone". */
char *copy_inputs_differ(const char *before, const char *now, const char **ret_how);

#endif
