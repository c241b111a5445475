/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a pipeline file, by table: each row says where a key's value goes. */
#include "pipeline_internal.h"

#include "resolve.h"

#include "base/fs.h"
#include "base/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define STAGES_MAX 10000

struct modeler {
	struct pipeline *p;
	struct diags *d;
	struct scope scope; /* vars and env */
	const struct rn_strv *sets;
	/* the file's defaults: */
	struct pipeline_stage defaults;
};

struct key_row {
	const char *name;
	void (*read)(struct modeler *m, void *target, const struct doc_item *it);
	bool required;
};

static int wrong(struct modeler *m, const struct doc_node *n, const char *hint, const char *what,
		 const char *wanted)
{
	return diags_error(m->d, n->at, hint, "%s must be %s, not %s", what, wanted, doc_kind_name(n));
}

static void unknown_key(struct modeler *m, const struct doc_item *it, const struct key_row *rows,
			const char *what, const char *otherwise)
{
	const char *names[32];
	size_t n = 0;
	while (n < RN_LEN(names) && rows[n].name) {
		names[n] = rows[n].name;
		n++;
	}
	const char *near = rn_nearest(it->key, names, n);
	RN_AUTO(rn_freep) char *hint = near || !otherwise ? diag_did_you_mean(it->key, names, n) :
							    rn_strdup(otherwise);
	diags_error(m->d, it->key_at, hint, "unknown key \"%s\" in %s", it->key, what);
}

/* Each key of a map to its row; `otherwise` is the hint for a key that resembles none. */
static int read_map(struct modeler *m, const struct doc_node *n, const struct key_row *rows, void *target,
		    const char *what, const char *otherwise)
{
	if (n->kind != DOC_MAP)
		return wrong(m, n, NULL, what, "a map");
	for (size_t i = 0; i < n->n; i++) {
		const struct key_row *row = rows;
		while (row->name && strcmp(row->name, n->items[i].key) != 0)
			row++;
		if (doc_item(n, n->items[i].key) != &n->items[i])
			continue; /* a duplicate, reported by the document */
		if (row->name)
			row->read(m, target, &n->items[i]);
		else
			unknown_key(m, &n->items[i], rows, what, otherwise);
	}
	for (const struct key_row *row = rows; row->name; row++)
		if (row->required && !doc_item(n, row->name))
			diags_error(m->d, n->at, NULL, "%s has no `%s:`", what, row->name);
	return 0;
}

/* A scalar that may hold expressions over vars and env, as a declared type. NULL when reported or not known. */
static cJSON *constant(struct modeler *m, const struct doc_item *it, enum runner_type type)
{
	struct resolve_error err = { 0 };
	struct value v = { 0 };
	cJSON *j = NULL;
	if (resolve_node(it->value, &m->scope, m->d->text, NULL, &v, &err) < 0) {
		if (err.err.code != RN_ECANCELLED) /* a variable whose fault is reported where it stands */
			diags_rn(m->d, err.at, it->key, &err.err);
		return NULL;
	}
	if (resolve_scalar(type, &v, &j, &err.err) < 0)
		diags_error(m->d, it->value->at, err.err.hint, "`%s` %s", it->key, err.err.msg);
	value_clear(&v);
	return j;
}

static void read_text(struct modeler *m, char **to, const struct doc_item *it)
{
	RN_AUTO(rn_json_freep) cJSON *j = constant(m, it, RUNNER_STRING);
	free(*to);
	*to = j ? rn_strdup(j->valuestring) : NULL;
}

static void read_number(struct modeler *m, int64_t *to, const struct doc_item *it, enum runner_type type)
{
	RN_AUTO(rn_json_freep) cJSON *j = constant(m, it, type);
	if (cJSON_IsNumber(j))
		*to = (int64_t)j->valuedouble;
	else if (j)
		diags_error(m->d, it->value->at, NULL, "`%s` is out of range", it->key);
}

/* A word of the file that must stand there as it is: no expressions. */
static char *plain_word(struct modeler *m, const struct doc_item *it)
{
	if (!it->value->text || it->value->kind == DOC_NULL || !*it->value->text) {
		RN_AUTO(rn_freep) char *what = rn_asprintf("`%s`", it->key);
		wrong(m, it->value, NULL, what, "a name");
		return NULL;
	}
	if (template_needed(it->value->text)) {
		diags_error(m->d, it->value->at, "write the name out", "`%s` cannot be an expression", it->key);
		return NULL;
	}
	return rn_strdup(it->value->text);
}

/* ---- stages --------------------------------------------------------------------- */

static void stage_id(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline_stage *s = target;
	RN_AUTO(rn_freep) char *id = plain_word(m, it);
	s->id_at = it->value->at;
	if (id && !pipeline_name_valid(id))
		diags_error(m->d, it->value->at,
			    "a letter or _, then letters, digits, _ and -; at most 64",
			    "\"%s\" is no valid stage id", id);
	else
		s->id = rn_take(&id);
}

static void stage_uses(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline_stage *s = target;
	s->uses_at = it->value->at;
	RN_AUTO(rn_freep) char *uses = plain_word(m, it);
	bool valid = uses && strlen(uses) <= 64;
	for (const char *c = uses; valid && *c; c++)
		valid = islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '-';
	if (uses && !valid)
		diags_error(m->d, it->value->at,
			    "the plugin's name as in `runner plugins list`; folders are given by --plugin-path",
			    "\"%s\" is no plugin name", uses);
	else
		s->uses = rn_take(&uses);
}

static void stage_description(struct modeler *m, void *target, const struct doc_item *it)
{
	read_text(m, &((struct pipeline_stage *)target)->description, it);
}

static void stage_needs(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline_stage *s = target;
	const struct doc_node *n = it->value;
	s->has_needs = true;
	if (n->kind == DOC_STRING) {
		rn_strv_add(&s->needs, n->text);
	} else if (n->kind != DOC_LIST) {
		wrong(m, n, "needs: [] waits for nothing", "`needs`", "a list of stage ids");
	} else {
		for (size_t i = 0; i < n->n; i++)
			if (!n->items[i].value->text)
				wrong(m, n->items[i].value, NULL, "an item of `needs`", "a stage id");
			else
				rn_strv_add(&s->needs, n->items[i].value->text);
	}
}

static void stage_if(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline_stage *s = target;
	if (!it->value->text || it->value->kind == DOC_NULL)
		wrong(m, it->value, "for example: if: failure()", "`if`", "an expression");
	else
		s->if_node = it->value; /* parsed by pipeline_check_names */
}

static void stage_timeout(struct modeler *m, void *target, const struct doc_item *it)
{
	read_number(m, &((struct pipeline_stage *)target)->timeout_ms, it, RUNNER_DURATION);
}

static void retry_attempts(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline_stage *s = target;
	read_number(m, &s->retry_attempts, it, RUNNER_INTEGER);
	if (s->retry_attempts < 1 || s->retry_attempts > 100) {
		diags_error(m->d, it->value->at, "the number of tries in all", "`%s` must be from 1 to 100", it->key);
		s->retry_attempts = 1;
	}
}

static void retry_backoff(struct modeler *m, void *target, const struct doc_item *it)
{
	read_number(m, &((struct pipeline_stage *)target)->retry_backoff_ms, it, RUNNER_DURATION);
}

static void stage_retry(struct modeler *m, void *target, const struct doc_item *it)
{
	static const struct key_row rows[] = {
		{ "attempts", retry_attempts, true }, { "backoff", retry_backoff, false }, { NULL, NULL, false },
	};
	if (it->value->kind == DOC_NUMBER)
		retry_attempts(m, target, it);
	else
		read_map(m, it->value, rows, target, "`retry`", NULL);
}

static void stage_env(struct modeler *m, void *target, const struct doc_item *it)
{
	const struct doc_node *n = it->value;
	if (n->kind != DOC_MAP) {
		wrong(m, n, NULL, "`env`", "a map of names and values");
		return;
	}
	((struct pipeline_stage *)target)->env = n;
	for (size_t i = 0; i < n->n; i++) {
		const char *key = n->items[i].key;
		if (!*key || strchr(key, '=') || isdigit((unsigned char)*key))
			diags_error(m->d, n->items[i].key_at, NULL, "\"%s\" is no name of an environment variable", key);
		if (!n->items[i].value->text)
			wrong(m, n->items[i].value, NULL, "an environment variable", "text");
	}
}

static void stage_continue(struct modeler *m, void *target, const struct doc_item *it)
{
	RN_AUTO(rn_json_freep) cJSON *j = constant(m, it, RUNNER_BOOLEAN);
	((struct pipeline_stage *)target)->continue_on_error = cJSON_IsTrue(j);
}

static void stage_on_failure(struct modeler *m, void *target, const struct doc_item *it)
{
	static const char *const words[] = { "rollback", "keep" };
	struct pipeline_stage *s = target;
	RN_AUTO(rn_freep) char *word = plain_word(m, it);
	if (!word)
		return;
	s->rollback = strcmp(word, "rollback") == 0;
	s->rollback_at = s->rollback ? it->value->at : (struct diag_at){ 0 };
	if (s->rollback || strcmp(word, "keep") == 0)
		return;
	RN_AUTO(rn_freep) char *hint = diag_did_you_mean(word, words, RN_LEN(words));
	diags_error(m->d, it->value->at, hint ? hint : "rollback: what the stage changed is put back when the run fails; keep: it stays",
		    "`on_failure` must be rollback or keep, not \"%s\"", word);
}

static void stage_with(struct modeler *m, void *target, const struct doc_item *it)
{
	if (it->value->kind == DOC_MAP)
		((struct pipeline_stage *)target)->with = it->value;
	else if (it->value->kind != DOC_NULL)
		wrong(m, it->value, NULL, "`with`", "a map of parameters");
}

static const struct key_row stage_rows[] = {
	{ "id", stage_id, true },
	{ "uses", stage_uses, true },
	{ "with", stage_with, false },
	{ "needs", stage_needs, false },
	{ "if", stage_if, false },
	{ "timeout", stage_timeout, false },
	{ "retry", stage_retry, false },
	{ "env", stage_env, false },
	{ "continue_on_error", stage_continue, false },
	{ "on_failure", stage_on_failure, false },
	{ "description", stage_description, false },
	{ NULL, NULL, false },
};

static const struct key_row default_rows[] = {
	{ "timeout", stage_timeout, false },
	{ "retry", stage_retry, false },
	{ "env", stage_env, false },
	{ "continue_on_error", stage_continue, false },
	{ "on_failure", stage_on_failure, false },
	{ NULL, NULL, false },
};

static void add_stage(struct modeler *m, const struct doc_node *n, size_t index)
{
	struct pipeline_stage *s = &m->p->stages[m->p->n_stages++];
	const struct pipeline_stage *d = &m->defaults;
	*s = (struct pipeline_stage){ .index = index, .at = n->at, .id_at = n->at, .uses_at = n->at,
				      .timeout_ms = d->timeout_ms, .retry_attempts = d->retry_attempts,
				      .retry_backoff_ms = d->retry_backoff_ms,
				      .continue_on_error = d->continue_on_error, .rollback = d->rollback,
				      .default_env = d->env };
	read_map(m, n, stage_rows, s, "a stage", "parameters of the plugin go below `with:`");
	const struct pipeline_stage *same = s->id ? pipeline_stage(m->p, s->id) : NULL;
	if (same && same != s) {
		RN_AUTO(rn_freep) char *hint = rn_asprintf("first used at line %d", same->id_at.line);
		diags_error(m->d, s->id_at, hint, "duplicate stage id \"%s\"", s->id);
	}
	if (!s->description)
		s->description = rn_strdup("");
}

/* ---- the file ------------------------------------------------------------------- */

static void file_name(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline *p = target;
	read_text(m, &p->name, it);
	bool valid = p->name && *p->name && strlen(p->name) <= 100;
	for (const char *c = p->name; valid && *c; c++)
		valid = isalnum((unsigned char)*c) || strchr("._-", *c);
	if (p->name && !valid)
		diags_error(m->d, it->value->at, "letters, digits, \".\", \"_\" and \"-\"; at most 100",
			    "\"%s\" is no valid pipeline name", p->name);
}

static void file_lease(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline *p = target;
	p->lease_at = it->value->at;
	free(p->lease);
	p->lease = plain_word(m, it);
	bool valid = p->lease && strlen(p->lease) <= 64;
	for (const char *c = p->lease; valid && *c; c++)
		valid = islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '-';
	if (p->lease && !valid) {
		diags_error(m->d, it->value->at, "where the lease is kept, as in `lease: aws`", "\"%s\" is no name of a keeper of leases",
			    p->lease);
		rn_freep(&p->lease);
	}
}

static void ignore_here(struct modeler *m, void *target, const struct doc_item *it)
{
	(void)m, (void)target, (void)it; /* read in an order of our own, see pipeline_model */
}

static void file_description(struct modeler *m, void *target, const struct doc_item *it)
{
	(void)target;
	RN_AUTO(rn_freep) char *text = NULL;
	read_text(m, &text, it);
}

static const struct key_row file_rows[] = {
	{ "name", file_name, false },
	{ "description", file_description, false },
	{ "lease", file_lease, false },
	{ "vars", ignore_here, false },
	{ "secrets", ignore_here, false },
	{ "defaults", ignore_here, false },
	{ "stages", ignore_here, true },
	{ NULL, NULL, false },
};

static void read_vars(struct modeler *m, const struct doc_node *n)
{
	struct pipeline *p = m->p;
	if (n->kind != DOC_MAP) {
		wrong(m, n, NULL, "`vars`", "a map of names and values");
		return;
	}
	p->vars = rn_alloc((n->n + 1) * sizeof(*p->vars));
	for (size_t i = 0; i < n->n; i++) {
		const struct doc_item *it = &n->items[i];
		if (!pipeline_name_valid(it->key))
			diags_error(m->d, it->key_at, "a letter or _, then letters, digits, _ and -; at most 64",
				    "\"%s\" is no valid name of a variable", it->key);
		p->vars[p->n_vars++] = (struct pipeline_var){ .name = rn_strdup(it->key), .at = it->value->at,
							      .node = it->value };
	}
}

static void secret_env(struct modeler *m, void *target, const struct doc_item *it)
{
	((struct pipeline_secret *)target)->env = plain_word(m, it);
}

static void secret_file(struct modeler *m, void *target, const struct doc_item *it)
{
	struct pipeline_secret *s = target;
	RN_AUTO(rn_freep) char *path = NULL;
	read_text(m, &path, it);
	free(s->file);
	s->file = path ? rn_path_abs(m->p->dir, path) : NULL;
}

static void read_secret(struct modeler *m, const struct doc_item *it)
{
	static const struct key_row rows[] = {
		{ "env", secret_env, false }, { "file", secret_file, false }, { NULL, NULL, false },
	};
	static const char hint[] = "write {env: NAME} or {file: PATH}; the value itself never stands in the file";
	struct pipeline_secret *s = &m->p->secrets[m->p->n_secrets++];
	*s = (struct pipeline_secret){ .name = rn_strdup(it->key), .at = it->key_at };
	if (!pipeline_name_valid(it->key))
		diags_error(m->d, it->key_at, "a letter or _, then letters, digits, _ and -; at most 64",
			    "\"%s\" is no valid name of a secret", it->key);
	if (it->value->kind != DOC_MAP) {
		wrong(m, it->value, hint, "a secret", "a map");
		return;
	}
	size_t before = m->d->errors;
	read_map(m, it->value, rows, s, "a secret", NULL);
	if (m->d->errors == before && (s->env != NULL) == (s->file != NULL))
		diags_error(m->d, it->value->at, hint, "the secret \"%s\" needs one source", it->key);
}

static void read_secrets(struct modeler *m, const struct doc_node *n)
{
	if (n->kind != DOC_MAP) {
		wrong(m, n, NULL, "`secrets`", "a map of names and sources");
		return;
	}
	m->p->secrets = rn_alloc((n->n + 1) * sizeof(*m->p->secrets));
	for (size_t i = 0; i < n->n; i++)
		read_secret(m, &n->items[i]);
}

static void read_stages(struct modeler *m, const struct doc_node *n)
{
	if (n->kind != DOC_LIST) {
		wrong(m, n, "each stage begins with \"- id: NAME\"", "`stages`", "a list");
		return;
	}
	if (n->n == 0 || n->n > STAGES_MAX) {
		diags_error(m->d, n->at, NULL, n->n ? "more than 10000 stages" : "`stages` is empty");
		return;
	}
	m->p->stages = rn_alloc(n->n * sizeof(*m->p->stages));
	for (size_t i = 0; i < n->n; i++)
		add_stage(m, n->items[i].value, i);
}

/* vars first, since all other keys may use them; stages last, since they take the defaults. */
void pipeline_model(struct pipeline *p, const struct rn_strv *sets)
{
	struct modeler m = { .p = p, .d = p->diags, .sets = sets,
			     .defaults = { .retry_attempts = 1, .retry_backoff_ms = 1000 } };
	const struct doc_node *root = p->document, *n;
	if (root->kind != DOC_MAP) {
		wrong(&m, root, "a pipeline has the keys name, vars, secrets, defaults and stages", "a pipeline", "a map");
		return;
	}
	pipeline_constant_scope(p, &m.scope);
	if ((n = doc_get(root, "vars")) && n->kind != DOC_NULL)
		read_vars(&m, n);
	pipeline_eval_vars(p, sets);
	read_map(&m, root, file_rows, p, "a pipeline", NULL);
	if ((n = doc_get(root, "secrets")) && n->kind != DOC_NULL)
		read_secrets(&m, n);
	if ((n = doc_get(root, "defaults")) && n->kind != DOC_NULL)
		read_map(&m, n, default_rows, &m.defaults, "`defaults`", NULL);
	if ((n = doc_get(root, "stages")))
		read_stages(&m, n);
}
