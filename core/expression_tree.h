/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of an expression; shared by expression.c (makes it) and evaluate.c (walks it). */
#ifndef RN_EXPRESSION_TREE_H
#define RN_EXPRESSION_TREE_H

#include "expression.h"

#include "base/str.h"

enum expression_kind {
	EXPRESSION_LITERAL,
	EXPRESSION_REFERENCE,
	EXPRESSION_STATUS,  /* success(), failure(), always() */
	EXPRESSION_DEFAULT, /* default(a, b) */
	EXPRESSION_NOT,
	EXPRESSION_AND,
	EXPRESSION_OR,
	EXPRESSION_EQUAL,
	EXPRESSION_UNEQUAL,
};

struct expression {
	enum expression_kind kind;
	size_t at;                     /* byte offset in the text */
	struct value literal;          /* EXPRESSION_LITERAL */
	enum reference_kind reference; /* EXPRESSION_REFERENCE */
	char *name;                    /* of the variable, stage or function */
	char *output;                  /* stages.NAME.OUTPUT */
	size_t name_at, output_at;
	struct rn_strv path;           /* into a JSON value: stages.x.body.PATH */
	struct expression *args[2];
	size_t n_args;
};

/** True when a name without a value is no error in argument `arg`: it counts as null there. */
bool expression_catches(const struct expression *e, size_t arg);

#endif
