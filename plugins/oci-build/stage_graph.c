/* SPDX-License-Identifier: Apache-2.0 */
#include "stage_graph.h"

#include "dockerfile_parser.h"
#include "run_mount.h"
#include "run_shell.h"

#include "oci/reference.h"

#include <stdlib.h>
#include <string.h>

static const char *global_value(void *ctx, const char *name)
{
	return rn_map_get(ctx, name);
}

static void set_global(struct stage_graph *g, const char *name, const char *value)
{
	if (value)
		rn_map_set(&g->globals, name, rn_strdup(value));
}

static void platform_globals(struct stage_graph *g, const char *prefix, const struct platform *p)
{
	RN_AUTO(rn_freep) char *all = platform_format(p);
	const char *const parts[][2] = {
		{ "PLATFORM", all }, { "OS", p->os }, { "ARCH", p->architecture }, { "VARIANT", p->variant ? p->variant : "" },
	};
	for (size_t i = 0; i < RN_LEN(parts); i++) {
		RN_AUTO(rn_freep) char *name = rn_asprintf("%s%s", prefix, parts[i][0]);
		set_global(g, name, parts[i][1]);
	}
}

static int expand_global(struct stage_graph *g, const char *text, struct df_at at, char **ret, struct rn_error *err)
{
	struct df_expander x = { .escape = g->b->file->escape, .get = global_value, .ctx = &g->globals };
	int rc = df_expand(&x, text, ret, err);
	rn_strv_clear(&x.unset);
	if (rc < 0)
		df_locate(&g->b->source, (struct df_at){ at.line, at.column + (unsigned)x.fault, 1 }, err);
	return rc;
}

/* ARG before the first FROM */
static int read_globals(struct stage_graph *g, const struct df_instruction *i, struct rn_error *err)
{
	for (size_t n = 0; n < i->n_pairs; n++) {
		const struct df_pair *p = &i->pairs[n];
		const char *given = build_arg(g->b, p->key);
		RN_AUTO(rn_freep) char *value = NULL;
		if (!given && p->value && expand_global(g, p->value, p->value_at, &value, err) < 0)
			return -1;
		set_global(g, p->key, given ? given : value);
	}
	return 0;
}

/* As people write an image's name, without :latest; what is no such name stays as it is. */
static char *context_name(const char *name)
{
	RN_AUTO(reference_clear) struct reference ref = { 0 };
	if (reference_parse(name, &ref, NULL) < 0)
		return rn_strdup(name);
	if (ref.tag && rn_streq(ref.tag, "latest") && !digest_is_set(&ref.digest))
		rn_freep(&ref.tag);
	return reference_familiar(&ref);
}

const char *stage_graph_context(const struct stage_graph *g, const char *name)
{
	const struct runner_map *m = &g->b->params->build_contexts;
	RN_AUTO(rn_freep) char *wanted = m->n ? context_name(name) : NULL;
	for (size_t i = 0; i < m->n; i++) {
		RN_AUTO(rn_freep) char *have = context_name(m->v[i].key);
		if (strcasecmp(have, wanted) == 0)
			return m->v[i].value;
	}
	return NULL;
}

static struct build_stage *stage_named(struct stage_graph *g, size_t before, const char *name)
{
	for (size_t i = before; i > 0; i--)
		if (g->v[i - 1].name && strcasecmp(g->v[i - 1].name, name) == 0)
			return &g->v[i - 1];
	return NULL;
}

static bool is_image_context(const char *value)
{
	return rn_starts(value, "docker-image://") || rn_starts(value, "oci-layout://");
}

/* ---- FROM ---------------------------------------------------------------------------- */

static int read_platform(struct stage_graph *g, struct build_stage *s, struct rn_error *err)
{
	const struct df_flag *f = df_flag(s->from, "platform");
	if (!f) {
		platform_copy(&g->target_platform, &s->platform);
		return 0;
	}
	RN_AUTO(rn_freep) char *text = NULL;
	if (expand_global(g, f->value, f->value_at, &text, err) < 0)
		return -1;
	if (!*text) {
		df_fail(&g->b->source, f->value_at, err, RN_EINVAL, "--platform=%s is empty here", f->value);
		return rn_hint(err, "a variable in FROM comes from an ARG before the first FROM");
	}
	if (platform_parse(text, &s->platform, err) < 0)
		return df_locate(&g->b->source, f->value_at, err);
	return 0;
}

static int use_context(struct stage_graph *g, struct build_stage *s, const char *value, struct rn_error *err)
{
	if (!is_image_context(value)) {
		df_fail(&g->b->source, s->from->words.v[0].at, err, RN_EUNSUPPORTED, "the named context \"%s\" is a folder and cannot be a base image", value);
		return rn_hint(err, "copy from it with COPY --from=NAME, or give docker-image://… or oci-layout://…");
	}
	s->kind = BASE_IMAGE;
	s->base = rn_strdup(value);
	return 0;
}

static int read_from(struct stage_graph *g, struct build_stage *s, struct rn_error *err)
{
	const struct df_word *w = &s->from->words.v[0];
	RN_AUTO(rn_freep) char *base = NULL;
	if (read_platform(g, s, err) < 0 || expand_global(g, w->text, w->at, &base, err) < 0)
		return -1;
	if (!*base) {
		df_fail(&g->b->source, w->at, err, RN_EINVAL, "the name of the base image, %s, is empty here", w->text);
		return rn_hint(err, "a variable in FROM comes from an ARG before the first FROM; give that a default or set build_args");
	}
	const char *context = s->name ? stage_graph_context(g, s->name) : NULL;
	if (context) {
		s->replaced = true;
		return is_image_context(context) ? use_context(g, s, context, err) : 0;
	}
	s->parent = stage_named(g, s->index, base);
	if (s->parent) {
		s->kind = BASE_STAGE;
		platform_clear(&s->platform);
		platform_copy(&s->parent->platform, &s->platform);
		return 0;
	}
	if (rn_streq(base, "scratch"))
		return 0;
	context = stage_graph_context(g, base);
	if (context)
		return use_context(g, s, context, err);
	s->kind = BASE_IMAGE;
	s->base = rn_take(&base);
	return 0;
}

/* ---- --from ---------------------------------------------------------------------------- */

int stage_graph_from(struct stage_graph *g, const struct df_source *source, const struct build_stage *in,
		     const struct df_flag *flag, struct build_stage **ret, struct rn_error *err)
{
	const char *name = flag->value;
	*ret = NULL;
	if (strchr(name, '$')) {
		df_fail(source, flag->value_at, err, RN_EINVAL, "--from takes no variables (%s)", name);
		return rn_hint(err, "name a stage with FROM $VARIABLE AS name, and copy from that");
	}
	if (!*name)
		return df_fail(source, flag->at, err, RN_EINVAL, "--from is empty");
	int64_t number;
	if (rn_parse_int(name, 0, INT32_MAX, &number, NULL) == 0) {
		if ((size_t)number >= in->index)
			return df_fail(source, flag->value_at, err, RN_EINVAL, "stage %s does not stand before this one", name);
		*ret = &g->v[number];
		return 0;
	}
	*ret = stage_named(g, in->index, name);
	if (*ret || stage_graph_context(g, name))
		return 0;
	if (stage_named(g, g->n, name)) {
		df_fail(source, flag->value_at, err, RN_EINVAL, "the stage \"%s\" does not stand before this one", name);
		return rn_hint(err, "a stage can copy from earlier ones only: move it up");
	}
	return 0;
}

typedef int use_stage(struct stage_graph *g, struct build_stage *s, struct rn_error *err);

static int use_from(struct stage_graph *g, const struct build_stage *in, const struct df_flag *from, use_stage *use, struct rn_error *err)
{
	struct build_stage *other = NULL;
	if (stage_graph_from(g, &g->b->source, in, from, &other, err) < 0)
		return -1;
	return other && use ? use(g, other, err) : 0;
}

/* RUN --mount=…,from=NAME */
static int use_mount(struct stage_graph *g, const struct build_stage *in, const struct df_flag *flag, use_stage *use, struct rn_error *err)
{
	RN_AUTO(run_mount_clear) struct run_mount m = { 0 };
	if (run_mount_parse(flag->value, NULL, NULL, &m, err) < 0)
		return df_locate(&g->b->source, flag->value_at, err);
	const struct df_flag from = { .value = m.from, .at = flag->at, .value_at = flag->value_at };
	return m.from ? use_from(g, in, &from, use, err) : 0;
}

/* All stages that an instruction takes files from; `use` may be NULL: only checked. */
static int each_from(struct stage_graph *g, const struct build_stage *in, const struct df_instruction *i, use_stage *use, struct rn_error *err)
{
	const struct df_flag *from = df_flag(i, "from");
	if (from && use_from(g, in, from, use, err) < 0)
		return -1;
	for (size_t n = 0; n < i->n_flags; n++)
		if (rn_streq(i->flags[n].name, "mount") && use_mount(g, in, &i->flags[n], use, err) < 0)
			return -1;
	return 0;
}

static int mark_needed(struct stage_graph *g, struct build_stage *s, struct rn_error *err)
{
	if (s->needed)
		return 0;
	s->needed = true;
	if (s->parent && mark_needed(g, s->parent, err) < 0)
		return -1;
	for (size_t i = 0; !s->replaced && i < s->n_steps; i++)
		if (each_from(g, s, s->steps[i], mark_needed, err) < 0)
			return -1;
	return 0;
}

/* A --from that cannot be is an error in any stage, needed or not. */
static int check_from(struct stage_graph *g, struct rn_error *err)
{
	for (size_t i = 0; i < g->n; i++)
		for (size_t n = 0; n < g->v[i].n_steps; n++)
			if (each_from(g, &g->v[i], g->v[i].steps[n], NULL, err) < 0)
				return -1;
	return 0;
}

/* ---- the target --------------------------------------------------------------------------- */

static int find_target(struct stage_graph *g, struct rn_error *err)
{
	const char *name = g->b->params->target;
	int64_t number;
	g->target = &g->v[g->n - 1];
	if (!name || !*name)
		return 0;
	g->target = stage_named(g, g->n, name);
	if (g->target)
		return 0;
	if (rn_parse_int(name, 0, (int64_t)g->n - 1, &number, NULL) == 0) {
		g->target = &g->v[number];
		return 0;
	}
	RN_AUTO(rn_freep) const char **names = rn_alloc((g->n + 1) * sizeof(char *));
	size_t n = 0;
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].name)
			names[n++] = g->v[i].name;
	rn_fail(err, RN_ENOTFOUND, "the Dockerfile has no stage \"%s\" (target)", name);
	const char *near = rn_nearest(name, names, n);
	return near ? rn_hint(err, "did you mean \"%s\"?", near) : -1;
}

static size_t count_stages(const struct dockerfile *f)
{
	size_t n = 0;
	for (size_t i = 0; i < f->n; i++)
		n += f->v[i]->op == DF_FROM;
	return n;
}

static int check_names(struct stage_graph *g, const struct build_stage *s, struct rn_error *err)
{
	if (!s->name)
		return 0;
	const char *const reserved[] = { "scratch", "context" };
	for (size_t i = 0; i < RN_LEN(reserved); i++)
		if (rn_streq(s->name, reserved[i]))
			return df_fail(&g->b->source, s->from->words.v[2].at, err, RN_EINVAL, "\"%s\" is a reserved name", s->name);
	if (stage_named(g, s->index, s->name))
		build_log(g->b, RUNNER_WARN, "%s:%u: a stage \"%s\" stands here a second time: from here on the name means this one",
			  g->b->source.name, s->from->at.line, s->name);
	return 0;
}

static void add_step(struct build_stage *s, const struct df_instruction *i)
{
	s->steps = rn_grow(s->steps, &s->cap_steps, s->n_steps + 1, sizeof(struct df_instruction *));
	s->steps[s->n_steps++] = i;
}

int stage_graph_init(struct stage_graph *g, struct build *b, const struct platform *platform, struct rn_error *err)
{
	*g = (struct stage_graph){ .b = b, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,
				   .outsides_lock = PTHREAD_MUTEX_INITIALIZER };
	rn_map_init(&g->globals, free);
	platform_copy(platform, &g->target_platform);
	platform_host(&g->build_platform);
	platform_globals(g, "TARGET", &g->target_platform);
	platform_globals(g, "BUILD", &g->build_platform);
	set_global(g, "TARGETSTAGE", b->params->target && *b->params->target ? b->params->target : "default");
	g->v = rn_alloc((count_stages(b->file) + 1) * sizeof(*g->v));
	for (size_t i = 0; i < b->file->n; i++) {
		const struct df_instruction *instruction = b->file->v[i];
		if (instruction->op == DF_FROM) {
			struct build_stage *s = &g->v[g->n];
			*s = (struct build_stage){ .index = g->n++, .from = instruction, .name = instruction->stage_name };
			rn_map_init(&s->args, free);
			if (check_names(g, s, err) < 0 || read_from(g, s, err) < 0)
				return -1;
		} else if (g->n == 0) {
			if (read_globals(g, instruction, err) < 0)
				return -1;
		} else {
			add_step(&g->v[g->n - 1], instruction);
		}
	}
	return check_from(g, err) < 0 || find_target(g, err) < 0 ? -1 : mark_needed(g, g->target, err);
}

void outside_free(void *outside)
{
	struct outside *o = outside;
	ignore_clear(&o->ignore);
	fs_state_clear(&o->state);
	free(o->folder);
	free(o);
}

void stage_graph_clear(struct stage_graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct build_stage *s = &g->v[i];
		free(s->base);
		free(s->steps);
		platform_clear(&s->platform);
		fs_state_clear(&s->state);
		rn_map_clear(&s->args);
		rn_strv_clear(&s->onbuild);
		for (size_t n = 0; n < s->n_triggers; n++) {
			dockerfile_free(s->triggers[n]);
			df_source_clear(&s->trigger_sources[n]);
		}
		free(s->triggers);
		free(s->trigger_sources);
	}
	free(g->v);
	run_shell_clear(&g->shell);
	g->outsides.free_value = outside_free;
	rn_map_clear(&g->outsides);
	rn_map_clear(&g->globals);
	platform_clear(&g->target_platform);
	platform_clear(&g->build_platform);
	*g = (struct stage_graph){ 0 };
}

size_t stage_graph_steps(const struct stage_graph *g)
{
	size_t n = 0;
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].needed)
			n += 1 + (g->v[i].replaced ? 0 : g->v[i].n_steps);
	return n;
}
