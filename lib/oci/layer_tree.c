/* SPDX-License-Identifier: Apache-2.0 */
/* The merged tree of an image's layers (layer_index.h): building it and finding paths in it. */
#include "layer_tree_internal.h"

#include "layer_reader.h"
#include "layer_record.h"

#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_SIZE ((size_t)256 << 10)
#define LINKS_MAX 40 /* as Linux */
#define RECORDS_MAX ((size_t)2 << 30)

/* ---- memory ----------------------------------------------------------------------------- */

static void *take(struct layer_tree *t, size_t size)
{
	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!t->arena || t->arena->size - t->arena->used < size) {
		size_t room = size > ARENA_SIZE ? size : ARENA_SIZE;
		struct tree_arena *a = rn_alloc(sizeof(*a) + room);
		a->size = room;
		a->next = t->arena;
		t->arena = a;
	}
	void *p = (char *)t->arena->data + t->arena->used;
	t->arena->used += size;
	return p;
}

static char *take_string(struct layer_tree *t, const char *s, size_t n)
{
	char *p = take(t, n + 1);
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

struct layer_tree *layer_tree_new(struct blob_store *store, const struct layer_tree_options *o)
{
	struct layer_tree *t = rn_alloc(sizeof(*t));
	t->store = store;
	t->scratch = -1;
	pthread_mutex_init(&t->lock, NULL);
	if (o)
		t->o = *o;
	t->root = take(t, sizeof(*t->root));
	t->root->pub = (struct layer_node){ .name = "", .type = LAYER_DIR, .mode = 0755, .origin = &t->root->pub };
	return t;
}

void layer_tree_free(struct layer_tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_with_children; i++)
		free(t->with_children[i]->pub.children);
	free(t->with_children);
	for (size_t i = 0; i < t->n_layers; i++) {
		rn_buf_clear(&t->layers[i]->records);
		free(t->layers[i]);
	}
	free(t->layers);
	for (struct tree_arena *a = t->arena, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	rn_closep(&t->scratch);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void layer_tree_freep(struct layer_tree **t)
{
	layer_tree_free(*t);
	*t = NULL;
}

struct layer_tree *layer_tree_clone(const struct layer_tree *t, struct rn_error *err)
{
	struct layer_tree *c = layer_tree_new(t->store, &t->o);
	for (size_t i = 0; i < t->n_layers; i++) {
		const struct digest *diff_id = &t->layers[i]->diff_id;
		if (layer_tree_add(c, &t->layers[i]->digest, digest_is_set(diff_id) ? diff_id : NULL, err) < 0) {
			layer_tree_free(c);
			return NULL;
		}
	}
	return c;
}

void layer_tree_watch(struct layer_tree *t, const struct layer_watch *watch)
{
	t->o.watch = watch;
}

const struct digest *layer_tree_layer(const struct layer_tree *t, size_t i, const struct digest **ret_diff_id)
{
	if (i >= t->n_layers)
		return NULL;
	*ret_diff_id = &t->layers[i]->diff_id;
	return &t->layers[i]->digest;
}

uint64_t layer_tree_bytes(const struct layer_tree *t)
{
	return t->bytes;
}

struct layer_node *layer_tree_root(struct layer_tree *t)
{
	return &t->root->pub;
}

/* ---- children ------------------------------------------------------------------------------ */

/* Place of `name` among the children, or where it would go. */
static size_t place(const struct layer_node *dir, const char *name, size_t len, bool *ret_found)
{
	size_t low = 0, high = dir->n_children;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *have = dir->children[mid]->name;
		int c = strncmp(have, name, len);
		if (c == 0 && have[len])
			c = 1;
		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_found = false;
	return low;
}

static struct layer_node *child(const struct layer_node *dir, const char *name, size_t len)
{
	bool found;
	size_t i = dir->type == LAYER_DIR ? place(dir, name, len, &found) : (found = false, 0);
	return found ? dir->children[i] : NULL;
}

struct layer_node *layer_node_child(const struct layer_node *dir, const char *name)
{
	return child(dir, name, strlen(name));
}

static void remove_child(struct layer_node *dir, const char *name, size_t len)
{
	bool found;
	size_t i = place(dir, name, len, &found);
	if (!found)
		return;
	memmove(&dir->children[i], &dir->children[i + 1], (dir->n_children - i - 1) * sizeof(*dir->children));
	dir->n_children--;
}

/* The child of that name, made as a folder 0755 root when missing. */
static struct tree_node *make_child(struct layer_tree *t, struct layer_node *dir, const char *name, size_t len)
{
	bool found;
	size_t i = place(dir, name, len, &found);
	if (found)
		return tree_node(dir->children[i]);
	struct tree_node *d = tree_node(dir), *n = take(t, sizeof(*n));
	n->pub = (struct layer_node){ .name = take_string(t, name, len), .parent = dir, .type = LAYER_DIR, .mode = 0755, .origin = &n->pub };
	if (!d->pub.children) {
		t->with_children = rn_grow(t->with_children, &t->cap_with_children, t->n_with_children + 1, sizeof(*t->with_children));
		t->with_children[t->n_with_children++] = d;
	}
	d->pub.children = rn_grow(d->pub.children, &d->cap_children, d->pub.n_children + 1, sizeof(*d->pub.children));
	memmove(&dir->children[i + 1], &dir->children[i], (dir->n_children - i) * sizeof(*dir->children));
	dir->children[i] = &n->pub;
	dir->n_children++;
	return n;
}

char *layer_node_path(const struct layer_node *n)
{
	size_t len = 0;
	for (const struct layer_node *p = n; p->parent; p = p->parent)
		len += strlen(p->name) + (p->parent->parent ? 1 : 0);
	char *out = rn_alloc(len + 1), *w = out + len;
	for (const struct layer_node *p = n; p->parent; p = p->parent) {
		size_t k = strlen(p->name);
		w -= k;
		memcpy(w, p->name, k);
		if (p->parent->parent)
			*--w = '/';
	}
	return out;
}

/* ---- paths --------------------------------------------------------------------------------- */

/* A walk from the root; what is still to do is in `rest`. */
struct walk {
	struct layer_tree *t;
	struct layer_node *at;
	char *rest; /* owned */
	unsigned links;
	bool loop;
};

/* Puts a link's target before what is left. */
static bool enter_link(struct walk *w, const struct layer_node *link, const char *behind)
{
	if (++w->links > LINKS_MAX) {
		w->loop = true;
		return false;
	}
	char *rest = rn_asprintf("%s%s%s", link->link, *behind ? "/" : "", behind);
	if (link->link[0] == '/')
		w->at = layer_tree_root(w->t);
	free(w->rest);
	w->rest = rest;
	return true;
}

/* Goes as far as there is something. True: all of it; false: w->rest is the missing part (or loop, or a file on the way). */
static bool walk(struct walk *w, bool follow)
{
	for (;;) {
		const char *p = w->rest + strspn(w->rest, "/");
		size_t len = strcspn(p, "/");
		if (!len)
			return true;
		const char *behind = p + len + strspn(p + len, "/");
		struct layer_node *next = w->at;
		if (len == 2 && memcmp(p, "..", 2) == 0)
			next = w->at->parent ? w->at->parent : w->at;
		else if (!(len == 1 && *p == '.'))
			next = child(w->at, p, len);
		if (!next)
			return false;
		if (next->type == LAYER_SYMLINK && (*behind || follow)) {
			RN_AUTO(rn_freep) char *copy = rn_strdup(behind);
			if (!enter_link(w, next, copy))
				return false;
			continue;
		}
		w->at = next;
		char *rest = rn_strdup(behind);
		free(w->rest);
		w->rest = rest;
	}
}

struct layer_node *layer_tree_find(struct layer_tree *t, const char *path, bool follow, struct rn_error *err)
{
	struct walk w = { .t = t, .at = layer_tree_root(t), .rest = rn_strdup(path) };
	bool found = walk(&w, follow);
	free(w.rest);
	if (found)
		return w.at;
	if (w.loop)
		rn_fail(err, RN_EINVAL, "/%s: too many levels of symbolic links", path + strspn(path, "/"));
	else
		rn_fail(err, RN_ENOTFOUND, "/%s does not exist", path + strspn(path, "/"));
	return NULL;
}

char *layer_tree_resolve(struct layer_tree *t, const char *path, struct rn_error *err)
{
	struct walk w = { .t = t, .at = layer_tree_root(t), .rest = rn_strdup(path) };
	bool found = walk(&w, true);
	RN_AUTO(rn_freep) char *rest = w.rest, *base = layer_node_path(w.at);
	if (w.loop) {
		rn_fail(err, RN_EINVAL, "/%s: too many levels of symbolic links", path + strspn(path, "/"));
		return NULL;
	}
	if (found)
		return rn_take(&base);
	if (w.at->type != LAYER_DIR) {
		rn_fail(err, RN_EINVAL, "/%s is not a folder", base);
		return NULL;
	}
	RN_AUTO(rn_freep) char *rooted = rn_asprintf("/%s/%s", base, rest), *clean = rn_path_clean(rooted);
	return rn_strdup(clean + 1);
}

/* ---- putting a layer on top -------------------------------------------------------------------- */

/* The folder that holds the last component of `path`, made where missing; *ret_name is that component. */
static struct layer_node *parent_of(struct layer_tree *t, const char *path, const char **ret_name)
{
	struct layer_node *dir = layer_tree_root(t);
	for (const char *p = path;;) {
		size_t len = strcspn(p, "/");
		if (!p[len]) {
			*ret_name = p;
			return dir;
		}
		struct layer_node *next = child(dir, p, len);
		if (next && next->type == LAYER_SYMLINK) {
			/* a link of a lower layer in the way: unpacking follows it within the root */
			RN_AUTO(rn_freep) char *at = layer_node_path(next);
			struct layer_node *to = layer_tree_find(t, at, true, NULL);
			next = to && to->type == LAYER_DIR ? to : NULL;
		}
		if (next && next->type != LAYER_DIR)
			next = NULL;
		if (!next) {
			remove_child(dir, p, len);
			next = &make_child(t, dir, p, len)->pub;
		}
		dir = next;
		p += len + 1;
	}
}

static void hide(struct layer_tree *t, const struct layer_entry *e)
{
	bool opaque;
	RN_AUTO(rn_freep) char *target = layer_whiteout_target(e->path, &opaque);
	struct layer_node *n = target ? layer_tree_find(t, target, false, NULL) : NULL;
	if (!n)
		return;
	if (opaque)
		n->n_children = 0;
	else if (n->parent)
		remove_child(n->parent, n->name, strlen(n->name));
}

static void copy_xattrs(struct layer_tree *t, const struct layer_entry *e, struct layer_node *n)
{
	struct layer_xattr *x = e->n_xattrs ? take(t, e->n_xattrs * sizeof(*x)) : NULL;
	if (x)
		memcpy(x, e->xattrs, e->n_xattrs * sizeof(*x));
	n->xattrs = x;
	n->n_xattrs = e->n_xattrs;
}

/* The node for an entry. A file that was there keeps its own: hard links to it go on having its content (origin). */
static struct layer_node *node_for(struct layer_tree *t, struct layer_node *dir, const char *name, const struct layer_node *target)
{
	size_t len = strlen(name);
	const struct layer_node *old = child(dir, name, len);
	if (old && old->type != LAYER_DIR && old != target)
		remove_child(dir, name, len);
	return &make_child(t, dir, name, len)->pub;
}

static int put(struct layer_tree *t, const struct layer_entry *e, uint64_t offset, struct rn_error *err)
{
	const char *name;
	t->bytes += e->size;
	struct layer_node *dir = e->path[0] ? parent_of(t, e->path, &name) : NULL;
	const struct layer_node *target = NULL;
	if (e->type == LAYER_HARDLINK) {
		target = layer_tree_find(t, e->link, false, err);
		if (!target || target->type == LAYER_DIR)
			return rn_fail(err, RN_EINVAL, "hard link \"%s\" has no target \"%s\"", e->path, e->link);
	}
	struct layer_node *n = dir ? node_for(t, dir, name, target) : layer_tree_root(t);
	if (n == target)
		return 0;
	if (e->type != LAYER_DIR)
		n->n_children = 0;
	tree_node(n)->fetched = false;
	if (target) {
		const char *own_name = n->name;
		struct layer_node **children = n->children;
		*n = *target;
		n->name = own_name;
		n->parent = dir;
		n->children = children;
		n->n_children = 0;
		return 0;
	}
	n->type = e->type;
	n->mode = e->mode;
	n->uid = e->uid;
	n->gid = e->gid;
	n->mtime = e->mtime;
	n->size = e->size;
	n->link = e->link;
	n->dev_major = e->dev_major;
	n->dev_minor = e->dev_minor;
	n->layer = t->n_layers - 1;
	n->offset = offset;
	n->origin = n;
	copy_xattrs(t, e, n);
	return 0;
}

/* Whiteouts speak of lower layers, so all of them come before the layer's own entries. */
static int merge(struct layer_tree *t, const struct rn_buf *records, struct rn_error *err)
{
	struct layer_xattr xattrs[LAYER_RECORD_XATTRS];
	struct layer_entry e;
	uint64_t offset;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t at = 0; layer_record_next(records, &at, &e, &offset, xattrs);) {
			if (layer_is_whiteout(e.path)) {
				if (pass == 0)
					hide(t, &e);
			} else if (pass == 1 && put(t, &e, offset, err) < 0) {
				return -1;
			}
		}
	}
	return 0;
}

int layer_tree_open_blob(struct layer_tree *t, size_t layer, struct rn_error *err)
{
	const struct digest *d = &t->layers[layer]->digest;
	if (!blob_store_has(t->store, d, NULL) && t->o.need && t->o.need(t->o.ctx, d, err) < 0)
		return -1;
	return blob_store_open_blob(t->store, d, NULL, err);
}

/* What the image says of a layer decides what is taken from a cache: it must be true. */
static int check_diff_id(const struct tree_layer *l, const struct digest *have, struct rn_error *err)
{
	if (!digest_is_set(&l->diff_id) || digest_equal(have, &l->diff_id))
		return 0;
	return rn_fail(err, RN_EINVAL, "layer %s unpacks to %s, the image says %s", l->digest.text, have->text, l->diff_id.text);
}

/* The records that an earlier reading kept. A layer of which nobody knows yet what it unpacks to is read again. */
static bool known_records(struct layer_tree *t, struct tree_layer *l, struct digest *ret_diff_id)
{
	if (!layer_record_load(t->store, &l->digest, ret_diff_id, &l->records))
		return false;
	if (digest_is_set(ret_diff_id) || !digest_is_set(&l->diff_id))
		return true;
	rn_buf_clear(&l->records);
	return false;
}

/* Reads the layer's headers, checks its diff_id, and keeps the records for the next time. */
static int read_headers(struct layer_tree *t, struct tree_layer *l, int fd, const struct layer_raw *raw, struct rn_error *err)
{
	const struct layer_reader_options o = { .limits = t->o.limits, .need_diff_id = digest_is_set(&l->diff_id), .raw = raw,
						.stop = t->o.stop };
	RN_AUTO(layer_reader_freep) struct layer_reader *r = layer_reader_new(fd, &o, err);
	struct layer_entry e;
	struct digest diff_id = { 0 };
	struct stat st = { 0 };
	int rc = r ? 1 : -1;
	(void)!fstat(fd, &st);
	while (rc > 0 && (rc = layer_reader_next(r, &e, err)) > 0) {
		layer_record_add(&l->records, &e, layer_reader_offset(r));
		if (raw)
			t->o.watch->progress(t->o.watch->ctx, (uint64_t)lseek(fd, 0, SEEK_CUR), (uint64_t)st.st_size);
	}
	if (rc < 0 || layer_reader_finish(r, &diff_id, NULL, err) < 0 || rn_buf_check(&l->records, "index of the layer", err) < 0)
		return rn_wrap(err, "layer %.19s", l->digest.text);
	layer_record_store(t->store, &l->digest, &diff_id, &l->records);
	return check_diff_id(l, &diff_id, err);
}

/* What lasts until a layer that is read is on the tree. */
struct reading {
	int lock;
	void *watched;
};

/* For a layer of which there are no records: one thread (or process) reads it, and others wait for what that one keeps. */
static int read_records(struct layer_tree *t, struct tree_layer *l, struct reading *g, struct rn_error *err)
{
	const struct layer_watch *watch = t->o.watch;
	const struct layer_raw *raw = NULL;
	struct digest have = { 0 };
	RN_AUTO(rn_closep) int fd = layer_tree_open_blob(t, t->n_layers - 1, err);
	if (fd < 0)
		return rn_wrap(err, "layer %.19s", l->digest.text);
	g->lock = blob_store_lock(t->store, &l->digest, NULL); /* where none can be had, each reads */
	if (known_records(t, l, &have))
		return check_diff_id(l, &have, err);
	g->watched = watch ? watch->begin(watch->ctx, &l->digest, &raw) : NULL;
	return read_headers(t, l, fd, raw, err);
}

int layer_tree_add(struct layer_tree *t, const struct digest *layer, const struct digest *diff_id, struct rn_error *err)
{
	struct tree_layer *l = rn_alloc(sizeof(*l));
	struct reading g = { .lock = -1 };
	struct digest have = { 0 };
	l->digest = *layer;
	if (diff_id)
		l->diff_id = *diff_id;
	l->records.max = RECORDS_MAX;
	t->layers = rn_grow(t->layers, &t->cap_layers, t->n_layers + 1, sizeof(*t->layers));
	t->layers[t->n_layers++] = l;
	int rc = known_records(t, l, &have) ? check_diff_id(l, &have, err) : read_records(t, l, &g, err);
	if (rc < 0) {
		t->n_layers--;
		rn_buf_clear(&l->records);
		free(l);
	} else {
		rc = merge(t, &l->records, err);
	}
	if (g.watched)
		t->o.watch->end(g.watched, rc < 0 ? NULL : t);
	rn_closep(&g.lock);
	return rc;
}
