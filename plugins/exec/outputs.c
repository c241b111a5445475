/* SPDX-License-Identifier: Apache-2.0 */
#include "outputs.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

static void add(struct outputs *o, const char *name, size_t n, const char *value, size_t length)
{
	o->v = rn_grow(o->v, &o->cap, o->n + 1, sizeof(*o->v));
	o->v[o->n++] = (struct outputs_item){ rn_strndup(name, n), rn_strndup(value, length) };
}

/* Length of a line without its newline and a CR before it. */
static size_t line_length(const char *p)
{
	size_t n = strcspn(p, "\n");
	return n && p[n - 1] == '\r' ? n - 1 : n;
}

static const char *next_line(const char *p)
{
	p += strcspn(p, "\n");
	return *p ? p + 1 : p;
}

/* The value up to a line that is the end mark alone. Returns what follows it, or NULL. */
static const char *heredoc(const char *p, const char *mark, size_t n, int *line, struct rn_buf *value)
{
	for (bool first = true; *p; p = next_line(p), first = false) {
		size_t k = line_length(p);
		(*line)++;
		if (k == n && memcmp(p, mark, n) == 0)
			return next_line(p);
		if (!first)
			rn_buf_addc(value, '\n');
		rn_buf_add(value, p, k);
	}
	return NULL;
}

int outputs_parse(const char *text, struct outputs *ret, struct rn_error *err)
{
	struct outputs all = { 0 };
	int line = 0;
	for (const char *p = text; *p;) {
		size_t n = line_length(p), name = strcspn(p, "=<\n");
		line++;
		if (!n) {
			p = next_line(p);
			continue;
		}
		if (name && name < n && p[name] == '=') {
			add(&all, p, name, p + name + 1, n - name - 1);
			p = next_line(p);
			continue;
		}
		bool here = name && name + 2 < n && p[name] == '<' && p[name + 1] == '<';
		RN_AUTO(rn_buf_clear) struct rn_buf value = RN_BUF_INIT;
		int begin = line;
		const char *end = here ? heredoc(next_line(p), p + name + 2, n - name - 2, &line, &value) : NULL;
		if (!end) {
			outputs_clear(&all);
			if (here)
				return rn_fail(err, RN_EINVAL, "line %d: the value has no end (\"%.*s\" alone on a line)", begin,
					       (int)(n - name - 2), p + name + 2);
			return rn_fail(err, RN_EINVAL, "line %d is neither NAME=VALUE nor NAME<<END", begin);
		}
		add(&all, p, name, rn_buf_str(&value), value.len);
		p = end;
	}
	*ret = all;
	return 0;
}

void outputs_clear(struct outputs *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->v[i].name);
		free(o->v[i].value);
	}
	free(o->v);
	*o = (struct outputs){ 0 };
}
