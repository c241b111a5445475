/* SPDX-License-Identifier: Apache-2.0 */
/* `with:` against a plugin's declared parameters: checked, evaluated, converted, defaulted. */
#include "params.h"

#include "plugin.h"
#include "resolve.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conversion {
	const struct plugin_param *param;
	const struct pipeline *p;
	const struct scope *scope;
	struct diags *d;
	struct rn_strv *secrets;
	bool checking; /* what is wrong with expressions is reported by those who check names */
	bool unknown;
	bool secret;
};

static void fault(struct conversion *c, struct diag_at at, const struct rn_error *err)
{
	diags_error(c->d, at, err->hint, "parameter \"%s\" %s", c->param->name, err->msg);
}

/* Evaluates a node; false when there is nothing to convert (unknown, or reported). */
static bool evaluate(struct conversion *c, const struct doc_node *n, struct value *ret)
{
	struct resolve_error err = { 0 };
	if (resolve_node(n, c->scope, c->d->text, c->secrets, ret, &err) < 0) {
		if (!c->checking)
			diags_rn(c->d, err.at, c->param->name, &err.err);
		c->unknown = true;
		return false;
	}
	c->secret |= ret->secret;
	c->unknown |= ret->unknown;
	if (ret->unknown)
		value_clear(ret);
	return ret->json != NULL;
}

/* ---- one_of --------------------------------------------------------------------- */

static bool allowed(struct conversion *c, const struct doc_node *n, const char *text)
{
	if (!c->param->one_of)
		return true;
	struct rn_strv choices = { 0 };
	rn_strv_split(&choices, c->param->one_of, '|');
	bool yes = rn_strv_has(&choices, text);
	if (!yes) {
		const char *near = rn_nearest(text, (const char *const *)choices.v, choices.n);
		RN_AUTO(rn_freep) char *list = rn_strv_join(&choices, ", ");
		RN_AUTO(rn_freep) char *hint = near ? rn_asprintf("did you mean \"%s\"?", near) : NULL;
		diags_error(c->d, n->at, hint, "parameter \"%s\" must be one of %s, not \"%s\"", c->param->name,
			    list, c->secret ? "***" : text);
	}
	rn_strv_clear(&choices);
	return yes;
}

/* ---- by type -------------------------------------------------------------------- */

/* Text of a value that stands in a list or a map; NULL when reported. */
static char *item_text(struct conversion *c, const struct doc_node *n, const struct value *v,
		       const char *what)
{
	if (cJSON_IsObject(v->json) || cJSON_IsArray(v->json) || cJSON_IsNull(v->json)) {
		diags_error(c->d, n->at, NULL, "parameter \"%s\": %s must be text, not %s", c->param->name, what,
			    cJSON_IsNull(v->json) ? "nothing" : cJSON_IsArray(v->json) ? "a list" : "a map");
		return NULL;
	}
	char *text = value_text(v);
	if (allowed(c, n, text))
		return text;
	free(text);
	return NULL;
}

static void add_list_item(struct conversion *c, const struct doc_node *n, const struct value *v, cJSON *to)
{
	char what[32];
	snprintf(what, sizeof(what), "item %d", cJSON_GetArraySize(to) + 1);
	RN_AUTO(rn_freep) char *text = item_text(c, n, v, what);
	if (text)
		cJSON_AddItemToArray(to, cJSON_CreateString(text));
}

/* A list of the file, an expression that gives a list, or a single scalar. */
static cJSON *convert_list(struct conversion *c, const struct doc_node *n)
{
	cJSON *list = cJSON_CreateArray(), *item;
	struct value v = { 0 };
	if (n->kind == DOC_LIST) {
		for (size_t i = 0; i < n->n; i++) {
			if (evaluate(c, n->items[i].value, &v))
				add_list_item(c, n->items[i].value, &v, list);
			value_clear(&v);
		}
		return list;
	}
	if (n->kind == DOC_MAP) {
		diags_error(c->d, n->at, NULL, "parameter \"%s\" must be a list, not a map", c->param->name);
		return list;
	}
	if (evaluate(c, n, &v) && cJSON_IsArray(v.json)) {
		cJSON_ArrayForEach(item, v.json)
			add_list_item(c, n, &(struct value){ .json = item }, list);
	} else if (v.json && !cJSON_IsNull(v.json)) {
		add_list_item(c, n, &v, list);
	}
	value_clear(&v);
	return list;
}

static void add_map_item(struct conversion *c, const struct doc_node *n, const char *key,
			 const struct value *v, cJSON *to)
{
	RN_AUTO(rn_freep) char *what = rn_asprintf("the value of \"%s\"", key);
	RN_AUTO(rn_freep) char *text = item_text(c, n, v, what);
	if (text)
		cJSON_AddStringToObject(to, key, text);
}

static cJSON *convert_map(struct conversion *c, const struct doc_node *n)
{
	cJSON *map = cJSON_CreateObject(), *item;
	struct value v = { 0 };
	if (n->kind == DOC_MAP) {
		for (size_t i = 0; i < n->n; i++) {
			if (evaluate(c, n->items[i].value, &v))
				add_map_item(c, n->items[i].value, n->items[i].key, &v, map);
			value_clear(&v);
		}
		return map;
	}
	if (n->kind == DOC_LIST || !evaluate(c, n, &v)) {
		if (n->kind == DOC_LIST)
			diags_error(c->d, n->at, "write NAME: VALUE pairs", "parameter \"%s\" must be a map, not a list",
				    c->param->name);
	} else if (cJSON_IsObject(v.json)) {
		cJSON_ArrayForEach(item, v.json)
			add_map_item(c, n, item->string, &(struct value){ .json = item }, map);
	} else if (!cJSON_IsNull(v.json)) {
		diags_error(c->d, n->at, "write NAME: VALUE pairs", "parameter \"%s\" must be a map, not %s",
			    c->param->name, cJSON_IsArray(v.json) ? "a list" : "a single value");
	}
	value_clear(&v);
	return map;
}

static cJSON *convert_scalar(struct conversion *c, const struct doc_node *n)
{
	struct rn_error err = { 0 };
	struct value v = { 0 };
	cJSON *j = NULL;
	if (n->kind == DOC_LIST || n->kind == DOC_MAP) {
		v.json = n->kind == DOC_LIST ? cJSON_CreateArray() : cJSON_CreateObject();
	} else if (!evaluate(c, n, &v) || cJSON_IsNull(v.json)) {
		value_clear(&v);
		return NULL;
	} else if (c->param->type == RUNNER_STRING && (cJSON_IsObject(v.json) || cJSON_IsArray(v.json))) {
		v.text = rn_json_print(v.json); /* an output that is JSON, where text is wanted */
		cJSON_Delete(v.json);
		v.json = cJSON_CreateString(v.text);
	}
	RN_AUTO(rn_freep) char *text = value_text(&v);
	if (resolve_scalar(c->param->type, &v, &j, &err) < 0)
		fault(c, n->at, &err);
	else if (!allowed(c, n, text))
		c->unknown = true;
	value_clear(&v);
	if (c->param->type == RUNNER_PATH && j) {
		RN_AUTO(rn_freep) char *path = rn_path_abs(c->p->dir, j->valuestring);
		cJSON_SetValuestring(j, path);
	}
	return j;
}

static cJSON *convert(struct conversion *c, const struct doc_node *n)
{
	struct value v = { 0 };
	cJSON *j;
	switch (c->param->type) {
	case RUNNER_LIST:
		return convert_list(c, n);
	case RUNNER_MAP:
		return convert_map(c, n);
	case RUNNER_JSON:
		evaluate(c, n, &v);
		j = v.json;
		v.json = NULL;
		value_clear(&v);
		return j;
	case RUNNER_STRING:
	case RUNNER_INTEGER:
	case RUNNER_NUMBER:
	case RUNNER_BOOLEAN:
	case RUNNER_DURATION:
	case RUNNER_SIZE:
	case RUNNER_PATH:
		break;
	}
	return convert_scalar(c, n);
}

/* ---- defaults ------------------------------------------------------------------- */

/* The default as the plugin writes it, converted; NULL when it has none. */
static cJSON *convert_default(const struct conversion *c, struct diag_at at)
{
	const struct plugin_param *param = c->param;
	if (!param->def)
		return NULL;
	struct diags local;
	diags_init(&local, param->name, param->def);
	bool nested = param->type == RUNNER_LIST || param->type == RUNNER_MAP || param->type == RUNNER_JSON;
	RN_AUTO(doc_freep) struct doc_node *n = nested ? document_parse(param->def, strlen(param->def), &local) :
							 doc_scalar(param->def, param->type == RUNNER_STRING);
	struct conversion d = { .param = param, .p = c->p, .scope = c->scope, .d = &local };
	cJSON *j = n ? convert(&d, n) : NULL;
	if (local.errors) {
		diags_error(c->d, at, "report this to the plugin's author", "the plugin's default of \"%s\" is wrong: %s",
			    param->name, local.n ? local.v[0].message : param->def);
		cJSON_Delete(j);
		j = NULL;
	}
	diags_clear(&local);
	return j;
}

/* ---- a stage -------------------------------------------------------------------- */

static bool empty(const cJSON *j)
{
	return !j || cJSON_IsNull(j) || (cJSON_IsString(j) && !*j->valuestring);
}

static cJSON *resolve_one(struct conversion *c, const struct pipeline_stage *s)
{
	const struct plugin_param *param = c->param;
	const struct doc_item *it = doc_item(s->with, param->name);
	struct diag_at at = it ? it->value->at : s->uses_at;
	size_t before = c->d->errors;
	cJSON *j = it ? convert(c, it->value) : NULL;
	bool json_null = it && param->type == RUNNER_JSON && cJSON_IsNull(j);
	bool set = it && !(it->value->kind == DOC_NULL && !json_null);
	if ((param->flags & RUNNER_REQUIRED) && !c->unknown && c->d->errors == before && (!set || empty(j)))
		diags_error(c->d, at, param->help, it ? "parameter \"%s\" of \"%s\" has no value" :
			    "parameter \"%s\" of \"%s\" is missing", param->name, s->uses);
	if (c->unknown || (!j && !json_null)) {
		cJSON_Delete(j);
		j = convert_default(c, at);
	}
	bool secret = c->secret || (param->flags & RUNNER_SECRET);
	if (secret && c->secrets && (param->flags & RUNNER_SECRET))
		resolve_strings(j, c->secrets);
	cJSON *entry = cJSON_CreateObject();
	cJSON_AddStringToObject(entry, "type", params_type_name(param->type));
	cJSON_AddItemToObject(entry, "value", j ? j : cJSON_CreateNull());
	cJSON_AddBoolToObject(entry, "known", !c->unknown);
	cJSON_AddBoolToObject(entry, "set", set);
	cJSON_AddBoolToObject(entry, "secret", secret);
	cJSON_AddNumberToObject(entry, "line", at.line);
	cJSON_AddNumberToObject(entry, "column", at.column);
	return entry;
}

static int resolve_all(const struct pipeline_stage *s, const struct plugin_info *plugin,
		       const struct pipeline *p, const struct scope *scope, bool checking, cJSON **ret,
		       struct rn_strv *secrets, struct diags *d)
{
	size_t before = d->errors;
	struct resolve_recorder recorder = { .inner = scope, .secrets = secrets };
	struct scope recording;
	resolve_recording(&recorder, &recording);
	RN_AUTO(rn_json_freep) cJSON *all = cJSON_CreateObject();
	for (size_t i = 0; i < plugin->n_params; i++) {
		struct conversion c = { .param = &plugin->params[i], .p = p, .scope = &recording, .d = d,
					.secrets = secrets, .checking = checking };
		cJSON_AddItemToObject(all, plugin->params[i].name, resolve_one(&c, s));
	}
	if (d->errors > before)
		return -1;
	if (ret)
		*ret = rn_take(&all);
	return 0;
}

int params_resolve(const struct pipeline_stage *s, const struct plugin_info *plugin,
		   const struct pipeline *p, const struct scope *scope, cJSON **ret,
		   struct rn_strv *ret_secrets, struct diags *diags)
{
	struct rn_strv ignored = { 0 };
	int rc = resolve_all(s, plugin, p, scope, false, ret, ret_secrets ? ret_secrets : &ignored, diags);
	rn_strv_clear(&ignored);
	return rc;
}

/* ---- checking ------------------------------------------------------------------- */

static int check_output(void *ctx, const char *stage, const char *output, struct value *ret,
			struct rn_error *err)
{
	(void)ctx, (void)stage, (void)output, (void)err;
	*ret = (struct value){ .unknown = true };
	return 0;
}

static int check_secret(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx, (void)name, (void)err;
	*ret = (struct value){ .unknown = true, .secret = true };
	return 0;
}

static void check_names(const struct pipeline_stage *s, const struct plugin_info *plugin, struct diags *d)
{
	RN_AUTO(rn_freep) const char **names = rn_alloc((plugin->n_params + 1) * sizeof(*names));
	for (size_t i = 0; i < plugin->n_params; i++)
		names[i] = plugin->params[i].name;
	for (size_t i = 0; s->with && i < s->with->n; i++) {
		const struct doc_item *it = &s->with->items[i];
		const struct plugin_param *param = plugin_param_find(plugin, it->key);
		if (!param) {
			RN_AUTO(rn_freep) char *hint = diag_did_you_mean(it->key, names, plugin->n_params);
			RN_AUTO(rn_freep) char *all = rn_asprintf("`runner plugins describe %s` lists them", plugin->name);
			diags_error(d, it->key_at, hint ? hint : all, "\"%s\" has no parameter \"%s\"", plugin->name,
				    it->key);
		} else if (param->flags & RUNNER_DEPRECATED) {
			diags_warn(d, it->key_at, param->help, "parameter \"%s\" is deprecated", it->key);
		}
	}
}

int params_check(const struct pipeline_stage *s, const struct plugin_info *plugin,
		 const struct pipeline *p, struct diags *diags)
{
	struct pipeline_binding binding = { .pipeline = (struct pipeline *)p };
	struct rn_strv secrets = { 0 };
	struct scope scope;
	size_t before = diags->errors;
	check_names(s, plugin, diags);
	pipeline_scope(&binding, &scope);
	scope.output = check_output;
	scope.secret = check_secret;
	resolve_all(s, plugin, p, &scope, true, NULL, &secrets, diags);
	rn_strv_clear(&secrets);
	return diags->errors > before ? -1 : 0;
}

char *params_key(const cJSON *params)
{
	RN_AUTO(rn_json_freep) cJSON *key = cJSON_CreateObject();
	const cJSON *entry;
	cJSON_ArrayForEach(entry, params) {
		if (rn_json_bool(entry, "secret", false)) /* not even a hash of a secret is kept */
			cJSON_AddStringToObject(key, entry->string, "secret");
		else
			cJSON_AddItemToObject(key, entry->string, cJSON_Duplicate(rn_json_get(entry, "value"), 1));
	}
	return rn_json_canonical(key);
}
