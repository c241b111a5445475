/* SPDX-License-Identifier: Apache-2.0 */
#include "execute.h"

#include "loaded.h"
#include "lease.h"
#include "local.h"
#include "report.h"

#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

struct execution {
	enum schedule_call call;
	const struct execute_values *values;
	const char *path;
	struct loaded loaded;
	char *root; /* absolute path of .runner */
	struct lease *lease;
	struct record_list earlier;
	const struct record *of; /* rollback: the run to put back; in `earlier` */
	struct redact *redact;
	struct local local;
	cJSON *env;
	struct journal *journal;
	struct bus bus;
	char *resume;
	bool junit_failed;
};

/* ---- the file ---- */

static int load(struct execution *x)
{
	const struct execute_values *v = x->values;
	struct rn_error err = { 0 };
	if (loaded_read(&x->loaded, x->path, &v->sets, &v->plugin_path, PIPELINE_CHECK_VALUES, &err) < 0)
		return command_fail(EXIT_MACHINE, &err);
	return loaded_print(&x->loaded, x->path);
}

/* ---- the environment of stages ---- */

static bool is_secret_source(const struct pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->n_secrets; i++)
		if (rn_streq(p->secrets[i].env, name))
			return true;
	return false;
}

/* This process's environment without what holds a secret of the file: a stage gets secrets only where the file says so. */
static cJSON *base_env(const struct execution *x)
{
	cJSON *env = cJSON_CreateObject(), *value;
	for (char **e = environ; *e; e++) {
		const char *equals = strchr(*e, '=');
		if (!equals)
			continue;
		RN_AUTO(rn_freep) char *name = rn_strndup(*e, (size_t)(equals - *e));
		if (is_secret_source(x->loaded.pipeline, name) || (x->local.env && local_replaces(name)))
			continue;
		cJSON_AddStringToObject(env, name, equals + 1);
	}
	cJSON_ArrayForEach(value, x->local.env) {
		cJSON_DeleteItemFromObjectCaseSensitive(env, value->string);
		cJSON_AddItemToObject(env, value->string, cJSON_Duplicate(value, true));
	}
	return env;
}

static void mask_secrets(struct execution *x)
{
	struct pipeline *p = x->loaded.pipeline;
	for (size_t i = 0; i < p->n_secrets; i++) {
		const char *value = pipeline_secret_value(p, p->secrets[i].name, NULL);
		if (value && !redact_add(x->redact, value))
			fprintf(stderr, "runner: warning: the secret \"%s\" has less than %d characters and cannot be masked\n",
				p->secrets[i].name, REDACT_MIN);
	}
}

/* ---- reporters ---- */

static void quote(struct rn_buf *to, const char *arg)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:,@%+-";
	if (*arg && strspn(arg, plain) == strlen(arg)) {
		rn_buf_addf(to, " %s", arg);
		return;
	}
	RN_AUTO(rn_freep) char *inner = rn_replace(arg, "'", "'\\''");
	rn_buf_addf(to, " '%s'", inner);
}

static char *resume_line(const struct execution *x)
{
	const struct execute_values *v = x->values;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "runner run");
	if (v->local)
		rn_buf_adds(&b, " --local");
	for (size_t i = 0; i < v->sets.n; i++) {
		rn_buf_adds(&b, " --set");
		quote(&b, v->sets.v[i]);
	}
	for (size_t i = 0; i < v->plugin_path.n; i++) {
		rn_buf_adds(&b, " --plugin-path");
		quote(&b, v->plugin_path.v[i]);
	}
	rn_buf_adds(&b, " --resume");
	quote(&b, x->path);
	return rn_buf_take(&b);
}

static void add_main_reporter(struct execution *x)
{
	const struct execute_values *v = x->values;
	struct report_options o = { .color = command_color(STDOUT_FILENO), .verbose = v->verbose };
	const char *term = getenv("TERM");
	bool tty = isatty(STDOUT_FILENO) && term && !rn_streq(term, "dumb");
	const char *format = v->output && !rn_streq(v->output, "auto") ? v->output : tty ? "terminal" : "plain";
	enum report_ci ci = report_ci_detect();
	if (v->dry_run)
		bus_add(&x->bus, report_dry_new());
	else if (x->call == SCHEDULE_PLAN && (v->json || rn_streq(format, "json")))
		bus_add(&x->bus, report_plan_json_new());
	else if (rn_streq(format, "json"))
		bus_add(&x->bus, report_json_new());
	else if (rn_streq(format, "terminal"))
		bus_add(&x->bus, report_terminal_new(&o));
	else if (ci && !rn_streq(v->output, "plain"))
		bus_add(&x->bus, report_ci_new(&o, ci));
	else
		bus_add(&x->bus, report_plain_new(&o));
}

static void set_up_bus(struct execution *x)
{
	const struct pipeline *p = x->loaded.pipeline;
	RN_AUTO(rn_freep) char *cwd = getcwd(NULL, 0);
	RN_AUTO(rn_freep) char *below = rn_asprintf("%s/", cwd ? cwd : "");
	for (size_t i = 0; i < p->n_stages; i++) {
		RN_AUTO(rn_freep) char *log = x->journal ? journal_log_path(x->journal, p->stages[i].id) : NULL;
		const char *shown = log && rn_starts(log, below) ? log + strlen(below) : log;
		bus_stage(&x->bus, p->stages[i].id, p->stages[i].uses, shown);
	}
	x->bus.view.command = schedule_call_name(x->call);
	x->bus.view.pipeline = p->name;
	x->bus.view.file = x->path;
	x->bus.view.run_id = x->journal ? journal_run_id(x->journal) : NULL;
	x->resume = x->call == SCHEDULE_RUN ? resume_line(x) : NULL;
	x->bus.view.resume = x->resume;
	if (x->journal) /* first: what a reporter shows is on disk already */
		bus_add(&x->bus, journal_reporter(x->journal));
	add_main_reporter(x);
	if (x->values->junit)
		bus_add(&x->bus, report_junit_new(x->values->junit, &x->junit_failed));
}

/* ---- the run ---- */

static int64_t processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return n < 2 ? 2 : n;
}

/* The run that `rollback` puts back: --run, else the newest one that changed something. */
static int find_run(struct execution *x, struct rn_error *err)
{
	const char *id = x->values->run;
	x->of = id ? NULL : record_changed(&x->earlier);
	for (size_t i = 0; id && i < x->earlier.n; i++)
		if (rn_streq(x->earlier.v[i]->id, id))
			x->of = x->earlier.v[i];
	if (x->of)
		return 0;
	if (id) {
		rn_fail(err, RN_ENOTFOUND, "there is no run %s of %s in this folder", id, x->path);
		return rn_hint(err, "the newest %d runs of a pipeline are kept; their ids are the names in .runner/runs", JOURNAL_KEEP_RUNS);
	}
	rn_fail(err, RN_ENOTFOUND, "no run of %s in this folder has changed anything that can be put back", x->path);
	return rn_hint(err, "only stages whose plugin has a rollback remember what was there before (`runner plugins list`), "
			    "and `destroy` ends what can be put back");
}

static int open_state(struct execution *x, struct rn_error *err)
{
	const struct execute_values *v = x->values;
	RN_AUTO(rn_freep) char *cwd = getcwd(NULL, 0);
	if (!cwd)
		return rn_fail(err, RN_EIO, "the working directory: %m");
	x->root = rn_path_join(cwd, ".runner");
	bool records = x->call != SCHEDULE_PLAN && !v->dry_run;
	struct lease_options lease = { x->root, x->loaded.pipeline->name, schedule_call_name(x->call), x->loaded.pipeline->file,
				       v->wait ? -1 : v->lock_wait_ms };
	if (records && !(x->lease = lease_take(&lease, err)))
		return -1;
	bool all = v->resume || v->only.n || v->from || v->until || x->call == SCHEDULE_ROLLBACK;
	if (records || all) /* a plain run wants to know only whether the last one came to its end */
		record_list_read(x->root, x->loaded.pipeline->file, all ? 0 : 1, &x->earlier);
	if (x->call == SCHEDULE_ROLLBACK && find_run(x, err) < 0)
		return -1;
	if (v->local && !v->dry_run && local_start(x->root, &x->local, err) < 0)
		return -1;
	x->env = base_env(x);
	struct lease_elsewhere elsewhere = { x->loaded.pipeline->lease, x->env };
	if (x->lease && elsewhere.helper && lease_take_elsewhere(x->lease, &lease, &elsewhere, err) < 0)
		return -1;
	struct journal_head head = { schedule_call_name(x->call), x->loaded.pipeline->name, x->loaded.pipeline->file,
				     x->of ? x->of->id : NULL };
	if (records && !(x->journal = journal_create(x->root, &head, err)))
		return -1;
	if (x->lease)
		lease_name_run(x->lease, journal_run_id(x->journal));
	return 0;
}

static int run(struct execution *x, size_t *ret_changes)
{
	const struct execute_values *v = x->values;
	struct rn_error err = { 0 };
	int64_t grace;
	if (rn_env_duration("RUNNER_STOP_GRACE", "1ms", "1h", SCHEDULE_GRACE_MS, &grace, &err) < 0)
		return command_fail(EXIT_USAGE, &err);
	if (v->junit && report_junit_prepare(v->junit, &err) < 0)
		return command_fail(EXIT_MACHINE, &err);
	x->redact = redact_new();
	mask_secrets(x);
	if (open_state(x, &err) < 0)
		return command_fail(EXIT_MACHINE, &err);
	set_up_bus(x);
	struct schedule_options o = {
		.call = x->call, .pipeline = x->loaded.pipeline, .plugins = &x->loaded.plugins, .bus = &x->bus, .redact = x->redact,
		.journal = x->journal, .earlier = &x->earlier, .of = x->of, .env = x->env, .root = x->root,
		.jobs = v->jobs ? v->jobs : processors(), .timeout_ms = v->timeout_ms, .grace_ms = grace, .resume = v->resume,
		.dry_run = v->dry_run, .only = &v->only, .from = v->from, .until = v->until, .watched = x->local.pid, .lease = x->lease,
	};
	int code = schedule_run(&o, &err);
	if (err.code)
		return command_fail(code, &err);
	if (ret_changes)
		*ret_changes = view_count(&x->bus.view, RUNNER_CREATED) + view_count(&x->bus.view, RUNNER_UPDATED) +
			       view_count(&x->bus.view, RUNNER_DELETED);
	return code == EXIT_DONE && x->junit_failed ? EXIT_MACHINE : code; /* what was asked for is not there */
}

static void finish(struct execution *x)
{
	lease_release_elsewhere(x->lease); /* what keeps it may need the local cloud */
	local_stop(&x->local);
	bus_clear(&x->bus);
	journal_free(x->journal);
	record_list_clear(&x->earlier);
	redact_free(x->redact);
	cJSON_Delete(x->env);
	lease_release(x->lease);
	loaded_clear(&x->loaded);
	free(x->root);
	free(x->resume);
}

int execute(enum schedule_call call, const char *path, const struct execute_values *v, size_t *ret_changes)
{
	struct execution x = { .call = call, .values = v, .path = path };
	int code = load(&x);
	if (code == EXIT_DONE)
		code = run(&x, ret_changes);
	finish(&x);
	return code;
}
