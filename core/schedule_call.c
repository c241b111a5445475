/* SPDX-License-Identifier: Apache-2.0 */
/* What one call of a stage is given: parameters and variables from expressions, folders and facts. */
#include "schedule_internal.h"

#include "params.h"
#include "self.h"

#include "base/fs.h"

#include <stdlib.h>
#include <string.h>

/* ---- what expressions see ---- */

static bool is_lost(const struct node *on, const char *output)
{
	return rn_strv_has(&on->lost, output) && !rn_json_get(on->outputs, output);
}

static int no_output(const struct node *on, const char *output, struct rn_error *err)
{
	if (!on->selected) {
		rn_fail(err, RN_ENOTFOUND, "output \"%s\" of stage \"%s\" is needed, but that stage is not selected and %s",
			output, on->stage->id,
			rn_strv_has(&on->lost, output) ? "secret outputs of earlier runs are not kept" :
							 "no earlier run of it has that output");
		return rn_hint(err, "run it too, with --from %s or --only %s", on->stage->id, on->stage->id);
	}
	if (on->status == EVENT_OK || on->status == EVENT_REUSED)
		return rn_fail(err, RN_ENOTFOUND, "stage \"%s\" did not set its output \"%s\"", on->stage->id, output);
	return rn_fail(err, RN_ENOTFOUND, "stage \"%s\" was not done (%s), so it has no output \"%s\"", on->stage->id,
		       event_status_name(on->status), output);
}

static int scope_output(void *ctx, const char *stage, const char *output, struct value *ret, struct rn_error *err)
{
	struct node *n = ctx;
	struct schedule *s = n->schedule;
	const struct pipeline_stage *of = pipeline_stage(s->o->pipeline, stage);
	if (!of)
		return rn_fail(err, RN_EINVAL, "there is no stage \"%s\"", stage);
	struct node *on = &s->nodes[of->index];
	const cJSON *value = rn_json_get(on->outputs, output);
	const struct plugin_output *declared = plugin_output_find(on->plugin, output);
	bool secret = rn_strv_has(&on->secrets, output) || (declared && declared->flags & RUNNER_SECRET);
	if (value) {
		*ret = (struct value){ .json = cJSON_Duplicate(value, true), .secret = secret };
		return 0;
	}
	if (s->o->call != SCHEDULE_RUN || s->o->dry_run || n->rolling) {
		*ret = (struct value){ .secret = secret, .unknown = true };
		return 0;
	}
	if (on->status == EVENT_REUSED && is_lost(on, output)) {
		s->wanted = of->index + 1;
		free(s->wanted_output);
		s->wanted_output = rn_strdup(output);
		*ret = (struct value){ .secret = true, .unknown = true };
		return 0;
	}
	return no_output(on, output, err);
}

bool node_status(const struct node *n, enum scope_status what)
{
	bool failed = false;
	for (size_t i = 0; i < n->stage->n_deps; i++)
		failed |= n->schedule->nodes[n->stage->deps[i]].failed;
	return what == SCOPE_FAILURE ? failed : !failed;
}

static bool scope_status(void *ctx, enum scope_status what)
{
	return node_status(ctx, what);
}

void node_scope(struct node *n, struct scope *ret)
{
	n->binding = (struct pipeline_binding){
		.pipeline = n->schedule->o->pipeline,
		.runtime = { .ctx = n, .output = scope_output, .status = scope_status },
	};
	pipeline_scope(&n->binding, ret);
}

static void mask_all(struct node *n, const struct rn_strv *secrets)
{
	for (size_t i = 0; i < secrets->n; i++)
		if (!redact_add(n->schedule->o->redact, secrets->v[i]))
			schedule_notice(n->schedule, RUNNER_WARN, n->stage->id,
					"a secret of less than %d characters cannot be masked", REDACT_MIN);
}

static void explain(struct event_failure *ret, const struct node *n, struct diag_at at, const char *message, const char *hint)
{
	const struct pipeline *p = n->schedule->o->pipeline;
	*ret = (struct event_failure){ .cls = RUNNER_FAIL_CONFIG, .message = redact_text(n->schedule->o->redact, message),
				       .hint = hint && *hint ? rn_strdup(hint) : NULL, .file = rn_strdup(p->file),
				       .line = at.line, .column = at.column };
}

bool node_resolve(struct node *n, cJSON **ret_env, struct event_failure *f)
{
	const struct pipeline *p = n->schedule->o->pipeline;
	struct scope scope;
	node_scope(n, &scope);
	struct diags diags = { 0 };
	struct rn_error err = { 0 };
	RN_AUTO(rn_strv_clear) struct rn_strv secrets = { 0 };
	diags_init(&diags, p->diags->file, p->diags->text);
	int rc = params_resolve(n->stage, n->plugin, p, &scope, &n->params, &secrets, &diags);
	mask_all(n, &secrets);
	if (rc < 0) {
		diags_sort(&diags);
		const struct diag *d = diags.n ? &diags.v[0] : NULL;
		explain(f, n, d ? d->at : n->stage->at, d ? d->message : "its parameters cannot be resolved", d ? d->hint : NULL);
	} else if (pipeline_stage_env(n->stage, &scope, ret_env, &secrets, &err) < 0) {
		explain(f, n, n->stage->at, err.msg, err.hint);
		rc = -1;
	}
	mask_all(n, &secrets);
	rn_strv_clear(&n->given);
	n->given = secrets;
	secrets = (struct rn_strv){ 0 };
	diags_clear(&diags);
	return rc == 0;
}

static cJSON *merged_env(const cJSON *base, const cJSON *own)
{
	cJSON *env = cJSON_Duplicate(base, true), *value;
	cJSON_ArrayForEach(value, own) {
		cJSON_DeleteItemFromObjectCaseSensitive(env, value->string);
		cJSON_AddItemToObject(env, value->string, cJSON_Duplicate(value, true));
	}
	return env;
}

static void add_path(cJSON *info, const char *name, char *path)
{
	cJSON_AddStringToObject(info, name, path);
	free(path);
}

/* A plan has no folder of its own. Its name is not to be guessed: in /tmp, another user could have made it before us. */
static char *plan_scratch(void)
{
	const char *temp = getenv("TMPDIR");
	return rn_temp_dir(temp && *temp ? temp : "/tmp", "runner-plan-", NULL);
}

static cJSON *make_info(const struct node *n)
{
	const struct schedule_options *o = n->schedule->o;
	cJSON *info = cJSON_CreateObject();
	cJSON_AddStringToObject(info, "pipeline", o->pipeline->name);
	cJSON_AddStringToObject(info, "file", o->pipeline->file);
	cJSON_AddStringToObject(info, "dir", o->pipeline->dir);
	cJSON_AddStringToObject(info, "stage", n->stage->id);
	cJSON_AddStringToObject(info, "run", o->journal ? journal_run_id(o->journal) : "plan");
	cJSON_AddStringToObject(info, "version", RUNNER_VERSION);
	char *scratch = o->journal ? rn_asprintf("%s/scratch/%s", journal_dir(o->journal), n->stage->id) : plan_scratch();
	if (scratch)
		add_path(info, "scratch", scratch);
	add_path(info, "state", rn_asprintf("%s/state/%s/%s", o->root, o->pipeline->name, n->stage->id));
	char *cache = rn_cache_dir();
	add_path(info, "cache", cache ? cache : rn_asprintf("%s/cache", o->root));
	add_path(info, "libexec", self_libexec());
	return info;
}

void node_equip(struct node *n, const cJSON *own)
{
	n->env = merged_env(n->schedule->o->env, own);
	n->info = make_info(n);
}

