/* SPDX-License-Identifier: Apache-2.0 */
#include "dockerfile_source.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define EXCERPT_MAX 160 /* characters of a line that are shown */

int df_source_init(struct df_source *s, const char *name, const char *text, size_t n, struct rn_error *err)
{
	if (n > DF_TEXT_MAX)
		return rn_fail(err, RN_ELIMIT, "%s is larger than %zu bytes", name, DF_TEXT_MAX);
	const char *nul = memchr(text, '\0', n);
	if (nul) {
		rn_fail(err, RN_EINVAL, "%s is not text: it has a NUL byte at offset %zu", name, (size_t)(nul - text));
		return rn_hint(err, "give the path of a Dockerfile, in UTF-8");
	}
	*s = (struct df_source){ .name = rn_strdup(name), .text = rn_strndup(text, n), .size = n };
	size_t cap = 0;
	for (size_t at = 0;;) {
		s->starts = rn_grow(s->starts, &cap, s->lines + 1, sizeof(*s->starts));
		s->starts[s->lines++] = at;
		const char *end = memchr(s->text + at, '\n', n - at);
		if (!end)
			return 0;
		at = (size_t)(end - s->text) + 1;
	}
}

void df_source_clear(struct df_source *s)
{
	rn_freep(&s->name);
	rn_freep(&s->text);
	rn_freep(&s->starts);
	*s = (struct df_source){ 0 };
}

const char *df_source_line(const struct df_source *s, unsigned line, size_t *ret_len)
{
	*ret_len = 0;
	if (line == 0 || line > s->lines)
		return "";
	const char *begin = s->text + s->starts[line - 1];
	const char *end = line < s->lines ? s->text + s->starts[line] - 1 : s->text + s->size;
	while (end > begin && (end[-1] == '\r' || end[-1] == '\n'))
		end--;
	*ret_len = (size_t)(end - begin);
	return begin;
}

/* "\n  12 | COPY x\n     |      ^": tabs count as one blank in both lines, so that the caret fits. */
static void add_excerpt(const struct df_source *s, struct df_at at, struct rn_error *err)
{
	size_t len = 0;
	const char *line = df_source_line(s, at.line, &len);
	if (len == 0)
		return;
	size_t column = at.column ? at.column - 1 : 0;
	if (column > len)
		column = len;
	size_t from = column > EXCERPT_MAX / 2 ? column - EXCERPT_MAX / 2 : 0;
	size_t shown = len - from < EXCERPT_MAX ? len - from : EXCERPT_MAX;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	rn_buf_addf(&b, "\n%5u | ", at.line);
	for (size_t i = 0; i < shown; i++)
		rn_buf_addc(&b, (unsigned char)line[from + i] < ' ' ? ' ' : line[from + i]);
	rn_buf_adds(&b, "\n      | ");
	for (size_t i = from; i < column; i++)
		if (((unsigned char)line[i] & 0xc0) != 0x80)
			rn_buf_addc(&b, ' ');
	size_t marks = at.length ? at.length : 1;
	for (size_t i = 0; i < marks && (i == 0 || column + i < from + shown); i++)
		if (i == 0 || ((unsigned char)line[column + i] & 0xc0) != 0x80)
			rn_buf_addc(&b, '^');
	size_t used = strlen(err->msg);
	if (used + b.len < sizeof(err->msg))
		memcpy(err->msg + used, rn_buf_str(&b), b.len + 1);
}

int df_fail(const struct df_source *s, struct df_at at, struct rn_error *err, enum rn_code code, const char *fmt, ...)
{
	if (!err)
		return -1;
	char text[RN_ERROR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rn_fail(err, code, "%s", text);
	return df_locate(s, at, err);
}

int df_locate(const struct df_source *s, struct df_at at, struct rn_error *err)
{
	if (!err || err->line)
		return -1;
	add_excerpt(s, at, err);
	return rn_at(err, at.line, at.column);
}
