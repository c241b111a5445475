/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "run_output.h"
#include "run_place.h"
#include "run_shell.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>

#define GRACE_MS 500 /* between TERM and KILL: what a stopped command did is thrown away anyway */

struct running {
	struct step *s;
	struct run_spec r;
	struct run_place p;
	struct run_output output;
};

static void running_clear(struct running *x)
{
	run_place_clear(&x->p);
	run_output_clear(&x->output);
	run_spec_clear(&x->r);
}

/* ---- how it ends ------------------------------------------------------------------------------------ */

/* RN_EINTERNAL is the code that the host is told as "the work itself failed". */
static int failed(struct running *x, const struct sandbox_status *st)
{
	struct step *s = x->s;
	if (st->out_of_memory)
		step_fail(s, s->i->at, RN_EINTERNAL, "the command was killed: it needed more memory than there is");
	else if (st->signal)
		step_fail(s, s->i->at, RN_EINTERNAL, "the command was killed by signal %d (SIG%s)", st->signal,
			  sigabbrev_np(st->signal) ? sigabbrev_np(st->signal) : "?");
	else if (st->code == 126 || st->code == 127)
		step_fail(s, s->i->at, RN_EINTERNAL, "the command exited with status %d: a program %s", st->code,
			  st->code == 127 ? "was not found" : "may not be executed");
	else
		step_fail(s, s->i->at, RN_EINTERNAL, "the command exited with status %d", st->code);
	run_output_tail(&x->output, s->err);
	run_shell_keep(s, &x->p.place);
	return rn_hint(s->err, "to look inside: runner shell %s %s", s->b->host->info(s->b->stage, RUNNER_INFO_FILE),
		       s->b->host->info(s->b->stage, RUNNER_INFO_STAGE));
}

static int could_not_start(struct running *x)
{
	struct step *s = x->s;
	if (s->err && s->err->code == RN_ECANCELLED)
		return rn_fail(s->err, RN_ECANCELLED, "the build was stopped");
	rn_wrap(s->err, "the command could not run");
	if (s->stage->state.n_layers == 0 && s->err && !s->err->hint[0])
		rn_hint(s->err, "the image is empty, so there is nothing to run: RUN in a stage with a base, and COPY --from= that stage");
	return -1;
}

static int execute(struct running *x)
{
	struct sandbox_spec spec;
	struct sandbox_status status = { 0 };
	const struct build *b = x->s->b;
	run_place_sandbox(&x->p, &spec);
	const struct sandbox_io io = { .output = run_output_bytes, .data = &x->output, .together = true,
				       .cancel_fd = build_cancel_fd(b), .grace_ms = GRACE_MS };
	int rc = sandbox_run(&spec, &io, &status, x->s->err);
	run_output_end(&x->output);
	if (rc < 0)
		return could_not_start(x);
	return status.code ? failed(x, &status) : 0;
}

int step_run(struct step *s)
{
	RN_AUTO(running_clear) struct running x = { .s = s, .output = { .b = s->b }, .p = { .place = { .lock = -1, .root_lock = -1 } } };
	if (run_spec_make(s, &x.r) < 0 || run_place_make(s, &x.r, &x.p) < 0 || execute(&x) < 0)
		return step_locate(s, s->i->at);
	const struct rootfs_commit commit = {
		.uid = x.p.user.uid, .gid = x.p.user.gid, .created_by = x.r.created_by, .options = step_layer_options(s),
		.covered = (const char *const *)x.p.mounts.targets.v, .n_covered = x.p.mounts.targets.n,
	};
	return rootfs_step_commit(&x.p.place, &s->stage->state, &commit, s->err) < 0 ? step_locate(s, s->i->at) : 0;
}
