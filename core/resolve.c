/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct diag_at fault_place(const struct doc_node *n, const char *source, size_t at)
{
	/* which "${{" the fault is in: the last one that starts before it */
	size_t nth = 0, open = 0;
	const char *p = n->text;
	for (size_t i = 0; (p = strstr(p, "${{")) && (size_t)(p - n->text) <= at; p += 3, i++)
		nth = i, open = (size_t)(p - n->text) + 3;
	return doc_expression_at(n, source, nth, at > open ? at - open : 0);
}

static int resolve_text(const struct doc_node *n, const struct scope *scope, const char *source,
			struct value *ret, struct resolve_error *err)
{
	struct template t = { 0 };
	size_t at = 0;
	if (template_parse(n->text, &t, &at, &err->err) < 0) {
		err->at = fault_place(n, source, at);
		return -1;
	}
	int rc = template_eval(&t, scope, ret, &err->err);
	if (rc < 0)
		err->at = doc_expression_at(n, source, 0, 1);
	template_clear(&t);
	return rc;
}

void resolve_strings(const cJSON *j, struct rn_strv *to)
{
	const cJSON *c;
	if (cJSON_IsString(j) && *j->valuestring)
		rn_strv_add(to, j->valuestring);
	cJSON_ArrayForEach(c, j)
		resolve_strings(c, to);
}

static int resolve_leaf(const struct doc_node *n, const struct scope *scope, const char *source,
			struct rn_strv *secrets, struct value *ret, struct resolve_error *err)
{
	if (n->kind == DOC_STRING && template_needed(n->text)) {
		if (resolve_text(n, scope, source, ret, err) < 0)
			return -1;
		if (ret->secret && secrets)
			resolve_strings(ret->json, secrets);
		return 0;
	}
	*ret = (struct value){ .json = doc_to_json(n) };
	if (n->kind == DOC_NUMBER || n->kind == DOC_BOOL)
		ret->text = rn_strdup(n->text);
	return 0;
}

int resolve_node(const struct doc_node *n, const struct scope *scope, const char *source,
		 struct rn_strv *secrets, struct value *ret, struct resolve_error *err)
{
	if (n->kind != DOC_LIST && n->kind != DOC_MAP)
		return resolve_leaf(n, scope, source, secrets, ret, err);
	struct value all = { .json = n->kind == DOC_LIST ? cJSON_CreateArray() : cJSON_CreateObject() };
	for (size_t i = 0; i < n->n; i++) {
		struct value v = { 0 };
		if (resolve_node(n->items[i].value, scope, source, secrets, &v, err) < 0) {
			value_clear(&all);
			return -1;
		}
		all.secret |= v.secret;
		all.unknown |= v.unknown;
		cJSON *j = v.json ? v.json : cJSON_CreateNull();
		v.json = NULL;
		value_clear(&v);
		if (n->kind == DOC_LIST)
			cJSON_AddItemToArray(all.json, j);
		else
			cJSON_AddItemToObject(all.json, n->items[i].key, j);
	}
	*ret = all;
	return 0;
}

/* ---- recording secrets ---------------------------------------------------------- */

static void record(struct resolve_recorder *r, const struct value *v)
{
	if (v->secret)
		resolve_strings(v->json, r->secrets);
}

static int recorded_var(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	struct resolve_recorder *r = ctx;
	return r->inner->var(r->inner->ctx, name, ret, err);
}

static int recorded_env(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	struct resolve_recorder *r = ctx;
	return r->inner->env(r->inner->ctx, name, ret, err);
}

static int recorded_secret(void *ctx, const char *name, struct value *ret, struct rn_error *err)
{
	struct resolve_recorder *r = ctx;
	if (r->inner->secret(r->inner->ctx, name, ret, err) < 0)
		return -1;
	ret->secret = true;
	record(r, ret);
	return 0;
}

static int recorded_output(void *ctx, const char *stage, const char *output, struct value *ret,
			   struct rn_error *err)
{
	struct resolve_recorder *r = ctx;
	if (r->inner->output(r->inner->ctx, stage, output, ret, err) < 0)
		return -1;
	record(r, ret);
	return 0;
}

static bool recorded_status(void *ctx, enum scope_status what)
{
	struct resolve_recorder *r = ctx;
	return r->inner->status(r->inner->ctx, what);
}

void resolve_recording(struct resolve_recorder *r, struct scope *ret)
{
	*ret = (struct scope){ .ctx = r, .var = recorded_var, .env = recorded_env, .secret = recorded_secret,
			       .output = recorded_output,
			       .status = r->inner->status ? recorded_status : NULL };
}

/* ---- scalars by type ------------------------------------------------------------ */

#define EXACT_MAX 9007199254740992.0 /* 2^53: beyond it a JSON number is not exact */

static cJSON *exact_number(double v, const char *digits)
{
	return v < EXACT_MAX && v > -EXACT_MAX ? cJSON_CreateNumber(v) : cJSON_CreateString(digits);
}

static int to_integer(const char *text, cJSON **ret, struct rn_error *err)
{
	int64_t v;
	if (rn_parse_int(text, INT64_MIN, INT64_MAX, &v, err) < 0)
		return -1;
	*ret = exact_number((double)v, text);
	return 0;
}

static int to_number(const char *text, cJSON **ret, struct rn_error *err)
{
	double v;
	if (rn_parse_double(text, &v, err) < 0)
		return -1;
	*ret = cJSON_CreateNumber(v);
	return 0;
}

static int to_boolean(const char *text, cJSON **ret, struct rn_error *err)
{
	bool v;
	if (rn_parse_bool(text, &v, err) < 0)
		return -1;
	*ret = cJSON_CreateBool(v);
	return 0;
}

static int to_duration(const char *text, cJSON **ret, struct rn_error *err)
{
	int64_t ms;
	if (rn_parse_duration(text, &ms, err) < 0)
		return -1;
	*ret = cJSON_CreateNumber((double)ms);
	return 0;
}

static int to_size(const char *text, cJSON **ret, struct rn_error *err)
{
	uint64_t bytes;
	if (rn_parse_size(text, &bytes, err) < 0)
		return -1;
	char digits[24];
	snprintf(digits, sizeof(digits), "%" PRIu64, bytes);
	*ret = exact_number((double)bytes, digits);
	return 0;
}

static const char *json_kind(const cJSON *j)
{
	return cJSON_IsArray(j) ? "a list" : cJSON_IsObject(j) ? "a map" : cJSON_IsNull(j) ? "nothing" :
	       cJSON_IsBool(j) ? "a boolean" : cJSON_IsNumber(j) ? "a number" : "a string";
}

/* The text that a value of another type is refused with. */
static int wrong_kind(enum runner_type type, const struct value *v, struct rn_error *err)
{
	static const char *const wanted[] = {
		[RUNNER_STRING] = "a string", [RUNNER_INTEGER] = "an integer", [RUNNER_NUMBER] = "a number",
		[RUNNER_BOOLEAN] = "true or false", [RUNNER_DURATION] = "a duration", [RUNNER_SIZE] = "a size",
		[RUNNER_PATH] = "a path",
	};
	return rn_fail(err, RN_EINVAL, "must be %s, not %s", wanted[type], json_kind(v->json));
}

int resolve_scalar(enum runner_type type, const struct value *v, cJSON **ret, struct rn_error *err)
{
	static int (*const converters[])(const char *, cJSON **, struct rn_error *) = {
		[RUNNER_INTEGER] = to_integer, [RUNNER_NUMBER] = to_number, [RUNNER_BOOLEAN] = to_boolean,
		[RUNNER_DURATION] = to_duration, [RUNNER_SIZE] = to_size,
	};
	bool text = type == RUNNER_STRING || type == RUNNER_PATH;
	if (!text && (type >= RN_LEN(converters) || !converters[type]))
		return rn_fail(err, RN_EINTERNAL, "type %d is no scalar", (int)type);
	if (!v->json || cJSON_IsNull(v->json) || cJSON_IsArray(v->json) || cJSON_IsObject(v->json))
		return wrong_kind(type, v, err);
	if (cJSON_IsBool(v->json) && !text && type != RUNNER_BOOLEAN)
		return wrong_kind(type, v, err);
	RN_AUTO(rn_freep) char *s = value_text(v);
	if (text) {
		*ret = cJSON_CreateString(s);
		return 0;
	}
	if (cJSON_IsBool(v->json)) { /* "True" is a boolean too */
		*ret = cJSON_Duplicate(v->json, 1);
		return 0;
	}
	if (converters[type](s, ret, err) < 0) {
		struct rn_error cause = *err;
		rn_fail(err, RN_EINVAL, "must be %s: %s", type == RUNNER_INTEGER ? "an integer" :
			type == RUNNER_NUMBER ? "a number" : type == RUNNER_BOOLEAN ? "true or false" :
			type == RUNNER_DURATION ? "a duration" : "a size", cause.msg);
		if (*cause.hint)
			rn_hint(err, "%s", cause.hint);
		return -1;
	}
	return 0;
}
