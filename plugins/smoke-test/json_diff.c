/* SPDX-License-Identifier: Apache-2.0 */
/* Differences of two JSON values, with the path to each. */
#include "json_diff.h"

#include "base/mem.h"

#include <string.h>

#define LINES_MAX 10
#define VALUE_MAX 160

struct diff {
	bool subset;
	size_t first; /* lines that were there before */
	struct rn_strv *ret;
};

static char *value_text(const cJSON *v)
{
	if (!v)
		return rn_strdup("nothing");
	RN_AUTO(rn_freep) char *text = rn_json_print(v);
	if (strlen(text) <= VALUE_MAX)
		return rn_take(&text);
	return rn_asprintf("%.*s…", VALUE_MAX, text);
}

static void add(struct diff *d, const char *path, const cJSON *want, const cJSON *got)
{
	size_t n = d->ret->n - d->first;
	if (n > LINES_MAX)
		return;
	if (n == LINES_MAX) {
		rn_strv_add(d->ret, "json: and more");
		return;
	}
	RN_AUTO(rn_freep) char *expected = value_text(want);
	RN_AUTO(rn_freep) char *have = value_text(got);
	rn_strv_addf(d->ret, "json %s: expected %s, got %s", path, expected, have);
}

static void walk(struct diff *d, const char *path, const cJSON *want, const cJSON *got);

static void walk_object(struct diff *d, const char *path, const cJSON *want, const cJSON *got)
{
	for (const cJSON *m = want->child; m; m = m->next) {
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s.%s", path, m->string);
		const cJSON *have = rn_json_get(got, m->string);
		if (have)
			walk(d, inner, m, have);
		else
			add(d, inner, m, NULL);
	}
	for (const cJSON *m = d->subset ? NULL : got->child; m; m = m->next) {
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s.%s", path, m->string);
		if (!rn_json_get(want, m->string))
			add(d, inner, NULL, m);
	}
}

static void walk_array(struct diff *d, const char *path, const cJSON *want, const cJSON *got)
{
	const cJSON *w = want->child, *g = got->child;
	for (int i = 0; w || g; i++, w = w ? w->next : NULL, g = g ? g->next : NULL) {
		RN_AUTO(rn_freep) char *inner = rn_asprintf("%s[%d]", path, i);
		if (w && g)
			walk(d, inner, w, g);
		else
			add(d, inner, w, g);
	}
}

static void walk(struct diff *d, const char *path, const cJSON *want, const cJSON *got)
{
	if (cJSON_IsObject(want) && cJSON_IsObject(got))
		walk_object(d, path, want, got);
	else if (cJSON_IsArray(want) && cJSON_IsArray(got))
		walk_array(d, path, want, got);
	else if (!rn_json_equal(want, got))
		add(d, path, want, got);
}

void json_diff(const cJSON *want, const cJSON *got, bool subset, struct rn_strv *ret)
{
	struct diff d = { .subset = subset, .first = ret->n, .ret = ret };
	walk(&d, "$", want, got);
}
