/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include "pipeline_internal.h"

#include "base/fs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void stage_clear(struct pipeline_stage *s)
{
	free(s->id);
	free(s->uses);
	free(s->description);
	rn_strv_clear(&s->needs);
	free(s->deps);
	expression_free(s->if_);
	free(s->if_text);
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_vars; i++) {
		free(p->vars[i].name);
		free(p->vars[i].missing);
		doc_free(p->vars[i].owned);
		value_clear(&p->vars[i].value);
	}
	for (size_t i = 0; i < p->n_secrets; i++) {
		free(p->secrets[i].name);
		free(p->secrets[i].env);
		free(p->secrets[i].file);
		if (p->secrets[i].value)
			rn_wipe(p->secrets[i].value, strlen(p->secrets[i].value));
		free(p->secrets[i].value);
	}
	for (size_t i = 0; i < p->n_stages; i++)
		stage_clear(&p->stages[i]);
	free(p->vars);
	free(p->secrets);
	free(p->stages);
	free(p->name);
	free(p->file);
	free(p->dir);
	free(p->lease);
	doc_free(p->document);
	free(p);
}

void pipeline_freep(struct pipeline **p)
{
	pipeline_free(*p);
	*p = NULL;
}

bool pipeline_name_valid(const char *s)
{
	size_t n = 0;
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '-')
		n++;
	return !s[n] && n <= 64;
}

/* "name: " of a file that gives none: the file's own, without its ending. */
static char *default_name(const char *path)
{
	char *name = rn_strdup(rn_path_base(path));
	char *dot = strrchr(name, '.');
	if (dot && dot > name)
		*dot = '\0';
	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			*c = '-';
	return name;
}

struct pipeline *pipeline_parse(const char *path, const char *text, size_t n,
				const struct rn_strv *sets, struct diags *diags)
{
	RN_AUTO(pipeline_freep) struct pipeline *p = rn_alloc(sizeof(*p));
	p->file = rn_path_abs(NULL, path);
	p->dir = rn_path_dir(p->file);
	p->diags = diags;
	p->document = document_parse(text, n, diags);
	if (!p->document) {
		if (diags->errors == 0)
			diags_error(diags, (struct diag_at){ 1, 1, 1 }, "a pipeline needs at least `stages:`",
				    "the file is empty");
		return NULL;
	}
	pipeline_model(p, sets);
	if (!p->name)
		p->name = default_name(path);
	if (p->document->kind == DOC_MAP) {
		pipeline_check_names(p);
		pipeline_link(p);
	}
	return rn_take(&p);
}

struct pipeline *pipeline_load(const char *path, const struct rn_strv *sets, struct diags *diags)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	struct rn_error err = { 0 };
	if (!diags->file)
		diags_init(diags, path, NULL);
	if (rn_read_file(path, DOC_TEXT_MAX + 1, &text, &err) < 0) {
		diags_rn(diags, (struct diag_at){ 0 }, "cannot read the pipeline", &err);
		return NULL;
	}
	diags_set_text(diags, rn_buf_str(&text));
	return pipeline_parse(path, rn_buf_str(&text), text.len, sets, diags);
}

void pipeline_uses(const struct pipeline *p, struct rn_strv *ret)
{
	for (size_t i = 0; i < p->n_stages; i++)
		if (p->stages[i].uses && !rn_strv_has(ret, p->stages[i].uses))
			rn_strv_add(ret, p->stages[i].uses);
}

struct pipeline_stage *pipeline_stage(const struct pipeline *p, const char *id)
{
	for (size_t i = 0; i < p->n_stages; i++)
		if (rn_streq(p->stages[i].id, id))
			return &p->stages[i];
	return NULL;
}
