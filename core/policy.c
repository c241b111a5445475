/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include "lease_helper.h"
#include "params.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- values of parameters, as far as they are known offline ---- */

static int no_output(void *ctx, const char *stage, const char *output, struct value *ret, struct rn_error *err)
{
	(void)ctx, (void)stage, (void)output, (void)err;
	*ret = (struct value){ .unknown = true };
	return 0;
}

static int no_secret(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	(void)ctx, (void)name, (void)err;
	*ret = (struct value){ .unknown = true, .secret = true };
	return 0;
}

/* NULL when they cannot be resolved: then nothing narrows a resource. */
static cJSON *known_params(const struct loaded *l, const struct pipeline_stage *s, const struct plugin_info *plugin)
{
	struct pipeline_binding binding = { .pipeline = l->pipeline, .runtime = { .output = no_output } };
	struct scope scope;
	struct diags diags = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv secrets = { 0 };
	cJSON *params = NULL;
	pipeline_scope(&binding, &scope);
	scope.secret = no_secret;
	diags_init(&diags, l->pipeline->file, NULL);
	if (params_resolve(s, plugin, l->pipeline, &scope, &params, &secrets, &diags) < 0) {
		cJSON_Delete(params);
		params = NULL;
	}
	diags_clear(&diags);
	return params;
}

/* `name`: "NAME" or "NAME:-TEXT". */
static const char *param_text(const cJSON *params, char *name)
{
	char *otherwise = strstr(name, ":-");
	if (otherwise)
		*otherwise = '\0';
	const cJSON *p = rn_json_get(params, name);
	if (p && otherwise && !rn_json_bool(p, "set", false))
		return otherwise + 2;
	const char *text = rn_json_str(p, "value");
	bool usable = rn_json_bool(p, "known", false) && !rn_json_bool(p, "secret", false) && text && *text;
	return usable ? text : NULL;
}

/* The resource with each ${name} replaced; "*" when one of them is not known. A value that is a whole ARN already also stands
   for what the template has before it. New string. */
static char *resource_of(const char *template, const cJSON *params)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	for (const char *p = template; *p;) {
		const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
		if (!end) {
			rn_buf_addc(&b, *p++);
			continue;
		}
		RN_AUTO(rn_freep) char *name = rn_strndup(p + 2, (size_t)(end - p - 2));
		const char *value = param_text(params, name);
		if (!value)
			return rn_strdup("*");
		if (rn_starts(value, "arn:"))
			rn_buf_reset(&b);
		rn_buf_adds(&b, value);
		p = end + 1;
	}
	return rn_strdup(b.len ? rn_buf_str(&b) : "*");
}

/* ---- the document ---- */

struct grant {
	char *action;
	struct rn_strv resources; /* sorted; "*" stands alone */
};

struct grants {
	struct grant *v;
	size_t n, cap;
};

static void add_grant(struct grants *g, const char *action, char *resource)
{
	struct grant *of = NULL;
	for (size_t i = 0; i < g->n && !of; i++)
		of = rn_streq(g->v[i].action, action) ? &g->v[i] : NULL;
	if (!of) {
		g->v = rn_grow(g->v, &g->cap, g->n + 1, sizeof(*g->v));
		of = &g->v[g->n++];
		*of = (struct grant){ .action = rn_strdup(action) };
	}
	if (rn_streq(resource, "*"))
		rn_strv_clear(&of->resources);
	if (rn_strv_has(&of->resources, "*") || rn_strv_has(&of->resources, resource))
		free(resource);
	else
		rn_strv_take(&of->resources, resource);
	rn_strv_sort(&of->resources);
}

/* A word "?NAME": the line counts only where the pipeline gives that parameter. Parameters that cannot be resolved count as given. */
static bool is_ruled_out(const char *word, const cJSON *params)
{
	return *word == '?' && params && !rn_json_bool(rn_json_get(params, word + 1), "set", false);
}

/* "ACTION [?PARAMETER] [RESOURCE]..." */
static void read_line(char *line, const cJSON *params, struct grants *to)
{
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	rn_strv_split(&words, line, ' ');
	bool limited = false;
	for (size_t i = 1; i < words.n; i++)
		if (is_ruled_out(words.v[i], params))
			return;
	for (size_t i = 1; i < words.n; i++) {
		if (!*words.v[i] || *words.v[i] == '?')
			continue;
		add_grant(to, words.v[0], resource_of(words.v[i], params));
		limited = true;
	}
	if (!limited)
		add_grant(to, words.v[0], rn_strdup("*"));
}

static void read_grants(const char *permissions, const cJSON *params, struct grants *to)
{
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	rn_strv_split(&lines, permissions, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char *line = rn_trim(lines.v[i]);
		if (*line)
			read_line(line, params, to);
	}
}

static void clear_grants(struct grants *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->v[i].action);
		rn_strv_clear(&g->v[i].resources);
	}
	free(g->v);
}

static bool id_taken(const cJSON *statements, const char *id)
{
	const cJSON *s;
	cJSON_ArrayForEach(s, statements)
		if (rn_streq(rn_json_str(s, "Sid"), id))
			return true;
	return false;
}

/* Statement ids are letters and digits, unique in a document: "my-stage" is "MyStage", the next one "MyStage2". */
static char *statement_id(const char *stage, const cJSON *statements)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	bool up = true;
	for (const char *p = stage; *p; p++) {
		if (isalnum((unsigned char)*p))
			rn_buf_addc(&b, (char)(up ? toupper((unsigned char)*p) : *p));
		up = !isalnum((unsigned char)*p);
	}
	char *id = rn_strdup(rn_buf_str(&b));
	for (size_t n = 2; id_taken(statements, id); n++) {
		free(id);
		id = rn_asprintf("%s%zu", rn_buf_str(&b), n);
	}
	return id;
}

static bool same_resources(const struct grant *a, const struct grant *b)
{
	bool same = a->resources.n == b->resources.n;
	for (size_t i = 0; same && i < a->resources.n; i++)
		same = rn_streq(a->resources.v[i], b->resources.v[i]);
	return same;
}

static bool told_before(const struct grants *g, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (same_resources(&g->v[k], &g->v[i]))
			return true;
	return false;
}

static void add_statements(const char *stage, const struct grants *g, cJSON *to)
{
	for (size_t i = 0; i < g->n; i++) {
		if (told_before(g, i))
			continue;
		RN_AUTO(rn_freep) char *id = statement_id(stage, to);
		RN_AUTO(rn_strv_clear) struct rn_strv actions = { 0 };
		for (size_t k = i; k < g->n; k++)
			if (same_resources(&g->v[k], &g->v[i]))
				rn_strv_add(&actions, g->v[k].action);
		rn_strv_sort(&actions);
		cJSON *s = cJSON_CreateObject();
		cJSON_AddStringToObject(s, "Sid", id);
		cJSON_AddStringToObject(s, "Effect", "Allow");
		cJSON_AddItemToObject(s, "Action", cJSON_CreateStringArray((const char *const *)actions.v, (int)actions.n));
		const struct rn_strv *r = &g->v[i].resources;
		cJSON_AddItemToObject(s, "Resource", r->n == 1 ? cJSON_CreateString(r->v[0]) :
								 cJSON_CreateStringArray((const char *const *)r->v, (int)r->n));
		cJSON_AddItemToArray(to, s);
	}
}

/* Once in a document, whichever stages it is for: the whole run needs it. */
static int add_lease(const struct pipeline *p, cJSON *to, struct rn_error *err)
{
	struct grants g = { 0 };
	if (!p->lease)
		return 0;
	RN_AUTO(rn_freep) char *permissions = lease_helper_permissions(p->lease, p->name, err);
	if (!permissions)
		return -1;
	read_grants(permissions, NULL, &g);
	add_statements("lease", &g, to);
	clear_grants(&g);
	return 0;
}

cJSON *policy_of(const struct loaded *l, const struct rn_strv *only, struct rn_strv *ret_silent, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *policy = cJSON_CreateObject();
	cJSON_AddStringToObject(policy, "Version", "2012-10-17");
	cJSON *statements = cJSON_AddArrayToObject(policy, "Statement");
	for (size_t i = 0; i < l->pipeline->n_stages; i++) {
		const struct pipeline_stage *s = &l->pipeline->stages[i];
		const struct plugin_entry *e = plugin_set_find(&l->plugins, s->uses);
		if (only && only->n && !rn_strv_has(only, s->id))
			continue;
		if (!e || !e->info || !e->info->permissions) {
			rn_strv_add(ret_silent, s->id);
			continue;
		}
		RN_AUTO(rn_json_freep) cJSON *params = known_params(l, s, e->info);
		struct grants g = { 0 };
		read_grants(e->info->permissions, params, &g);
		add_statements(s->id, &g, statements);
		clear_grants(&g);
	}
	return add_lease(l->pipeline, statements, err) < 0 ? NULL : rn_take(&policy);
}
