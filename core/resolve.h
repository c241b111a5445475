/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the file says to values: whole trees with expressions in them, and
 * scalars by declared type. Knows neither pipelines nor plugins.
 */
#ifndef RN_RESOLVE_H
#define RN_RESOLVE_H

#include "expression.h"

#include "yaml/document.h"

#include <runner/plugin.h>

/** What went wrong, and where in the file. */
struct resolve_error {
	struct diag_at at;
	struct rn_error err;
};

/**
 * Value of a tree, its expressions evaluated. `source` is the text that the tree
 * came from (for places; may be NULL). Strings that are secret are added to
 * `secrets` (may be NULL). A tree with anything unknown in it is unknown.
 */
int resolve_node(const struct doc_node *n, const struct scope *scope, const char *source,
		 struct rn_strv *secrets, struct value *ret, struct resolve_error *err);

/** Every string inside a JSON value, added to `to`. */
void resolve_strings(const cJSON *j, struct rn_strv *to);

/** A scope that passes on to `inner` and adds every secret that is read to `secrets`. */
struct resolve_recorder {
	const struct scope *inner;
	struct rn_strv *secrets;
};
void resolve_recording(struct resolve_recorder *r, struct scope *ret);

/**
 * A scalar as a declared type: string, integer, number, boolean, duration
 * (milliseconds), size (bytes). Numbers beyond 2^53 become strings of digits.
 * Text that writes a value of the type is accepted, since environment variables
 * are always text.
 */
int resolve_scalar(enum runner_type type, const struct value *v, cJSON **ret, struct rn_error *err);

#endif
