/* SPDX-License-Identifier: Apache-2.0 */
#include "dockerfile_lexer.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Line `n` of the file without its end; false behind the last one. */
static bool raw_line(const struct df_lexer *l, unsigned n, const char **ret, size_t *ret_len)
{
	if (n > l->source->lines || (n == l->source->lines && l->source->starts[n - 1] == l->source->size))
		return false;
	*ret = df_source_line(l->source, n, ret_len);
	if (n == 1 && *ret_len >= 3 && memcmp(*ret, "\xef\xbb\xbf", 3) == 0) {
		*ret += 3;
		*ret_len -= 3;
	}
	return true;
}

static size_t skip_blanks(const char *s, size_t n, size_t at)
{
	while (at < n && blank(s[at]))
		at++;
	return at;
}

/* ---- directives ------------------------------------------------------------ */

/* "# name = value" -> both, borrowed from a private copy; false when it has another form. */
static bool split_directive(char *text, char **ret_name, char **ret_value)
{
	char *p = rn_trim(text);
	if (*p != '#')
		return false;
	p = rn_trim(p + 1);
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	char *rest = p + n;
	while (blank(*rest))
		rest++;
	if (n == 0 || (*p >= '0' && *p <= '9') || *rest != '=')
		return false;
	p[n] = '\0';
	*ret_name = rn_lower(p);
	*ret_value = rn_trim(rest + 1);
	return **ret_value != '\0';
}

static int set_escape(struct df_lexer *l, const char *value, struct df_at at, struct rn_error *err)
{
	if (!rn_streq(value, "\\") && !rn_streq(value, "`")) {
		df_fail(l->source, at, err, RN_EINVAL, "invalid escape character \"%s\"", value);
		return rn_hint(err, "the escape directive takes \\ or `");
	}
	l->escape = value[0];
	return 0;
}

int df_lexer_init(struct df_lexer *l, const struct df_source *s, struct rn_error *err)
{
	*l = (struct df_lexer){ .source = s, .next = 1, .escape = '\\' };
	bool escape_seen = false;
	const char *line;
	size_t len;
	for (unsigned n = 1; raw_line(l, n, &line, &len); n++) {
		RN_AUTO(rn_freep) char *text = rn_strndup(line, len);
		char *name, *value;
		if (!split_directive(text, &name, &value))
			return 0;
		struct df_at at = { n, (unsigned)skip_blanks(line, len, 0) + 1, (unsigned)len };
		bool escape = rn_streq(name, "escape");
		char **to = rn_streq(name, "syntax") ? &l->syntax : rn_streq(name, "check") ? &l->check : NULL;
		if (!escape && !to)
			return 0; /* a comment; what follows are comments too */
		if (escape ? escape_seen : *to != NULL) {
			df_fail(s, at, err, RN_EINVAL, "the %s directive stands here a second time", name);
			df_lexer_clear(l);
			return -1;
		}
		if (to)
			*to = rn_strdup(value);
		if (to)
			*(to == &l->check ? &l->check_at : &l->syntax_at) = at;
		escape_seen |= escape;
		if (escape && set_escape(l, value, at, err) < 0) {
			df_lexer_clear(l);
			return -1;
		}
	}
	return 0;
}

void df_lexer_clear(struct df_lexer *l)
{
	rn_freep(&l->syntax);
	rn_freep(&l->check);
}

/* ---- logical lines ---------------------------------------------------------- */

/* Length of the line without a continuation mark at its end; *ret_goes_on says whether there was one. */
static size_t cut_continuation(const struct df_lexer *l, const char *s, size_t n, bool *ret_goes_on)
{
	size_t end = n;
	while (end > 0 && (s[end - 1] == ' ' || s[end - 1] == '\t'))
		end--;
	*ret_goes_on = end > 0 && s[end - 1] == l->escape && (end == 1 || s[end - 2] != l->escape);
	return *ret_goes_on ? end - 1 : n;
}

static void add_piece(struct df_line *to, struct rn_buf *text, const char *s, size_t n, unsigned line, size_t column)
{
	if (n == 0)
		return;
	to->pieces = rn_grow(to->pieces, &to->cap_pieces, to->n_pieces + 1, sizeof(*to->pieces));
	to->pieces[to->n_pieces++] = (struct df_piece){ text->len, line, (unsigned)column + 1 };
	rn_buf_add(text, s, n);
}

/* Column (from 0) in the file of byte `at` of what raw_line gave: the byte order mark is no part of it. */
static size_t column_of(const struct df_lexer *l, unsigned n, const char *line, size_t at)
{
	return (size_t)(line - (l->source->text + l->source->starts[n - 1])) + at;
}

bool df_lexer_next(struct df_lexer *l, struct df_line *ret)
{
	const char *s;
	size_t n, from;
	for (;; l->next++) {
		if (!raw_line(l, l->next, &s, &n))
			return false;
		from = skip_blanks(s, n, 0);
		if (from < n && s[from] != '#')
			break;
	}
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	bool goes_on;
	*ret = (struct df_line){ .first = l->next };
	size_t end = cut_continuation(l, s, n, &goes_on);
	if (end > from)
		add_piece(ret, &text, s + from, end - from, l->next, column_of(l, l->next, s, from));
	for (ret->last = l->next++; goes_on && raw_line(l, l->next, &s, &n); ret->last = l->next++) {
		from = skip_blanks(s, n, 0);
		if (from < n && s[from] == '#')
			continue;
		if (from == n) {
			if (!ret->blank)
				ret->blank = l->next;
			continue;
		}
		end = cut_continuation(l, s, n, &goes_on);
		add_piece(ret, &text, s, end, l->next, column_of(l, l->next, s, 0));
	}
	while (text.len > 0 && blank(text.p[text.len - 1]))
		text.p[--text.len] = '\0';
	ret->len = text.len;
	ret->text = rn_buf_take(&text);
	return true;
}

void df_line_clear(struct df_line *line)
{
	rn_freep(&line->text);
	rn_freep(&line->pieces);
	*line = (struct df_line){ 0 };
}

struct df_at df_line_at(const struct df_line *line, size_t offset, size_t length)
{
	if (line->n_pieces == 0)
		return (struct df_at){ line->first, 1, 1 };
	size_t i = line->n_pieces - 1;
	while (i > 0 && line->pieces[i].offset > offset)
		i--;
	const struct df_piece *p = &line->pieces[i];
	size_t left = (i + 1 < line->n_pieces ? line->pieces[i + 1].offset : line->len) - p->offset;
	size_t inside = offset - p->offset;
	if (inside + length > left)
		length = left > inside ? left - inside : 1;
	return (struct df_at){ p->line, p->column + (unsigned)inside, (unsigned)length };
}

bool df_lexer_heredoc(struct df_lexer *l, const char *name, bool tabs, struct rn_buf *body)
{
	const struct df_source *s = l->source;
	const char *line;
	size_t n;
	for (; raw_line(l, l->next, &line, &n); l->next++) {
		size_t from = 0;
		while (tabs && from < n && line[from] == '\t')
			from++;
		if (n - from == strlen(name) && memcmp(line + from, name, n - from) == 0) {
			l->next++;
			return true;
		}
		size_t begin = s->starts[l->next - 1];
		size_t end = l->next < s->lines ? s->starts[l->next] : s->size;
		rn_buf_add(body, s->text + begin, end - begin);
	}
	return false;
}
