/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "fs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rn_json_freep(cJSON **j)
{
	cJSON_Delete(*j);
	*j = NULL;
}

static int parse_failed(const char *text, size_t n, const char *at, struct rn_error *err)
{
	size_t line = 1, column = 1;
	const char *end = at && at >= text && at <= text + n ? at : text + n;
	for (const char *p = text; p < end; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	return rn_fail(err, RN_EINVAL, "not JSON: line %zu, column %zu", line, column);
}

cJSON *rn_json_parse(const char *text, size_t n, struct rn_error *err)
{
	const char *end = NULL;
	RN_AUTO(rn_freep) char *copy = rn_alloc(n + 1); /* cJSON wants the NUL to see the true end */
	memcpy(copy, text, n);
	cJSON *j = memchr(text, '\0', n) ? NULL : cJSON_ParseWithLengthOpts(copy, n + 1, &end, 1);
	if (!j)
		parse_failed(copy, n, end, err);
	return j;
}

cJSON *rn_json_parse_str(const char *text, struct rn_error *err)
{
	return rn_json_parse(text, strlen(text), err);
}

cJSON *rn_json_read_file(const char *path, size_t max, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	if (rn_read_file(path, max, &b, err) < 0)
		return NULL;
	cJSON *j = rn_json_parse(rn_buf_str(&b), b.len, err);
	if (!j)
		rn_wrap(err, "%s", path);
	return j;
}

cJSON *rn_json_get(const cJSON *obj, const char *name)
{
	return cJSON_IsObject(obj) ? cJSON_GetObjectItemCaseSensitive(obj, name) : NULL;
}

const char *rn_json_str(const cJSON *obj, const char *name)
{
	const cJSON *j = rn_json_get(obj, name);
	return cJSON_IsString(j) ? j->valuestring : NULL;
}

double rn_json_num(const cJSON *obj, const char *name, double otherwise)
{
	const cJSON *j = rn_json_get(obj, name);
	return cJSON_IsNumber(j) ? j->valuedouble : otherwise;
}

int64_t rn_json_int(const cJSON *obj, const char *name, int64_t otherwise)
{
	double v = rn_json_num(obj, name, NAN);
	return v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (int64_t)v : otherwise;
}

bool rn_json_bool(const cJSON *obj, const char *name, bool otherwise)
{
	const cJSON *j = rn_json_get(obj, name);
	return cJSON_IsBool(j) ? cJSON_IsTrue(j) : otherwise;
}

cJSON *rn_json_path(const cJSON *j, const char *path)
{
	while (j && *path) {
		size_t n = strcspn(path, ".");
		RN_AUTO(rn_freep) char *name = rn_strndup(path, n);
		int64_t i;
		if (cJSON_IsArray(j))
			j = rn_parse_int(name, 0, 1 << 30, &i, NULL) == 0 ? cJSON_GetArrayItem(j, (int)i) : NULL;
		else
			j = rn_json_get(j, name);
		path += n + (path[n] == '.');
	}
	return (cJSON *)j;
}

static char *print(const cJSON *j, int pretty)
{
	char *s = pretty ? cJSON_Print(j) : cJSON_PrintUnformatted(j);
	if (!s)
		rn_die("out of memory");
	return s;
}

/* Takes the text and returns it with U+FFFD for each byte that is no UTF-8. */
static char *as_utf8(char *text)
{
	RN_AUTO(rn_freep) char *owned = text;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	size_t n = strlen(text);
	if (rn_utf8_valid(text, n))
		return rn_take(&owned);
	for (size_t i = 0; i < n; i++) {
		size_t k = rn_utf8_prefix(text + i, n - i);
		rn_buf_add(&b, text + i, k);
		i += k;
		if (i < n)
			rn_buf_adds(&b, "\xef\xbf\xbd");
	}
	return rn_buf_take(&b);
}

char *rn_json_print(const cJSON *j)
{
	return print(j, 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static void canonical(const cJSON *j, struct rn_buf *b)
{
	const cJSON *c;
	if (cJSON_IsArray(j)) {
		rn_buf_addc(b, '[');
		cJSON_ArrayForEach(c, j) {
			if (c != j->child)
				rn_buf_addc(b, ',');
			canonical(c, b);
		}
		rn_buf_addc(b, ']');
	} else if (cJSON_IsObject(j)) {
		size_t n = 0;
		RN_AUTO(rn_freep) const cJSON **v = rn_alloc((size_t)cJSON_GetArraySize(j) * sizeof(cJSON *));
		cJSON_ArrayForEach(c, j)
			v[n++] = c;
		if (n)
			qsort(v, n, sizeof(*v), by_name);
		rn_buf_addc(b, '{');
		for (size_t i = 0; i < n; i++) {
			if (i)
				rn_buf_addc(b, ',');
			rn_json_quote(b, v[i]->string, strlen(v[i]->string));
			rn_buf_addc(b, ':');
			canonical(v[i], b);
		}
		rn_buf_addc(b, '}');
	} else {
		RN_AUTO(rn_freep) char *s = rn_json_print(j);
		rn_buf_adds(b, s);
	}
}

char *rn_json_canonical(const cJSON *j)
{
	struct rn_buf b = RN_BUF_INIT;
	canonical(j, &b);
	return as_utf8(rn_buf_take(&b));
}

static void pretty(const cJSON *j, int depth, struct rn_buf *b)
{
	const cJSON *c;
	bool object = cJSON_IsObject(j);
	if ((!object && !cJSON_IsArray(j)) || !j->child) {
		RN_AUTO(rn_freep) char *s = rn_json_print(j);
		rn_buf_adds(b, s);
		return;
	}
	rn_buf_adds(b, object ? "{\n" : "[\n");
	cJSON_ArrayForEach(c, j) {
		rn_buf_addf(b, "%*s", 2 * depth + 2, "");
		if (object) {
			rn_json_quote(b, c->string, strlen(c->string));
			rn_buf_adds(b, ": ");
		}
		pretty(c, depth + 1, b);
		rn_buf_adds(b, c->next ? ",\n" : "\n");
	}
	rn_buf_addf(b, "%*s%c", 2 * depth, "", object ? '}' : ']');
}

char *rn_json_pretty(const cJSON *j)
{
	struct rn_buf b = RN_BUF_INIT;
	pretty(j, 0, &b);
	return as_utf8(rn_buf_take(&b));
}

bool rn_json_equal(const cJSON *a, const cJSON *b)
{
	return a == b || (a && b && cJSON_Compare(a, b, 1));
}

bool rn_json_subset(const cJSON *want, const cJSON *have)
{
	const cJSON *w, *h;
	if (cJSON_IsObject(want) && cJSON_IsObject(have)) {
		cJSON_ArrayForEach(w, want)
			if (!(h = rn_json_get(have, w->string)) || !rn_json_subset(w, h))
				return false;
		return true;
	}
	if (cJSON_IsArray(want) && cJSON_IsArray(have)) {
		for (w = want->child, h = have->child; w && h; w = w->next, h = h->next)
			if (!rn_json_subset(w, h))
				return false;
		return !w && !h;
	}
	return rn_json_equal(want, have);
}

/* Length of the valid UTF-8 sequence at s (at most n bytes); 0 when there is none. */
static size_t sequence(const char *s, size_t n)
{
	for (size_t k = 1; k <= 4 && k <= n; k++)
		if (rn_utf8_valid(s, k))
			return k;
	return 0;
}

int rn_json_quote(struct rn_buf *b, const char *s, size_t n)
{
	rn_buf_addc(b, '"');
	for (size_t i = 0; i < n;) {
		unsigned char c = (unsigned char)s[i];
		size_t k = 1;
		if (c == '"' || c == '\\')
			rn_buf_addf(b, "\\%c", c);
		else if (c == '\n')
			rn_buf_adds(b, "\\n");
		else if (c == '\t')
			rn_buf_adds(b, "\\t");
		else if (c < 0x20 || c == 0x7f)
			rn_buf_addf(b, "\\u%04x", c);
		else if ((k = sequence(s + i, n - i)))
			rn_buf_add(b, s + i, k);
		else
			rn_buf_adds(b, "\xef\xbf\xbd");
		i += k ? k : 1;
	}
	return rn_buf_addc(b, '"');
}

char *rn_json_print_utf8(const cJSON *j)
{
	return as_utf8(rn_json_print(j));
}
