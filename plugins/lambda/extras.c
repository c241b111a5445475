/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings beside the configuration: read, compared, written and put back in the same way. They come behind the alias, which
 * they belong to where there is one.
 */
#include "function.h"

#include "fields.h"

#include <string.h>

#define PROVISION_TIMEOUT_MS (30 * 60 * 1000)

/* ---- where they are ------------------------------------------------------------------- */

static const struct {
	const char *path;
	const char *get, *put, *delete;
} calls[EXTRA_N] = {
	[EXTRA_RECURSION] = { "/2024-08-31/functions/{}/recursion-config", "GetFunctionRecursionConfig", "PutFunctionRecursionConfig", NULL },
	[EXTRA_ASYNC] = { "/2019-09-25/functions/{}/event-invoke-config", "GetFunctionEventInvokeConfig", "PutFunctionEventInvokeConfig",
			  "DeleteFunctionEventInvokeConfig" },
	[EXTRA_PROVISIONED] = { "/2019-09-30/functions/{}/provisioned-concurrency", "GetProvisionedConcurrencyConfig",
				"PutProvisionedConcurrencyConfig", "DeleteProvisionedConcurrencyConfig" },
	[EXTRA_URL] = { "/2021-10-31/functions/{}/url", "GetFunctionUrlConfig", "UpdateFunctionUrlConfig", "DeleteFunctionUrlConfig" },
};

static const char *alias_of(const struct function *f)
{
	return f->p->alias && *f->p->alias ? f->p->alias : NULL;
}

char *function_qualified_path(const struct function *f, const char *format)
{
	RN_AUTO(rn_freep) char *path = aws_path(format, f->p->function_name);
	RN_AUTO(rn_freep) char *query = alias_of(f) ? aws_path("?Qualifier={}", alias_of(f)) : rn_strdup("");
	return rn_asprintf("%s%s", path, query);
}

static char *path_of(const struct function *f, enum extra e)
{
	return extra_qualified(e) ? function_qualified_path(f, calls[e].path) : aws_path(calls[e].path, f->p->function_name);
}

/* "URL of function f:live" */
static char *name_of(const struct function *f, enum extra e)
{
	bool qualified = extra_qualified(e) && alias_of(f);
	return rn_asprintf("%s of function %s%s%s", extra_words(e), f->p->function_name, qualified ? ":" : "", qualified ? alias_of(f) : "");
}

/* ---- reading ------------------------------------------------------------------------------ */

/* 404 is an answer: *ret becomes NULL. */
static int get(struct function *f, enum extra e, cJSON **ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = path_of(f, e);
	struct aws_error aerr = { 0 };
	struct rn_error own = { 0 };
	*ret = NULL;
	if (aws_rest(f->client, calls[e].get, "GET", path, NULL, NULL, ret, &aerr, &own) == 0)
		return 0;
	if (aerr.http_status == 404)
		return 0;
	if (err)
		*err = own;
	return -1;
}

int function_read_extra(struct function *f, enum extra e, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	if (get(f, e, &answer, err) < 0)
		return -1;
	RN_AUTO(rn_json_freep) cJSON *have = extra_have(e, answer);
	if (e == EXTRA_URL && function_read_public(f, answer, have, err) < 0)
		return -1;
	rn_json_freep(&f->extras[e]);
	f->extras[e] = rn_take(&have);
	if (e == EXTRA_PROVISIONED)
		f->provisioned = rn_streq(rn_json_str(answer, "Status"), "READY");
	return 0;
}

/* ---- provisioned concurrency takes its time -------------------------------------------------- */

static const char *const causes[][2] = {
	{ "FUNCTION_ERROR_INIT_FAILURE", "the program failed at its start: see its log" },
	{ "FUNCTION_ERROR", "the program failed at its start: see its log" },
	{ "INTERNAL_ERROR", "a fault of Lambda: run again" },
	{ "ReservedConcurrentExecutions", "raise reserved_concurrency, or lower provisioned_concurrency" },
};

static int provision_failed(const cJSON *answer, struct rn_error *err)
{
	const char *reason = rn_json_str(answer, "StatusReason");
	rn_fail(err, RN_EREMOTE, "provisioned concurrency could not be set up: %s", reason ? reason : "Lambda gives no reason");
	for (size_t i = 0; reason && i < RN_LEN(causes); i++)
		if (strstr(reason, causes[i][0]))
			return rn_hint(err, "%s", causes[i][1]);
	return -1;
}

static int poll(void *ctx, struct rn_error *err)
{
	struct function *f = ctx;
	RN_AUTO(rn_json_freep) cJSON *answer = NULL;
	if (get(f, EXTRA_PROVISIONED, &answer, err) < 0)
		return -1;
	if (!answer)
		return rn_fail(err, RN_ENOTFOUND, "the provisioned concurrency was removed while it was being set up");
	const char *status = rn_json_str(answer, "Status");
	if (rn_streq(status, "FAILED"))
		return provision_failed(answer, err);
	f->s->host->progress(f->s->rs, "provisioned instances",
			     (uint64_t)rn_json_int(answer, "AllocatedProvisionedConcurrentExecutions", 0),
			     (uint64_t)rn_json_int(answer, "RequestedProvisionedConcurrentExecutions", 0), "instances");
	return rn_streq(status, "READY");
}

static int wait_provisioned(struct function *f, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *what = name_of(f, EXTRA_PROVISIONED);
	const struct aws_waiter w = { .what = what, .delay_ms = 200, .max_delay_ms = 5000, .timeout_ms = PROVISION_TIMEOUT_MS };
	stage_step(f->s, "wait for the provisioned instances");
	return aws_wait(f->session, &w, poll, f, err) < 0 ? stage_blame(f->s, "provisioned_concurrency") : 0;
}

/* ---- writing ------------------------------------------------------------------------------------ */

int function_delete_extra(struct function *f, enum extra e, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *path = path_of(f, e);
	struct aws_error aerr = { 0 };
	return function_write(f, calls[e].delete, "DELETE", path, NULL, NULL, &aerr, err) < 0 && aerr.http_status != 404 ? -1 : 0;
}

/* What PutProvisionedConcurrencyConfig and PutFunctionRecursionConfig take is what they tell, but for Status. */
static cJSON *plain_body(const cJSON *want)
{
	cJSON *body = cJSON_Duplicate(want, true);
	cJSON_DeleteItemFromObjectCaseSensitive(body, "Status");
	return body;
}

static int write_extra(struct function *f, enum extra e, const cJSON *want, struct rn_error *err)
{
	if (e == EXTRA_URL)
		return function_write_url(f, want, err);
	if (cJSON_IsNull(want))
		return calls[e].delete ? function_delete_extra(f, e, err) : 0;
	RN_AUTO(rn_json_freep) cJSON *body = e == EXTRA_ASYNC ? extra_async_body(want) : plain_body(want);
	RN_AUTO(rn_freep) char *path = path_of(f, e);
	return function_write(f, calls[e].put, "PUT", path, body, NULL, NULL, err);
}

/* ---- comparing --------------------------------------------------------------------------------------- */

static const cJSON *told(const cJSON *v)
{
	return v && !fields_empty(v) ? v : NULL;
}

static void tell_field(struct stage_diff *d, const char *name, const cJSON *have, const cJSON *want)
{
	if ((have && !cJSON_IsString(have)) || (want && !cJSON_IsString(want)))
		stage_diff_json(d, name, have, want);
	else
		stage_diff_str(d, name, cJSON_GetStringValue(have), cJSON_GetStringValue(want));
}

static void difference(enum extra e, const char *prefix, const cJSON *have, const cJSON *want, struct stage_diff *d)
{
	const cJSON *all[] = { want, have }, *item;
	for (size_t i = 0; i < RN_LEN(all); i++)
		cJSON_ArrayForEach(item, all[i])
		{
			const cJSON *other = rn_json_get(all[1 - i], item->string);
			if (i == 1 && other)
				continue;
			if (*prefix && !other && cJSON_IsNumber(item) && item->valuedouble <= 0)
				continue; /* no max_age in what was not there */
			RN_AUTO(rn_freep) char *name = rn_asprintf("%s%s", prefix, extra_spoken(e, item->string));
			if (cJSON_IsObject(item))
				difference(e, "cors.", rn_json_get(have, item->string), rn_json_get(want, item->string), d);
			else if (!other || !rn_json_equal(item, other))
				tell_field(d, name, told(i ? item : other), told(i ? other : item));
		}
}

/* Tells what differs between f->extras[e] and `want`, and writes it. *ret_differs may be NULL. */
static int bring(struct function *f, enum extra e, const cJSON *want, bool *ret_differs, struct rn_error *err)
{
	RN_AUTO(stage_diff_clear) struct stage_diff d = { 0 };
	RN_AUTO(rn_freep) char *name = name_of(f, e);
	const cJSON *have = f->extras[e];
	difference(e, "", have, want, &d);
	bool gone = cJSON_IsNull(want), new = !have || cJSON_IsNull(have);
	bool differs = gone ? !new : new || stage_differs(&d);
	if (ret_differs)
		*ret_differs = differs;
	if (differs && f->s->mode != STAGE_PLAN) {
		if (function_remember_extra(f, e, err) < 0)
			return -1;
		stage_step(f->s, "%s %s", gone ? "remove the" : "set the", extra_words(e));
		if (write_extra(f, e, want, err) < 0)
			return stage_blame(f->s, extra_param(e));
	}
	if (!differs)
		stage_change(f->s, RUNNER_UNCHANGED, NULL, "%s", name);
	else
		stage_change_fields(f->s, gone ? RUNNER_DELETED : new ? RUNNER_CREATED : RUNNER_UPDATED, &d, "%s", name);
	return 0;
}

bool function_wants_extra(const struct function *f, enum extra e)
{
	const struct runner_host *host = f->s->host;
	if (e == EXTRA_PROVISIONED && !alias_of(f))
		return false; /* 0, then: $LATEST has none */
	return host->is_set(f->s->rs, extra_param(e)) && host->is_known(f->s->rs, extra_param(e));
}

/* A function is made with Terminate. */
static int read_unread(struct function *f, enum extra e, struct rn_error *err)
{
	if (e != EXTRA_RECURSION || (f->extras[e] && !cJSON_IsNull(f->extras[e])))
		return f->extras[e] || f->s->mode == STAGE_PLAN ? 0 : function_read_extra(f, e, err);
	rn_json_freep(&f->extras[e]);
	f->extras[e] = cJSON_CreateObject();
	cJSON_AddStringToObject(f->extras[e], "RecursiveLoop", "Terminate");
	return 0;
}

int function_put_extras(struct function *f, struct rn_error *err)
{
	for (enum extra e = 0; e < EXTRA_N; e++) {
		bool differs = false;
		if (!function_wants_extra(f, e))
			continue;
		RN_AUTO(rn_json_freep) cJSON *want = extra_want(e, f->p);
		if (read_unread(f, e, err) < 0 || bring(f, e, want, &differs, err) < 0)
			return -1;
		bool wait = e == EXTRA_PROVISIONED && !cJSON_IsNull(want) && f->s->mode == STAGE_RUN;
		if (wait && (differs || f->moved || !f->provisioned) && wait_provisioned(f, err) < 0)
			return -1;
	}
	return 0;
}

int function_put_extra_back(struct function *f, enum extra e, const cJSON *record, struct rn_error *err)
{
	return function_read_extra(f, e, err) < 0 ? -1 : bring(f, e, record, NULL, err);
}
