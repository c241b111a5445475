/* SPDX-License-Identifier: Apache-2.0 */
#include "packages.h"

#include "base/encode.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void package_free(void *p)
{
	struct package *k = p;
	if (!k)
		return;
	free(k->kind);
	free(k->name);
	free(k->version);
	free(k->arch);
	free(k->license);
	free(k->supplier);
	free(k->source);
	free(k->purl);
	free(k);
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
	rn_freep(&p->unread);
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

/* pkg:KIND/[NAMESPACE/]NAME@VERSION[?arch=…&distro=…] (github.com/package-url/purl-spec). */
static char *make_purl(const struct packages *p, const struct package *k)
{
	bool system = rn_streq(k->kind, "deb") || rn_streq(k->kind, "apk");
	const struct distribution *d = &p->distribution;
	RN_AUTO(rn_buf_clear) struct rn_buf b = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *name = rn_percent(k->name, rn_streq(k->kind, "npm") ? "/" : "");
	RN_AUTO(rn_freep) char *version = rn_percent(k->version, "");
	RN_AUTO(rn_freep) char *space = rn_percent(d->id ? d->id : rn_streq(k->kind, "apk") ? "alpine" : "debian", "");
	rn_buf_addf(&b, "pkg:%s/%s%s%s@%s", k->kind, system ? space : "", system ? "/" : "", name, version);
	if (system && k->arch)
		rn_buf_addf(&b, "?arch=%s", k->arch);
	if (system && d->id && d->version)
		rn_buf_addf(&b, "%cdistro=%s-%s", k->arch ? '&' : '?', space, d->version);
	return rn_strdup(rn_buf_str(&b));
}

/* Takes over what `k` owns. */
static void add(struct packages *p, const char *kind, struct package *k, const char *path)
{
	struct package *copy = rn_alloc(sizeof(*copy));
	*copy = *k;
	*k = (struct package){ 0 };
	copy->kind = rn_strdup(kind);
	copy->source = rn_strdup(path);
	bool valid = copy->name && *copy->name && copy->version && *copy->version && rn_utf8_valid(copy->name, strlen(copy->name));
	copy->purl = valid ? make_purl(p, copy) : NULL;
	if (!valid || rn_map_has(&p->by_purl, copy->purl))
		package_free(copy);
	else
		rn_map_set(&p->by_purl, copy->purl, copy);
}

static void drop(struct package *k)
{
	free(k->name);
	free(k->version);
	free(k->arch);
	free(k->license);
	free(k->supplier);
	*k = (struct package){ 0 };
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

static void end_dpkg(struct packages *p, struct package *k, char **status, const char *path)
{
	/* "install ok installed"; files of status.d have no such line */
	if (!*status || rn_ends(*status, " installed"))
		add(p, "deb", k, path);
	drop(k);
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
			       field(line, n, "Status", &status));
	}
	end_dpkg(p, &k, &status, path);
}

/* ---- apk ----------------------------------------------------------------------------------------- */

void packages_read_apk(struct packages *p, const char *text, const char *path)
{
	struct package k = { 0 };
	const char *line;
	size_t n;
	while (next_line(&text, &line, &n)) {
		if (n == 0)
			add(p, "apk", &k, path);
		else
			(void)(field(line, n, "P", &k.name) || field(line, n, "V", &k.version) || field(line, n, "A", &k.arch) ||
			       field(line, n, "L", &k.license) || field(line, n, "m", &k.supplier));
	}
	add(p, "apk", &k, path);
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
	add(p, "pypi", &k, path);
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
	add(p, "npm", &k, path);
	return true;
}
