/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the pipeline module share; nobody else includes this. */
#ifndef RN_PIPELINE_INTERNAL_H
#define RN_PIPELINE_INTERNAL_H

#include "pipeline.h"

/** pipeline_model.c: fills the model from its document; what is wrong goes to p->diags. */
void pipeline_model(struct pipeline *p, const struct rn_strv *sets);

/** pipeline_values.c: evaluates the vars in their order, with what --set gives. */
void pipeline_eval_vars(struct pipeline *p, const struct rn_strv *sets);
/** Scope for what is evaluated while loading: vars and env only. ctx is the pipeline. */
void pipeline_constant_scope(struct pipeline *p, struct scope *ret);
struct pipeline_var *pipeline_var(const struct pipeline *p, const char *name);
struct pipeline_secret *pipeline_secret(const struct pipeline *p, const char *name);

/** What an expression may mention where it stands. */
enum allowed {
	ALLOW_VARS = 1 << REFERENCE_VAR,
	ALLOW_ENV = 1 << REFERENCE_ENV,
	ALLOW_SECRETS = 1 << REFERENCE_SECRET,
	ALLOW_OUTPUTS = 1 << REFERENCE_OUTPUT,
	ALLOW_STATUS = 1 << REFERENCE_STATUS,
	ALLOW_CONSTANT = ALLOW_VARS | ALLOW_ENV,
	ALLOW_STAGE = ALLOW_CONSTANT | ALLOW_SECRETS | ALLOW_OUTPUTS,
	ALLOW_IF = ALLOW_STAGE | ALLOW_STATUS,
};

/** One mention of a name in the file. */
struct mention {
	struct pipeline *p;
	struct pipeline_stage *stage; /* NULL outside of stages */
	const struct doc_node *node;  /* the scalar it stands in */
	const char *where;            /* "vars", "with", "if" ... */
	unsigned allowed;
	size_t nth;                   /* which "${{" of the scalar */
	bool bare;                    /* an `if:` without "${{" */
	const struct reference *ref;
};
typedef void mention_fn(void *ctx, const struct mention *m);
/** Place of byte `at` of the mention's expression, `length` characters long. */
struct diag_at mention_at(const struct mention *m, size_t at, size_t length);

/** pipeline_names.c: calls `fn` for every mention below `n`; syntax errors go to p->diags. */
void pipeline_mentions(struct pipeline *p, struct pipeline_stage *stage, const struct doc_node *n,
		       const char *where, unsigned allowed, mention_fn *fn, void *ctx);
/** The same for everything a stage says. */
void pipeline_stage_mentions(struct pipeline *p, struct pipeline_stage *stage, mention_fn *fn, void *ctx);
/** pipeline_names.c: parses `if:`, checks all names that need no plugin. */
void pipeline_check_names(struct pipeline *p);

/** pipeline_order.c: computes deps from order, needs and references; reports cycles. */
void pipeline_link(struct pipeline *p);

/** A valid id, variable or secret name: a letter or "_", then letters, digits, "_" and "-"; at most 64. */
bool pipeline_name_valid(const char *s);

#endif
