/* SPDX-License-Identifier: Apache-2.0 */
#include "step.h"

#include "dockerfile_parser.h"
#include "secret_guard.h"

#include "oci/config.h"

#include <stdio.h>
#include <string.h>

int step_locate(const struct step *s, struct df_at at)
{
	if (!s->trigger)
		return df_locate(s->source, at, s->err);
	if (!s->err || s->err->line)
		return -1;
	RN_AUTO(rn_freep) char *text = rn_strdup(s->i->original);
	text[strcspn(text, "\n")] = '\0';
	rn_wrap(s->err, "in the trigger \"ONBUILD %s\" of the base image", text);
	return df_locate(&s->b->source, s->stage->from->at, s->err);
}

int step_fail(const struct step *s, struct df_at at, enum rn_code code, const char *fmt, ...)
{
	char text[RN_ERROR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rn_fail(s->err, code, "%s", text);
	return step_locate(s, at);
}

const char *step_variable(const struct build_stage *stage, const char *name)
{
	const char *env = config_env(stage->state.config, name);
	return env ? env : rn_map_get(&stage->args, name);
}

static const char *lookup(void *ctx, const char *name)
{
	return step_variable(ctx, name);
}

char *step_expand(const struct step *s, const char *text, struct df_at at)
{
	struct df_expander x = { .escape = s->escape, .get = lookup, .ctx = s->stage };
	char *out = NULL;
	int rc = df_expand(&x, text, &out, s->err);
	rn_strv_clear(&x.unset);
	if (rc < 0)
		step_locate(s, (struct df_at){ at.line, at.column + (unsigned)x.fault, 1 });
	return rc < 0 ? NULL : out;
}

char *step_expand_body(const struct step *s, const struct df_heredoc *h)
{
	struct df_expander x = { .escape = '\\', .plain_quotes = true, .get = lookup, .ctx = s->stage };
	char *out = NULL;
	int rc = df_expand(&x, h->body, &out, s->err);
	rn_strv_clear(&x.unset);
	if (rc < 0) {
		unsigned line = h->first_line, column = 1;
		for (size_t i = 0; i < x.fault && h->body[i]; i++, column++)
			if (h->body[i] == '\n') {
				line++;
				column = 0;
			}
		step_locate(s, (struct df_at){ line, column, 1 });
	}
	return rc < 0 ? NULL : out;
}

int step_flag(const struct step *s, const char *name, char **ret)
{
	const struct df_flag *f = df_flag(s->i, name);
	*ret = NULL;
	if (!f)
		return 0;
	*ret = step_expand(s, f->value, f->value_at);
	return *ret ? 0 : -1;
}

cJSON *step_config(const struct step *s)
{
	return config_run(s->stage->state.config);
}

const struct layer_options *step_layer_options(const struct step *s)
{
	bool guarded = secret_guard_needed(s->b); /* nothing leaves before it has been looked through */
	for (const struct build_stage *t = s->graph->target; t && !guarded; t = t->parent)
		if (t == s->stage)
			return &s->b->streamed;
	return &s->b->layer_options;
}
