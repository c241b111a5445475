/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a Dockerfile -> instructions (dockerfile_ast.h): every instruction, flag and
 * form of the Dockerfile reference. What is not understood is an error at its place, with
 * the nearest name. Pure: no variables, no files.
 */
#ifndef DOCKERFILE_PARSER_H
#define DOCKERFILE_PARSER_H

#include "dockerfile_ast.h"

/** Parses; `source` must outlive the result. dockerfile_free frees. NULL on error. */
struct dockerfile *dockerfile_parse(const struct df_source *source, struct rn_error *err);
void dockerfile_free(struct dockerfile *d);
void dockerfile_freep(struct dockerfile **d);

/** "COPY". */
const char *df_op_name(enum df_op op);
/** The last flag of that name; NULL when not given. */
const struct df_flag *df_flag(const struct df_instruction *i, const char *name);
/** A boolean flag: given without value or "=true". */
bool df_flag_true(const struct df_instruction *i, const char *name);

#endif
