/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of COPY and ADD: wildcards, folders and their contents, --parents, --exclude. */
#include "copy_job.h"
#include "dockerfile_parser.h"
#include "path_match.h"

#include "base/fs.h"
#include "oci/layer_reader.h"

#include <string.h>

/* A folder on the way that enters the layer only when something in it does. */
struct pending {
	struct pending *above;
	const struct file_node *node;
	const char *dest;
	bool done;
};

static int add_node(struct copy_job *j, struct file_node *n, const char *dest)
{
	bool local = file_source_is_dir(j->source);
	struct draft_owner owner = copy_owner(j, local ? 0 : n->uid, local ? 0 : n->gid);
	struct layer_entry e = {
		.path = dest, .type = n->type, .mode = copy_mode(j, n->mode, n->type), .uid = owner.uid, .gid = owner.gid,
		.mtime = local ? j->s->b->epoch : n->mtime, .size = n->size, .link = n->link, .dev_major = n->dev_major,
		.dev_minor = n->dev_minor, .xattrs = n->xattrs, .n_xattrs = n->n_xattrs,
	};
	const void *inode = n->inode;
	struct draft_content content = { .source = j->source, .fd = -1 };
	if (n->type == LAYER_FILE) {
		content.node = *n;
		*n = (struct file_node){ .type = LAYER_FILE };
	}
	int rc = layer_draft_add(j->draft, &e, n->type == LAYER_FILE ? &content : NULL, inode, j->s->err);
	file_node_clear(&content.node);
	return rc;
}

/* A folder that the layer shall have: its own facts unless it is there already. */
static int add_folder_once(struct copy_job *j, const struct file_node *node, const char *dest)
{
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	if (layer_draft_resolve(j->draft, dest, true, &real, &type, j->s->err) < 0)
		return -1;
	if (type == LAYER_DIR)
		return 0;
	if (type)
		return rn_fail(j->s->err, RN_EINVAL, "\"/%s\" is a file and cannot become a folder", dest);
	bool local = file_source_is_dir(j->source);
	struct draft_owner owner = copy_owner(j, local ? 0 : node->uid, local ? 0 : node->gid);
	struct layer_entry e = { .path = real, .type = LAYER_DIR, .mode = copy_mode(j, node->mode, LAYER_DIR),
				 .uid = owner.uid, .gid = owner.gid, .mtime = local ? j->s->b->epoch : node->mtime,
				 .xattrs = node->xattrs, .n_xattrs = node->n_xattrs };
	return layer_draft_add(j->draft, &e, NULL, NULL, j->s->err);
}

static int flush(struct copy_job *j, struct pending *p)
{
	if (!p || p->done)
		return 0;
	if (flush(j, p->above) < 0)
		return -1;
	p->done = true;
	return add_folder_once(j, p->node, p->dest);
}

static int place(struct copy_job *j, struct file_node *n, const char *dest, bool resolved, const char *relative, struct pending *above);

static int place_children(struct copy_job *j, const struct file_node *dir, const char *dest, const char *relative,
			  struct pending *above)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (build_check_cancel(j->s->b, j->s->err) < 0 || file_source_list(j->source, dir, &names, j->s->err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(file_node_clear) struct file_node child = { 0 };
		RN_AUTO(rn_freep) char *to = rn_path_below(dest, names.v[i]);
		RN_AUTO(rn_freep) char *inside = rn_path_below(relative, names.v[i]);
		if (file_source_child(j->source, dir, names.v[i], &child, j->s->err) < 0 ||
		    place(j, &child, to, true, inside, above) < 0)
			return -1;
	}
	return 0;
}

/* Where `dest` is; with its folder resolved only a link in last place can lead elsewhere. *ret_link: there is one. */
static int find_folder(struct copy_job *j, const char *dest, bool resolved, char **ret, bool *ret_link)
{
	RN_AUTO(rn_freep) char *plain = NULL;
	enum layer_type type = resolved ? layer_draft_type(j->draft, dest) : LAYER_SYMLINK;
	*ret_link = false;
	if (type != LAYER_SYMLINK) {
		*ret = rn_strdup(dest);
		return 0;
	}
	if (layer_draft_resolve(j->draft, dest, false, &plain, &type, j->s->err) < 0)
		return -1;
	*ret_link = type == LAYER_SYMLINK;
	return layer_draft_resolve(j->draft, dest, true, ret, &type, j->s->err);
}

/* Folders inside a copied folder: a link to a folder that the image has there is followed. */
static int place_folder(struct copy_job *j, struct file_node *n, const char *dest, bool resolved, const char *relative, bool hollow,
			struct pending *above)
{
	RN_AUTO(rn_freep) char *real = NULL;
	bool link;
	if ((!hollow && flush(j, above) < 0) || find_folder(j, dest, resolved, &real, &link) < 0)
		return -1;
	struct pending own = { .above = above, .node = n, .dest = real };
	if (hollow)
		return place_children(j, n, real, relative, &own);
	if (!link && add_node(j, n, real) < 0)
		return -1;
	own.done = true;
	return place_children(j, n, real, relative, &own);
}

/* `resolved`: the folder of `dest` is where it seems to be. */
static int place(struct copy_job *j, struct file_node *n, const char *dest, bool resolved, const char *relative, struct pending *above)
{
	bool excluded = ignore_matches(&j->exclude, relative);
	if (excluded && (n->type != LAYER_DIR || !ignore_may_keep_below(&j->exclude, relative)))
		return 0;
	if (n->type == LAYER_DIR)
		return place_folder(j, n, dest, resolved, relative, excluded || n->hollow, above);
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	if (flush(j, above) < 0 || (!resolved && layer_draft_resolve(j->draft, dest, false, &real, &type, j->s->err) < 0))
		return -1;
	return add_node(j, n, resolved ? dest : real);
}

/* ---- what a source names --------------------------------------------------------------- */

/* The contents of a folder: the destination keeps its own mode and owner, and is like any new parent when missing. */
static int copy_folder(struct copy_job *j, struct file_node *n)
{
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	struct rn_error *err = j->s->err;
	if (layer_draft_resolve(j->draft, j->dest, true, &real, &type, err) < 0)
		return -1;
	if (type && type != LAYER_DIR)
		return rn_fail(err, RN_EINVAL, "\"%s\" is a file in the image, and a folder cannot be copied onto it", j->dest);
	if (!type && layer_draft_parents(j->draft, real, copy_owner(j, 0, 0), err) < 0)
		return -1;
	return place_children(j, n, real, "", NULL);
}

static int copy_file(struct copy_job *j, struct file_node *n, const char *named)
{
	const char *base = rn_path_base(named);
	if (ignore_matches(&j->exclude, base))
		return 0;
	if (!j->survey && j->s->i->op == DF_ADD && n->type == LAYER_FILE && n->size > 0) {
		struct layer_source src;
		RN_AUTO(rn_closep) int fd = -1;
		bool keep = df_flag(j->s->i, "unpack") && !df_flag_true(j->s->i, "unpack");
		if (file_source_open(j->source, n, &src, &fd, j->s->err) < 0)
			return -1;
		if (!keep && layer_is_archive(fd))
			return add_archive(j, fd);
	}
	RN_AUTO(rn_freep) char *target = copy_target(j, base);
	return target ? add_node(j, n, target) : -1;
}

static int copy_named(struct copy_job *j, const char *path)
{
	RN_AUTO(file_node_clear) struct file_node n = { 0 };
	if (file_source_find(j->source, path, true, &n, j->s->err) < 0)
		return -1;
	return n.type == LAYER_DIR ? copy_folder(j, &n) : copy_file(j, &n, path);
}

/* ---- wildcards --------------------------------------------------------------------------- */

/* Adds the paths below `dir` that match the components of `rest`. */
static int expand_wildcards(struct copy_job *j, const char *dir, const char *rest, struct rn_strv *ret)
{
	size_t n = strcspn(rest, "/");
	RN_AUTO(rn_freep) char *part = rn_strndup(rest, n);
	const char *next = rest[n] ? rest + n + 1 : rest + n;
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (path_has_wildcard(part)) {
		RN_AUTO(file_node_clear) struct file_node d = { 0 };
		struct rn_error missing = { 0 };
		if (file_source_find(j->source, dir, true, &d, &missing) < 0 || d.type != LAYER_DIR)
			return missing.code && missing.code != RN_ENOTFOUND ? rn_fail(j->s->err, missing.code, "%s", missing.msg) : 0;
		RN_AUTO(rn_strv_clear) struct rn_strv all = { 0 };
		if (file_source_list(j->source, &d, &all, j->s->err) < 0)
			return -1;
		for (size_t i = 0; i < all.n; i++)
			if (path_match(part, all.v[i]))
				rn_strv_add(&names, all.v[i]);
	} else {
		rn_strv_take(&names, path_unescape(part));
	}
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(rn_freep) char *path = rn_path_below(dir, names.v[i]);
		struct file_node found = { 0 };
		if (*next) {
			if (expand_wildcards(j, path, next, ret) < 0)
				return -1;
		} else if (file_source_find(j->source, path, false, &found, NULL) == 0) {
			if (!found.hollow)
				rn_strv_add(ret, path);
			file_node_clear(&found);
		}
	}
	return 0;
}

/* The place in the source that a path means, ".." clamped to its root; new string, "" for the root. */
static char *clamp(const char *path)
{
	RN_AUTO(rn_freep) char *rooted = rn_asprintf("/%s", path);
	RN_AUTO(rn_freep) char *clean = rn_path_clean(rooted);
	return rn_strdup(clean + 1);
}

static int check_pattern(const struct copy_job *j, const char *path)
{
	if (path_pattern_valid(path))
		return 0;
	rn_fail(j->s->err, RN_EINVAL, "\"%s\" is a malformed pattern", path);
	return rn_hint(j->s->err, "close the [ ] class; write [[] for the character [");
}

/* ---- --parents ------------------------------------------------------------------------------ */

/* Walks below `dir`, and copies what the pattern covers with the folders above it. */
static int walk_parents(struct copy_job *j, const struct file_node *dir, const char *pattern, const char *dest,
			const char *relative, struct pending *above)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	if (file_source_list(j->source, dir, &names, j->s->err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(file_node_clear) struct file_node child = { 0 };
		RN_AUTO(rn_freep) char *to = rn_path_below(dest, names.v[i]);
		RN_AUTO(rn_freep) char *inside = rn_path_below(relative, names.v[i]);
		if (file_source_child(j->source, dir, names.v[i], &child, j->s->err) < 0)
			return -1;
		struct pending own = { .above = above, .node = &child, .dest = to };
		if (path_match_deep(pattern, inside)) {
			if (place(j, &child, to, false, inside, above) < 0)
				return -1;
		} else if (child.type == LAYER_DIR && walk_parents(j, &child, pattern, to, inside, &own) < 0) {
			return -1;
		}
	}
	return 0;
}

static int parents_from(struct copy_job *j, const char *base, const char *pattern, const char *dest)
{
	RN_AUTO(file_node_clear) struct file_node dir = { 0 };
	RN_AUTO(rn_freep) char *literal = rn_path_below(base, pattern);
	RN_AUTO(file_node_clear) struct file_node probe = { 0 };
	if (!path_has_wildcard(pattern) && file_source_find(j->source, literal, false, &probe, j->s->err) < 0)
		return -1;
	if (file_source_find(j->source, base, true, &dir, j->s->err) < 0)
		return -1;
	if (dir.type != LAYER_DIR)
		return rn_fail(j->s->err, RN_EINVAL, "\"%s\" is not a folder, and stands before /./", base);
	if (!*pattern)
		return place_children(j, &dir, dest, "", NULL);
	return walk_parents(j, &dir, pattern, dest, "", NULL);
}

/* base/./pattern: what stands before /./ is not part of the destination. */
static int copy_with_parents(struct copy_job *j, const char *path)
{
	RN_AUTO(rn_freep) char *real = NULL;
	enum layer_type type;
	const char *pivot = strstr(path, "/./");
	RN_AUTO(rn_freep) char *head = pivot ? rn_strndup(path, (size_t)(pivot - path)) : rn_strdup("");
	RN_AUTO(rn_freep) char *base = clamp(head);
	RN_AUTO(rn_freep) char *pattern = clamp(pivot ? pivot + 3 : path);
	if (check_pattern(j, pattern) < 0 || check_pattern(j, base) < 0 ||
	    layer_draft_resolve(j->draft, j->dest, true, &real, &type, j->s->err) < 0)
		return -1;
	if (type && type != LAYER_DIR)
		return rn_fail(j->s->err, RN_EINVAL, "\"%s\" is a file in the image, and --parents needs a folder", j->dest);
	if (!type && layer_draft_parents(j->draft, real, copy_owner(j, 0, 0), j->s->err) < 0)
		return -1;
	if (!path_has_wildcard(base))
		return parents_from(j, base, pattern, real);
	RN_AUTO(rn_strv_clear) struct rn_strv bases = { 0 };
	if (expand_wildcards(j, "", base, &bases) < 0)
		return -1;
	for (size_t i = 0; i < bases.n; i++)
		if (parents_from(j, bases.v[i], pattern, real) < 0)
			return -1;
	return 0;
}

int copy_literal(struct copy_job *j, const char *path)
{
	RN_AUTO(rn_freep) char *clean = clamp(path);
	return copy_named(j, clean);
}

int copy_path(struct copy_job *j, const char *path)
{
	if (j->parents)
		return copy_with_parents(j, path);
	RN_AUTO(rn_freep) char *clean = clamp(path);
	if (!path_has_wildcard(clean))
		return copy_named(j, clean);
	RN_AUTO(rn_strv_clear) struct rn_strv found = { 0 };
	if (check_pattern(j, clean) < 0 || expand_wildcards(j, "", clean, &found) < 0)
		return -1;
	if (found.n == 0 && !j->s->surveyed)
		build_log(j->s->b, RUNNER_WARN, "%s:%u: %s matches nothing in %s", rn_path_base(j->s->b->source.name), j->at.line,
			  path, file_source_label(j->source));
	for (size_t i = 0; i < found.n; i++)
		if (copy_named(j, found.v[i]) < 0)
			return -1;
	return 0;
}
