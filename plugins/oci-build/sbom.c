/* SPDX-License-Identifier: Apache-2.0 */
#include "sbom.h"

#include "base/encode.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define BOOK_SIZE_MAX ((size_t)64 << 20)
#define DEPTH_MAX 200

/* ---- looking for books ------------------------------------------------------------------- */

enum book { BOOK_NONE, BOOK_DPKG, BOOK_APK, BOOK_PYTHON, BOOK_NPM, BOOK_RPM };

struct found {
	struct layer_node *node;
	enum book book;
};

struct survey {
	struct found *v;
	size_t n;
	size_t cap;
	char *rpm; /* path of a database that is not read */
};

static bool in_dir(const struct layer_node *n, const char *suffix)
{
	return n->parent && rn_ends(n->parent->name, suffix);
}

/* node_modules/NAME/package.json, node_modules/@SCOPE/NAME/package.json */
static bool is_npm(const struct layer_node *n)
{
	const struct layer_node *dir = n->parent, *above = dir ? dir->parent : NULL;
	if (!above || !rn_streq(n->name, "package.json"))
		return false;
	return rn_streq(above->name, "node_modules") || (*above->name == '@' && in_dir(above, "node_modules"));
}

static enum book book_of(const struct layer_node *n, const char *path)
{
	static const char *const rpm[] = { "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "var/lib/rpm/Packages.db",
					   "usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db" };
	if (rn_streq(path, "var/lib/dpkg/status") || (rn_starts(path, "var/lib/dpkg/status.d/") && !rn_ends(path, ".md5sums")))
		return BOOK_DPKG;
	if (rn_streq(path, "lib/apk/db/installed") || rn_streq(path, "usr/lib/apk/db/installed"))
		return BOOK_APK;
	if ((rn_streq(n->name, "METADATA") && in_dir(n, ".dist-info")) || (rn_streq(n->name, "PKG-INFO") && in_dir(n, ".egg-info")))
		return BOOK_PYTHON;
	if (is_npm(n))
		return BOOK_NPM;
	for (size_t i = 0; i < RN_LEN(rpm); i++)
		if (rn_streq(path, rpm[i]))
			return BOOK_RPM;
	return BOOK_NONE;
}

/* Names that can be a book, so that most files cost no path. */
static bool may_be_book(const struct layer_node *n)
{
	static const char *const names[] = { "status", "installed", "METADATA", "PKG-INFO", "package.json", "rpmdb.sqlite", "Packages",
					     "Packages.db" };
	for (size_t i = 0; i < RN_LEN(names); i++)
		if (rn_streq(n->name, names[i]))
			return true;
	return in_dir(n, "status.d");
}

static void look(struct survey *s, struct layer_node *n, unsigned depth)
{
	if (n->type == LAYER_FILE && may_be_book(n)) {
		RN_AUTO(rn_freep) char *path = layer_node_path(n);
		enum book book = book_of(n, path);
		if (book == BOOK_RPM && !s->rpm)
			s->rpm = rn_take(&path);
		if (book == BOOK_NONE || book == BOOK_RPM)
			return;
		s->v = rn_grow(s->v, &s->cap, s->n + 1, sizeof(*s->v));
		s->v[s->n++] = (struct found){ n, book };
	}
	for (size_t i = 0; i < n->n_children && depth < DEPTH_MAX; i++)
		look(s, n->children[i], depth + 1);
}

static void read_book(struct packages *p, enum book book, const struct rn_buf *text, const char *path)
{
	const char *t = rn_buf_str(text);
	if (book == BOOK_DPKG)
		packages_read_dpkg(p, t, path);
	else if (book == BOOK_APK)
		packages_read_apk(p, t, path);
	else if (book == BOOK_PYTHON)
		packages_read_python(p, t, path);
	else
		packages_read_npm(p, t, text->len, path);
}

static int read_all(struct survey *s, struct layer_tree *t, struct packages *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) struct layer_node **nodes = rn_alloc((s->n + 2) * sizeof(struct layer_node *));
	struct layer_node *os = layer_tree_find(t, "etc/os-release", true, NULL);
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		nodes[n++] = s->v[i].node;
	if (os && os->type == LAYER_FILE)
		nodes[n++] = os;
	if (layer_tree_fetch(t, nodes, n, err) < 0) /* one pass over each layer */
		return -1;
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (os && os->type == LAYER_FILE) {
		if (layer_tree_read(t, os, BOOK_SIZE_MAX, &text, err) < 0)
			return -1;
		distribution_read(rn_buf_str(&text), &ret->distribution);
	}
	for (size_t i = 0; i < s->n; i++) {
		RN_AUTO(rn_freep) char *path = layer_node_path(s->v[i].node);
		rn_buf_clear(&text);
		if (layer_tree_read(t, s->v[i].node, BOOK_SIZE_MAX, &text, err) < 0)
			return rn_wrap(err, "/%s", path);
		read_book(ret, s->v[i].book, &text, path);
	}
	return 0;
}

int sbom_survey(struct fs_state *state, struct build *b, struct packages *ret, struct rn_error *err)
{
	struct layer_tree *t = fs_state_tree(state, b, err);
	struct survey s = { 0 };
	if (!t)
		return -1;
	look(&s, layer_tree_root(t), 0);
	int rc = read_all(&s, t, ret, err);
	if (rc == 0 && s.rpm) {
		ret->unread = rn_take(&s.rpm);
		build_log(b, RUNNER_WARN, "sbom: the RPM database /%s is not read, so its packages are missing in the document", ret->unread);
	}
	free(s.v);
	free(s.rpm);
	return rc;
}

/* ---- the document ---------------------------------------------------------------------------- */

/* SPDX ids have letters, digits, '.' and '-'; a digest keeps those apart that look alike then. */
static char *spdx_id(const struct package *k)
{
	struct digest d = digest_of(k->purl, strlen(k->purl));
	char *id = rn_asprintf("SPDXRef-Package-%s-%s-%.12s", k->kind, k->name, digest_hex(&d));
	for (char *c = id; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.' || *c == '-'))
			*c = '-';
	return id;
}

static void add_text(cJSON *o, const char *name, const char *value)
{
	cJSON_AddStringToObject(o, name, value && *value && rn_utf8_valid(value, strlen(value)) ? value : "NOASSERTION");
}

static cJSON *new_package(const char *id, const char *name, const char *version, const char *purl)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "SPDXID", id);
	cJSON_AddStringToObject(o, "name", name);
	cJSON_AddStringToObject(o, "versionInfo", version);
	cJSON_AddStringToObject(o, "downloadLocation", "NOASSERTION");
	cJSON_AddFalseToObject(o, "filesAnalyzed");
	cJSON_AddStringToObject(o, "licenseConcluded", "NOASSERTION");
	cJSON *ref = cJSON_CreateObject();
	cJSON_AddStringToObject(ref, "referenceCategory", "PACKAGE-MANAGER");
	cJSON_AddStringToObject(ref, "referenceType", "purl");
	cJSON_AddStringToObject(ref, "referenceLocator", purl);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "externalRefs"), ref);
	return o;
}

static void relate(cJSON *list, const char *from, const char *how, const char *to)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "spdxElementId", from);
	cJSON_AddStringToObject(o, "relationshipType", how);
	cJSON_AddStringToObject(o, "relatedSpdxElement", to);
	cJSON_AddItemToArray(list, o);
}

static void add_package(cJSON *list, cJSON *relations, const struct package *k)
{
	RN_AUTO(rn_freep) char *id = spdx_id(k);
	RN_AUTO(rn_freep) char *info = rn_asprintf("found in /%s", k->source);
	cJSON *o = new_package(id, k->name, k->version, k->purl);
	/* a licence as its author wrote it is no SPDX expression: it is told as a comment */
	cJSON_AddStringToObject(o, "licenseDeclared", "NOASSERTION");
	if (k->license && *k->license && rn_utf8_valid(k->license, strlen(k->license)))
		cJSON_AddStringToObject(o, "licenseComments", k->license);
	cJSON_AddStringToObject(o, "copyrightText", "NOASSERTION");
	RN_AUTO(rn_freep) char *supplier = k->supplier && *k->supplier ? rn_asprintf("Organization: %s", k->supplier) : NULL;
	add_text(o, "supplier", supplier);
	if (rn_utf8_valid(info, strlen(info)))
		cJSON_AddStringToObject(o, "sourceInfo", info);
	cJSON_AddItemToArray(list, o);
	relate(relations, "SPDXRef-Image", "CONTAINS", id);
}

static cJSON *new_document(const struct packages *p, const char *name, const struct digest *subject, const char *created)
{
	cJSON *doc = cJSON_CreateObject();
	RN_AUTO(rn_freep) char *space = rn_asprintf("https://spdx.org/spdxdocs/runner-oci-build/%s", digest_hex(subject));
	cJSON_AddStringToObject(doc, "spdxVersion", "SPDX-2.3");
	cJSON_AddStringToObject(doc, "dataLicense", "CC0-1.0");
	cJSON_AddStringToObject(doc, "SPDXID", "SPDXRef-DOCUMENT");
	cJSON_AddStringToObject(doc, "name", name);
	cJSON_AddStringToObject(doc, "documentNamespace", space);
	cJSON *info = cJSON_AddObjectToObject(doc, "creationInfo");
	cJSON_AddStringToObject(info, "created", created);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(info, "creators"), cJSON_CreateString("Tool: runner-" RUNNER_VERSION));
	if (p->unread) {
		RN_AUTO(rn_freep) char *comment = rn_asprintf("The RPM database /%s was not read: its packages are missing.", p->unread);
		cJSON_AddStringToObject(doc, "comment", comment);
	}
	return doc;
}

void sbom_print(const struct packages *p, const char *name, const struct digest *subject, const char *created, struct rn_buf *ret)
{
	RN_AUTO(rn_json_freep) cJSON *doc = new_document(p, name, subject, created);
	cJSON *list = cJSON_AddArrayToObject(doc, "packages"), *relations = cJSON_AddArrayToObject(doc, "relationships");
	RN_AUTO(rn_freep) char *escaped = rn_percent(subject->text, "");
	RN_AUTO(rn_freep) char *purl = rn_asprintf("pkg:oci/image@%s", escaped);
	cJSON *image = new_package("SPDXRef-Image", name, subject->text, purl);
	cJSON_AddStringToObject(image, "licenseDeclared", "NOASSERTION");
	cJSON_AddStringToObject(image, "copyrightText", "NOASSERTION");
	cJSON_AddStringToObject(image, "primaryPackagePurpose", "CONTAINER");
	cJSON_AddItemToArray(list, image);
	relate(relations, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image");
	RN_AUTO(rn_freep) const struct package **v = packages_sorted(p);
	for (size_t i = 0; i < p->by_purl.live; i++)
		add_package(list, relations, v[i]);
	RN_AUTO(rn_freep) char *text = rn_json_print(doc);
	rn_buf_adds(ret, text);
}
