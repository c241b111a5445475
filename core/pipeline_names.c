/* SPDX-License-Identifier: Apache-2.0 */
/* Every mention of a name in the file, and whether the name exists and may stand there. */
#include "pipeline_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct diag_at mention_at(const struct mention *m, size_t at, size_t length)
{
	const char *source = m->p->diags->text;
	struct diag_at place = m->node->at;
	if (m->bare) {
		size_t o = m->node->offset;
		bool quote = source && o > 0 && (source[o - 1] == '"' || source[o - 1] == '\'');
		place.column += (int)at + quote;
	} else {
		place = doc_expression_at(m->node, source, m->nth, at);
	}
	place.length = (int)length;
	return place;
}

struct visit {
	struct mention m;
	mention_fn *fn;
	void *ctx;
};

static void visit_reference(void *ctx, const struct reference *r)
{
	struct visit *v = ctx;
	v->m.ref = r;
	v->fn(v->ctx, &v->m);
}

/* One "${{ }}"; a fault in it does not hide those of the next. */
static void visit_expression(struct visit *v, const char *inside, const char *end)
{
	struct rn_error err = { 0 };
	size_t at = 0;
	RN_AUTO(expression_freep) struct expression *e = expression_parse(inside, (size_t)(end - inside), &at, &err);
	if (e)
		expression_references(e, visit_reference, v);
	else
		diags_rn(v->m.p->diags, mention_at(&v->m, at, 1), NULL, &err);
}

static void visit_text(struct visit *v, const struct doc_node *n)
{
	v->m.node = n;
	v->m.bare = false;
	v->m.nth = 0;
	for (const char *p = n->text, *open; (open = strstr(p, "${{"));) {
		const char *end = template_end(open + 3);
		if (!end) {
			struct diag_at place = mention_at(&v->m, 0, 3);
			place.column -= place.column > 3 ? 3 : 0;
			diags_error(v->m.p->diags, place, NULL, "\"${{\" without its \"}}\"");
			return;
		}
		visit_expression(v, open + 3, end);
		for (p = open; p < end; p++) /* also those in string literals */
			v->m.nth += strncmp(p, "${{", 3) == 0;
		p = end + 2;
	}
}

static void visit_node(struct visit *v, const struct doc_node *n)
{
	if (n->kind == DOC_STRING && template_needed(n->text))
		visit_text(v, n);
	for (size_t i = 0; i < n->n; i++)
		visit_node(v, n->items[i].value);
}

void pipeline_mentions(struct pipeline *p, struct pipeline_stage *stage, const struct doc_node *n,
		       const char *where, unsigned allowed, mention_fn *fn, void *ctx)
{
	struct visit v = { .m = { .p = p, .stage = stage, .where = where, .allowed = allowed }, .fn = fn, .ctx = ctx };
	if (n)
		visit_node(&v, n);
}

void pipeline_stage_mentions(struct pipeline *p, struct pipeline_stage *s, mention_fn *fn, void *ctx)
{
	pipeline_mentions(p, s, s->with, "with", ALLOW_STAGE, fn, ctx);
	pipeline_mentions(p, s, s->default_env, "env", ALLOW_STAGE, fn, ctx);
	pipeline_mentions(p, s, s->env, "env", ALLOW_STAGE, fn, ctx);
	struct visit v = { .m = { .p = p, .stage = s, .where = "if", .allowed = ALLOW_IF, .node = s->if_node,
				  .bare = s->if_node && !template_needed(s->if_node->text) },
			   .fn = fn, .ctx = ctx };
	if (s->if_)
		expression_references(s->if_, visit_reference, &v);
}

/* ---- if: ------------------------------------------------------------------------ */

/* The text inside "${{ }}" when that is all there is, else the text itself. */
static int strip_braces(struct pipeline *p, const struct doc_node *n, const char **ret, size_t *ret_n)
{
	const char *text = n->text, *open = strstr(text, "${{");
	*ret = text;
	*ret_n = strlen(text);
	if (!open)
		return 0;
	size_t end = strlen(text);
	while (end > 0 && isspace((unsigned char)text[end - 1]))
		end--;
	const char *close = strstr(open, "}}");
	if (open != text + strspn(text, " \n") || !close || close + 2 != text + end)
		return diags_error(p->diags, n->at, "for example: if: vars.deploy && success()",
				   "`if` must be one expression, with or without ${{ }}");
	*ret = open + 3;
	*ret_n = (size_t)(close - open) - 3;
	return 0;
}

static void parse_if(struct pipeline *p, struct pipeline_stage *s)
{
	const char *text;
	size_t n, at = 0;
	struct rn_error err = { 0 };
	if (!s->if_node || strip_braces(p, s->if_node, &text, &n) < 0)
		return;
	s->if_ = expression_parse(text, n, &at, &err);
	s->if_text = rn_strndup(text, n);
	memmove(s->if_text, rn_trim(s->if_text), strlen(rn_trim(s->if_text)) + 1);
	struct mention m = { .p = p, .stage = s, .node = s->if_node, .bare = text == s->if_node->text };
	if (!s->if_)
		diags_rn(p->diags, mention_at(&m, at, 1), NULL, &err);
}

/* ---- names ---------------------------------------------------------------------- */

static int unknown(const struct mention *m, const char *what, const char *const *names, size_t n,
		   const char *otherwise)
{
	const struct reference *r = m->ref;
	RN_AUTO(rn_freep) char *hint = diag_did_you_mean(r->name, names, n);
	return diags_error(m->p->diags, mention_at(m, r->name_at, strlen(r->name)), hint ? hint : otherwise,
			   "no %s \"%s\"", what, r->name);
}

static void check_var(const struct mention *m)
{
	const struct pipeline *p = m->p;
	if (pipeline_var(p, m->ref->name))
		return;
	RN_AUTO(rn_freep) const char **names = rn_alloc((p->n_vars + 1) * sizeof(*names));
	for (size_t i = 0; i < p->n_vars; i++)
		names[i] = p->vars[i].name;
	unknown(m, "variable", names, p->n_vars, "declare it under `vars:`");
}

static void check_secret(const struct mention *m)
{
	const struct pipeline *p = m->p;
	if (pipeline_secret(p, m->ref->name))
		return;
	RN_AUTO(rn_freep) const char **names = rn_alloc((p->n_secrets + 1) * sizeof(*names));
	for (size_t i = 0; i < p->n_secrets; i++)
		names[i] = p->secrets[i].name;
	unknown(m, "secret", names, p->n_secrets, "declare it under `secrets:` as {env: NAME} or {file: PATH}");
}

static void check_stage(const struct mention *m)
{
	const struct pipeline *p = m->p;
	const struct reference *r = m->ref;
	if (m->stage && rn_streq(m->stage->id, r->name)) {
		diags_error(p->diags, mention_at(m, r->name_at, strlen(r->name)), NULL,
			    "stage \"%s\" refers to its own output", r->name);
		return;
	}
	if (pipeline_stage(p, r->name))
		return;
	size_t n = 0;
	RN_AUTO(rn_freep) const char **names = rn_alloc((p->n_stages + 1) * sizeof(*names));
	for (size_t i = 0; i < p->n_stages; i++)
		if (p->stages[i].id && &p->stages[i] != m->stage)
			names[n++] = p->stages[i].id;
	unknown(m, "stage", names, n, NULL);
}

static void check_mention(void *ctx, const struct mention *m)
{
	static const char *const forms[] = { "vars.", "env.", "secrets.", "stages.", "" };
	const struct reference *r = m->ref;
	(void)ctx;
	if (!(m->allowed & 1u << r->kind)) {
		size_t prefix = strlen(forms[r->kind]), from = r->name_at - (r->name_at < prefix ? 0 : prefix);
		diags_error(m->p->diags, mention_at(m, from, strlen(r->name) + prefix),
			    r->kind == REFERENCE_STATUS ? "it has a meaning in `if:` only" : NULL,
			    "%s%s%s cannot be used in `%s`", forms[r->kind], r->name,
			    r->kind == REFERENCE_STATUS ? "()" : "", m->where);
	} else if (r->kind == REFERENCE_VAR) {
		check_var(m);
	} else if (r->kind == REFERENCE_SECRET) {
		check_secret(m);
	} else if (r->kind == REFERENCE_OUTPUT) {
		check_stage(m);
	}
}

/* A variable may use those above it; pipeline_eval_vars stops at the first fault, this names them all. */
static void check_var_order(void *ctx, const struct mention *m)
{
	const struct pipeline_var *self = ctx, *other = pipeline_var(m->p, m->ref->name);
	if (m->ref->kind == REFERENCE_VAR && other && other >= self)
		diags_error(m->p->diags, mention_at(m, m->ref->name_at, strlen(m->ref->name)),
			    "move it above", "vars.%s is used before it is declared", m->ref->name);
	else
		check_mention(NULL, m);
}

static void check_needs(struct pipeline *p, struct pipeline_stage *s)
{
	size_t n = 0;
	RN_AUTO(rn_freep) const char **names = rn_alloc((p->n_stages + 1) * sizeof(*names));
	for (size_t i = 0; i < p->n_stages; i++)
		if (p->stages[i].id && &p->stages[i] != s)
			names[n++] = p->stages[i].id;
	const struct doc_node *node = doc_get(doc_get(p->document, "stages")->items[s->index].value, "needs");
	for (size_t i = 0; i < s->needs.n; i++) {
		const char *need = s->needs.v[i];
		struct diag_at at = node && node->kind == DOC_LIST && i < node->n ? node->items[i].value->at :
				    node ? node->at : s->at;
		RN_AUTO(rn_freep) char *hint = diag_did_you_mean(need, names, n);
		if (rn_streq(s->id, need))
			diags_error(p->diags, at, NULL, "stage \"%s\" needs itself", need);
		else if (!pipeline_stage(p, need))
			diags_error(p->diags, at, hint, "`needs`: no stage \"%s\"", need);
	}
}

void pipeline_check_names(struct pipeline *p)
{
	for (size_t i = 0; i < p->n_vars; i++)
		pipeline_mentions(p, NULL, p->vars[i].node, "vars", ALLOW_CONSTANT, check_var_order, &p->vars[i]);
	for (size_t i = 0; i < p->n_stages; i++) {
		parse_if(p, &p->stages[i]);
		pipeline_stage_mentions(p, &p->stages[i], check_mention, NULL);
		check_needs(p, &p->stages[i]);
	}
}
