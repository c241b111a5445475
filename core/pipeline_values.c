/* SPDX-License-Identifier: Apache-2.0 */
/* Where names get their values: vars, the environment, secrets; and what a stage's `if:` and `env:` come to. */
#include "pipeline_internal.h"

#include "resolve.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define SECRET_MAX ((size_t)64 << 10)

struct pipeline_var *pipeline_var(const struct pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->n_vars; i++)
		if (strcmp(p->vars[i].name, name) == 0)
			return &p->vars[i];
	return NULL;
}

struct pipeline_secret *pipeline_secret(const struct pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->n_secrets; i++)
		if (strcmp(p->secrets[i].name, name) == 0)
			return &p->secrets[i];
	return NULL;
}

/* ---- the scope ------------------------------------------------------------------ */

static int var_value(const struct pipeline *p, const char *name, struct value *ret, struct rn_error *err)
{
	const struct pipeline_var *v = pipeline_var(p, name);
	if (!v)
		return rn_fail(err, RN_EINVAL, "no variable \"%s\" in `vars:`", name);
	if (v->missing)
		return rn_fail(err, RN_ENOTFOUND, "vars.%s has no value: %s", name, v->missing);
	if (!v->value.json)
		return rn_fail(err, RN_ECANCELLED, "vars.%s has no value", name); /* why is reported already */
	value_copy(&v->value, ret);
	return 0;
}

static int env_value(const char *name, struct value *ret, struct rn_error *err)
{
	const char *text = getenv(name);
	if (!text) {
		rn_fail(err, RN_ENOTFOUND, "the environment variable %s is not set", name);
		return rn_hint(err, "set it, or write default(env.%s, '...')", name);
	}
	ret->json = cJSON_CreateString(text);
	return 0;
}

static int read_secret(struct pipeline_secret *s, struct rn_error *err)
{
	if (s->env) {
		const char *text = getenv(s->env);
		if (!text || !*text) {
			rn_fail(err, RN_ENOTFOUND, "the secret \"%s\" has no value: the environment variable %s is %s",
				s->name, s->env, text ? "empty" : "not set");
			return rn_hint(err, "set %s and run again", s->env);
		}
		s->value = rn_strdup(text);
		return 0;
	}
	struct rn_buf b = RN_BUF_INIT;
	struct rn_error cause = { 0 };
	int rc = rn_read_file(s->file ? s->file : "", SECRET_MAX, &b, &cause);
	while (rc == 0 && b.len && strchr("\r\n", b.p[b.len - 1]))
		b.p[--b.len] = '\0';
	if (rc < 0 || !b.len) {
		rn_fail(err, RN_ENOTFOUND, "the secret \"%s\" has no value: %s%s", s->name, rc < 0 ? cause.msg : s->file,
			rc < 0 ? "" : " is empty");
		rn_hint(err, "write it into %s and run again", s->file);
	} else {
		s->value = rn_strdup(rn_buf_str(&b));
		rn_wipe(b.p, b.len);
	}
	rn_buf_clear(&b);
	return s->value ? 0 : -1;
}

const char *pipeline_secret_value(struct pipeline *p, const char *name, struct rn_error *err)
{
	struct pipeline_secret *s = pipeline_secret(p, name);
	if (!s) {
		rn_fail(err, RN_EINVAL, "no secret \"%s\" in `secrets:`", name);
		return NULL;
	}
	if (!s->value && read_secret(s, err) < 0)
		return NULL;
	return s->value;
}

static int bound_var(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	return var_value(((struct pipeline_binding *)ctx)->pipeline, name, ret, err);
}

static int any_env(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx;
	return env_value(name, ret, err);
}

static int bound_secret(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	const char *text = pipeline_secret_value(((struct pipeline_binding *)ctx)->pipeline, name, err);
	if (!text)
		return -1;
	*ret = (struct value){ .json = cJSON_CreateString(text), .secret = true };
	return 0;
}

static int bound_output(void *ctx, const char *stage, const char *output, struct value *ret,
			struct rn_error *err)
{
	const struct pipeline_runtime *r = &((struct pipeline_binding *)ctx)->runtime;
	if (!r->output)
		return rn_fail(err, RN_ENOTFOUND, "stages.%s.%s has no value yet", stage, output);
	return r->output(r->ctx, stage, output, ret, err);
}

static bool bound_status(void *ctx, enum scope_status what)
{
	const struct pipeline_runtime *r = &((struct pipeline_binding *)ctx)->runtime;
	return r->status(r->ctx, what);
}

void pipeline_scope(struct pipeline_binding *binding, struct scope *ret)
{
	*ret = (struct scope){ .ctx = binding, .var = bound_var, .env = any_env, .secret = bound_secret,
			       .output = bound_output, .status = binding->runtime.status ? bound_status : NULL };
}

/* ---- while loading: vars and env only ------------------------------------------- */

static int constant_var(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	return var_value(ctx, name, ret, err);
}

static int constant_secret(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx, (void)ret;
	return rn_fail(err, RN_EINVAL, "secrets.%s cannot be used here", name);
}

static int constant_output(void *ctx, const char *stage, const char *output, struct value *ret,
			   struct rn_error *err)
{
	(void)ctx, (void)ret;
	return rn_fail(err, RN_EINVAL, "stages.%s.%s cannot be used here", stage, output);
}

void pipeline_constant_scope(struct pipeline *p, struct scope *ret)
{
	*ret = (struct scope){ .ctx = p, .var = constant_var, .env = any_env, .secret = constant_secret,
			       .output = constant_output };
}

/* ---- vars ----------------------------------------------------------------------- */

/* The --set for a variable, as a node: of the declared kind where that is text, a list or a map. */
static struct doc_node *parse_set(struct pipeline *p, const struct pipeline_var *v, const char *text)
{
	if (v->node->kind != DOC_LIST && v->node->kind != DOC_MAP)
		return doc_scalar(text, v->node->kind == DOC_STRING);
	struct diags local;
	diags_init(&local, "--set", text);
	struct doc_node *n = document_parse(text, strlen(text), &local);
	if (!n || local.errors || n->kind != v->node->kind) {
		diags_error(p->diags, (struct diag_at){ 0 }, "for example --set 'NAME=[a, b]' or 'NAME={k: v}'",
			    "--set %s: the variable is %s, \"%s\" is not", v->name, doc_kind_name(v->node), text);
		doc_freep(&n);
	}
	diags_clear(&local);
	return n;
}

static void apply_set(struct pipeline *p, const char *set)
{
	const char *eq = strchr(set, '=');
	RN_AUTO(rn_freep) char *name = rn_strndup(set, eq ? (size_t)(eq - set) : strlen(set));
	struct pipeline_var *v = pipeline_var(p, name);
	if (!eq || eq == set) {
		diags_error(p->diags, (struct diag_at){ 0 }, NULL, "--set %s: write --set NAME=VALUE", set);
	} else if (!v) {
		size_t n = 0;
		RN_AUTO(rn_freep) const char **names = rn_alloc((p->n_vars + 1) * sizeof(*names));
		for (; n < p->n_vars; n++)
			names[n] = p->vars[n].name;
		RN_AUTO(rn_freep) char *hint = diag_did_you_mean(name, names, n);
		diags_error(p->diags, (struct diag_at){ 0 }, hint, "--set %s: the file has no variable \"%s\"", set, name);
	} else {
		doc_free(v->owned);
		v->owned = parse_set(p, v, eq + 1);
	}
}

static void eval_var(struct pipeline *p, struct pipeline_var *v, const struct scope *scope)
{
	struct resolve_error err = { 0 };
	if (v->owned) { /* what the command line gives is taken as it is */
		v->value.json = doc_to_json(v->owned);
		v->value.text = v->owned->kind == DOC_NUMBER ? rn_strdup(v->owned->text) : NULL;
		return;
	}
	if (resolve_node(v->node, scope, p->diags->text, NULL, &v->value, &err) == 0)
		return;
	/* matters only when the variable is used: pipeline_check says so; other faults pipeline_check_names finds */
	if (err.err.code == RN_ENOTFOUND)
		v->missing = rn_strdup(err.err.msg);
}

void pipeline_eval_vars(struct pipeline *p, const struct rn_strv *sets)
{
	struct scope scope;
	pipeline_constant_scope(p, &scope);
	for (size_t i = 0; sets && i < sets->n; i++)
		apply_set(p, sets->v[i]);
	for (size_t i = 0; i < p->n_vars; i++)
		eval_var(p, &p->vars[i], &scope);
}

/* ---- of a stage ----------------------------------------------------------------- */

int pipeline_stage_wanted(const struct pipeline_stage *s, const struct scope *scope, struct rn_error *err)
{
	if (!s->if_)
		return scope->status(scope->ctx, SCOPE_SUCCESS);
	struct value v = { 0 };
	struct rn_error local = { 0 };
	if (expression_eval(s->if_, scope, &v, &local) < 0) {
		if (local.code == RN_ENOTFOUND) /* `if: env.DEPLOY` with nothing set */
			return 0;
		if (err)
			*err = local;
		return -1;
	}
	bool wanted = value_true(&v);
	value_clear(&v);
	return wanted;
}

static int add_env(const struct doc_node *env, const struct scope *scope, cJSON *to,
		   struct rn_strv *secrets, struct rn_error *err)
{
	for (size_t i = 0; env && i < env->n; i++) {
		struct resolve_error cause = { 0 };
		struct value v = { 0 };
		if (resolve_node(env->items[i].value, scope, NULL, secrets, &v, &cause) < 0) {
			*err = cause.err;
			return rn_wrap(err, "env %s", env->items[i].key);
		}
		RN_AUTO(rn_freep) char *text = value_text(&v);
		value_clear(&v);
		cJSON_DeleteItemFromObjectCaseSensitive(to, env->items[i].key);
		cJSON_AddStringToObject(to, env->items[i].key, text);
	}
	return 0;
}

int pipeline_stage_env(const struct pipeline_stage *s, const struct scope *scope, cJSON **ret,
		       struct rn_strv *ret_secrets, struct rn_error *err)
{
	struct rn_error local;
	struct resolve_recorder recorder = { .inner = scope, .secrets = ret_secrets };
	struct scope recording;
	RN_AUTO(rn_json_freep) cJSON *env = cJSON_CreateObject();
	resolve_recording(&recorder, &recording);
	if (add_env(s->default_env, &recording, env, ret_secrets, err ? err : &local) < 0 ||
	    add_env(s->env, &recording, env, ret_secrets, err ? err : &local) < 0)
		return -1;
	*ret = rn_take(&env);
	return 0;
}
