/* SPDX-License-Identifier: Apache-2.0 */
#include "outputs.h"

#include "base/buf.h"
#include "base/str.h"

#include <string.h>

struct lines {
	const char *p, *end;
	size_t number;
};

/* The next line without its end (LF or CRLF); new string, NULL at the end. */
static char *next_line(struct lines *l)
{
	if (l->p >= l->end)
		return NULL;
	const char *stop = memchr(l->p, '\n', (size_t)(l->end - l->p));
	size_t n = (size_t)((stop ? stop : l->end) - l->p);
	char *line = rn_strndup(l->p, n && l->p[n - 1] == '\r' ? n - 1 : n);
	l->p += n + 1;
	l->number++;
	return line;
}

static bool valid_name(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-";
	return *s && strchr(first, *s) && strspn(s, more) == strlen(s);
}

/* The lines up to one that is `word`; new string or NULL. */
static char *read_block(struct lines *l, const char *name, const char *word, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf value = RN_BUF_INIT;
	size_t begin = l->number;
	for (;;) {
		RN_AUTO(rn_freep) char *line = next_line(l);
		if (!line) {
			rn_fail(err, RN_EINVAL, "line %zu: \"%s<<%s\" has no line \"%s\" that ends it", begin, name, word, word);
			return NULL;
		}
		if (strcmp(line, word) == 0)
			return rn_buf_take(&value);
		if (l->number > begin + 1)
			rn_buf_addc(&value, '\n');
		rn_buf_adds(&value, line);
	}
}

int outputs_parse(const char *text, size_t n,
		  int (*set)(void *ctx, const char *name, const char *value, struct rn_error *err), void *ctx,
		  struct rn_error *err)
{
	struct lines l = { text, text + n, 0 };
	if (memchr(text, '\0', n))
		return rn_fail(err, RN_EINVAL, "a NUL byte is no part of a text");
	for (;;) {
		RN_AUTO(rn_freep) char *line = next_line(&l);
		if (!line)
			return 0;
		if (!line[strspn(line, " \t")])
			continue;
		size_t number = l.number;
		char *equals = strchr(line, '='), *block = strstr(line, "<<");
		bool is_block = block && (!equals || block < equals);
		RN_AUTO(rn_freep) char *value = NULL;
		if (is_block) {
			*block = '\0';
			value = block[2] ? read_block(&l, line, block + 2, err) : NULL;
			if (!value)
				return block[2] ? -1 : rn_fail(err, RN_EINVAL, "line %zu: a word is missing behind \"<<\"", number);
		} else if (equals) {
			*equals = '\0';
			value = rn_strdup(equals + 1);
		}
		if (!value || !valid_name(line)) {
			rn_fail(err, RN_EINVAL, "line %zu is not NAME=VALUE", number);
			return rn_hint(err, "write NAME=VALUE, or NAME<<END, the lines, and END alone on a line");
		}
		if (set(ctx, line, value, err) < 0)
			return rn_wrap(err, "line %zu", number);
	}
}
