/* SPDX-License-Identifier: Apache-2.0 */
#include "json_schema.h"

#include "pattern.h"

#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 64, STEPS_MAX = 200000 };

static const char *const TYPES[] = { "null", "boolean", "integer", "number", "string", "array", "object" };
static const char *const SILENT[] = { "$schema", "id", "title", "description", "default", "format" };
static const char *const KNOWN[] = {
	"type", "enum", "properties", "required", "additionalProperties", "minProperties", "maxProperties", "items", "minItems",
	"maxItems", "uniqueItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
	"pattern", "allOf", "anyOf", "oneOf", "not", "definitions", "$ref",
};

static bool one_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rn_streq(name, list[i]))
			return true;
	return false;
}

/* ---- schemas -------------------------------------------------------------------------------- */

static int check_at(const cJSON *s, int depth, struct rn_strv *unknown, struct rn_error *err);

static int check_all(const cJSON *list, int depth, struct rn_strv *unknown, struct rn_error *err)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, list)
	{
		if (check_at(one, depth + 1, unknown, err) < 0)
			return -1;
	}
	return 0;
}

static int check_type(const cJSON *type, struct rn_error *err)
{
	const cJSON *one;
	if (cJSON_IsString(type))
		return one_of(type->valuestring, TYPES, RN_LEN(TYPES)) ? 0 : rn_fail(err, RN_EINVAL, "no type is called %s", type->valuestring);
	cJSON_ArrayForEach(one, type)
	{
		if (!one_of(cJSON_GetStringValue(one), TYPES, RN_LEN(TYPES)))
			return rn_fail(err, RN_EINVAL, "type must name types");
	}
	return cJSON_IsArray(type) && type->child ? 0 : rn_fail(err, RN_EINVAL, "type must be a name or a list of names");
}

static bool has_twins(const cJSON *list)
{
	RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
	const cJSON *item;
	bool found = false;
	cJSON_ArrayForEach(item, list)
		rn_strv_take(&all, rn_json_canonical(item));
	if (all.n)
		rn_strv_sort(&all);
	for (size_t i = 1; i < all.n && !found; i++)
		found = strcmp(all.v[i - 1], all.v[i]) == 0;
	return found;
}

/* A list of one or more, with no two alike. */
static int check_set(const cJSON *set, const char *name, bool strings, struct rn_error *err)
{
	if (!cJSON_IsArray(set) || !set->child)
		return rn_fail(err, RN_EINVAL, "%s must be a list that is not empty", name);
	for (const cJSON *a = set->child; a; a = a->next)
		if (strings && !cJSON_IsString(a))
			return rn_fail(err, RN_EINVAL, "%s must be a list of strings", name);
	return has_twins(set) ? rn_fail(err, RN_EINVAL, "%s has one value twice", name) : 0;
}

static int check_form(const cJSON *k, struct rn_error *err)
{
	static const char *const counts[] = { "minProperties", "maxProperties", "minItems", "maxItems", "minLength", "maxLength" };
	static const char *const numbers[] = { "minimum", "maximum", "multipleOf" };
	static const char *const flags[] = { "uniqueItems", "exclusiveMinimum", "exclusiveMaximum" };
	const char *name = k->string;
	if (one_of(name, counts, RN_LEN(counts)) && (!cJSON_IsNumber(k) || k->valuedouble < 0 || k->valuedouble != floor(k->valuedouble)))
		return rn_fail(err, RN_EINVAL, "%s must be a whole number, 0 or more", name);
	if (one_of(name, numbers, RN_LEN(numbers)) && !cJSON_IsNumber(k))
		return rn_fail(err, RN_EINVAL, "%s must be a number", name);
	if (rn_streq(name, "multipleOf") && k->valuedouble <= 0)
		return rn_fail(err, RN_EINVAL, "multipleOf must be above 0");
	if (one_of(name, flags, RN_LEN(flags)) && !cJSON_IsBool(k))
		return rn_fail(err, RN_EINVAL, "%s must be true or false", name);
	if (rn_streq(name, "pattern") && (!cJSON_IsString(k) || pattern_matches(k->valuestring, "") < 0))
		return rn_fail(err, RN_EINVAL, "the pattern %s is not of the part of regular expressions that this local cloud knows",
			       cJSON_IsString(k) ? k->valuestring : "");
	if (rn_streq(name, "$ref") && !cJSON_IsString(k))
		return rn_fail(err, RN_EINVAL, "$ref must be a string");
	return 0;
}

static int check_keyword(const cJSON *k, int depth, struct rn_strv *unknown, struct rn_error *err)
{
	const char *name = k->string;
	if (!one_of(name, KNOWN, RN_LEN(KNOWN))) {
		if (!one_of(name, SILENT, RN_LEN(SILENT)) && !rn_strv_has(unknown, name))
			rn_strv_add(unknown, name);
		return 0;
	}
	if (rn_streq(name, "type"))
		return check_type(k, err);
	if (rn_streq(name, "enum") || rn_streq(name, "required"))
		return check_set(k, name, *name == 'r', err);
	if (rn_streq(name, "properties") || rn_streq(name, "definitions"))
		return cJSON_IsObject(k) ? check_all(k, depth, unknown, err) : rn_fail(err, RN_EINVAL, "%s must be a map of schemas", name);
	if (rn_streq(name, "allOf") || rn_streq(name, "anyOf") || rn_streq(name, "oneOf"))
		return cJSON_IsArray(k) && k->child ? check_all(k, depth, unknown, err) :
						      rn_fail(err, RN_EINVAL, "%s must be a list of schemas", name);
	if (rn_streq(name, "items"))
		return cJSON_IsArray(k) ? check_all(k, depth, unknown, err) : check_at(k, depth + 1, unknown, err);
	if (rn_streq(name, "not") || (rn_streq(name, "additionalProperties") && !cJSON_IsBool(k)))
		return check_at(k, depth + 1, unknown, err);
	return check_form(k, err);
}

static int check_at(const cJSON *s, int depth, struct rn_strv *unknown, struct rn_error *err)
{
	const cJSON *k;
	if (!cJSON_IsObject(s))
		return rn_fail(err, RN_EINVAL, "a schema must be an object");
	if (depth > DEPTH_MAX)
		return rn_fail(err, RN_EINVAL, "the schema is nested more than %d deep", DEPTH_MAX);
	cJSON_ArrayForEach(k, s)
	{
		if (check_keyword(k, depth, unknown, err) < 0)
			return -1;
	}
	return 0;
}

int schema_check(const cJSON *schema, struct rn_strv *ret_keywords, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv unknown = { 0 };
	if (check_at(schema, 0, &unknown, err) < 0)
		return -1;
	if (unknown.n == 0)
		return 0;
	RN_AUTO(rn_freep) char *names = rn_strv_join(&unknown, ", ");
	for (size_t i = 0; ret_keywords && i < unknown.n; i++)
		rn_strv_add(ret_keywords, unknown.v[i]);
	return rn_fail(err, RN_EUNSUPPORTED, "unsupported keywords: %s", names);
}

/* ---- values ------------------------------------------------------------------------------------- */

struct check {
	const cJSON *root; /* of the schema that "#…" is in */
	schema_find_fn *find;
	void *ctx;
	int depth, *steps;
	struct rn_error *err;
};

static int check_value(struct check c, const cJSON *s, const cJSON *v);

static const char *type_of(const cJSON *v)
{
	if (cJSON_IsNumber(v))
		return v->valuedouble == floor(v->valuedouble) ? "integer" : "number";
	return cJSON_IsNull(v) ? "null" : cJSON_IsBool(v) ? "boolean" : cJSON_IsString(v) ? "string" : cJSON_IsArray(v) ? "array" : "object";
}

static bool has_type(const cJSON *v, const char *type)
{
	const char *own = type_of(v);
	return rn_streq(own, type) || (rn_streq(own, "integer") && rn_streq(type, "number"));
}

static int value_type(const struct check *c, const cJSON *type, const cJSON *v)
{
	const cJSON *one;
	RN_AUTO(rn_freep) char *allowed = rn_json_print(type);
	if (cJSON_IsString(type) && has_type(v, type->valuestring))
		return 0;
	cJSON_ArrayForEach(one, type)
	{
		if (has_type(v, one->valuestring))
			return 0;
	}
	return rn_fail(c->err, RN_EINVAL, "instance type (%s) does not match any allowed primitive type (allowed: %s%s%s)", type_of(v),
		       cJSON_IsArray(type) ? "" : "[", allowed, cJSON_IsArray(type) ? "" : "]");
}

static int value_enum(const struct check *c, const cJSON *list, const cJSON *v)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, list)
	{
		if (rn_json_equal(one, v))
			return 0;
	}
	RN_AUTO(rn_freep) char *values = rn_json_print(list);
	return rn_fail(c->err, RN_EINVAL, "instance value not found in enum (possible values: %s)", values);
}

static int value_object(const struct check *c, const cJSON *s, const cJSON *v)
{
	const cJSON *properties = rn_json_get(s, "properties"), *more = rn_json_get(s, "additionalProperties"), *item;
	RN_AUTO(rn_strv_clear) struct rn_strv missing = { 0 };
	cJSON_ArrayForEach(item, rn_json_get(s, "required"))
	{
		if (!rn_json_get(v, item->valuestring))
			rn_strv_addf(&missing, "\"%s\"", item->valuestring);
	}
	if (missing.n) {
		RN_AUTO(rn_freep) char *names = rn_strv_join(&missing, ",");
		return rn_fail(c->err, RN_EINVAL, "object has missing required properties ([%s])", names);
	}
	int n = cJSON_GetArraySize(v);
	if (n < rn_json_num(s, "minProperties", 0) || n > rn_json_num(s, "maxProperties", INT32_MAX))
		return rn_fail(c->err, RN_EINVAL, "object has too %s properties (found %d)", n < rn_json_num(s, "minProperties", 0) ? "few" : "many", n);
	cJSON_ArrayForEach(item, v)
	{
		const cJSON *own = rn_json_get(properties, item->string);
		if (!own && cJSON_IsFalse(more))
			return rn_fail(c->err, RN_EINVAL, "object instance has properties which are not allowed by the schema: [\"%s\"]", item->string);
		own = own ? own : cJSON_IsObject(more) ? more : NULL;
		if (own && check_value(*c, own, item) < 0)
			return -1;
	}
	return 0;
}

static int value_array(const struct check *c, const cJSON *s, const cJSON *v)
{
	const cJSON *items = rn_json_get(s, "items"), *item, *schema = cJSON_IsArray(items) ? items->child : items;
	int n = cJSON_GetArraySize(v);
	if (n < rn_json_num(s, "minItems", 0) || n > rn_json_num(s, "maxItems", INT32_MAX))
		return rn_fail(c->err, RN_EINVAL, "array is too %s (found %d)", n < rn_json_num(s, "minItems", 0) ? "short" : "long", n);
	if (rn_json_bool(s, "uniqueItems", false) && has_twins(v))
		return rn_fail(c->err, RN_EINVAL, "array must not contain duplicate elements");
	cJSON_ArrayForEach(item, v)
	{
		if (schema && check_value(*c, schema, item) < 0)
			return -1;
		if (cJSON_IsArray(items) && schema)
			schema = schema->next;
	}
	return 0;
}

static int value_number(const struct check *c, const cJSON *s, double v)
{
	double low = rn_json_num(s, "minimum", -INFINITY), high = rn_json_num(s, "maximum", INFINITY), step = rn_json_num(s, "multipleOf", 0);
	if (v < low || (v <= low && rn_json_bool(s, "exclusiveMinimum", false)))
		return rn_fail(c->err, RN_EINVAL, "numeric instance is lower than the required minimum (minimum: %.15g, found: %.15g)", low, v);
	if (v > high || (v >= high && rn_json_bool(s, "exclusiveMaximum", false)))
		return rn_fail(c->err, RN_EINVAL, "numeric instance is greater than the required maximum (maximum: %.15g, found: %.15g)", high, v);
	if (step > 0 && fabs(remainder(v, step)) > 1e-9 * fmax(1, fabs(v)))
		return rn_fail(c->err, RN_EINVAL, "numeric instance is not a multiple of %.15g", step);
	return 0;
}

static int value_string(const struct check *c, const cJSON *s, const char *v)
{
	const char *pattern = rn_json_str(s, "pattern");
	double n = 0;
	for (const char *p = v; *p; p++)
		n += ((unsigned char)*p & 0xc0) != 0x80;
	if (n < rn_json_num(s, "minLength", 0) || n > rn_json_num(s, "maxLength", INT32_MAX))
		return rn_fail(c->err, RN_EINVAL, "string is too %s (length: %.0f)", n < rn_json_num(s, "minLength", 0) ? "short" : "long", n);
	if (pattern && pattern_matches(pattern, v) != 1)
		return rn_fail(c->err, RN_EINVAL, "ECMA 262 regex \"%s\" does not match input string", pattern);
	return 0;
}

static int value_choice(const struct check *c, const cJSON *list, const cJSON *v, const char *name)
{
	struct rn_error last = { 0 };
	struct check quiet = *c;
	int fits = 0, all = cJSON_GetArraySize(list);
	quiet.err = &last;
	for (const cJSON *one = list->child; one; one = one->next)
		fits += check_value(quiet, one, v) == 0;
	bool right = *name == 'o' ? fits == 1 : name[1] == 'l' ? fits == all : fits > 0;
	return right ? 0 : rn_fail(c->err, RN_EINVAL, "instance matches %d of the %d schemas of %s", fits, all, name);
}

static int value_not(const struct check *c, const cJSON *s, const cJSON *v)
{
	struct rn_error ignored = { 0 };
	struct check quiet = *c;
	quiet.err = &ignored;
	return check_value(quiet, s, v) < 0 ? 0 : rn_fail(c->err, RN_EINVAL, "instance matches a schema which it must not");
}

/* "#", "#/definitions/X" in the same schema; else it is looked up. */
static int value_ref(const struct check *c, const char *ref, const cJSON *v)
{
	struct check next = *c;
	const cJSON *s = *ref == '#' ? c->root : NULL;
	RN_AUTO(rn_strv_clear) struct rn_strv parts = { 0 };
	rn_strv_split(&parts, *ref == '#' && ref[1] == '/' ? ref + 2 : "", '/');
	for (size_t i = 0; i < parts.n && s; i++)
		s = *parts.v[i] ? rn_json_get(s, parts.v[i]) : s;
	if (!s && c->find)
		next.root = s = c->find(c->ctx, ref);
	if (!s)
		return rn_fail(c->err, RN_EINVAL, "the schema refers to %s, which does not exist", ref);
	return check_value(next, s, v);
}

static int check_value(struct check c, const cJSON *s, const cJSON *v)
{
	static const char *const choices[] = { "allOf", "anyOf", "oneOf" };
	if (++c.depth > DEPTH_MAX || ++*c.steps > STEPS_MAX)
		return rn_fail(c.err, RN_EINVAL, "schema and instance are too deep to be compared");
	const char *ref = rn_json_str(s, "$ref");
	if (ref)
		return value_ref(&c, ref, v);
	const cJSON *type = rn_json_get(s, "type"), *list = rn_json_get(s, "enum"), *no = rn_json_get(s, "not");
	if ((type && value_type(&c, type, v) < 0) || (list && value_enum(&c, list, v) < 0) || (no && value_not(&c, no, v) < 0))
		return -1;
	for (size_t i = 0; i < RN_LEN(choices); i++) {
		const cJSON *choice = rn_json_get(s, choices[i]);
		if (choice && value_choice(&c, choice, v, choices[i]) < 0)
			return -1;
	}
	if (cJSON_IsObject(v))
		return value_object(&c, s, v);
	if (cJSON_IsArray(v))
		return value_array(&c, s, v);
	if (cJSON_IsNumber(v))
		return value_number(&c, s, v->valuedouble);
	return cJSON_IsString(v) ? value_string(&c, s, v->valuestring) : 0;
}

int schema_validate(const cJSON *schema, const cJSON *value, schema_find_fn *find, void *ctx, struct rn_error *err)
{
	int steps = 0;
	struct check c = { .root = schema, .find = find, .ctx = ctx, .steps = &steps, .err = err };
	return check_value(c, schema, value);
}
