/* SPDX-License-Identifier: Apache-2.0 */
#include "dockerfile_args.h"

#include "dockerfile_expand.h"
#include "dockerfile_parser.h"

#include "base/json.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int df_reading_fail(const struct df_reading *r, size_t offset, size_t length, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return df_fail(r->source, df_line_at(r->line, offset, length), r->err, RN_EINVAL, "%s", text);
}

void df_words_add(struct df_words *w, const char *text, size_t n, struct df_at at)
{
	w->v = rn_grow(w->v, &w->cap, w->n + 1, sizeof(*w->v));
	w->v[w->n++] = (struct df_word){ rn_strndup(text, n), at };
}

void df_words_clear(struct df_words *w)
{
	for (size_t i = 0; i < w->n; i++)
		rn_freep(&w->v[i].text);
	rn_freep(&w->v);
	*w = (struct df_words){ 0 };
}

static void add_word(struct df_reading *r, size_t from, size_t to)
{
	df_words_add(&r->to->words, r->line->text + from, to - from, df_line_at(r->line, from, to - from));
}

int df_read_words(struct df_reading *r)
{
	const char *s = r->line->text;
	for (size_t at = r->at; s[at];) {
		while (blank(s[at]))
			at++;
		size_t from = at;
		while (s[at] && !blank(s[at]))
			at++;
		if (at > from)
			add_word(r, from, at);
	}
	return 0;
}

int df_read_text(struct df_reading *r)
{
	if (r->at < r->line->len)
		add_word(r, r->at, r->line->len);
	return 0;
}

/* ---- JSON form -------------------------------------------------------------------- */

/* The string that begins at the quote s[*at], decoded by the JSON parser; NULL when it is none. */
static char *json_string(const char *s, size_t *at)
{
	size_t end = *at + 1;
	while (s[end] && s[end] != '"') {
		if ((unsigned char)s[end] < ' ' || (s[end] == '\\' && !s[++end]))
			return NULL;
		end++;
	}
	if (!s[end])
		return NULL;
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(s + *at, end + 1 - *at, NULL);
	*at = end + 1;
	return j && j->valuestring ? rn_strdup(j->valuestring) : NULL;
}

static size_t json_blanks(const char *s, size_t at)
{
	while (s[at] == ' ' || s[at] == '\t' || s[at] == '\r' || s[at] == '\n')
		at++;
	return at;
}

/* An array of strings and nothing else into `words`; false when it is not one. */
static bool json_strings(const struct df_reading *r, struct df_words *words)
{
	const char *s = r->line->text;
	size_t at = json_blanks(s, r->at);
	if (s[at] != '[')
		return false;
	at = json_blanks(s, at + 1);
	while (s[at] != ']' || words->n == 0) {
		if (s[at] == ']')
			break;
		if (s[at] != '"')
			return false;
		size_t from = at;
		RN_AUTO(rn_freep) char *text = json_string(s, &at);
		if (!text)
			return false;
		df_words_add(words, text, strlen(text), df_line_at(r->line, from, at - from));
		at = json_blanks(s, at);
		if (s[at] == ',' && s[json_blanks(s, at + 1)] != ']')
			at = json_blanks(s, at + 1);
		else if (s[at] != ']')
			return false;
	}
	return s[json_blanks(s, at + 1)] == '\0';
}

/* 1: JSON, 0: not, -1: JSON of something else than strings. */
static int read_json(struct df_reading *r)
{
	if (json_strings(r, &r->to->words)) {
		r->to->json = true;
		return 1;
	}
	df_words_clear(&r->to->words);
	if (r->line->text[r->at] != '[')
		return 0;
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(r->line->text + r->at, r->line->len - r->at, NULL);
	if (cJSON_IsArray(j)) {
		df_reading_fail(r, r->at, r->line->len - r->at, "a JSON array here may hold strings only");
		return rn_hint(r->err, "put every item in double quotes");
	}
	r->to->json_like = true;
	return 0;
}

int df_read_json_or_text(struct df_reading *r)
{
	int rc = read_json(r);
	return rc == 0 ? df_read_text(r) : rc < 0 ? -1 : 0;
}

int df_read_json_or_words(struct df_reading *r)
{
	int rc = read_json(r);
	return rc == 0 ? df_read_words(r) : rc < 0 ? -1 : 0;
}

/* ---- NAME=value -------------------------------------------------------------------- */

/* End of the word that begins at `at`: quotes and escapes keep blanks inside. */
static size_t word_end(const struct df_reading *r, size_t at)
{
	const char *s = r->line->text;
	char quote = '\0';
	for (; s[at]; at++) {
		if (!quote && blank(s[at]))
			break;
		if (s[at] == r->escape && quote != '\'') {
			if (s[at + 1])
				at++;
		} else if (quote) {
			if (s[at] == quote)
				quote = '\0';
		} else if (s[at] == '\'' || s[at] == '"') {
			quote = s[at];
		}
	}
	return at;
}

static void add_pair(struct df_reading *r, size_t from, size_t key_end, size_t value, size_t end)
{
	struct df_instruction *i = r->to;
	i->pairs = rn_grow(i->pairs, &i->cap_pairs, i->n_pairs + 1, sizeof(*i->pairs));
	i->pairs[i->n_pairs++] = (struct df_pair){
		.key = rn_strndup(r->line->text + from, key_end - from),
		.value = value ? rn_strndup(r->line->text + value, end - value) : NULL,
		.at = df_line_at(r->line, from, key_end - from),
		.value_at = value ? df_line_at(r->line, value, end - value) : df_line_at(r->line, from, key_end - from),
	};
}

/* "NAME the whole rest" */
static int legacy_pair(struct df_reading *r, size_t key_end)
{
	const char *s = r->line->text;
	key_end = r->at + strcspn(s + r->at, " \t\v\f\r");
	size_t value = key_end;
	while (blank(s[value]))
		value++;
	if (!s[value])
		return df_reading_fail(r, r->at, key_end - r->at, "%s needs a value for %.*s", df_op_name(r->to->op),
				       (int)(key_end - r->at), s + r->at);
	r->to->legacy = true;
	add_pair(r, r->at, key_end, value, r->line->len);
	return 0;
}

int df_read_pairs(struct df_reading *r, bool bare)
{
	const char *s = r->line->text;
	for (size_t at = r->at; at < r->line->len;) {
		while (blank(s[at]))
			at++;
		size_t end = word_end(r, at);
		const char *equals = memchr(s + at, '=', end - at);
		if (!equals && !bare && r->to->n_pairs == 0)
			return legacy_pair(r, end);
		if (!equals && !bare) {
			df_reading_fail(r, at, end - at, "no '=' in \"%.*s\"", (int)(end - at), s + at);
			return rn_hint(r->err, "write NAME=value; quote a value that has blanks");
		}
		size_t key_end = equals ? (size_t)(equals - s) : end;
		if (key_end == at)
			return df_reading_fail(r, at, end - at, "%s has a value without a name", df_op_name(r->to->op));
		add_pair(r, at, key_end, equals ? key_end + 1 : 0, end);
		at = end;
	}
	return 0;
}

/* ---- heredocs ------------------------------------------------------------------------ */

/* One word of `text`, with its quotes resolved or kept; NULL when it is not exactly one. */
static char *one_word(const char *text, bool keep)
{
	struct df_expander x = { .escape = '\\', .keep_unset = true, .keep_quotes = keep, .keep_escapes = keep };
	RN_AUTO(rn_strv_clear) struct rn_strv words = { 0 };
	int rc = df_expand_split(&x, text, &words, NULL);
	rn_strv_clear(&x.unset);
	return rc == 0 && words.n == 1 ? rn_strdup(words.v[0]) : NULL;
}

/* What follows "<<" or "3<<-"; NULL when the word does not begin so. */
static const char *behind_mark(const char *word, bool *ret_tabs)
{
	const char *p = word + strspn(word, "0123456789");
	if (!rn_starts(p, "<<"))
		return NULL;
	p += 2;
	*ret_tabs = *p == '-';
	return p + *ret_tabs;
}

bool df_heredoc_word(const char *word, struct df_heredoc *ret)
{
	bool tabs;
	const char *p = behind_mark(word, &tabs);
	if (!p)
		return false;
	while (blank(*p))
		p++;
	if (!*p || strchr(p, '<'))
		return false;
	RN_AUTO(rn_freep) char *plain = one_word(p, false);
	RN_AUTO(rn_freep) char *raw = one_word(p, true);
	if (!plain || !raw)
		return false;
	*ret = (struct df_heredoc){ .expand = rn_streq(plain, raw), .strip_tabs = tabs };
	ret->name = rn_take(&plain);
	return true;
}

static void add_heredoc(struct df_reading *r, const struct df_heredoc *h, size_t from, size_t length)
{
	struct df_instruction *i = r->to;
	i->heredocs = rn_grow(i->heredocs, &i->cap_heredocs, i->n_heredocs + 1, sizeof(*i->heredocs));
	i->heredocs[i->n_heredocs] = *h;
	i->heredocs[i->n_heredocs++].at = df_line_at(r->line, from, length);
}

static bool is_bare_mark(const char *word, size_t n)
{
	bool tabs;
	RN_AUTO(rn_freep) char *text = rn_strndup(word, n);
	const char *rest = behind_mark(text, &tabs);
	return rest && !*rest;
}

/* The end of the shell's word that begins at `at`; of "<< EOF" with its name. */
static size_t shell_word_end(const struct df_reading *r, size_t at)
{
	/* whatever the escape directive says: BuildKit does the same */
	struct df_reading shell = *r;
	shell.escape = '\\';
	size_t end = word_end(&shell, at);
	if (!is_bare_mark(r->line->text + at, end - at))
		return end;
	size_t name = end;
	while (blank(r->line->text[name]))
		name++;
	return r->line->text[name] ? word_end(&shell, name) : end;
}

/* Is the byte at `to` within $((…)), where << shifts? */
static bool in_arithmetic(const char *s, size_t from, size_t to)
{
	bool inside = false;
	for (; from + 1 < to; from++) {
		if (s[from] == '(' && s[from + 1] == '(')
			inside = true;
		else if (s[from] == ')' && s[from + 1] == ')')
			inside = false;
	}
	return inside;
}

int df_find_heredocs(struct df_reading *r)
{
	const char *s = r->line->text;
	if (!strstr(s, "<<"))
		return 0;
	for (size_t at = r->at; at < r->line->len;) {
		while (blank(s[at]))
			at++;
		size_t end = shell_word_end(r, at);
		RN_AUTO(rn_freep) char *word = rn_strndup(s + at, end - at);
		struct df_heredoc h;
		if (!in_arithmetic(s, r->at, at) && df_heredoc_word(word, &h)) {
			if (r->to->n_heredocs == 64)
				return df_reading_fail(r, at, end - at, "more than 64 heredocs in one instruction");
			add_heredoc(r, &h, at, end - at);
		}
		at = end;
	}
	return 0;
}

void df_join_heredoc_words(struct df_words *w)
{
	for (size_t i = 0; i + 1 < w->n; i++) {
		if (!is_bare_mark(w->v[i].text, strlen(w->v[i].text)))
			continue;
		char *joined = rn_asprintf("%s%s", w->v[i].text, w->v[i + 1].text);
		free(w->v[i].text);
		w->v[i].text = joined;
		free(w->v[i + 1].text);
		memmove(w->v + i + 1, w->v + i + 2, (w->n - i - 2) * sizeof(*w->v));
		w->n--;
	}
}
