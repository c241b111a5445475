/* SPDX-License-Identifier: Apache-2.0 */
#include "run_platform.h"

#include "dockerfile_source.h"
#include "rootfs.h"
#include "step_cache.h"

#include <string.h>

static bool of_this_machine(const struct platform *p)
{
	struct platform host;
	platform_host(&host);
	bool same = rn_streq(p->os, host.os) && rn_streq(p->architecture, host.architecture);
	platform_clear(&host);
	return same;
}

static int refuse(const struct platform *p, const struct sandbox_foreign *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *name = platform_format(p);
	rn_fail(err, RN_EUNSUPPORTED, "RUN for %s cannot execute on this machine: %s", name, f->reason);
	return f->cure ? rn_hint(err, "%s. `runner doctor` shows which platforms run here; a stage FROM --platform=$BUILDPLATFORM needs none of it",
				 f->cure) : -1;
}

static int look(struct build *b, const struct platform *p, const struct sandbox_foreign **ret, struct rn_error *err)
{
	*ret = NULL;
	if (of_this_machine(p))
		return 0;
	if (!rn_streq(p->os, "linux")) {
		rn_fail(err, RN_EUNSUPPORTED, "RUN executes programs of Linux, and this stage is for %s", p->os);
		return rn_hint(err, "COPY into such an image what was made elsewhere");
	}
	struct rootfs *r = rootfs_get(b, err);
	*ret = r ? rootfs_foreign(r, p->architecture, err) : NULL;
	return *ret ? 0 : -1;
}

int run_platform_check(struct step *s)
{
	const struct platform *p = &s->stage->platform;
	const struct sandbox_foreign *f;
	if (look(s->b, p, &f, s->err) < 0)
		return -1;
	if (!f || f->runs)
		return 0;
	struct layer_tree *tree = f->interpreter ? fs_state_tree(&s->stage->state, s->b, s->err) : NULL;
	if (f->interpreter && !tree)
		return -1;
	return tree && layer_tree_find(tree, f->interpreter, true, NULL) ? 0 : refuse(p, f, s->err);
}

/* ---- beforehand ---------------------------------------------------------------------------------- */

static const struct df_instruction *first_run(const struct build_stage *s)
{
	for (size_t i = 0; s->needed && !s->replaced && i < s->n_steps; i++)
		if (s->steps[i]->op == DF_RUN)
			return s->steps[i];
	return NULL;
}

/* An interpreter that the image must have is looked for when the image is known, and other failures are RUN's own. */
static int foresee(struct stage_graph *g, const struct build_stage *s, const struct df_instruction *run, bool *ret_doubtful, struct rn_error *err)
{
	struct rn_error failure = { 0 };
	const struct sandbox_foreign *f;
	if (look(g->b, &s->platform, &f, &failure) < 0 || !f || f->runs || f->interpreter)
		return 0;
	refuse(&s->platform, f, &failure);
	if (!step_cache_may_have(g->b->cache, s->name, s->index)) {
		if (err)
			*err = failure;
		return df_locate(&g->b->source, run->at, err);
	}
	build_log(g->b, RUNNER_WARN, "%s:%u: %s; the build ends there unless the cache has what it makes", g->b->source.name, run->at.line, failure.msg);
	*ret_doubtful = true;
	return 0;
}

int run_platform_foresee(struct stage_graph *g, bool *ret_doubtful, struct rn_error *err)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct df_instruction *run = first_run(&g->v[i]);
		if (run && !of_this_machine(&g->v[i].platform) && foresee(g, &g->v[i], run, ret_doubtful, err) < 0)
			return -1;
	}
	return 0;
}
