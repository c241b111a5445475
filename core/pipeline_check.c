/* SPDX-License-Identifier: Apache-2.0 */
/* What needs the plugins' declarations: does each exist, its outputs, its parameters; and values that must be there. */
#include "pipeline_internal.h"

#include "lease_helper.h"
#include "params.h"
#include "plugin.h"

#include <stdlib.h>
#include <string.h>

struct checker {
	const struct plugin_set *plugins;
	unsigned flags;
};

static const struct plugin_info *plugin_of(const struct checker *c, const struct pipeline_stage *s)
{
	const struct plugin_entry *e = s && s->uses ? plugin_set_find(c->plugins, s->uses) : NULL;
	return e ? e->info : NULL;
}

static void check_output(const struct checker *c, const struct mention *m)
{
	const struct reference *r = m->ref;
	const struct plugin_info *plugin = plugin_of(c, pipeline_stage(m->p, r->name));
	if (!plugin || plugin_output_find(plugin, r->output))
		return;
	RN_AUTO(rn_freep) const char **names = rn_alloc((plugin->n_outputs + 1) * sizeof(*names));
	for (size_t i = 0; i < plugin->n_outputs; i++)
		names[i] = plugin->outputs[i].name;
	RN_AUTO(rn_freep) char *hint = diag_did_you_mean(r->output, names, plugin->n_outputs);
	diags_error(m->p->diags, mention_at(m, r->output_at, strlen(r->output)), hint,
		    "stage \"%s\" (%s) has no output \"%s\"", r->name, plugin->name, r->output);
}

static void check_secret_value(const struct checker *c, const struct mention *m)
{
	struct rn_error err = { 0 };
	const struct pipeline_secret *s = pipeline_secret(m->p, m->ref->name);
	if (!s || m->ref->optional || pipeline_secret_value(m->p, m->ref->name, &err))
		return;
	if (c->flags & PIPELINE_CHECK_VALUES)
		diags_rn(m->p->diags, s->at, NULL, &err);
	else
		diags_warn(m->p->diags, s->at, err.hint, "%s", err.msg);
}

static void check_variable_value(const struct checker *c, const struct mention *m)
{
	const struct reference *r = m->ref;
	const struct pipeline_var *v = r->kind == REFERENCE_VAR ? pipeline_var(m->p, r->name) : NULL;
	RN_AUTO(rn_freep) char *why = NULL;
	if (r->optional)
		return;
	if (v && v->missing)
		why = rn_asprintf("vars.%s has no value: %s", r->name, v->missing);
	else if (r->kind == REFERENCE_ENV && !getenv(r->name))
		why = rn_asprintf("the environment variable %s is not set", r->name);
	if (!why)
		return;
	const char *hint = v ? "set it, or give the variable with --set NAME=VALUE" :
			       "set it, or write default(env.NAME, '...')";
	struct diag_at at = mention_at(m, r->name_at, strlen(r->name));
	if (c->flags & PIPELINE_CHECK_VALUES)
		diags_error(m->p->diags, at, hint, "%s", why);
	else
		diags_warn(m->p->diags, at, hint, "%s", why);
}

static void check_mention(void *ctx, const struct mention *m)
{
	const struct checker *c = ctx;
	bool in_if = strcmp(m->where, "if") == 0; /* there, what has no value is false */
	if (m->ref->kind == REFERENCE_OUTPUT)
		check_output(c, m);
	else if (m->ref->kind == REFERENCE_SECRET && !in_if)
		check_secret_value(c, m);
	else if ((m->ref->kind == REFERENCE_ENV || m->ref->kind == REFERENCE_VAR) && !in_if)
		check_variable_value(c, m);
}

static void missing_plugin(struct pipeline *p, const struct pipeline_stage *s, const struct plugin_entry *e)
{
	struct diag_at at = s->uses_at;
	if (!e)
		diags_error(p->diags, at, NULL, "the plugin \"%s\" was not looked for", s->uses);
	else
		diags_rn(p->diags, at, NULL, &e->error);
	if (e && e->error.code != RN_ENOTFOUND) /* a name that does not exist is the file's fault */
		diags_blame_machine(p->diags);
}

/* Only when the stage itself asks for it: `defaults` mean those that can. */
static void check_rollback(struct pipeline *p, const struct pipeline_stage *s, const struct plugin_info *plugin)
{
	if (s->rollback_at.line && !plugin->has_rollback)
		diags_error(p->diags, s->rollback_at, "leave `on_failure` out, or use a plugin that has a rollback",
			    "`%s` cannot put anything back", s->uses);
}

static void check_lease(struct pipeline *p)
{
	RN_AUTO(rn_freep) char *program = p->lease ? lease_helper_program(p->lease) : NULL;
	if (p->lease && !program)
		diags_error(p->diags, p->lease_at, "`lease: aws` keeps it in AWS; another name needs a program runner-NAME in libexec/runner",
			    "nothing is installed that keeps leases as \"%s\"", p->lease);
}

int pipeline_check(struct pipeline *p, const struct plugin_set *plugins, unsigned flags,
		   struct diags *diags)
{
	struct checker c = { .plugins = plugins, .flags = flags };
	p->diags = diags;
	check_lease(p);
	for (size_t i = 0; i < p->n_stages; i++) {
		struct pipeline_stage *s = &p->stages[i];
		const struct plugin_info *plugin = plugin_of(&c, s);
		if (plugin) {
			params_check(s, plugin, p, diags);
			check_rollback(p, s, plugin);
		} else if (s->uses) {
			missing_plugin(p, s, plugin_set_find(plugins, s->uses));
		}
		pipeline_stage_mentions(p, s, check_mention, &c);
	}
	return diags->errors ? -1 : 0;
}
