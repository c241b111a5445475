/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The alias: made, pointed to a version at once, or moved by a shift: the new version gets a part of
 * the calls, is tested by itself, and gets all of them, or none when a test fails.
 */
#include "function.h"

#include "base/time.h"
#include "shift.h"

#include <string.h>

static const cJSON *weights_of(const cJSON *alias)
{
	const cJSON *w = rn_json_path(alias, "RoutingConfig.AdditionalVersionWeights");
	return w && w->child ? w : NULL;
}

static char *alias_path(const struct function *f)
{
	RN_AUTO(rn_freep) char *tail = aws_path("/aliases/{}", f->p->alias);
	return rn_asprintf("%s%s", f->path, tail);
}

/* An alias that is there after all: of a try whose answer was lost, or of somebody else meanwhile. */
static int created_before(struct function *f, const char *version, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = alias_path(f);
	rn_json_freep(&f->alias);
	if (aws_rest(f->client, "GetAlias", "GET", path, NULL, NULL, &f->alias, NULL, err) < 0)
		return -1;
	bool same = rn_streq(rn_json_str(f->alias, "FunctionVersion"), version) && !weights_of(f->alias);
	return same ? 0 : function_put_alias(f, version, NULL, 0, err);
}

static int create_alias(struct function *f, const char *version, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = rn_asprintf("%s/aliases", f->path);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject();
	struct aws_error aerr = { 0 };
	cJSON_AddStringToObject(body, "Name", f->p->alias);
	cJSON_AddStringToObject(body, "FunctionVersion", version);
	if (function_write(f, "CreateAlias", "POST", path, body, NULL, &aerr, err) == 0)
		return 0;
	return aws_error_is(&aerr, "ResourceConflictException") ? created_before(f, version, err) : -1;
}

int function_put_alias(struct function *f, const char *version, const char *other, double weight, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = alias_path(f);
	RN_AUTO(rn_json_freep) cJSON *body = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddStringToObject(body, "FunctionVersion", version);
	cJSON *weights = cJSON_AddObjectToObject(cJSON_AddObjectToObject(body, "RoutingConfig"), "AdditionalVersionWeights");
	if (other)
		cJSON_AddNumberToObject(weights, other, weight);
	if (function_write(f, "UpdateAlias", "PUT", path, body, &answer, NULL, err) < 0)
		return -1;
	rn_json_freep(&f->alias);
	f->alias = rn_take(&answer);
	f->moved = true;
	return 0;
}

/* ---- shift ---------------------------------------------------------------------------------- */

static bool has_weight(const struct function *f, const char *version, double weight)
{
	const cJSON *w = weights_of(f->alias);
	double have = rn_json_num(w, version, 0);
	return cJSON_GetArraySize(w) == 1 && have >= weight && have <= weight;
}

/* The old version gets everything back; the failure that led here stays the one that is told. */
static int way_back(struct function *f, const char *old, const char *new, struct rn_error *err)
{
	struct rn_error failed = { 0 };
	if (err->code == RN_ECANCELLED)
		return rn_hint(err, "a part of the calls still goes to version %s; run again to finish the shift", new);
	if (function_put_alias(f, old, NULL, 0, &failed) < 0) {
		stage_warn(f->s, "the way back to version %s failed too: %s", old, failed.msg);
		return -1;
	}
	stage_change(f->s, RUNNER_UPDATED, "all calls go to the old version again", "alias %s of function %s", f->p->alias,
		     f->p->function_name);
	rn_wrap(err, "version %s gets no calls", new);
	return rn_hint(err, "alias %s serves version %s alone, as before; the last lines of the function's log are above", f->p->alias,
		       old);
}

static int watch(struct function *f, const struct shift *s, const char *version, struct rn_error *err)
{
	char length[32];
	if (function_test(f, version, err) < 0)
		return -1;
	stage_step(f->s, "%.4g%% of alias %s goes to version %s for %s", s->weight * 100, f->p->alias, version,
		   rn_format_duration(s->for_ms, length, sizeof length));
	int64_t end = rn_now_ms() + s->for_ms;
	for (int64_t left = s->for_ms; left > 0; left = end - rn_now_ms()) {
		f->s->host->progress(f->s->rs, "shift", (uint64_t)(s->for_ms - left) / 1000, (uint64_t)s->for_ms / 1000, "s");
		if (rn_sleep_ms(left < 1000 ? left : 1000, aws_session_cancel_fd(f->session)) < 0)
			return rn_fail(err, RN_ECANCELLED, "stopped during the shift to version %s", version);
	}
	return s->for_ms ? function_test(f, version, err) : 0;
}

static int shift_to(struct function *f, const struct shift *s, const char *version, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *old = rn_strdup(rn_json_str(f->alias, "FunctionVersion"));
	if (!has_weight(f, version, s->weight) && function_put_alias(f, old, version, s->weight, err) < 0)
		return -1;
	if (watch(f, s, version, err) < 0)
		return way_back(f, old, version, err);
	return function_put_alias(f, version, NULL, 0, err);
}

/* ---- the alias ---------------------------------------------------------------------------------- */

static int move(struct function *f, const struct shift *s, const char *version, struct rn_error *err)
{
	const char *present = rn_json_str(f->alias, "FunctionVersion");
	if (s->wanted && !rn_streq(present, version))
		return shift_to(f, s, version, err);
	return function_put_alias(f, version, NULL, 0, err);
}

static void note_shift(struct stage_diff *d, const struct shift *s)
{
	char length[32];
	if (s->wanted)
		stage_diff_note(d, "shift: %.4g%% for %s first", s->weight * 100,
				rn_format_duration(s->for_ms, length, sizeof length));
}

int function_point_alias(struct function *f, const char *version, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	struct shift s = { 0 };
	if (shift_parse(f->p, &s, err) < 0)
		return stage_blame(f->s, "shift");
	if (!f->alias) {
		if (f->s->mode == STAGE_RUN && (function_remember_alias(f, err) < 0 || create_alias(f, version, err) < 0))
			return -1;
		stage_change(f->s, RUNNER_CREATED, NULL, "alias %s of function %s", f->p->alias, f->p->function_name);
		return 0;
	}
	if (stage_diff_str(&d, "version", rn_json_str(f->alias, "FunctionVersion"), version ? version : "the new one"))
		note_shift(&d, &s);
	if (weights_of(f->alias))
		stage_diff_json(&d, "weights", weights_of(f->alias), NULL);
	if (stage_differs(&d) && f->s->mode == STAGE_RUN &&
	    (function_remember_alias(f, err) < 0 || move(f, &s, version, err) < 0))
		return -1;
	stage_change_diff(f->s, &d, "alias %s of function %s", f->p->alias, f->p->function_name);
	return 0;
}
