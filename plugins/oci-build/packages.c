/* SPDX-License-Identifier: Apache-2.0 */
#include "packages.h"

#include "base/encode.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PACKAGES_MAX ((size_t)200000) /* ten times what the largest images have */
#define TEXT_MAX ((size_t)1024)       /* bytes of a name or a version           */

static void package_free(void *p)
{
	struct package *k = p;
	if (k)
		package_drop(k);
	free(k);
}

void package_drop(struct package *k)
{
	char *owned[] = { k->kind, k->group, k->name, k->version, k->epoch, k->arch, k->platform, k->upstream, k->license, k->supplier,
			  k->source, k->purl };
	for (size_t i = 0; i < RN_LEN(owned); i++)
		free(owned[i]);
	*k = (struct package){ 0 };
}

void distribution_clear(struct distribution *d)
{
	rn_freep(&d->id);
	rn_freep(&d->version);
}

void packages_init(struct packages *p)
{
	*p = (struct packages){ 0 };
	rn_map_init(&p->by_purl, package_free);
}

void packages_clear(struct packages *p)
{
	rn_map_clear(&p->by_purl);
	distribution_clear(&p->distribution);
	rn_strv_clear(&p->unread);
}

static int by_purl(const void *a, const void *b)
{
	return strcmp((*(const struct package *const *)a)->purl, (*(const struct package *const *)b)->purl);
}

const struct package **packages_sorted(const struct packages *p)
{
	const struct package **v = rn_alloc((p->by_purl.live + 1) * sizeof(const struct package *));
	size_t n = 0;
	RN_MAP_EACH(&p->by_purl, it)
		v[n++] = it->value;
	qsort(v, n, sizeof(const struct package *), by_purl);
	return v;
}

/* ---- package URLs ------------------------------------------------------------------------ */

/* Of a distribution's package manager? Their packages have its name as namespace. */
static bool is_system(const struct package *k)
{
	return rn_streq(k->kind, "deb") || rn_streq(k->kind, "apk") || rn_streq(k->kind, "rpm");
}

/* The namespace with its slash. Without /etc/os-release, what most images with that package manager are. */
static void add_namespace(struct rn_buf *b, const struct packages *p, const struct package *k)
{
	const char *usual = rn_streq(k->kind, "apk") ? "alpine" : rn_streq(k->kind, "deb") ? "debian" : NULL;
	const char *name = is_system(k) ? (p->distribution.id ? p->distribution.id : usual) : k->group;
	if (!name)
		return;
	RN_AUTO(rn_freep) char *text = rn_percent(name, ":");
	rn_buf_addf(b, "%s/", text);
}

static void add_qualifier(struct rn_buf *b, char *separator, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	RN_AUTO(rn_freep) char *text = rn_percent(value, ":");
	rn_buf_addf(b, "%c%s=%s", *separator, name, text);
	*separator = '&';
}

/* pkg:KIND/[NAMESPACE/]NAME@VERSION[?arch=…&distro=…] (github.com/package-url/purl-spec); qualifiers are sorted. */
static char *make_purl(const struct packages *p, const struct package *k)
{
	const struct distribution *d = &p->distribution;
	bool go = rn_streq(k->kind, "golang");
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *name = rn_percent(k->name, go || rn_streq(k->kind, "npm") ? ":/" : ":");
	RN_AUTO(rn_freep) char *version = rn_percent(k->version, ":");
	rn_buf_addf(&b, "pkg:%s/", k->kind);
	add_namespace(&b, p, k);
	rn_buf_addf(&b, "%s@%s", go ? rn_lower(name) : name, version);
	RN_AUTO(rn_freep) char *distro = is_system(k) && d->id && d->version ? rn_asprintf("%s-%s", d->id, d->version) : NULL;
	char separator = '?';
	add_qualifier(&b, &separator, "arch", is_system(k) ? k->arch : NULL);
	add_qualifier(&b, &separator, "distro", distro);
	add_qualifier(&b, &separator, "epoch", k->epoch);
	add_qualifier(&b, &separator, "platform", k->platform);
	add_qualifier(&b, &separator, "upstream", k->upstream);
	return rn_buf_take(&b);
}

static bool is_usual(const char *text)
{
	return text && *text && strlen(text) <= TEXT_MAX && rn_utf8_valid(text, strlen(text));
}

/* Said once: by then it is somebody's joke. */
static void note_full(struct packages *p)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("There are more than %zu packages; the others are missing.", PACKAGES_MAX);
	if (!rn_strv_has(&p->unread, text))
		rn_strv_add(&p->unread, text);
}

void packages_add(struct packages *p, const char *kind, struct package *k, const char *path)
{
	struct package *copy = rn_alloc(sizeof(*copy));
	*copy = *k;
	*k = (struct package){ 0 };
	copy->kind = rn_strdup(kind);
	copy->source = rn_strdup(path);
	bool valid = is_usual(copy->name) && is_usual(copy->version) && (!copy->group || is_usual(copy->group));
	copy->purl = valid ? make_purl(p, copy) : NULL;
	bool more = valid && !rn_map_has(&p->by_purl, copy->purl), full = p->by_purl.live >= PACKAGES_MAX;
	if (more && full)
		note_full(p);
	if (!more || full)
		package_free(copy);
	else
		rn_map_set(&p->by_purl, copy->purl, copy);
}

/* ---- lines of "Name: value" ----------------------------------------------------------------- */

/* The next line (without its end); false at the end of the text. */
static bool next_line(const char **at, const char **ret, size_t *ret_n)
{
	if (!**at)
		return false;
	*ret = *at;
	*ret_n = strcspn(*at, "\n");
	*at += *ret_n + ((*at)[*ret_n] == '\n');
	if (*ret_n && (*ret)[*ret_n - 1] == '\r')
		--*ret_n;
	return true;
}

/* Takes the value of a field when the line is that one; the first counts. */
static bool field(const char *line, size_t n, const char *name, char **ret)
{
	size_t k = strlen(name);
	/* the one-letter names of apk differ by case alone */
	if (n <= k || line[k] != ':' || (k == 1 ? *line != *name : strncasecmp(line, name, k) != 0))
		return false;
	if (!*ret) {
		char *text = rn_strndup(line + k + 1, n - k - 1);
		*ret = rn_strdup(rn_trim(text));
		free(text);
	}
	return true;
}

static char *unquote(const char *value, size_t n)
{
	char *copy = rn_strndup(value, n), *text = rn_trim(copy);
	size_t k = strlen(text);
	bool quoted = k >= 2 && (*text == '"' || *text == '\'') && text[k - 1] == *text;
	char *out = quoted ? rn_strndup(text + 1, k - 2) : rn_strdup(text);
	free(copy);
	return out;
}

void distribution_read(const char *text, struct distribution *ret)
{
	const char *line;
	size_t n;
	while (next_line(&text, &line, &n)) {
		if (n > 3 && !ret->id && strncmp(line, "ID=", 3) == 0)
			ret->id = unquote(line + 3, n - 3);
		else if (n > 11 && !ret->version && strncmp(line, "VERSION_ID=", 11) == 0)
			ret->version = unquote(line + 11, n - 11);
	}
}

/* ---- dpkg --------------------------------------------------------------------------------------- */

/* "Source: NAME" or "Source: NAME (VERSION)" */
static void name_upstream(struct package *k)
{
	size_t name = k->upstream ? strcspn(k->upstream, " ") : 0;
	const char *version = name ? strchr(k->upstream + name, '(') : NULL;
	if (!name || k->upstream[name] == '\0')
		return;
	char *text = version ? rn_asprintf("%.*s@%.*s", (int)name, k->upstream, (int)strcspn(version + 1, ")"), version + 1)
			     : rn_strndup(k->upstream, name);
	free(k->upstream);
	k->upstream = text;
}

static void end_dpkg(struct packages *p, struct package *k, char **status, const char *path)
{
	name_upstream(k);
	/* "install ok installed"; files of status.d have no such line */
	if (!*status || rn_ends(*status, " installed"))
		packages_add(p, "deb", k, path);
	package_drop(k);
	rn_freep(status);
}

void packages_read_dpkg(struct packages *p, const char *text, const char *path)
{
	struct package k = { 0 };
	char *status = NULL;
	const char *line;
	size_t n;
	while (next_line(&text, &line, &n)) {
		if (n == 0)
			end_dpkg(p, &k, &status, path);
		else if (*line != ' ' && *line != '\t')
			(void)(field(line, n, "Package", &k.name) || field(line, n, "Version", &k.version) ||
			       field(line, n, "Architecture", &k.arch) || field(line, n, "Maintainer", &k.supplier) ||
			       field(line, n, "Source", &k.upstream) || field(line, n, "Status", &status));
	}
	end_dpkg(p, &k, &status, path);
}

/* ---- apk ----------------------------------------------------------------------------------------- */

/* The package that others are split from is its own origin. */
static void end_apk(struct packages *p, struct package *k, const char *path)
{
	if (rn_streq(k->upstream, k->name))
		rn_freep(&k->upstream);
	packages_add(p, "apk", k, path);
}

void packages_read_apk(struct packages *p, const char *text, const char *path)
{
	struct package k = { 0 };
	const char *line;
	size_t n;
	while (next_line(&text, &line, &n)) {
		if (n == 0)
			end_apk(p, &k, path);
		else
			(void)(field(line, n, "P", &k.name) || field(line, n, "V", &k.version) || field(line, n, "A", &k.arch) ||
			       field(line, n, "L", &k.license) || field(line, n, "m", &k.supplier) || field(line, n, "o", &k.upstream));
	}
	end_apk(p, &k, path);
}

/* ---- Python ----------------------------------------------------------------------------------------- */

/* As PyPI compares names (PEP 503): lower case, runs of -_. are one dash. */
static char *python_name(const char *name)
{
	char *out = rn_alloc(strlen(name) + 1), *to = out;
	for (const char *c = name; *c; c++) {
		bool separator = strchr("-_.", *c);
		if (separator && to > out && to[-1] == '-')
			continue;
		*to++ = separator ? '-' : *c;
	}
	*to = '\0';
	return rn_lower(out);
}

void packages_read_python(struct packages *p, const char *text, const char *path)
{
	struct package k = { 0 };
	char *expression = NULL;
	const char *line;
	size_t n;
	while (next_line(&text, &line, &n) && n > 0) /* the description comes behind an empty line */
		(void)(field(line, n, "Name", &k.name) || field(line, n, "Version", &k.version) || field(line, n, "License", &k.license) ||
		       field(line, n, "License-Expression", &expression) || field(line, n, "Author", &k.supplier));
	if (expression) {
		free(k.license);
		k.license = expression;
	}
	if (k.name) {
		char *name = python_name(k.name);
		free(k.name);
		k.name = name;
	}
	packages_add(p, "pypi", &k, path);
}

/* ---- npm ---------------------------------------------------------------------------------------------- */

bool packages_read_npm(struct packages *p, const char *text, size_t n, const char *path)
{
	RN_AUTO(rn_json_freep) cJSON *j = rn_json_parse(text, n, NULL);
	const char *name = rn_json_str(j, "name"), *version = rn_json_str(j, "version");
	const cJSON *author = rn_json_get(j, "author"), *license = rn_json_get(j, "license");
	if (!name || !version)
		return false;
	struct package k = { .name = rn_strdup(name), .version = rn_strdup(version) };
	k.license = rn_strdup(cJSON_IsString(license) ? license->valuestring : rn_json_str(license, "type"));
	k.supplier = rn_strdup(cJSON_IsString(author) ? author->valuestring : rn_json_str(author, "name"));
	packages_add(p, "npm", &k, path);
	return true;
}
