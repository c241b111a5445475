/* SPDX-License-Identifier: Apache-2.0 */
#include "run_shell.h"

#include "run_place.h"
#include "shell_wire.h"

#include "base/fs.h"

#include <stdlib.h>
#include <string.h>

#define DESCRIPTION_MAX ((size_t)64 << 10)

/* ---- what a failed step leaves -------------------------------------------------------------------- */

static char *description_path(const struct build *b)
{
	const char *state = b->host->info(b->stage, RUNNER_INFO_STATE);
	return rn_path_join(state ? state : "", "failed-step.json");
}

void run_shell_keep(struct step *s, struct rootfs_step *place)
{
	RN_AUTO(rn_freep) char *path = description_path(s->b);
	struct digest name = digest_of(path, strlen(path));
	RN_AUTO(rn_freep) char *kept = rootfs_step_keep(place, digest_hex(&name));
	RN_AUTO(rn_json_freep) cJSON *j = cJSON_CreateObject();
	if (!kept)
		return;
	cJSON_AddNumberToObject(j, "stage", (double)s->stage->index);
	cJSON_AddNumberToObject(j, "step", (double)s->stage->step);
	cJSON_AddStringToObject(j, "root", kept);
	RN_AUTO(rn_freep) char *text = rn_json_pretty(j);
	RN_AUTO(rn_freep) char *dir = rn_path_dir(path);
	if (rn_mkdirs(dir, 0755, NULL) < 0 || rn_write_file(path, text, strlen(text), 0644, NULL) < 0)
		rootfs_forget(place->rootfs, kept);
}

/* The description lies in the project's folder, where anybody may have put it: it names no folder but the stage's own. */
static bool is_ours(struct build *b, const char *path, const char *kept, struct rn_error *err)
{
	struct rootfs *r = kept && rn_exists(kept) ? rootfs_get(b, err) : NULL;
	struct digest name = digest_of(path, strlen(path));
	RN_AUTO(rn_freep) char *own = r ? rootfs_kept(r, digest_hex(&name)) : NULL;
	return own && rn_streq(own, kept);
}

/* A new run: what the last one left goes. */
static void forget(struct build *b)
{
	RN_AUTO(rn_freep) char *path = description_path(b);
	if (!rn_exists(path))
		return;
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, DESCRIPTION_MAX, NULL);
	const char *kept = rn_json_str(j, "root");
	struct rn_error ignored = { 0 };
	if (is_ours(b, path, kept, &ignored))
		rootfs_forget(b->rootfs, kept);
	rn_remove_tree(path, NULL);
}

/* ---- the request ------------------------------------------------------------------------------------ */

void run_shell_clear(struct run_shell *r)
{
	rn_freep(&r->socket);
	rn_freep(&r->step);
	rn_freep(&r->kept);
}

static int find_failed(struct stage_graph *g, struct run_shell *r, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = description_path(g->b);
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_read_file(path, DESCRIPTION_MAX, NULL);
	const char *kept = rn_json_str(j, "root");
	if (!is_ours(g->b, path, kept, err)) {
		rn_fail(err, RN_ENOTFOUND, "no RUN of this stage failed in the last run, or what it left is gone");
		return rn_hint(err, "name a step, as the log numbers them: runner shell FILE %s:3",
			       g->b->host->info(g->b->stage, RUNNER_INFO_STAGE));
	}
	r->kept = rn_strdup(kept);
	r->stage = (size_t)rn_json_int(j, "stage", 0);
	r->number = (size_t)rn_json_int(j, "step", 0);
	return 0;
}

static const struct build_stage *stage_of(const struct stage_graph *g, const char *name)
{
	int64_t number;
	for (size_t i = g->n; i > 0; i--)
		if (g->v[i - 1].needed && g->v[i - 1].name && strcasecmp(g->v[i - 1].name, name) == 0)
			return &g->v[i - 1];
	if (rn_parse_int(name, 0, (int64_t)g->n - 1, &number, NULL) == 0 && g->v[number].needed)
		return &g->v[number];
	return NULL;
}

/* "3" counts in the target; "build.3" in the stage that the log calls build. */
static int find_step(struct stage_graph *g, struct run_shell *r, struct rn_error *err)
{
	const char *dot = strrchr(r->step, '.');
	RN_AUTO(rn_freep) char *name = dot ? rn_strndup(r->step, (size_t)(dot - r->step)) : NULL;
	const struct build_stage *s = name ? stage_of(g, name) : g->target;
	int64_t number;
	if (!s) {
		rn_fail(err, RN_ENOTFOUND, "the build has no stage \"%s\", or the target does not need it", name);
		return rn_hint(err, "write the step as the log numbers it: 3, or build.3 in the stage build");
	}
	if (rn_parse_int(dot ? dot + 1 : r->step, 2, INT32_MAX, &number, NULL) < 0) {
		rn_fail(err, RN_EINVAL, "\"%s\" is no step", r->step);
		return rn_hint(err, "write its number as in the log, from 2 on: 3, or build.3 in the stage build");
	}
	r->stage = s->index;
	r->number = (size_t)number;
	return 0;
}

int run_shell_read(struct stage_graph *g, struct run_shell *ret, struct rn_error *err)
{
	const char *text = getenv(RUN_SHELL_VARIABLE);
	if (!text || !*text) {
		forget(g->b);
		return 0;
	}
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse_str(text, err);
	ret->socket = rn_strdup(rn_json_str(j, "socket"));
	ret->step = rn_strdup(rn_json_str(j, "step"));
	if (!ret->socket)
		return rn_fail(err, RN_EINVAL, RUN_SHELL_VARIABLE " is not what `runner shell` writes");
	int rc = ret->step ? find_step(g, ret, err) : find_failed(g, ret, err);
	return rc < 0 ? -1 : 1;
}

bool run_shell_wants(const struct run_shell *r, const struct step *s)
{
	return r->socket && s->stage->index == r->stage && s->stage->step == r->number;
}

/* ---- the session ---------------------------------------------------------------------------------------- */

struct session {
	int socket;
	int fds[SHELL_FDS_MAX];
	struct rn_strv argv;
	char *term;
};

static void session_clear(struct session *x)
{
	for (size_t i = 0; i < SHELL_FDS_MAX; i++)
		rn_closep(&x->fds[i]);
	rn_closep(&x->socket);
	rn_strv_clear(&x->argv);
	free(x->term);
}

/* The shell of SHELL, else sh. */
static void usual_shell(const struct step *s, struct rn_strv *ret)
{
	const cJSON *first = cJSON_GetArrayItem(rn_json_get(step_config(s), "Shell"), 0);
	rn_strv_add(ret, cJSON_IsString(first) ? first->valuestring : "/bin/sh");
}

static int begin_session(const struct run_shell *r, const struct step *s, const char *title, struct session *x, struct rn_error *err)
{
	x->socket = shell_socket(r->socket, false, err);
	if (x->socket < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *hello = cJSON_CreateObject();
	cJSON_AddStringToObject(hello, "step", title);
	cJSON_AddBoolToObject(hello, "failed", r->kept != NULL);
	if (shell_send(x->socket, hello, NULL, 0, err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *wish = shell_receive(x->socket, x->fds, err);
	const cJSON *word;
	if (!wish || x->fds[2] < 0)
		return rn_fail(err, RN_ECANCELLED, "`runner shell` went away");
	cJSON_ArrayForEach(word, rn_json_get(wish, "argv"))
		if (cJSON_IsString(word))
			rn_strv_add(&x->argv, word->valuestring);
	if (x->argv.n == 0)
		usual_shell(s, &x->argv);
	x->term = rn_strdup(rn_json_str(wish, "term"));
	return 0;
}

static void tell_end(struct session *x, int code, const struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *end = cJSON_CreateObject();
	cJSON_AddNumberToObject(end, "code", code);
	if (err)
		cJSON_AddStringToObject(end, "error", err->msg);
	shell_send(x->socket, end, NULL, 0, NULL);
}

static int run_program(struct session *x, struct run_place *p, struct rn_error *err)
{
	struct sandbox_spec spec;
	struct sandbox_status status = { 0 };
	RN_AUTO(sandbox_freep) struct sandbox *box = NULL;
	RN_AUTO(rn_freep) char *term = x->term ? rn_asprintf("TERM=%s", x->term) : NULL;
	if (term)
		run_place_set_env(p, term);
	run_place_sandbox(p, &spec);
	spec.argv = (const char *const *)x->argv.v;
	spec.stdin_fd = x->fds[0];
	spec.stdout_fd = x->fds[1];
	spec.stderr_fd = x->fds[2];
	if (sandbox_start(&spec, &box, err) < 0)
		return -1;
	for (size_t i = 0; i < SHELL_FDS_MAX; i++)
		rn_closep(&x->fds[i]);
	while (sandbox_wait(box, 200, &status, NULL) < 0)
		if (build_stopped(p->s->b))
			return rn_fail(err, RN_ECANCELLED, "stopped");
	tell_end(x, status.code, NULL);
	return 0;
}

/* As RUN would have it; an instruction that is no RUN: its stage's environment before it. */
static int make_spec(const struct step *s, struct run_spec *ret)
{
	if (s->i->op == DF_RUN)
		return run_spec_make(s, ret);
	struct df_word word = { .text = (char *)"sh", .at = s->i->at };
	const struct df_instruction plain = { .op = DF_RUN, .at = s->i->at, .original = s->i->original, .words = { .v = &word, .n = 1 } };
	struct step run = *s;
	run.i = &plain;
	return run_spec_make(&run, ret);
}

static int work(const struct run_shell *r, struct step *s, struct session *x, struct run_place *p, const struct run_spec *spec)
{
	if (run_place_make(s, spec, p) < 0 || (r->kept && rootfs_step_restore(&p->place, r->kept, s->err) < 0) ||
	    begin_session(r, s, s->i->original, x, s->err) < 0)
		return -1;
	int rc = run_program(x, p, s->err);
	if (r->kept) /* to be entered again */
		run_shell_keep(s, &p->place);
	if (rc < 0)
		tell_end(x, 125, s->err);
	return rc;
}

int run_shell_open(const struct run_shell *r, struct step *s)
{
	RN_AUTO(run_spec_clear) struct run_spec spec = { 0 };
	RN_AUTO(run_place_clear) struct run_place p = { .place = { .lock = -1, .root_lock = -1 } };
	RN_AUTO(session_clear) struct session x = { .socket = -1, .fds = { -1, -1, -1 } };
	if (make_spec(s, &spec) < 0 || work(r, s, &x, &p, &spec) < 0)
		return step_locate(s, s->i->at);
	return rn_fail(s->err, RN_ECANCELLED, "what `runner shell` started has ended, and the build goes no further");
}
