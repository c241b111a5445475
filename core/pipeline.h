/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of a pipeline file and everything that can be checked of it before
 * anything runs. Knows the language and the declared parameters of plugins;
 * knows nothing of processes.
 */
#ifndef RN_PIPELINE_H
#define RN_PIPELINE_H

#include "expression.h"

#include "yaml/document.h"

struct plugin_set;

struct pipeline_var {
	char *name;
	struct diag_at at;      /* of the value in the file                 */
	struct doc_node *node;  /* borrowed from the document, or `owned`   */
	struct doc_node *owned; /* the value that --set gave                */
	struct value value;     /* evaluated by pipeline_load, unless `missing` */
	char *missing;          /* why it has no value: an environment variable that is not set */
};

struct pipeline_secret {
	char *name;
	char *env;   /* one of env and file is set */
	char *file;  /* absolute */
	struct diag_at at;
	char *value; /* read when first needed; wiped by pipeline_free */
};

struct pipeline_stage {
	size_t index;
	char *id;
	char *uses;
	char *description;        /* "" when not given */
	bool has_needs;           /* `needs:` was given (also when empty) */
	struct rn_strv needs;     /* as written */
	size_t *deps;             /* indices of the stages it waits for, ascending, no repeats */
	size_t n_deps;
	struct expression *if_;   /* NULL: success() */
	char *if_text;            /* the expression as written; NULL when not given */
	const struct doc_node *if_node; /* borrowed */
	int64_t timeout_ms;       /* 0: none */
	int64_t retry_attempts;   /* tries in all, >= 1 */
	int64_t retry_backoff_ms; /* wait before the second try; doubles */
	bool continue_on_error;
	bool rollback;            /* on_failure: rollback */
	struct diag_at rollback_at; /* of the stage's own `on_failure`; line 0: from the defaults or not given */
	const struct doc_node *with;         /* a map, or NULL */
	const struct doc_node *env;          /* a map, or NULL; may hold expressions */
	const struct doc_node *default_env;  /* the file's defaults.env, or NULL */
	struct diag_at at;        /* of the stage's first key */
	struct diag_at id_at, uses_at;
};

struct pipeline {
	char *name;
	char *file; /* absolute */
	char *dir;  /* absolute folder of the file */
	char *lease; /* `lease: NAME`: the program runner-NAME keeps one besides the folder's; NULL: none */
	struct diag_at lease_at;
	struct diags *diags; /* borrowed */
	struct doc_node *document;
	struct pipeline_var *vars;
	size_t n_vars;
	struct pipeline_secret *secrets;
	size_t n_secrets;
	struct pipeline_stage *stages; /* in the order of the file */
	size_t n_stages;
};

/**
 * Reads and models FILE; all problems that need no plugin go to `diags`, which
 * the caller initialises with nothing and clears after the pipeline. `sets` are
 * the "NAME=VALUE" of --set (may be NULL). NULL when there is nothing to model
 * (not readable, not YAML); with errors of another kind (diags->errors) there is
 * a model that pipeline_check takes, so that all errors show at once, and that
 * must not run.
 */
struct pipeline *pipeline_load(const char *path, const struct rn_strv *sets, struct diags *diags);
/** The same from memory; `path` names the file in messages and decides `dir`. For tests and fuzzing. */
struct pipeline *pipeline_parse(const char *path, const char *text, size_t n,
				const struct rn_strv *sets, struct diags *diags);
void pipeline_free(struct pipeline *p);
void pipeline_freep(struct pipeline **p);

/** The distinct `uses` of all stages, in the order of the file. Names are borrowed copies owned by `ret`. */
void pipeline_uses(const struct pipeline *p, struct rn_strv *ret);

enum pipeline_check_flags {
	PIPELINE_CHECK_VALUES = 1 << 0, /* secrets and env that are used must have a value (run, plan, destroy) */
};
/** Checks every stage against the plugins' declarations, offline. 0, or -1 when `diags` has errors (also those of loading); then diags_exit_code says how to exit. */
int pipeline_check(struct pipeline *p, const struct plugin_set *plugins, unsigned flags,
		   struct diags *diags);

struct pipeline_stage *pipeline_stage(const struct pipeline *p, const char *id);
/** Order in which the stages can run: indices, dependencies first, otherwise as in the file. ret[n_stages]. */
void pipeline_order(const struct pipeline *p, size_t *ret);
/** True when `stage` waits for `on`, directly or through others. */
bool pipeline_depends(const struct pipeline *p, size_t stage, size_t on);

/** Value of a declared secret (read on first use); NULL with `err`. Borrowed. */
const char *pipeline_secret_value(struct pipeline *p, const char *name, struct rn_error *err);

/** What the scheduler adds to vars, env and secrets. */
struct pipeline_runtime {
	void *ctx;
	int (*output)(void *ctx, const char *stage, const char *output, struct value *ret,
		      struct rn_error *err);
	bool (*status)(void *ctx, enum scope_status what);
};
/** A scope over the pipeline's vars, secrets and this process's environment. `binding` must outlive the scope. */
struct pipeline_binding {
	struct pipeline *pipeline;
	struct pipeline_runtime runtime;
};
void pipeline_scope(struct pipeline_binding *binding, struct scope *ret);

/** Whether the stage's `if:` holds (no `if:`: success()). 1, 0, or -1 with `err`. */
int pipeline_stage_wanted(const struct pipeline_stage *s, const struct scope *scope, struct rn_error *err);
/** The stage's own environment (defaults.env, then env), expanded: JSON object name -> string. *ret_secrets gets the values that are secret. */
int pipeline_stage_env(const struct pipeline_stage *s, const struct scope *scope, cJSON **ret,
		       struct rn_strv *ret_secrets, struct rn_error *err);

#endif
