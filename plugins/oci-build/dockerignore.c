/* SPDX-License-Identifier: Apache-2.0 */
#include "dockerignore.h"

#include "path_match.h"

#include "base/fs.h"

#include <string.h>

#define PATTERNS_MAX 10000

int ignore_add(struct ignore_list *l, const char *pattern, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(pattern);
	char *p = rn_trim(copy);
	bool keep = *p == '!';
	if (keep)
		p = rn_trim(p + 1);
	if (!*p && !keep)
		return 0;
	if (!*p)
		return rn_fail(err, RN_EINVAL, "\"!\" alone is no pattern");
	RN_AUTO(rn_freep) char *clean = rn_path_clean(p);
	const char *text = clean[0] == '/' && clean[1] ? clean + 1 : clean;
	if (!path_pattern_valid(text))
		return rn_fail(err, RN_EINVAL, "malformed pattern \"%s\"", pattern);
	if (l->n >= PATTERNS_MAX)
		return rn_fail(err, RN_ELIMIT, "more than %d patterns", PATTERNS_MAX);
	l->v = rn_grow(l->v, &l->cap, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct ignore_pattern){ rn_strdup(text), keep };
	l->has_keep |= keep;
	return 0;
}

int ignore_parse(struct ignore_list *l, const char *name, const char *text, size_t n, struct rn_error *err)
{
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
	}
	unsigned number = 0;
	for (size_t at = 0; at < n;) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end ? (size_t)(end - text) - at : n - at;
		RN_AUTO(rn_freep) char *line = rn_strndup(text + at, len);
		number++;
		at += len + 1;
		if (*line == '#')
			continue;
		if (ignore_add(l, line, err) < 0) {
			rn_wrap(err, "%s:%u", name, number);
			return rn_at(err, number, 1);
		}
	}
	return 0;
}

void ignore_clear(struct ignore_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		rn_freep(&l->v[i].text);
	rn_freep(&l->v);
	*l = (struct ignore_list){ 0 };
}

/* Does the pattern match the path or a folder above it? */
static bool covers(const char *pattern, char *path)
{
	if (path_match_deep(pattern, path))
		return true;
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		bool hit = path_match_deep(pattern, path);
		*slash = '/';
		if (hit)
			return true;
	}
	return false;
}

bool ignore_matches(const struct ignore_list *l, const char *path)
{
	if (l->n == 0)
		return false;
	RN_AUTO(rn_freep) char *copy = rn_strdup(path);
	bool ignored = false;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].keep == ignored && covers(l->v[i].text, copy))
			ignored = !l->v[i].keep;
	return ignored;
}

/* True when a path below `dir` can match: the literal first part of the pattern decides. */
static bool reaches_below(const char *pattern, const char *dir)
{
	size_t literal = strcspn(pattern, "*?[\\");
	size_t n = strlen(dir);
	if (pattern[literal] == '\0')
		return literal > n && strncmp(pattern, dir, n) == 0 && pattern[n] == '/';
	if (literal <= n)
		return strncmp(pattern, dir, literal) == 0;
	return strncmp(pattern, dir, n) == 0 && pattern[n] == '/';
}

bool ignore_may_keep_below(const struct ignore_list *l, const char *dir)
{
	for (size_t i = 0; l->has_keep && i < l->n; i++)
		if (l->v[i].keep && reaches_below(l->v[i].text, dir))
			return true;
	return false;
}
