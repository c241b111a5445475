/* SPDX-License-Identifier: Apache-2.0 */
/* The modes of --chmod: octal, or symbolic as chmod(1) takes them ("u=rwX,go-w", "+x"). */
#ifndef FILE_MODE_H
#define FILE_MODE_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/** Checks the text. RN_EINVAL. */
int file_mode_check(const char *text, struct rn_error *err);
/** The mode that a file (or folder) of mode `old` gets by a checked text. The umask has no say. */
mode_t file_mode_apply(const char *text, mode_t old, bool is_dir);

#endif
