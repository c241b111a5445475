/* SPDX-License-Identifier: Apache-2.0 */
#include "diag.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void diags_init(struct diags *d, const char *file, const char *text)
{
	*d = (struct diags){ .file = rn_strdup(file), .text = rn_strdup(text) };
}

void diags_set_text(struct diags *d, const char *text)
{
	free(d->text);
	d->text = rn_strdup(text);
}

void diags_clear(struct diags *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].file);
		free(d->v[i].message);
		free(d->v[i].hint);
	}
	free(d->v);
	free(d->file);
	free(d->text);
	*d = (struct diags){ 0 };
}

static bool repeated(const struct diags *d, struct diag_at at, const char *message)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].at.line == at.line && d->v[i].at.column == at.column &&
		    strcmp(d->v[i].message, message) == 0)
			return true;
	return false;
}

/* Consumes message. */
static void add(struct diags *d, enum diag_severity severity, struct diag_at at, const char *hint,
		char *message)
{
	if (repeated(d, at, message)) {
		free(message);
		return;
	}
	d->errors += severity == DIAG_ERROR;
	if (d->n >= DIAGS_MAX) {
		d->dropped++;
		free(message);
		return;
	}
	d->v = rn_grow(d->v, &d->cap, d->n + 1, sizeof(*d->v));
	d->v[d->n] = (struct diag){ .severity = severity, .at = at, .message = message,
				    .hint = hint && *hint ? rn_strdup(hint) : NULL, .order = d->n };
	d->n++;
}

static char *vformat(const char *fmt, va_list ap)
{
	struct rn_buf b = RN_BUF_INIT;
	rn_buf_vaddf(&b, fmt, ap);
	return rn_buf_take(&b);
}

int diags_error(struct diags *d, struct diag_at at, const char *hint, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *message = vformat(fmt, ap);
	va_end(ap);
	add(d, DIAG_ERROR, at, hint, message);
	return -1;
}

void diags_warn(struct diags *d, struct diag_at at, const char *hint, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *message = vformat(fmt, ap);
	va_end(ap);
	add(d, DIAG_WARNING, at, hint, message);
}

int diags_rn(struct diags *d, struct diag_at at, const char *what, const struct rn_error *err)
{
	return diags_error(d, at, err->hint, "%s%s%s", what ? what : "", what ? ": " : "", err->msg);
}

void diags_blame_machine(struct diags *d)
{
	d->machine++;
}

int diags_exit_code(const struct diags *d)
{
	return d->errors == 0 ? 0 : d->machine >= d->errors ? 3 : 2;
}

#define SHOW_CANDIDATES 12

char *diag_did_you_mean(const char *given, const char *const *names, size_t n)
{
	const char *near = rn_nearest(given, names, n);
	if (near)
		return rn_asprintf("did you mean \"%s\"?", near);
	if (n == 0 || n > SHOW_CANDIDATES)
		return NULL;
	struct rn_buf b = RN_BUF_INIT;
	rn_buf_adds(&b, n == 1 ? "known here is: " : "known here are: ");
	for (size_t i = 0; i < n; i++)
		rn_buf_addf(&b, "%s%s", i ? ", " : "", names[i]);
	return rn_buf_take(&b);
}

static int by_place(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	if (x->at.column != y->at.column)
		return x->at.column < y->at.column ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void diags_sort(struct diags *d)
{
	if (d->n)
		qsort(d->v, d->n, sizeof(*d->v), by_place);
}

/* Start and length of a line of the text; NULL when there is none. */
static const char *find_line(const char *text, int line, size_t *ret_n)
{
	const char *p = text;
	for (int i = 1; p && i < line; i++) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	if (!p || line < 1)
		return NULL;
	*ret_n = strcspn(p, "\r\n");
	return p;
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes of the first `chars` characters. */
static size_t bytes_of(const char *s, size_t n, size_t chars)
{
	size_t i = 0;
	while (i < n && (chars > 0 || continues(s[i]))) {
		chars -= !continues(s[i]);
		i++;
		if (chars == 0 && (i >= n || !continues(s[i])))
			break;
	}
	return i;
}

#define LINE_SHOWN 160 /* characters; a longer line is cut around the caret */

static void print_source(const struct diags *d, struct diag_at at, bool color, struct rn_buf *to)
{
	size_t n = 0;
	const char *line = d->text && at.line > 0 ? find_line(d->text, at.line, &n) : NULL;
	if (!line || at.column < 1)
		return;
	size_t column = (size_t)at.column - 1, skip = column > LINE_SHOWN * 3 / 4 ? column - LINE_SHOWN / 2 : 0;
	size_t from = bytes_of(line, n, skip);
	line += from, n -= from, column -= skip;
	size_t shown = bytes_of(line, n, LINE_SHOWN), before = bytes_of(line, n, column);
	rn_buf_addf(to, "%6d | ", at.line);
	for (size_t i = 0; i < shown; i++) /* a control character in a file must not reach the terminal */
		rn_buf_addc(to, (unsigned char)line[i] < 0x20 && line[i] != '\t' ? '?' : line[i]);
	rn_buf_adds(to, "\n       | ");
	for (size_t i = 0; i < before; i++)
		if (!continues(line[i]))
			rn_buf_addc(to, line[i] == '\t' ? '\t' : ' ');
	for (size_t i = before; i < column; i++)
		rn_buf_addc(to, ' ');
	rn_buf_adds(to, color ? "\033[1;32m^" : "^");
	int tail = at.length - 1;
	for (size_t i = column + 1; tail-- > 0 && i < LINE_SHOWN; i++)
		rn_buf_addc(to, '~');
	rn_buf_adds(to, color ? "\033[0m\n" : "\n");
}

static void print_one(const struct diags *d, const struct diag *g, bool color, struct rn_buf *to)
{
	static const char *const names[] = { "error", "warning" };
	static const char *const colors[] = { "\033[1;31m", "\033[1;33m" };
	const char *file = g->file ? g->file : d->file;
	rn_buf_addf(to, "%s%s", color ? "\033[1m" : "", file ? file : "");
	if (g->at.line > 0)
		rn_buf_addf(to, ":%d:%d", g->at.line, g->at.column > 0 ? g->at.column : 1);
	rn_buf_addf(to, ": %s%s:%s %s\n", color ? colors[g->severity] : "", names[g->severity],
		    color ? "\033[0m" : "", g->message);
	if (!g->file)
		print_source(d, g->at, color, to);
	if (g->hint)
		rn_buf_addf(to, "  %shint:%s %s\n", color ? "\033[36m" : "", color ? "\033[0m" : "", g->hint);
}

void diags_print(struct diags *d, bool color, struct rn_buf *to)
{
	diags_sort(d);
	for (size_t i = 0; i < d->n; i++)
		print_one(d, &d->v[i], color, to);
	if (d->dropped)
		rn_buf_addf(to, "%s: %zu more not shown\n", d->file, d->dropped);
}

cJSON *diags_json(struct diags *d)
{
	static const char *const names[] = { "error", "warning" };
	cJSON *list = cJSON_CreateArray();
	diags_sort(d);
	for (size_t i = 0; i < d->n; i++) {
		const struct diag *g = &d->v[i];
		cJSON *j = cJSON_CreateObject();
		cJSON_AddStringToObject(j, "severity", names[g->severity]);
		cJSON_AddStringToObject(j, "file", g->file ? g->file : d->file ? d->file : "");
		cJSON_AddNumberToObject(j, "line", g->at.line);
		cJSON_AddNumberToObject(j, "column", g->at.column);
		cJSON_AddNumberToObject(j, "length", g->at.length);
		cJSON_AddStringToObject(j, "message", g->message);
		if (g->hint)
			cJSON_AddStringToObject(j, "hint", g->hint);
		cJSON_AddItemToArray(list, j);
	}
	return list;
}

const char *diags_summary(const struct diags *d, char *to)
{
	size_t warnings = 0;
	for (size_t i = 0; i < d->n; i++)
		warnings += d->v[i].severity == DIAG_WARNING;
	int n = 0;
	if (d->errors || !warnings)
		n = snprintf(to, 64, "%zu error%s", d->errors, d->errors == 1 ? "" : "s");
	if (warnings)
		snprintf(to + n, 64 - (size_t)n, "%s%zu warning%s", n ? ", " : "", warnings,
			 warnings == 1 ? "" : "s");
	return to;
}
