/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* ---- checking ---------------------------------------------------------------------- */

static const struct field *find(const struct field *f, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0 || strcmp(f[i].wire, name) == 0)
			return &f[i];
	return NULL;
}

/* "it takes a, b and c" */
static int say_members(const struct field *f, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	for (size_t i = 0; i < n; i++)
		rn_buf_addf(&b, "%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ", f[i].name);
	return rn_hint(err, "it takes %s", rn_buf_str(&b));
}

static bool is_choice(const char *one_of, const char *text)
{
	RN_AUTO(rn_strv_clear) struct rn_strv v = { 0 };
	rn_strv_split(&v, one_of ? one_of : "", '|');
	return !one_of || rn_strv_has(&v, text);
}

static int refuse_choice(const char *where, const struct field *f, const char *text, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *words = rn_replace(f->one_of, "|", ", ");
	return rn_fail(err, RN_EINVAL, "%s must be one of %s, not \"%s\"", where, words, text);
}

static int check_strings(const char *where, const struct field *f, const cJSON *v, struct rn_error *err)
{
	if (cJSON_IsString(v))
		return is_choice(f->one_of, v->valuestring) ? 0 : refuse_choice(where, f, v->valuestring, err);
	const cJSON *item;
	cJSON_ArrayForEach(item, v)
	{
		if (!cJSON_IsString(item))
			return rn_fail(err, RN_EINVAL, "%s must be a list of strings", where);
		if (!is_choice(f->one_of, item->valuestring))
			return refuse_choice(where, f, item->valuestring, err);
	}
	return cJSON_IsArray(v) ? 0 : rn_fail(err, RN_EINVAL, "%s must be a list of strings", where);
}

/* Seconds out of 90 or "90s"; NAN for anything else. */
static double seconds_of(const cJSON *v)
{
	int64_t ms;
	if (cJSON_IsNumber(v))
		return v->valuedouble;
	return cJSON_IsString(v) && rn_parse_duration(v->valuestring, &ms, NULL) == 0 ? (double)ms / 1000 : NAN;
}

static double number_of(const struct field *f, const cJSON *v)
{
	return f->kind == FIELD_SECONDS ? seconds_of(v) : cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static int check_number(const char *where, const struct field *f, const cJSON *v, struct rn_error *err)
{
	double n = number_of(f, v);
	if (!isnan(n) && n >= (double)f->min && n <= (double)f->max && floor(n) >= n)
		return 0;
	if (f->kind == FIELD_NUMBER)
		return rn_fail(err, RN_EINVAL, "%s must be %lld to %lld", where, (long long)f->min, (long long)f->max);
	rn_fail(err, RN_EINVAL, "%s must be whole seconds, %lld to %lld", where, (long long)f->min, (long long)f->max);
	return rn_hint(err, "for example 5m");
}

static int check_members(const char *where, const cJSON *o, const struct field *f, size_t n, struct rn_error *err);

static int check_one(const char *where, const struct field *f, const cJSON *v, struct rn_error *err)
{
	switch (f->kind) {
	case FIELD_TEXT:
		if (!cJSON_IsString(v))
			return rn_fail(err, RN_EINVAL, "%s must be a string", where);
		return is_choice(f->one_of, v->valuestring) ? 0 : refuse_choice(where, f, v->valuestring, err);
	case FIELD_LIST:
	case FIELD_SET:
	case FIELD_NAMES:
		return check_strings(where, f, v, err);
	case FIELD_FLAG:
		return cJSON_IsBool(v) ? 0 : rn_fail(err, RN_EINVAL, "%s must be true or false", where);
	case FIELD_NUMBER:
	case FIELD_SECONDS:
		return check_number(where, f, v, err);
	case FIELD_MAP:
		return check_members(where, v, f->inner, f->n_inner, err);
	}
	return 0;
}

static int check_members(const char *where, const cJSON *o, const struct field *f, size_t n, struct rn_error *err)
{
	if (!cJSON_IsObject(o)) {
		rn_fail(err, RN_EINVAL, "%s must be a map", where);
		return say_members(f, n, err);
	}
	const cJSON *item;
	cJSON_ArrayForEach(item, o)
	{
		const struct field *known = find(f, n, item->string);
		if (!known) {
			rn_fail(err, RN_EINVAL, "%s has no member \"%s\"", where, item->string);
			return say_members(f, n, err);
		}
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s.%s", where, known->name);
		if (check_one(inner, known, item, err) < 0)
			return -1;
	}
	return 0;
}

int fields_check(const char *param, const char *text, const struct field *f, size_t n, struct rn_error *err)
{
	if (!text)
		return 0;
	RN_AUTO(rn_json_freep) cJSON *o = rn_json_parse_str(text, err);
	return o ? check_members(param, o, f, n, err) : rn_wrap(err, "%s", param);
}

/* ---- one form ------------------------------------------------------------------------ */

static cJSON *strings(const cJSON *list, enum field_kind kind)
{
	RN_AUTO(rn_strv_clear) struct rn_strv v = { 0 };
	const cJSON *item;
	if (cJSON_IsString(list))
		rn_strv_add(&v, list->valuestring);
	else
		cJSON_ArrayForEach(item, list)
			rn_strv_add(&v, cJSON_IsString(item) ? item->valuestring : "");
	for (size_t i = 0; kind == FIELD_NAMES && i < v.n; i++)
		rn_lower(v.v[i]);
	if (kind != FIELD_LIST && v.n)
		rn_strv_sort(&v);
	cJSON *copy = cJSON_CreateArray();
	for (size_t i = 0; i < v.n; i++)
		cJSON_AddItemToArray(copy, cJSON_CreateString(v.v[i]));
	return copy;
}

static cJSON *take_one(const struct field *f, const cJSON *v)
{
	double n;
	switch (f->kind) {
	case FIELD_LIST:
	case FIELD_SET:
	case FIELD_NAMES:
		return strings(v, f->kind);
	case FIELD_FLAG:
		return cJSON_CreateBool(cJSON_IsTrue(v));
	case FIELD_NUMBER:
	case FIELD_SECONDS:
		n = number_of(f, v);
		return cJSON_CreateNumber(isnan(n) ? (double)f->def : n);
	case FIELD_MAP:
		return fields_take(v, f->inner, f->n_inner);
	case FIELD_TEXT:
		break;
	}
	return cJSON_CreateString(cJSON_IsString(v) ? v->valuestring : "");
}

cJSON *fields_take(const cJSON *o, const struct field *f, size_t n)
{
	cJSON *all = cJSON_CreateObject();
	for (size_t i = 0; i < n; i++) {
		const cJSON *v = rn_json_get(o, f[i].name);
		cJSON_AddItemToObject(all, f[i].wire, take_one(&f[i], v ? v : rn_json_get(o, f[i].wire)));
	}
	return all;
}

cJSON *fields_take_text(const char *text, const struct field *f, size_t n)
{
	RN_AUTO(rn_json_freep) cJSON *o = text ? rn_json_parse_str(text, NULL) : NULL;
	return fields_take(o, f, n);
}

const char *fields_spoken(const struct field *f, size_t n, const char *wire)
{
	const struct field *known = find(f, n, wire);
	for (size_t i = 0; i < n && !known; i++)
		known = find(f[i].inner, f[i].n_inner, wire);
	return known ? known->name : wire;
}

bool fields_empty(const cJSON *v)
{
	const cJSON *item;
	if (cJSON_IsString(v))
		return !*v->valuestring;
	if (cJSON_IsNumber(v))
		return false;
	cJSON_ArrayForEach(item, v)
	{
		if (cJSON_IsArray(v) || !fields_empty(item))
			return false;
	}
	return !cJSON_IsTrue(v);
}
