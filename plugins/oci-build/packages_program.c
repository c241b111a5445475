/* SPDX-License-Identifier: Apache-2.0 */
/* Packages that programs carry within them: Go's build information, archives of Java; and specifications of gems. */
#include "packages.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines --------------------------------------------------------------------------------- */

struct line {
	const char *p;
	size_t n;
};

static bool next_line(struct line *rest, struct line *ret)
{
	if (!rest->n)
		return false;
	const char *end = memchr(rest->p, '\n', rest->n);
	*ret = (struct line){ rest->p, end ? (size_t)(end - rest->p) : rest->n };
	size_t used = ret->n + (end ? 1 : 0);
	*rest = (struct line){ rest->p + used, rest->n - used };
	while (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return true;
}

/* ---- Go -------------------------------------------------------------------------------------- */

/* The magic, the size of pointers, flags, and at 32 two texts, each with its length before it (debug/buildinfo of Go). */
static const char go_magic[] = "\xff Go buildinf:";
#define GO_MAGIC_SIZE 14
#define GO_HEAD ((size_t)32)
#define GO_ALIGN 16
#define GO_FLAG_INLINE 2
#define GO_MARK ((size_t)16) /* around the list of modules */

static bool take_text(struct bytes *b, struct line *ret)
{
	uint64_t n = 0;
	for (unsigned shift = 0; b->n && shift < 35; shift += 7) {
		unsigned char c = *b->p++;
		b->n--;
		n |= (uint64_t)(c & 0x7f) << shift;
		if (c & 0x80)
			continue;
		if (n > b->n)
			return false;
		*ret = (struct line){ (const char *)b->p, (size_t)n };
		b->p += n;
		b->n -= (size_t)n;
		return true;
	}
	return false;
}

/* It is aligned in the file too, since sections are. */
static bool find_go(struct bytes program, struct line *ret_version, struct line *ret_modules)
{
	for (size_t at = 0; at + GO_HEAD < program.n;) {
		const unsigned char *hit = memmem(program.p + at, program.n - at, go_magic, GO_MAGIC_SIZE);
		if (!hit)
			return false;
		at = (size_t)(hit - program.p);
		if (at % GO_ALIGN == 0 && program.n - at > GO_HEAD && hit[15] & GO_FLAG_INLINE) {
			struct bytes rest = { hit + GO_HEAD, program.n - at - GO_HEAD };
			return take_text(&rest, ret_version) && take_text(&rest, ret_modules);
		}
		at++;
	}
	return false;
}

/* The column of a line with tabs, from 0; new string. */
static char *column(struct line l, unsigned index)
{
	for (; index; index--) {
		const char *tab = memchr(l.p, '\t', l.n);
		if (!tab)
			return NULL;
		l.n -= (size_t)(tab + 1 - l.p);
		l.p = tab + 1;
	}
	const char *end = memchr(l.p, '\t', l.n);
	return rn_strndup(l.p, end ? (size_t)(end - l.p) : l.n);
}

static bool starts(struct line l, const char *prefix)
{
	return l.n >= strlen(prefix) && memcmp(l.p, prefix, strlen(prefix)) == 0;
}

/* A module that was replaced is not in the program; what replaced it is. A folder as replacement has no version. */
static void take_module(struct packages *p, struct line l, const char *revision, const char *path)
{
	struct package k = { .name = column(l, 1), .version = column(l, 2) };
	if (rn_streq(k.version, "(devel)")) {
		free(k.version);
		k.version = rn_strdup(revision);
	}
	if (k.name && (*k.name == '.' || *k.name == '/'))
		package_drop(&k);
	packages_add(p, "golang", &k, path);
}

static char *find_revision(struct line rest)
{
	static const char prefix[] = "build\tvcs.revision=";
	struct line l;
	while (next_line(&rest, &l))
		if (starts(l, prefix))
			return rn_strndup(l.p + strlen(prefix), l.n - strlen(prefix));
	return NULL;
}

void packages_read_go(struct packages *p, struct bytes program, const char *path)
{
	struct line version, modules, l, last = { NULL, 0 };
	if (program.n < 4 || memcmp(program.p, "\177ELF", 4) != 0 || !find_go(program, &version, &modules))
		return;
	if (starts(version, "go")) {
		size_t n = strnlen(version.p, version.n), blank = 2;
		while (blank < n && version.p[blank] != ' ') /* "go1.22.1 X:experiment" */
			blank++;
		struct package k = { .name = rn_strdup("stdlib"), .version = rn_strndup(version.p + 2, blank - 2) };
		packages_add(p, "golang", &k, path);
	}
	if (modules.n <= 2 * GO_MARK)
		return;
	struct line rest = { modules.p + GO_MARK, modules.n - 2 * GO_MARK };
	RN_AUTO(rn_freep) char *revision = find_revision(rest);
	while (next_line(&rest, &l)) {
		bool replaced = starts(l, "=>\t");
		if (last.p && !replaced)
			take_module(p, last, revision, path);
		last = (struct line){ NULL, 0 };
		if (replaced || starts(l, "mod\t") || starts(l, "dep\t"))
			last = l;
	}
	if (last.p)
		take_module(p, last, revision, path);
}

/* ---- Java ---------------------------------------------------------------------------------------- */

#define JAR_DEPTH 3
#define JAR_ENTRIES 200000
#define POM_MAX ((size_t)64 << 10)
#define INNER_MAX ((size_t)32 << 20)
#define INNER_TOTAL ((size_t)512 << 20)
#define ENTRY_COST ((size_t)4 << 10) /* that a look at one takes from the total at least */
#define NAMES_MAX ((size_t)1 << 20)  /* in the lists of contents, which libarchive keeps whole */

static bool ends(const char *s, const char *const *suffixes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rn_ends(s, suffixes[i]))
			return true;
	return false;
}

bool packages_is_jar(const char *name)
{
	static const char *const suffixes[] = { ".jar", ".war", ".ear" };
	return ends(name, suffixes, RN_LEN(suffixes));
}

static void read_pom(struct packages *p, const struct rn_buf *text, const char *path)
{
	struct line rest = { rn_buf_str(text), text->len }, l;
	struct package k = { 0 };
	const struct {
		const char *prefix;
		char **to;
	} keys[] = { { "groupId=", &k.group }, { "artifactId=", &k.name }, { "version=", &k.version } };
	while (next_line(&rest, &l))
		for (size_t i = 0; i < RN_LEN(keys); i++)
			if (starts(l, keys[i].prefix) && !*keys[i].to)
				*keys[i].to = rn_strndup(l.p + strlen(keys[i].prefix), l.n - strlen(keys[i].prefix));
	if (!k.group || !*k.group)
		package_drop(&k);
	packages_add(p, "maven", &k, path);
}

/* The entry's bytes, unless it has more than `max`. What it took goes from the budget, also of one that is too long. */
static bool read_entry(struct archive *a, size_t max, size_t *budget, struct rn_buf *ret)
{
	char piece[16384];
	la_ssize_t n;
	bool fits = true;
	size_t room = max < *budget ? max : *budget;
	rn_buf_reset(ret);
	while (fits && (n = archive_read_data(a, piece, sizeof(piece))) != 0)
		fits = n > 0 && ret->len + (size_t)n <= room && rn_buf_add(ret, piece, (size_t)n) == 0;
	size_t cost = ret->len + ENTRY_COST;
	*budget -= cost < *budget ? cost : *budget;
	return fits;
}

static bool has_too_many_names(struct bytes data)
{
	static const char mark[] = "PK\001\002"; /* of each line of a list of contents */
	size_t n = 0;
	for (const unsigned char *at = data.p, *end = at + data.n; (at = memchr(at, *mark, (size_t)(end - at))) && n <= NAMES_MAX; at++)
		n += end - at >= 4 && memcmp(at, mark, 4) == 0;
	return n > NAMES_MAX;
}

/* `budget`: bytes that entries, also of archives within archives, may still unpack to, so that a bomb stays small */
static void read_jar(struct packages *p, struct bytes data, const char *path, unsigned depth, size_t *budget)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	RN_AUTO(rn_buf_clear) struct rn_buf content = RN_BUF_INIT;
	if (!a)
		return;
	archive_read_support_format_zip_seekable(a);
	bool open = !has_too_many_names(data) && archive_read_open_memory(a, data.p, data.n) == ARCHIVE_OK;
	for (unsigned i = 0; open && *budget && i < JAR_ENTRIES && archive_read_next_header(a, &e) == ARCHIVE_OK; i++) {
		const char *name = archive_entry_pathname(e);
		if (!name)
			continue;
		if (rn_starts(name, "META-INF/maven/") && rn_ends(name, "/pom.properties")) {
			if (read_entry(a, POM_MAX, budget, &content))
				read_pom(p, &content, path);
		} else if (packages_is_jar(name) && depth < JAR_DEPTH && read_entry(a, INNER_MAX, budget, &content)) {
			read_jar(p, (struct bytes){ (const unsigned char *)rn_buf_str(&content), content.len }, path, depth + 1, budget);
		}
	}
	archive_read_free(a);
}

void packages_read_jar(struct packages *p, struct bytes archive, const char *path)
{
	size_t budget = INNER_TOTAL;
	if (archive.n)
		read_jar(p, archive, path, 0, &budget);
}

/* ---- Ruby ------------------------------------------------------------------------------------------ */

/* The first text in quotes of the line, with its place behind it; new string. */
static char *quoted(struct line *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->p[i] != '"' && l->p[i] != '\'')
			continue;
		const char *from = l->p + i + 1, *end = memchr(from, l->p[i], l->n - i - 1);
		if (!end)
			return NULL;
		l->n -= (size_t)(end + 1 - l->p);
		l->p = end + 1;
		return rn_strndup(from, (size_t)(end - from));
	}
	return NULL;
}

/* `  s.name = "rake".freeze`: is the line about `name`? What is behind the '=' then. */
static bool assigns(struct line l, const char *name, struct line *ret)
{
	while (l.n && (*l.p == ' ' || *l.p == '\t'))
		l = (struct line){ l.p + 1, l.n - 1 };
	RN_AUTO(rn_freep) char *prefix = rn_asprintf("s.%s = ", name);
	if (!starts(l, prefix))
		return false;
	*ret = (struct line){ l.p + strlen(prefix), l.n - strlen(prefix) };
	return true;
}

void packages_read_gem(struct packages *p, const char *text, const char *path)
{
	struct line rest = { text, strlen(text) }, l, value;
	struct package k = { 0 };
	const struct {
		const char *name;
		char **to;
	} keys[] = { { "name", &k.name }, { "version", &k.version }, { "platform", &k.platform }, { "licenses", &k.license },
		     { "license", &k.license }, { "authors", &k.supplier }, { "author", &k.supplier } };
	while (next_line(&rest, &l))
		for (size_t i = 0; i < RN_LEN(keys); i++)
			if (assigns(l, keys[i].name, &value) && !*keys[i].to)
				*keys[i].to = quoted(&value);
	packages_add(p, "gem", &k, path);
}
