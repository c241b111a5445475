/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_draft.h"

#include "path_resolve.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct draft_entry {
	struct layer_entry e;
	struct draft_content content;
	const void *inode;
	bool shadows; /* a folder in place of a file or link: nothing of the base shows below it */
};

struct layer_draft {
	struct layer_tree *base;
	int64_t epoch;
	struct rn_map entries; /* path -> struct draft_entry */
	uint64_t bytes;
	size_t n_shadows;
};

static void entry_free(void *p)
{
	struct draft_entry *n = p;
	free((char *)n->e.path);
	free((char *)n->e.link);
	for (size_t i = 0; i < n->e.n_xattrs; i++) {
		free((char *)n->e.xattrs[i].name);
		free((void *)n->e.xattrs[i].value);
	}
	free((void *)n->e.xattrs);
	file_node_clear(&n->content.node);
	free(n);
}

struct layer_draft *layer_draft_new(struct layer_tree *base, int64_t epoch)
{
	struct layer_draft *d = rn_alloc(sizeof(*d));
	d->base = base;
	d->epoch = epoch;
	rn_map_init(&d->entries, entry_free);
	return d;
}

void layer_draft_free(struct layer_draft *d)
{
	if (!d)
		return;
	rn_map_clear(&d->entries);
	free(d);
}

void layer_draft_freep(struct layer_draft **d)
{
	layer_draft_free(*d);
	*d = NULL;
}

size_t layer_draft_count(const struct layer_draft *d)
{
	return d->entries.live;
}

uint64_t layer_draft_bytes(const struct layer_draft *d)
{
	return d->bytes;
}

/* Is `path` below a folder that took the place of something else? The base may have a link there. */
static bool shadowed(struct layer_draft *d, const char *path)
{
	if (d->n_shadows == 0)
		return false;
	RN_AUTO(rn_freep) char *copy = rn_strdup(path);
	for (char *slash; (slash = strrchr(copy, '/'));) {
		*slash = '\0';
		const struct draft_entry *n = rn_map_get(&d->entries, copy);
		if (n && n->shadows)
			return true;
	}
	return false;
}

static int look(void *ctx, const char *path, enum layer_type *ret_type, char **ret_link, struct rn_error *err)
{
	(void)err;
	struct layer_draft *d = ctx;
	const struct draft_entry *own = rn_map_get(&d->entries, path);
	bool hidden = own || !d->base || shadowed(d, path);
	struct layer_node *below = hidden ? NULL : layer_tree_find(d->base, path, false, NULL);
	if (!own && !below)
		return 0;
	*ret_type = own ? own->e.type : below->type;
	if (*ret_type == LAYER_SYMLINK)
		*ret_link = rn_strdup(own ? own->e.link : below->link);
	return 1;
}

int layer_draft_resolve(struct layer_draft *d, const char *path, bool follow, char **ret, enum layer_type *ret_type,
			struct rn_error *err)
{
	return path_resolve(path, follow, look, d, ret, ret_type, err);
}

enum layer_type layer_draft_type(struct layer_draft *d, const char *path)
{
	enum layer_type type = *path ? 0 : LAYER_DIR;
	RN_AUTO(rn_freep) char *link = NULL;
	if (*path)
		look(d, path, &type, &link, NULL);
	return type;
}

int layer_draft_parents(struct layer_draft *d, const char *path, struct draft_owner owner, struct rn_error *err)
{
	RN_AUTO(rn_freep) char *copy = rn_strdup(path);
	for (char *p = copy; *p;) {
		p += strcspn(p, "/");
		char end = *p;
		*p = '\0';
		enum layer_type type = layer_draft_type(d, copy);
		if (type && type != LAYER_DIR)
			return rn_fail(err, RN_EINVAL, "\"/%s\" is not a folder", copy);
		struct layer_entry e = { .path = copy, .type = LAYER_DIR, .mode = 0755, .uid = owner.uid, .gid = owner.gid,
					 .mtime = d->epoch };
		if (!type && layer_draft_add(d, &e, NULL, NULL, err) < 0)
			return -1;
		*p = end;
		p += end != '\0';
	}
	return 0;
}

static struct layer_xattr *copy_xattrs(const struct layer_entry *e)
{
	if (e->n_xattrs == 0)
		return NULL;
	struct layer_xattr *v = rn_alloc(e->n_xattrs * sizeof(*v));
	for (size_t i = 0; i < e->n_xattrs; i++)
		v[i] = (struct layer_xattr){ rn_strdup(e->xattrs[i].name),
					     rn_memdup(e->xattrs[i].value, e->xattrs[i].size), e->xattrs[i].size };
	return v;
}

/* Enters a copy of `e`, whatever stood at its path. */
static struct draft_entry *put(struct layer_draft *d, const struct layer_entry *e, struct draft_content *content, const void *inode)
{
	const struct draft_entry *old = rn_map_get(&d->entries, e->path);
	if (old && old->e.type == LAYER_FILE)
		d->bytes -= old->e.size;
	struct draft_entry *n = rn_alloc(sizeof(*n));
	n->e = *e;
	n->e.path = rn_strdup(e->path);
	n->e.link = rn_strdup(e->link);
	n->e.xattrs = copy_xattrs(e);
	n->e.mtime = e->mtime < d->epoch ? e->mtime : d->epoch;
	n->inode = inode;
	n->shadows = old && old->shadows && e->type == LAYER_DIR;
	if (old && old->shadows && !n->shadows)
		d->n_shadows--;
	n->content.fd = -1;
	if (content) {
		n->content = *content;
		content->node = (struct file_node){ 0 };
	}
	if (e->type == LAYER_FILE)
		d->bytes += e->size;
	rn_map_set(&d->entries, e->path, n);
	return n;
}

int layer_draft_add(struct layer_draft *d, const struct layer_entry *e, struct draft_content *content, const void *inode,
		    struct rn_error *err)
{
	enum layer_type there = layer_draft_type(d, e->path);
	if (there == LAYER_DIR && e->type != LAYER_DIR)
		return rn_fail(err, RN_EINVAL, "\"/%s\" is a folder in the image and cannot become a file", e->path);
	if (there && there != LAYER_DIR && e->type == LAYER_DIR)
		return rn_fail(err, RN_EINVAL, "\"/%s\" is a file in the image and cannot become a folder", e->path);
	put(d, e, content, inode);
	return 0;
}

/* Forgets the entries below a folder that goes. */
static void drop_below(struct layer_draft *d, const char *path)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	size_t n = strlen(path);
	RN_MAP_EACH(&d->entries, it)
		if (strncmp(it->key, path, n) == 0 && it->key[n] == '/')
			rn_strv_add(&names, it->key);
	for (size_t i = 0; i < names.n; i++) {
		const struct draft_entry *e = rn_map_get(&d->entries, names.v[i]);
		d->bytes -= e->e.type == LAYER_FILE ? e->e.size : 0;
		d->n_shadows -= e->shadows;
		rn_map_remove(&d->entries, names.v[i]);
	}
}

int layer_draft_replace(struct layer_draft *d, const struct layer_entry *e, struct draft_content *content, struct rn_error *err)
{
	enum layer_type there = layer_draft_type(d, e->path);
	if (!there || (there == LAYER_DIR) == (e->type == LAYER_DIR))
		return layer_draft_add(d, e, content, NULL, err);
	const struct layer_node *below = d->base && !shadowed(d, e->path) ? layer_tree_find(d->base, e->path, false, NULL) : NULL;
	if (e->type == LAYER_DIR && below && below->type == LAYER_DIR)
		return rn_fail(err, RN_EUNSUPPORTED, "\"/%s\" is a file first and then a folder again, and the image has that folder", e->path);
	if (there == LAYER_DIR)
		drop_below(d, e->path);
	struct draft_entry *n = put(d, e, content, NULL);
	n->shadows = e->type == LAYER_DIR;
	d->n_shadows += n->shadows;
	return 0;
}

int layer_draft_link(struct layer_draft *d, const char *path, const char *to, struct rn_error *err)
{
	struct draft_entry *first = rn_map_get(&d->entries, to);
	if (!first || first->e.type != LAYER_FILE)
		return rn_fail(err, RN_ENOTFOUND, "the hard link \"/%s\" points to \"/%s\", which is not a file of this layer", path, to);
	if (rn_streq(path, to))
		return 0;
	if (!first->inode)
		first->inode = first;
	struct layer_entry e = first->e;
	struct draft_content content = { .data = first->content.data, .fd = first->content.fd, .offset = first->content.offset };
	e.path = path;
	return layer_draft_add(d, &e, &content, first->inode, err);
}

/* ---- writing ------------------------------------------------------------------------ */

static int by_path(const void *a, const void *b)
{
	const struct draft_entry *x = *(struct draft_entry *const *)a, *y = *(struct draft_entry *const *)b;
	return layer_path_compare(x->e.path, y->e.path);
}

static struct draft_entry **sorted(const struct layer_draft *d)
{
	struct draft_entry **v = rn_alloc((d->entries.live + 1) * sizeof(struct draft_entry *));
	size_t n = 0;
	RN_MAP_EACH(&d->entries, it)
		v[n++] = it->value;
	bool in_order = true; /* as a walk through folders gives them */
	for (size_t i = 1; i < n && in_order; i++)
		in_order = by_path(&v[i - 1], &v[i]) < 0;
	if (!in_order)
		qsort(v, n, sizeof(struct draft_entry *), by_path);
	return v;
}

/* One pass over each layer of each image that files come from. */
static int fetch(struct draft_entry **v, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_freep) struct layer_node **nodes = rn_alloc((n + 1) * sizeof(struct layer_node *));
	RN_AUTO(rn_freep) bool *taken = rn_alloc(n + 1);
	for (size_t i = 0; i < n; i++) {
		struct layer_tree *tree = v[i]->content.source ? file_source_layers(v[i]->content.source) : NULL;
		if (!tree || taken[i])
			continue;
		size_t count = 0;
		for (size_t j = i; j < n; j++) {
			if (!v[j]->content.source || file_source_layers(v[j]->content.source) != tree)
				continue;
			taken[j] = true;
			if (v[j]->e.type == LAYER_FILE && v[j]->e.size > 0)
				nodes[count++] = v[j]->content.node.node;
		}
		if (layer_tree_fetch(tree, nodes, count, err) < 0)
			return -1;
	}
	return 0;
}

struct draft_view *layer_draft_view(const struct layer_draft *d)
{
	RN_AUTO(rn_freep) struct draft_entry **v = sorted(d);
	struct draft_view *views = rn_alloc((d->entries.live + 1) * sizeof(*views));
	for (size_t i = 0; i < d->entries.live; i++)
		views[i] = (struct draft_view){ &v[i]->e, v[i]->e.type == LAYER_FILE ? &v[i]->content : NULL, v[i]->inode };
	return views;
}

int layer_draft_fetch(struct layer_draft *d, struct rn_error *err)
{
	RN_AUTO(rn_freep) struct draft_entry **v = sorted(d);
	return fetch(v, d->entries.live, err);
}

/* An earlier entry with the same inode and the same facts, to which a hard link may point. */
static const struct draft_entry *twin(struct rn_map *inodes, struct draft_entry *n)
{
	if (!n->inode || n->e.type != LAYER_FILE)
		return NULL;
	RN_AUTO(rn_freep) char *key = rn_asprintf("%p/%o/%u/%u", n->inode, (unsigned)n->e.mode, n->e.uid, n->e.gid);
	const struct draft_entry *first = rn_map_get(inodes, key);
	if (!first)
		rn_map_set(inodes, key, n);
	/* one name copied to two places makes two files; two names of one file stay one */
	bool copied_twice = first && n->content.node.node && first->content.node.node == n->content.node.node;
	return copied_twice ? NULL : first;
}

static int write_entry(struct layer_writer *w, struct draft_entry *n, struct rn_map *inodes, struct rn_error *err)
{
	const struct draft_entry *first = twin(inodes, n);
	struct layer_entry e = n->e;
	if (first) {
		e.type = LAYER_HARDLINK;
		e.link = first->e.path;
		e.size = 0;
		return layer_writer_add(w, &e, NULL, err);
	}
	RN_AUTO(rn_closep) int fd = -1;
	struct layer_source source = { .data = n->content.data, .fd = n->content.fd, .offset = n->content.offset };
	if (e.type == LAYER_FILE && e.size > 0 && n->content.source &&
	    file_source_open(n->content.source, &n->content.node, &source, &fd, err) < 0)
		return -1;
	if (layer_writer_add(w, &e, e.type == LAYER_FILE ? &source : NULL, err) < 0)
		return rn_wrap(err, "/%s", e.path);
	return 0;
}

int layer_draft_write(struct layer_draft *d, struct blob_store *store, const struct layer_options *o,
		      const struct draft_progress *p, struct layer_result *ret, struct rn_error *err)
{
	RN_AUTO(rn_freep) struct draft_entry **v = sorted(d);
	size_t n = d->entries.live;
	if (fetch(v, n, err) < 0)
		return -1;
	RN_AUTO(layer_writer_abortp) struct layer_writer *w = layer_writer_new(store, o, err);
	if (!w)
		return -1;
	RN_AUTO(rn_map_clear) struct rn_map inodes = { 0 };
	uint64_t done = 0;
	for (size_t i = 0; i < n; i++) {
		if (p && p->cancelled && p->cancelled(p->ctx))
			return rn_fail(err, RN_ECANCELLED, "stopped");
		if (write_entry(w, v[i], &inodes, err) < 0)
			return -1;
		done += v[i]->e.type == LAYER_FILE ? v[i]->e.size : 0;
		if (p && p->fn)
			p->fn(p->ctx, done, d->bytes);
	}
	return layer_writer_finish(rn_take(&w), ret, err);
}
