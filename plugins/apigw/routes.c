/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters to routes: short form and list, defaults, and every mistake that can be seen offline. */
#include "routes.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void route_clear(struct route *r)
{
	rn_freep(&r->path);
	rn_freep(&r->method);
	rn_freep(&r->function);
	rn_freep(&r->authorization);
	rn_json_freep(&r->cors);
}

void routes_clear(struct routes *r)
{
	for (size_t i = 0; i < r->n; i++)
		route_clear(&r->v[i]);
	rn_freep(&r->v);
	r->n = r->cap = 0;
}

bool routes_need_key(const struct routes *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].key_required)
			return true;
	return false;
}

/* ---- pieces --------------------------------------------------------------------------- */

static bool segment_ok(const char *s, size_t n, bool last)
{
	bool variable = n > 2 && s[0] == '{' && s[n - 1] == '}';
	if (variable) {
		s++;
		n -= 2;
		if (last && s[n - 1] == '+')
			n--;
	}
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(variable ? "._-" : "._-:$", s[i]))
			return false;
	return n > 0;
}

/* "predict", "/predict/", "/" -> "/predict", "/"; new string. */
static char *clean_path(const char *text, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	const char *p = text;
	while (*p == '/')
		p++;
	while (*p) {
		size_t n = strcspn(p, "/");
		const char *next = p + n + (p[n] == '/');
		if (!segment_ok(p, n, *next == '\0')) {
			rn_fail(err, RN_EINVAL, "\"%.*s\" in the path \"%s\" cannot be a part of a resource", (int)n, p, text);
			rn_hint(err, "a part is letters, digits and . _ - : or a variable {name}; the last may be {name+}");
			return NULL;
		}
		rn_buf_addf(&b, "/%.*s", (int)n, p);
		p = next;
	}
	if (b.len == 0)
		rn_buf_addc(&b, '/');
	return rn_buf_take(&b);
}

static char *clean_method(const char *text, struct rn_error *err)
{
	static const char *const known[] = { "ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT" };
	RN_AUTO(rn_freep) char *m = rn_strdup(text);
	for (char *c = m; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	for (size_t i = 0; i < RN_LEN(known); i++)
		if (strcmp(known[i], m) == 0)
			return rn_take(&m);
	const char *near = rn_nearest(m, known, RN_LEN(known));
	rn_fail(err, RN_EINVAL, "API Gateway has no method \"%s\"", text);
	rn_hint(err, "did you mean %s? Methods are ANY, DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT", near ? near : "ANY");
	return NULL;
}

/* A string, or a list of strings joined with ','; NULL for anything else. New string. */
static char *joined(const cJSON *v)
{
	RN_AUTO(rn_strv_clear) struct rn_strv l = { 0 };
	const cJSON *item;
	if (cJSON_IsString(v))
		return rn_strdup(v->valuestring);
	cJSON_ArrayForEach(item, v)
	{
		if (!cJSON_IsString(item))
			return NULL;
		rn_strv_add(&l, item->valuestring);
	}
	return cJSON_IsArray(v) && l.n ? rn_strv_join(&l, ",") : NULL;
}

static int cors_member(cJSON *cors, const cJSON *given, const char *name, const char *otherwise, struct rn_error *err)
{
	const cJSON *v = rn_json_get(given, name);
	RN_AUTO(rn_freep) char *text = v ? joined(v) : rn_strdup(otherwise);
	if (!text)
		return rn_fail(err, RN_EINVAL, "cors.%s must be a string or a list of strings", name);
	cJSON_AddStringToObject(cors, name, text);
	return 0;
}

/* true, false or {origins, methods, headers, max_age} -> the whole form; *ret NULL: no CORS. */
static int parse_cors(const cJSON *given, const char *method, cJSON **ret, struct rn_error *err)
{
	static const char *const known[] = { "origins", "methods", "headers", "max_age" };
	*ret = NULL;
	if (!given || cJSON_IsFalse(given) || cJSON_IsNull(given))
		return 0;
	if (!cJSON_IsTrue(given) && !cJSON_IsObject(given))
		return rn_fail(err, RN_EINVAL, "cors must be true, false or a map with origins, methods, headers and max_age");
	const cJSON *item;
	cJSON_ArrayForEach(item, given)
	{
		bool found = false;
		for (size_t i = 0; i < RN_LEN(known); i++)
			found |= strcmp(known[i], item->string) == 0;
		if (!found) {
			rn_fail(err, RN_EINVAL, "cors has no member \"%s\"", item->string);
			return rn_hint(err, "it takes origins, methods, headers and max_age");
		}
	}
	RN_AUTO(rn_json_freep) cJSON *cors = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *methods = rn_asprintf(
		"%s,OPTIONS", strcmp(method, "ANY") == 0 ? "DELETE,GET,HEAD,PATCH,POST,PUT" : method);
	if (cors_member(cors, given, "origins", "*", err) < 0 || cors_member(cors, given, "methods", methods, err) < 0 ||
	    cors_member(cors, given, "headers",
			"Content-Type,Authorization,X-Amz-Date,X-Api-Key,X-Amz-Security-Token", err) < 0)
		return -1;
	const cJSON *age = rn_json_get(given, "max_age");
	if (age && (!cJSON_IsNumber(age) || age->valuedouble < 0))
		return rn_fail(err, RN_EINVAL, "cors.max_age must be a number of seconds");
	if (strchr(rn_json_str(cors, "origins"), ','))
		return rn_fail(err, RN_EINVAL, "cors.origins: a fixed answer can name one origin or \"*\"; for several, let the "
					       "function answer OPTIONS itself (a route with method OPTIONS)");
	if (age) {
		RN_AUTO(rn_freep) char *seconds = rn_asprintf("%.0f", age->valuedouble);
		cJSON_AddStringToObject(cors, "max_age", seconds);
	}
	*ret = rn_take(&cors);
	return 0;
}

/* ---- routes ----------------------------------------------------------------------------- */

struct defaults {
	const struct apigw_params *p;
	const cJSON *cors;
};

int routes_add(struct routes *to, const char *path, const char *method, const char *function, const char *authorization,
	       bool key_required, struct rn_error *err)
{
	struct route r = { 0 };
	r.path = clean_path(path, err);
	r.method = r.path ? clean_method(method, err) : NULL;
	r.function = function && *function ? rn_strdup(function) : NULL;
	r.authorization = rn_strdup(authorization);
	r.key_required = key_required;
	if (!r.method) {
		route_clear(&r);
		return -1;
	}
	to->v = rn_grow(to->v, &to->cap, to->n + 1, sizeof r);
	to->v[to->n++] = r;
	return 0;
}

static int add_route(struct routes *to, const char *path, const char *method, const char *function,
		     const char *authorization, bool key, const cJSON *cors, struct rn_error *err)
{
	if (routes_add(to, path, method, function, authorization, key, err) < 0)
		return -1;
	struct route *r = &to->v[to->n - 1];
	return parse_cors(cors, r->method, &r->cors, err);
}

static int check_members(const cJSON *route, struct rn_error *err)
{
	static const char *const known[] = { "path", "method", "function", "api_key_required", "authorization", "cors", "throttle" };
	const cJSON *item;
	cJSON_ArrayForEach(item, route)
	{
		bool found = false;
		for (size_t i = 0; i < RN_LEN(known); i++)
			found |= strcmp(known[i], item->string) == 0;
		if (!found) {
			const char *near = rn_nearest(item->string, known, RN_LEN(known));
			rn_fail(err, RN_EINVAL, "a route has no member \"%s\"", item->string);
			return near ? rn_hint(err, "did you mean %s?", near) :
				      rn_hint(err, "it takes path, method, function, api_key_required, authorization, cors and throttle");
		}
		bool boolean = strcmp(item->string, "api_key_required") == 0;
		bool map = strcmp(item->string, "cors") == 0 || strcmp(item->string, "throttle") == 0;
		if (!map && (boolean ? !cJSON_IsBool(item) : !cJSON_IsString(item)))
			return rn_fail(err, RN_EINVAL, "%s of a route must be %s", item->string,
				       boolean ? "true or false" : "a string");
	}
	return 0;
}

static int add_listed(struct routes *to, const cJSON *route, const struct defaults *d, struct rn_error *err)
{
	if (!cJSON_IsObject(route))
		return rn_fail(err, RN_EINVAL, "each of routes must be a map such as {path: predict, method: POST}");
	if (check_members(route, err) < 0)
		return -1;
	const char *path = rn_json_str(route, "path"), *method = rn_json_str(route, "method");
	const char *function = rn_json_str(route, "function"), *authorization = rn_json_str(route, "authorization");
	const cJSON *cors = rn_json_get(route, "cors");
	if (!path)
		return rn_fail(err, RN_EINVAL, "a route needs a path");
	authorization = authorization ? authorization : d->p->authorization;
	if (authorization && strcmp(authorization, "NONE") != 0 && strcmp(authorization, "AWS_IAM") != 0 && strcmp(authorization, "CUSTOM") != 0)
		return rn_fail(err, RN_EINVAL, "authorization of a route is NONE, AWS_IAM or CUSTOM, not \"%s\"", authorization);
	if (add_route(to, path, method ? method : "ANY", function ? function : d->p->function,
		      authorization ? authorization : "NONE",
		      rn_json_bool(route, "api_key_required", d->p->api_key_required), cors ? cors : d->cors, err) < 0)
		return -1;
	return throttle_parse(rn_json_get(route, "throttle"), "throttle of a route", &to->v[to->n - 1].throttle, err);
}

static int by_place(const void *a, const void *b)
{
	const struct route *x = a, *y = b;
	int c = strcmp(x->path, y->path);
	return c ? c : strcmp(x->method, y->method);
}

void routes_sort(struct routes *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof r->v[0], by_place);
}

static int check_set(const struct routes *r, struct rn_error *err)
{
	for (size_t i = 0; i + 1 < r->n; i++) {
		if (by_place(&r->v[i], &r->v[i + 1]) == 0)
			return rn_fail(err, RN_EINVAL, "the route %s %s is given twice", r->v[i].method, r->v[i].path);
	}
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].cors && strcmp(r->v[i].method, "OPTIONS") == 0)
			return rn_fail(err, RN_EINVAL, "cors answers OPTIONS %s, which is also a route of its own", r->v[i].path);
	}
	return 0;
}

int routes_parse(const struct apigw_params *p, struct routes *ret, const char **ret_param, struct rn_error *err)
{
	RN_AUTO(rn_json_freep) cJSON *list = p->routes.text ? rn_json_parse_str(p->routes.text, NULL) : NULL;
	RN_AUTO(rn_json_freep) cJSON *cors = p->cors.text ? rn_json_parse_str(p->cors.text, NULL) : NULL;
	struct defaults d = { p, cors };
	RN_AUTO(routes_clear) struct routes r = { 0 };
	*ret_param = "resource";
	bool single = p->resource || !p->routes.text;
	if (single && add_route(&r, p->resource ? p->resource : "/", p->method && *p->method ? p->method : "ANY", p->function,
				p->authorization ? p->authorization : "NONE", p->api_key_required, cors, err) < 0) {
		if (strstr(err->msg, "cors"))
			*ret_param = "cors";
		else if (strstr(err->msg, "method"))
			*ret_param = "method";
		return -1;
	}
	*ret_param = "routes";
	if (p->routes.text && !cJSON_IsArray(list))
		return rn_fail(err, RN_EINVAL, "routes must be a list such as [{path: predict, method: POST}]");
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		if (add_listed(&r, item, &d, err) < 0)
			return -1;
	}
	if (r.n == 0)
		return rn_fail(err, RN_EINVAL, "routes is empty, and an API without a route answers nothing: leave it out, or list a route");
	routes_sort(&r);
	if (check_set(&r, err) < 0)
		return -1;
	*ret_param = NULL;
	*ret = r;
	r = (struct routes){ 0 };
	return 0;
}
