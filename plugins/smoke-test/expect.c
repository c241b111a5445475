/* SPDX-License-Identifier: Apache-2.0 */
/* Expectations: status, headers, JSON (whole, subset, by path), text, latency. */
#include "expect.h"

#include "base/mem.h"
#include "json_diff.h"
#include "json_path.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 200

/* ---- form ------------------------------------------------------------------------------- */

static const char *const text_checks[] = { "equals", "contains", "not_contains", "regex" };

static int check_regex(const char *pattern, const char *where, struct rn_error *err)
{
	regex_t re;
	int rc = regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
	if (rc) {
		char text[128];
		regerror(rc, &re, text, sizeof(text));
		return rn_fail(err, RN_EINVAL, "%s: the regular expression \"%s\" is wrong: %s",
			       where, pattern, text);
	}
	regfree(&re);
	return 0;
}

static int unknown_key(const char *where, const char *key, const char *const *names, size_t n,
		       struct rn_error *err)
{
	const char *near = rn_nearest(key, names, n);
	struct rn_strv list = { 0 };
	for (size_t i = 0; i < n; i++)
		rn_strv_add(&list, names[i]);
	RN_AUTO(rn_freep) char *all = rn_strv_join(&list, ", ");
	rn_strv_clear(&list);
	rn_fail(err, RN_EINVAL, "%s has no key \"%s\"", where, key);
	return near ? rn_hint(err, "did you mean \"%s\"? It has %s", near, all)
		    : rn_hint(err, "it has %s", all);
}

/* A text expectation: a string, or {equals, contains, not_contains, regex}; headers also take a
 * boolean. */
static int check_text(const cJSON *v, const char *where, bool boolean, struct rn_error *err)
{
	if (cJSON_IsString(v) || (boolean && cJSON_IsBool(v)))
		return 0;
	if (!cJSON_IsObject(v) || !v->child)
		return rn_fail(
			err, RN_EINVAL,
			"%s is a text, or a map with equals, contains, not_contains or regex",
			where);
	for (const cJSON *m = v->child; m; m = m->next) {
		bool known = false;
		for (size_t i = 0; i < RN_LEN(text_checks); i++)
			known |= rn_streq(m->string, text_checks[i]);
		if (!known)
			return unknown_key(where, m->string, text_checks, RN_LEN(text_checks), err);
		if (!cJSON_IsString(m))
			return rn_fail(err, RN_EINVAL, "%s.%s is not a text", where, m->string);
		if (rn_streq(m->string, "regex") && check_regex(m->valuestring, where, err) < 0)
			return -1;
	}
	return 0;
}

static bool is_status(const cJSON *v)
{
	if (cJSON_IsNumber(v))
		return v->valuedouble >= 100 && v->valuedouble <= 599 &&
		       v->valuedouble == (int)v->valuedouble;
	return cJSON_IsString(v) && strlen(v->valuestring) == 3 && v->valuestring[0] >= '1' &&
	       v->valuestring[0] <= '5' &&
	       (rn_streq(v->valuestring + 1, "xx") ||
		strspn(v->valuestring + 1, "0123456789") == 2);
}

static int check_status(const cJSON *v, const char *where, struct rn_error *err)
{
	bool good = cJSON_IsArray(v) ? v->child != NULL : is_status(v);
	for (const cJSON *item = cJSON_IsArray(v) ? v->child : NULL; item; item = item->next)
		good = good && is_status(item);
	return good ? 0
		    : rn_fail(err, RN_EINVAL,
			      "%s is a status like 200, a class like \"2xx\", or a list of them",
			      where);
}

static int check_headers(const cJSON *v, const char *where, struct rn_error *err)
{
	if (!cJSON_IsObject(v))
		return rn_fail(err, RN_EINVAL, "%s is a map from header name to text", where);
	for (const cJSON *m = v->child; m; m = m->next) {
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s.%s", where, m->string);
		if (check_text(m, inner, true, err) < 0)
			return -1;
	}
	return 0;
}

static int check_body(const cJSON *v, const char *where, struct rn_error *err)
{
	return check_text(v, where, false, err);
}

static int check_any(const cJSON *v, const char *where, struct rn_error *err)
{
	(void)v, (void)where, (void)err;
	return 0;
}

static int check_paths(const cJSON *v, const char *where, struct rn_error *err)
{
	if (!cJSON_IsObject(v))
		return rn_fail(err, RN_EINVAL, "%s is a map from a path like $.a[0].b to a value", where);
	for (const cJSON *m = v->child; m; m = m->next)
		if (json_path_check(m->string, err) < 0)
			return rn_wrap(err, "%s", where);
	return 0;
}

/* Milliseconds of "500ms" or of a number of seconds; -1 when it is neither. */
static int64_t latency_ms(const cJSON *v)
{
	int64_t ms = -1;
	if (cJSON_IsNumber(v))
		return v->valuedouble >= 0 ? (int64_t)(v->valuedouble * 1000) : -1;
	if (!cJSON_IsString(v) || rn_parse_duration(v->valuestring, &ms, NULL) < 0)
		return -1;
	return ms;
}

static int check_latency(const cJSON *v, const char *where, struct rn_error *err)
{
	return latency_ms(v) >= 0 ? 0
				  : rn_fail(err, RN_EINVAL, "%s is a duration like 500ms", where);
}

/* ---- comparing --------------------------------------------------------------------------- */

/* Text for people: cut, and marked as such. */
static char *shown(const char *text)
{
	size_t n = strlen(text);
	if (n <= SHOWN_MAX)
		return rn_asprintf("\"%s\"", text);
	return rn_asprintf("\"%.*s…\" (%zu bytes)", SHOWN_MAX, text, n);
}

static bool matches(const char *pattern, const char *text)
{
	regex_t re;
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		return false;
	bool found = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

static bool text_fits(const char *check, const char *want, const char *got)
{
	if (rn_streq(check, "contains"))
		return strstr(got, want) != NULL;
	if (rn_streq(check, "not_contains"))
		return strstr(got, want) == NULL;
	return rn_streq(check, "regex") ? matches(want, got) : rn_streq(want, got);
}

static void compare_text(const char *what, const cJSON *want, const char *got, struct rn_strv *ret)
{
	RN_AUTO(rn_freep) char *have = shown(got);
	if (cJSON_IsString(want)) {
		if (!rn_streq(want->valuestring, got))
			rn_strv_addf(ret, "%s: expected \"%s\", got %s", what, want->valuestring,
				     have);
		return;
	}
	for (const cJSON *m = want->child; m; m = m->next)
		if (!text_fits(m->string, m->valuestring, got))
			rn_strv_addf(ret, "%s: expected %s \"%s\", got %s", what,
				     rn_streq(m->string, "contains")       ? "a text that contains"
				     : rn_streq(m->string, "not_contains") ? "a text without"
				     : rn_streq(m->string, "regex")        ? "a text that matches"
									   : "exactly",
				     m->valuestring, have);
}

static bool one_status(const cJSON *want, int status)
{
	if (cJSON_IsNumber(want))
		return want->valuedouble == status;
	char text[8];
	snprintf(text, sizeof(text), "%d", status);
	return rn_streq(want->valuestring, text) ||
	       (rn_ends(want->valuestring, "xx") && want->valuestring[0] == text[0]);
}

bool expect_status(const cJSON *expect, int status)
{
	const cJSON *want = rn_json_get(expect, "status");
	if (!want)
		return status >= 200 && status < 300;
	const cJSON *item;
	if (!cJSON_IsArray(want))
		return one_status(want, status);
	cJSON_ArrayForEach(item, want) if (one_status(item, status)) return true;
	return false;
}

static void compare_status(const cJSON *expect, int status, struct rn_strv *ret)
{
	const cJSON *want = rn_json_get(expect, "status");
	if (expect_status(expect, status))
		return;
	RN_AUTO(rn_freep) char *text = want ? rn_json_print(want) : rn_strdup("2xx");
	rn_strv_addf(ret, "status: expected %s, got %d", text, status);
}

static void compare_headers(const cJSON *want, const struct http_response *r, struct rn_strv *ret)
{
	for (const cJSON *m = want->child; m; m = m->next) {
		const char *got = http_headers_get(&r->headers, m->string);
		RN_AUTO(rn_freep) char *what = rn_asprintf("header %s", m->string);
		if (cJSON_IsFalse(m)) {
			if (got)
				rn_strv_addf(ret, "%s: expected none, got \"%s\"", what, got);
		} else if (!got) {
			rn_strv_addf(ret, "%s: is missing", what);
		} else if (!cJSON_IsTrue(m)) {
			compare_text(what, m, got, ret);
		}
	}
}

static void compare_paths(const cJSON *want, const cJSON *got, struct rn_strv *ret)
{
	for (const cJSON *m = want->child; m; m = m->next) {
		const cJSON *have = json_path_find(got, m->string);
		RN_AUTO(rn_freep) char *expected = rn_json_print(m);
		RN_AUTO(rn_freep) char *text = have ? rn_json_print(have) : rn_strdup("nothing");
		if (!have || !rn_json_equal(m, have))
			rn_strv_addf(ret, "json %s: expected %s, got %s", m->string, expected,
				     text);
	}
}

static void compare_json(const cJSON *expect, const struct http_response *r, struct rn_strv *ret)
{
	const cJSON *whole = rn_json_get(expect, "json"),
		    *part = rn_json_get(expect, "json_subset");
	const cJSON *paths = rn_json_get(expect, "json_path");
	if (!whole && !part && !paths)
		return;
	struct rn_error err = { 0 };
	RN_AUTO(rn_json_freep) cJSON *got = rn_json_parse(rn_buf_str(&r->body), r->body.len, &err);
	if (!got) {
		RN_AUTO(rn_freep) char *text = shown(rn_buf_str(&r->body));
		rn_strv_addf(ret, "json: the body is not JSON (%s): %s", err.msg, text);
		return;
	}
	if (whole)
		json_diff(whole, got, false, ret);
	if (part)
		json_diff(part, got, true, ret);
	if (paths)
		compare_paths(paths, got, ret);
}

void expect_compare(const cJSON *expect, const struct http_response *r, struct rn_strv *ret)
{
	compare_status(expect, r->status, ret);
	const cJSON *headers = rn_json_get(expect, "headers"), *body = rn_json_get(expect, "body");
	const cJSON *latency = rn_json_get(expect, "latency");
	if (headers)
		compare_headers(headers, r, ret);
	compare_json(expect, r, ret);
	if (body)
		compare_text("body", body, rn_buf_str(&r->body), ret);
	if (latency && r->total_ms > latency_ms(latency))
		rn_strv_addf(ret, "latency: expected at most %lld ms, got %lld ms",
			     (long long)latency_ms(latency), (long long)r->total_ms);
}

int expect_validate(const cJSON *expect, const char *where, struct rn_error *err)
{
	static const struct {
		const char *name;
		int (*check)(const cJSON *, const char *, struct rn_error *);
	} keys[] = {
		{ "status", check_status },   { "headers", check_headers }, { "json", check_any },
		{ "json_subset", check_any }, { "json_path", check_paths }, { "body", check_body },
		{ "latency", check_latency },
	};
	const char *names[RN_LEN(keys)];
	for (size_t i = 0; i < RN_LEN(keys); i++)
		names[i] = keys[i].name;
	if (expect && !cJSON_IsObject(expect))
		return rn_fail(err, RN_EINVAL, "%s is a map with status, headers, json, body, …",
			       where);
	for (const cJSON *m = expect ? expect->child : NULL; m; m = m->next) {
		size_t i = 0;
		while (i < RN_LEN(keys) && !rn_streq(keys[i].name, m->string))
			i++;
		if (i == RN_LEN(keys))
			return unknown_key(where, m->string, names, RN_LEN(keys), err);
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s.%s", where, m->string);
		if (keys[i].check(m, inner, err) < 0)
			return -1;
	}
	return 0;
}
