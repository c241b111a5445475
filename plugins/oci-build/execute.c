/* SPDX-License-Identifier: Apache-2.0 */
#include "execute.h"

#include "copy.h"
#include "copy_job.h"
#include "dockerfile_parser.h"
#include "execute_cached.h"
#include "file_source.h"
#include "metadata.h"
#include "own_files.h"
#include "rootfs_along.h"
#include "run.h"
#include "run_shell.h"
#include "stage_threads.h"
#include "step_key.h"

#include "base/fs.h"
#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static step_fn *const functions[DF_OPS] = {
	[DF_ADD] = step_copy, [DF_ARG] = step_arg, [DF_CMD] = step_cmd, [DF_COPY] = step_copy,
	[DF_ENTRYPOINT] = step_entrypoint, [DF_ENV] = step_env, [DF_EXPOSE] = step_expose,
	[DF_HEALTHCHECK] = step_healthcheck, [DF_LABEL] = step_label, [DF_MAINTAINER] = step_maintainer,
	[DF_ONBUILD] = step_onbuild, [DF_RUN] = step_run, [DF_SHELL] = step_shell, [DF_STOPSIGNAL] = step_stopsignal,
	[DF_USER] = step_user, [DF_VOLUME] = step_volume, [DF_WORKDIR] = step_workdir,
};

static int run_stage(struct stage_graph *g, struct build_stage *s, struct rn_error *err);

/* "3/7", and in a build of several stages "build 3/7" before every line. */
static void begin_step(const struct stage_graph *g, struct build_stage *s, const char *title)
{
	RN_AUTO(rn_freep) char *number = rn_asprintf("%zu/%zu", ++s->step, s->total);
	RN_AUTO(rn_freep) char *mark = !g->several ? NULL : s->name ? rn_asprintf("%.64s %s", s->name, number) :
								      rn_asprintf("stage %zu %s", s->index, number);
	build_step(g->b, number, title, mark);
}

/* "COPY . /app": on one line, blanks joined. */
static char *step_title(const struct df_instruction *i)
{
	char *text = rn_strdup(i->original), *to = text;
	for (const char *p = i->original; *p; p++) {
		bool blank = *p == ' ' || (*p >= '\t' && *p <= '\r');
		if (blank && to > text && to[-1] == ' ')
			continue;
		*to++ = blank ? ' ' : *p;
	}
	*to = '\0';
	return text;
}

static int run_step(struct step *s)
{
	RN_AUTO(rn_freep) char *title = step_title(s->i);
	RN_AUTO(rn_map_clear) struct rn_map downloads = { .free_value = remote_file_free };
	if (build_check_cancel(s->b, s->err) < 0)
		return -1;
	begin_step(s->graph, s->stage, title);
	if (run_shell_wants(&s->graph->shell, s))
		return run_shell_open(&s->graph->shell, s);
	s->downloads = &downloads;
	int rc = step_key_applies(s) ? execute_cached(s, functions[s->i->op]) : functions[s->i->op](s);
	s->downloads = NULL;
	rootfs_along_end(rn_take(&s->along), rc == 0 ? &s->stage->state : NULL); /* a refused layer becomes no folder */
	return rc < 0 ? step_locate(s, s->i->at) : 0;
}

/* ---- --from ------------------------------------------------------------------------------ */

/* A name that is no stage's is looked for in a registry: most often it is one mistyped. Always returns -1. */
static int hint_stage(const struct stage_graph *g, const char *name, struct rn_error *err)
{
	RN_AUTO(rn_freep) const char **names = rn_alloc((g->n + 1) * sizeof(char *));
	size_t n = 0;
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].name)
			names[n++] = g->v[i].name;
	const char *near = strpbrk(name, "/:@") ? NULL : rn_nearest(name, names, n);
	if (near && err && !err->hint[0])
		rn_hint(err, "did you mean the stage \"%s\"? A name that no stage has is one of an image", near);
	return -1;
}

static int load_outside(const struct step *s, const char *name, struct outside *ret)
{
	const char *context = stage_graph_context(s->graph, name);
	const char *what = context ? context : name;
	if (context && !rn_starts(context, "docker-image://") && !rn_starts(context, "oci-layout://")) {
		ret->folder = rn_path_abs(s->b->host->info(s->b->stage, RUNNER_INFO_DIR), context);
		return context_ignore(s->b, ret->folder, NULL, &ret->ignore, s->err);
	}
	if (!context && rn_streq(name, "scratch")) {
		rn_fail(s->err, RN_EINVAL, "there is nothing to copy from scratch");
		return -1;
	}
	RN_AUTO(base_image_clear) struct base_image image = { 0 };
	if (base_image_load(s->b, what, &s->graph->target_platform, &image, s->err) < 0)
		return context ? -1 : hint_stage(s->graph, name, s->err);
	build_log(s->b, RUNNER_INFO, "copying from %s (%.19s)", image.name, image.descriptor.digest.text);
	fs_state_image(&ret->state, &image);
	return 0;
}

static struct outside *find_outside(const struct step *s, const char *name)
{
	pthread_mutex_lock(&s->graph->outsides_lock);
	struct outside *o = rn_map_get(&s->graph->outsides, name);
	if (!o) {
		o = rn_alloc(sizeof(*o));
		if (load_outside(s, name, o) < 0) {
			outside_free(o);
			o = NULL;
		} else {
			rn_map_set(&s->graph->outsides, name, o);
		}
	}
	pthread_mutex_unlock(&s->graph->outsides_lock);
	return o;
}

int step_files(const struct step *s, const struct df_flag *from, struct step_files *ret)
{
	*ret = (struct step_files){ 0 };
	if (!from) {
		ret->folder = s->b->context;
		ret->ignore = &s->b->ignore;
		return 0;
	}
	struct build_stage *stage = NULL;
	if (stage_graph_from(s->graph, s->source, s->stage, from, &stage, s->err) < 0) {
		if (s->trigger && s->err)
			s->err->line = 0; /* the place is in the trigger's own text */
		return -1;
	}
	if (stage && !(stage->replaced && stage->kind == BASE_SCRATCH)) {
		ret->state = &stage->state;
		return stages_need(s->graph, stage, run_stage, s->err);
	}
	struct outside *o = find_outside(s, stage ? stage->name : from->value);
	if (!o)
		return -1;
	ret->folder = o->folder;
	ret->ignore = o->folder ? &o->ignore : NULL;
	ret->state = o->folder ? NULL : &o->state;
	return 0;
}

struct file_source *step_source(const struct step *s, const struct df_flag *from)
{
	struct step_files files;
	if (step_files(s, from, &files) < 0)
		return NULL;
	RN_AUTO(rn_freep) char *label = from ? rn_asprintf("\"%s\"", from->value) : rn_strdup("the build context");
	if (files.folder)
		return file_source_dir(files.folder, files.ignore, label, s->err);
	struct layer_tree *tree = fs_state_tree(files.state, s->b, s->err);
	return tree ? file_source_tree(tree, label) : NULL;
}

/* ---- FROM ----------------------------------------------------------------------------------- */

static int start_image(struct stage_graph *g, struct build_stage *s, struct rn_error *err)
{
	RN_AUTO(base_image_clear) struct base_image image = { 0 };
	if (base_image_load(g->b, s->base, &s->platform, &image, err) < 0)
		return hint_stage(g, s->base, err);
	build_log(g->b, RUNNER_INFO, "%s is %s, %zu layers", image.name, image.descriptor.digest.text, image.manifest.n_layers);
	RN_AUTO(platform_clear) struct platform have = { 0 };
	config_platform(image.config, &have);
	if (!platform_matches(&s->platform, &have)) {
		RN_AUTO(rn_freep) char *wanted = platform_format(&s->platform);
		RN_AUTO(rn_freep) char *found = platform_format(&have);
		rn_fail(err, RN_EINVAL, "%s is for %s, and %s is wanted", image.name, found, wanted);
		return rn_hint(err, "choose another base, or set `platform: %s`", found);
	}
	fs_state_image(&s->state, &image);
	return 0;
}

static void start_stage(struct build_stage *s)
{
	fs_state_copy(&s->parent->state, &s->state);
	RN_MAP_EACH(&s->parent->args, it)
		rn_map_set(&s->args, it->key, rn_strdup(it->value));
}

/* What a base leaves to be run first here; it is not handed on to those FROM this stage. */
static void take_triggers(struct build_stage *s)
{
	cJSON *run = config_run(s->state.config), *list = rn_json_get(run, "OnBuild"), *item;
	cJSON_ArrayForEach(item, list)
		if (cJSON_IsString(item))
			rn_strv_add(&s->onbuild, item->valuestring);
	cJSON_DeleteItemFromObjectCaseSensitive(run, "OnBuild");
}

static int start(struct stage_graph *g, struct build_stage *s, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *title = step_title(s->from);
	s->total = 1 + (s->replaced ? 0 : s->n_steps);
	begin_step(g, s, title);
	if (s->kind == BASE_STAGE)
		start_stage(s);
	else if (s->kind == BASE_SCRATCH)
		fs_state_scratch(&s->state, &s->platform);
	else if (start_image(g, s, err) < 0)
		return df_locate(&g->b->source, s->from->words.v[0].at, err);
	take_triggers(s);
	if (!config_env(s->state.config, "PATH"))
		config_set_env(s->state.config, "PATH", DEFAULT_PATH);
	return 0;
}

/* ---- ONBUILD ---------------------------------------------------------------------------------- */

static int locate_trigger(struct stage_graph *g, struct build_stage *s, const char *text, struct rn_error *err)
{
	err->line = 0;
	rn_wrap(err, "the trigger \"ONBUILD %.100s\" of the base image", text);
	return df_locate(&g->b->source, s->from->at, err);
}

static int run_trigger(struct stage_graph *g, struct build_stage *s, const char *text, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *whole = rn_asprintf("FROM scratch\n%s\n", text);
	struct df_source *source = &s->trigger_sources[s->n_triggers];
	if (df_source_init(source, "ONBUILD", whole, strlen(whole), err) < 0)
		return locate_trigger(g, s, text, err);
	struct dockerfile *f = s->triggers[s->n_triggers++] = dockerfile_parse(source, err);
	if (!f)
		return locate_trigger(g, s, text, err);
	if (f->n != 2 || f->v[1]->op == DF_FROM || f->v[1]->op == DF_ONBUILD) {
		rn_fail(err, RN_EINVAL, "is not one instruction");
		return locate_trigger(g, s, text, err);
	}
	struct step step = { .b = g->b, .graph = g, .stage = s, .i = f->v[1], .source = source, .escape = f->escape,
			     .trigger = true, .err = err };
	return run_step(&step);
}

static int run_triggers(struct stage_graph *g, struct build_stage *s, struct rn_error *err)
{
	s->triggers = rn_alloc((s->onbuild.n + 1) * sizeof(struct dockerfile *));
	s->trigger_sources = rn_alloc((s->onbuild.n + 1) * sizeof(*s->trigger_sources));
	s->total += s->onbuild.n;
	for (size_t i = 0; i < s->onbuild.n; i++)
		if (run_trigger(g, s, s->onbuild.v[i], err) < 0)
			return -1;
	return 0;
}

/* ---- stages ------------------------------------------------------------------------------------- */

static int run_stage(struct stage_graph *g, struct build_stage *s, struct rn_error *err)
{
	if (s->parent && stages_need(g, s->parent, run_stage, err) < 0)
		return -1;
	if (start(g, s, err) < 0 || (!s->replaced && run_triggers(g, s, err) < 0))
		return -1;
	for (size_t i = 0; !s->replaced && i < s->n_steps; i++) {
		struct step step = { .b = g->b, .graph = g, .stage = s, .i = s->steps[i], .source = &g->b->source,
				     .escape = g->b->file->escape, .err = err };
		if (run_step(&step) < 0)
			return -1;
	}
	return 0;
}

int execute(struct stage_graph *g, struct rn_error *err)
{
	if (run_shell_read(g, &g->shell, err) < 0 || stages_run(g, run_stage, err) < 0)
		return -1;
	if (!g->shell.socket)
		return 0;
	rn_fail(err, RN_ENOTFOUND, "the build has no such step (%s): it went to its end", g->shell.step ? g->shell.step : "the failed one");
	return rn_hint(err, "steps are numbered as in the log");
}
