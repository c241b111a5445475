/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for what tells of packages in the merged tree of an image, and reading it: texts, databases, programs. */
#include "sbom.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BOOK_SIZE_MAX ((size_t)64 << 20)
/* files that are mapped, not held */
#define MAPPED_SIZE_MAX ((size_t)1 << 30)
/* the smallest program that Go's linker makes is over a megabyte, and other executables are mostly smaller */
#define GO_SIZE_MIN ((size_t)512 << 10)
#define DEPTH_MAX 200

enum book {
	BOOK_NONE,
	BOOK_DPKG,
	BOOK_APK,
	BOOK_PYTHON,
	BOOK_NPM,
	BOOK_GEM,
	/* those from here on are mapped */
	BOOK_RPM,
	BOOK_GO,
	BOOK_JAR,
};

struct found {
	struct layer_node *node;
	enum book book;
};

struct survey {
	struct found *v;
	size_t n;
	size_t cap;
	struct layer_node *wal; /* of rpm's database, or NULL */
};

/* ---- looking for books ------------------------------------------------------------------- */

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

static bool is_python(const struct layer_node *n)
{
	if (rn_streq(n->name, "METADATA"))
		return in_dir(n, ".dist-info");
	return rn_streq(n->name, "PKG-INFO") ? in_dir(n, ".egg-info") : rn_ends(n->name, ".egg-info");
}

/* specifications/NAME.gemspec; those that come with Ruby lie in specifications/default */
static bool is_gem(const struct layer_node *n)
{
	if (!rn_ends(n->name, ".gemspec") || !n->parent)
		return false;
	const struct layer_node *dir = rn_streq(n->parent->name, "default") ? n->parent->parent : n->parent;
	return dir && rn_streq(dir->name, "specifications");
}

static bool is_system_book(const struct layer_node *n)
{
	static const char *const names[] = { "status", "installed", "rpmdb.sqlite", "Packages", "Packages.db" };
	for (size_t i = 0; i < RN_LEN(names); i++)
		if (rn_streq(n->name, names[i]))
			return true;
	return in_dir(n, "status.d");
}

/* By the whole path, which is only made for names that can be one. */
static enum book system_book(const struct layer_node *n)
{
	static const char *const rpm[] = { "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "var/lib/rpm/Packages.db",
					   "usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages",
					   "usr/lib/sysimage/rpm/Packages.db", "usr/share/rpm/rpmdb.sqlite" };
	RN_AUTO(rn_freep) char *path = layer_node_path(n);
	if (rn_streq(path, "var/lib/dpkg/status") || (rn_starts(path, "var/lib/dpkg/status.d/") && !rn_ends(path, ".md5sums")))
		return BOOK_DPKG;
	if (rn_streq(path, "lib/apk/db/installed") || rn_streq(path, "usr/lib/apk/db/installed"))
		return BOOK_APK;
	for (size_t i = 0; i < RN_LEN(rpm); i++)
		if (rn_streq(path, rpm[i]))
			return BOOK_RPM;
	return BOOK_NONE;
}

static enum book book_of(const struct layer_node *n)
{
	enum book system = is_system_book(n) ? system_book(n) : BOOK_NONE;
	if (system != BOOK_NONE)
		return system;
	if (is_python(n))
		return BOOK_PYTHON;
	if (is_npm(n))
		return BOOK_NPM;
	if (is_gem(n))
		return BOOK_GEM;
	if (n->size > MAPPED_SIZE_MAX)
		return BOOK_NONE;
	if (packages_is_jar(n->name))
		return BOOK_JAR;
	/* hard links of a program (git has a hundred) are one */
	return n->mode & 0111 && n->size >= GO_SIZE_MIN && n->origin == n ? BOOK_GO : BOOK_NONE;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by DEPTH_MAX */
static void look(struct survey *s, struct layer_node *n, unsigned depth)
{
	enum book book = n->type == LAYER_FILE ? book_of(n) : BOOK_NONE;
	if (book != BOOK_NONE) {
		s->v = rn_grow(s->v, &s->cap, s->n + 1, sizeof(*s->v));
		s->v[s->n++] = (struct found){ n, book };
	}
	if (book == BOOK_RPM && rn_streq(n->name, "rpmdb.sqlite"))
		s->wal = layer_node_child(n->parent, "rpmdb.sqlite-wal");
	for (size_t i = 0; i < n->n_children && depth < DEPTH_MAX; i++)
		look(s, n->children[i], depth + 1);
}

/* ---- reading them ---------------------------------------------------------------------------- */

struct mapped {
	void *base;
	size_t len;
	struct bytes bytes;
};

static void unmap(struct mapped *m)
{
	if (m->base)
		munmap(m->base, m->len);
}

/* The file's bytes where the tree keeps them; nobody changes those. */
static int map(struct layer_tree *t, struct layer_node *n, struct mapped *ret, struct rn_error *err)
{
	int fd;
	off_t at;
	if (n->size > MAPPED_SIZE_MAX)
		return rn_fail(err, RN_ELIMIT, "it has more than %zu bytes", MAPPED_SIZE_MAX);
	if (n->size == 0)
		return 0;
	if (layer_tree_content(t, n, &fd, &at, err) < 0)
		return -1;
	off_t begin = at & ~((off_t)sysconf(_SC_PAGESIZE) - 1);
	size_t len = (size_t)n->size + (size_t)(at - begin);
	void *base = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, begin);
	if (base == MAP_FAILED)
		return rn_fail(err, RN_EIO, "mmap: %m");
	*ret = (struct mapped){ base, len, { (const unsigned char *)base + (at - begin), (size_t)n->size } };
	return 0;
}

/* One that cannot be read is told, and the build goes on: the image is what it is. */
static void read_rpm(struct build *b, struct packages *p, struct bytes db, struct bytes wal, const char *path)
{
	struct rn_error err = { 0 };
	if (packages_read_rpm(p, db, wal, path, &err) == 0)
		return;
	build_log(b, RUNNER_WARN, "sbom: the RPM database /%s cannot be read, so packages are missing in the document: %s", path, err.msg);
	rn_strv_addf(&p->unread, "The RPM database /%s could not be read, so packages are missing: %s.", path, err.msg);
}

static int read_mapped(struct build *b, struct layer_tree *t, const struct survey *s, const struct found *f, struct packages *p,
		       const char *path, struct rn_error *err)
{
	RN_AUTO(unmap) struct mapped m = { 0 }, wal = { 0 };
	if (map(t, f->node, &m, err) < 0)
		return -1;
	if (f->book == BOOK_RPM && s->wal && s->wal->parent == f->node->parent && map(t, s->wal, &wal, err) < 0)
		return -1;
	if (f->book == BOOK_RPM)
		read_rpm(b, p, m.bytes, wal.bytes, path);
	else if (f->book == BOOK_GO)
		packages_read_go(p, m.bytes, path);
	else
		packages_read_jar(p, m.bytes, path);
	return 0;
}

static int read_text(struct layer_tree *t, const struct found *f, struct packages *p, const char *path, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (layer_tree_read(t, f->node, BOOK_SIZE_MAX, &text, err) < 0)
		return -1;
	const char *s = rn_buf_str(&text);
	if (f->book == BOOK_DPKG)
		packages_read_dpkg(p, s, path);
	else if (f->book == BOOK_APK)
		packages_read_apk(p, s, path);
	else if (f->book == BOOK_PYTHON)
		packages_read_python(p, s, path);
	else if (f->book == BOOK_GEM)
		packages_read_gem(p, s, path);
	else
		packages_read_npm(p, s, text.len, path);
	return 0;
}

static int read_os(struct layer_tree *t, struct layer_node *os, struct packages *ret, struct rn_error *err)
{
	RN_AUTO(rn_buf_clear) struct rn_buf text = RN_BUF_INIT;
	if (layer_tree_read(t, os, BOOK_SIZE_MAX, &text, err) < 0)
		return rn_wrap(err, "/etc/os-release");
	distribution_read(rn_buf_str(&text), &ret->distribution);
	return 0;
}

static int read_all(struct build *b, struct survey *s, struct layer_tree *t, struct packages *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) struct layer_node **nodes = rn_alloc((s->n + 2) * sizeof(struct layer_node *));
	struct layer_node *os = layer_tree_find(t, "etc/os-release", true, NULL);
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].node->size <= MAPPED_SIZE_MAX) /* a larger book is an error when it is read */
			nodes[n++] = s->v[i].node;
	if (os && os->type == LAYER_FILE)
		nodes[n++] = os;
	if (s->wal)
		nodes[n++] = s->wal;
	if (layer_tree_fetch(t, nodes, n, err) < 0) /* one pass over each layer */
		return -1;
	if (os && os->type == LAYER_FILE && read_os(t, os, ret, err) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		const struct found *f = &s->v[i];
		RN_AUTO(rn_freep) char *path = layer_node_path(f->node);
		if ((f->book < BOOK_RPM ? read_text(t, f, ret, path, err) : read_mapped(b, t, s, f, ret, path, err)) < 0)
			return rn_wrap(err, "/%s", path);
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
	int rc = read_all(b, &s, t, ret, err);
	free(s.v);
	return rc;
}
