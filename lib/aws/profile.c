/* SPDX-License-Identifier: Apache-2.0 */
/* The profile files: INI with "[profile NAME]" sections and indented nested keys. */
#include "profile.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)4 * 1024 * 1024)

static void section_free(struct aws_section *s)
{
	rn_freep(&s->kind);
	rn_freep(&s->name);
	rn_map_clear(&s->keys);
	free(s);
}

void aws_profiles_clear(struct aws_profiles *p)
{
	for (size_t i = 0; i < p->n; i++)
		section_free(p->v[i]);
	free(p->v);
	*p = (struct aws_profiles){ 0 };
}

const struct aws_section *aws_section_find(const struct aws_profiles *p, enum aws_file file,
					   const char *kind, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i]->file == file && rn_streq(p->v[i]->kind, kind) &&
		    rn_streq(p->v[i]->name, name))
			return p->v[i];
	return NULL;
}

static struct aws_section *section(struct aws_profiles *p, enum aws_file file, const char *kind,
				   const char *name)
{
	struct aws_section *old = (struct aws_section *)aws_section_find(p, file, kind, name);
	if (old)
		return old;
	struct aws_section *s = rn_alloc(sizeof(*s));
	s->file = file;
	s->kind = rn_strdup(kind);
	s->name = rn_strdup(name);
	rn_map_init(&s->keys, free);
	p->v = rn_grow(p->v, &p->cap, p->n + 1, sizeof(struct aws_section *));
	p->v[p->n++] = s;
	return s;
}

static char *unquote(char *s)
{
	size_t n = strlen(s);
	if (n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n - 1] == s[0]) {
		s[n - 1] = 0;
		return s + 1;
	}
	return s;
}

/* "[default]", "[profile x]", "[sso-session x]", "[services x]"; in the credentials file "[x]".
 * NULL: a kind nobody asks for. */
static struct aws_section *open_section(struct aws_profiles *p, char *inside, enum aws_file file)
{
	char *text = rn_trim(inside);
	if (file == AWS_FILE_CREDENTIALS)
		return section(p, file, "profile", unquote(text));
	char *blank = strpbrk(text, " \t");
	if (!blank)
		return rn_streq(text, "default") ? section(p, file, "profile", "default") : NULL;
	*blank = 0;
	return section(p, file, text, unquote(rn_trim(blank + 1)));
}

struct parser {
	struct aws_section *open;
	char *parent; /* key with an empty value: indented lines below belong to it */
	const char *path;
	size_t line;
};

static int key_line(struct parser *ps, char *line, bool indented, struct rn_error *err)
{
	char *equals = strchr(line, '=');
	if (!equals) {
		if (indented) /* continued value: no key that matters here has one */
			return 0;
		return rn_fail(err, RN_EINVAL, "%s:%zu: expected KEY = VALUE or [section]",
			       ps->path, ps->line);
	}
	if (!ps->open)
		return 0;
	*equals = 0;
	char *key = rn_lower(rn_trim(line)), *value = rn_trim(equals + 1);
	if (indented && ps->parent) {
		RN_AUTO(rn_freep) char *nested = rn_asprintf("%s.%s", ps->parent, key);
		rn_map_set(&ps->open->keys, nested, rn_strdup(value));
		return 0;
	}
	rn_freep(&ps->parent);
	if (!*value)
		ps->parent = rn_strdup(key);
	rn_map_set(&ps->open->keys, key, rn_strdup(value));
	return 0;
}

static int one_line(struct parser *ps, struct aws_profiles *p, char *line, enum aws_file file,
		    struct rn_error *err)
{
	bool indented = line[0] == ' ' || line[0] == '\t';
	char *text = rn_trim(line);
	if (!*text || *text == '#' || *text == ';')
		return 0;
	if (*text != '[')
		return key_line(ps, text, indented, err);
	char *end = strchr(text, ']');
	if (!end)
		return rn_fail(err, RN_EINVAL, "%s:%zu: section without closing ]", ps->path,
			       ps->line);
	*end = 0;
	rn_freep(&ps->parent);
	ps->open = open_section(p, text + 1, file);
	return 0;
}

int aws_profiles_parse(struct aws_profiles *p, const char *text, const char *path,
		       enum aws_file file, struct rn_error *err)
{
	RN_AUTO(rn_strv_clear) struct rn_strv lines = { 0 };
	struct parser ps = { .path = path };
	rn_strv_split(&lines, rn_starts(text, "\xef\xbb\xbf") ? text + 3 : text, '\n');
	int rc = 0;
	for (size_t i = 0; i < lines.n && rc == 0; i++) {
		ps.line = i + 1;
		rc = one_line(&ps, p, lines.v[i], file, err);
	}
	rn_freep(&ps.parent);
	return rc;
}

int aws_profiles_load(struct aws_profiles *p, const char *path, enum aws_file file,
		      struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	struct rn_error e = { 0 };
	if (rn_read_file(path, MAX_FILE, &b, &e) < 0) {
		if (e.code == RN_ENOTFOUND)
			return 0;
		if (err)
			*err = e;
		return -1;
	}
	int rc = aws_profiles_parse(p, rn_buf_str(&b), path, file, err);
	rn_wipe(b.p, b.len);
	return rc;
}

bool aws_profile_exists(const struct aws_profiles *p, const char *name)
{
	return aws_section_find(p, AWS_FILE_CONFIG, "profile", name) ||
	       aws_section_find(p, AWS_FILE_CREDENTIALS, "profile", name);
}

static const char *value_of(const struct aws_section *s, const char *key)
{
	const char *v = s ? rn_map_get(&s->keys, key) : NULL;
	return v && *v ? v : NULL;
}

const char *aws_profile_get(const struct aws_profiles *p, enum aws_file files, const char *name,
			    const char *key)
{
	const char *v = NULL;
	if (files & AWS_FILE_CREDENTIALS)
		v = value_of(aws_section_find(p, AWS_FILE_CREDENTIALS, "profile", name), key);
	if (!v && (files & AWS_FILE_CONFIG))
		v = value_of(aws_section_find(p, AWS_FILE_CONFIG, "profile", name), key);
	return v;
}

const char *aws_section_get(const struct aws_profiles *p, const char *kind, const char *name,
			    const char *key)
{
	return value_of(aws_section_find(p, AWS_FILE_CONFIG, kind, name), key);
}
