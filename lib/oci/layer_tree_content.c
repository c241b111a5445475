/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of files of a layer tree: one pass over each layer that holds some, into unlinked scratch space. */
#include "layer_tree_internal.h"

#include "layer_reader.h"

#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By layer, then by place in it; the same inode twice lies side by side. */
static int by_place(const void *a, const void *b)
{
	const struct layer_node *x = *(struct layer_node *const *)a, *y = *(struct layer_node *const *)b;
	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int write_at(int fd, const char *p, size_t n, off_t at, struct rn_error *err)
{
	while (n) {
		ssize_t k = pwrite(fd, p, n, at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return rn_fail(err, RN_EIO, "write to scratch space: %m");
		p += k;
		n -= (size_t)k;
		at += k;
	}
	return 0;
}

/* The holes of a sparse entry, which may be far larger than the layer, stay holes. */
static int copy_content(struct layer_tree *t, struct layer_reader *r, struct layer_node *n, struct rn_error *err)
{
	struct tree_node *x = tree_node(n);
	uint64_t at = 0, end = 0;
	const void *p;
	size_t k;
	int rc;
	while ((rc = layer_reader_piece(r, &p, &k, &at, err)) > 0) {
		if (at + k > n->size)
			return rn_fail(err, RN_EINVAL, "a file in the layer is longer than its header says");
		if (write_at(t->scratch, p, k, t->scratch_end + (off_t)at, err) < 0)
			return -1;
		end = at + k;
	}
	if (rc < 0)
		return -1;
	if (end < n->size && at < n->size)
		return rn_fail(err, RN_EINVAL, "a file in the layer is shorter than its header says");
	if (end < n->size && ftruncate(t->scratch, t->scratch_end + (off_t)n->size) < 0)
		return rn_fail(err, RN_EIO, "write to scratch space: %m");
	x->content = t->scratch_end;
	x->fetched = true;
	t->scratch_end += (off_t)n->size;
	return 0;
}

/* Takes the files v[0..n) of one layer, sorted, out of it. */
static int fetch_layer(struct layer_tree *t, struct layer_node **v, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_closep) int fd = layer_tree_open_blob(t, v[0]->layer, err);
	const struct layer_reader_options o = { .limits = t->o.limits, .start = v[0]->offset, .stop = t->o.stop };
	RN_AUTO(layer_reader_freep) struct layer_reader *r = fd < 0 ? NULL : layer_reader_new(fd, &o, err);
	struct layer_entry e;
	size_t i = 0;
	int rc = r ? 1 : -1;
	while (rc > 0 && i < n && (rc = layer_reader_next(r, &e, err)) > 0) {
		if (layer_reader_offset(r) != v[i]->offset)
			continue;
		if (e.type != LAYER_FILE || e.size != v[i]->size)
			return rn_fail(err, RN_EINTERNAL, "the index of layer %s does not fit it", t->layers[v[0]->layer]->digest.text);
		if (copy_content(t, r, v[i++], err) < 0)
			return -1;
	}
	if (rc >= 0 && i < n)
		return rn_fail(err, RN_EINVAL, "layer %s lacks a file of its index", t->layers[v[0]->layer]->digest.text);
	return rc < 0 ? -1 : 0;
}

static int fetch_locked(struct layer_tree *t, struct layer_node *const *nodes, size_t n, struct rn_error *err)
{
	RN_AUTO(rn_freep) struct layer_node **want = rn_alloc((n ? n : 1) * sizeof(*want));
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < n; i++)
		if (nodes[i]->type == LAYER_FILE && nodes[i]->size && !tree_node(nodes[i]->origin)->fetched)
			want[count++] = nodes[i]->origin;
	if (!count)
		return 0;
	if (t->scratch < 0 && (t->scratch = blob_store_scratch(t->store, err)) < 0)
		return -1;
	qsort(want, count, sizeof(*want), by_place);
	for (size_t i = 0; i < count; i++)
		if (!kept || want[kept - 1] != want[i])
			want[kept++] = want[i];
	for (size_t from = 0, to; from < kept; from = to) {
		for (to = from; to < kept && want[to]->layer == want[from]->layer;)
			to++;
		if (fetch_layer(t, want + from, to - from, err) < 0)
			return -1;
	}
	return 0;
}

int layer_tree_fetch(struct layer_tree *t, struct layer_node *const *nodes, size_t n, struct rn_error *err)
{
	pthread_mutex_lock(&t->lock);
	int rc = fetch_locked(t, nodes, n, err);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int layer_tree_content(struct layer_tree *t, struct layer_node *n, int *ret_fd, off_t *ret_offset, struct rn_error *err)
{
	if (n->type != LAYER_FILE)
		return rn_fail(err, RN_EINVAL, "not a file");
	if (n->size && layer_tree_fetch(t, &n, 1, err) < 0)
		return -1;
	*ret_fd = t->scratch;
	*ret_offset = tree_node(n->origin)->content;
	return 0;
}

int layer_tree_read(struct layer_tree *t, struct layer_node *n, size_t max, struct rn_buf *ret, struct rn_error *err)
{
	int fd = -1;
	off_t at = 0;
	if (n->type == LAYER_FILE && n->size > max)
		return rn_fail(err, RN_ELIMIT, "the file has %llu bytes, more than the limit of %zu", (unsigned long long)n->size, max);
	if (layer_tree_content(t, n, &fd, &at, err) < 0)
		return -1;
	struct rn_buf b = { .max = ret->max };
	char *to = rn_buf_reserve(&b, n->size);
	for (size_t done = 0; to && done < n->size;) {
		ssize_t k = pread(fd, to + done, n->size - done, at + (off_t)done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			rn_fail(err, RN_EIO, "read scratch space: %m");
			rn_buf_clear(&b);
			return -1;
		}
		done += (size_t)k;
	}
	if (!to)
		return rn_buf_check(&b, "file of the image", err);
	b.len = n->size;
	rn_buf_clear(ret);
	*ret = b;
	return 0;
}
