/* SPDX-License-Identifier: Apache-2.0 */
#include "run_bind.h"

#include "copy.h"
#include "layer_draft.h"

#include "base/fs.h"

#include <string.h>

#define TRIES 3

struct bind {
	struct step *s;
	struct file_source *source;
	struct layer_draft *draft;
};

static int add_node(struct bind *b, struct file_node *n, const char *path)
{
	bool local = file_source_is_dir(b->source);
	struct layer_entry e = {
		.path = path, .type = n->type, .mode = n->type == LAYER_SYMLINK ? 0777 : n->mode & 07777, .uid = local ? 0 : n->uid,
		.gid = local ? 0 : n->gid, .mtime = local ? b->s->b->epoch : n->mtime, .size = n->size, .link = n->link,
		.dev_major = n->dev_major, .dev_minor = n->dev_minor, .xattrs = n->xattrs, .n_xattrs = n->n_xattrs,
	};
	const void *inode = n->inode;
	struct draft_content content = { .source = b->source, .fd = -1 };
	if (n->type == LAYER_FILE) {
		content.node = *n;
		*n = (struct file_node){ .type = LAYER_FILE };
	}
	int rc = layer_draft_add(b->draft, &e, n->type == LAYER_FILE ? &content : NULL, inode, b->s->err);
	file_node_clear(&content.node);
	return rc;
}

static int add_all(struct bind *b, struct file_node *n, const char *path);

static int add_folder(struct bind *b, struct file_node *n, const char *path)
{
	RN_AUTO(rn_strv_clear) struct rn_strv names = { 0 };
	size_t before = layer_draft_count(b->draft);
	if (build_check_cancel(b->s->b, b->s->err) < 0 || file_source_list(b->source, n, &names, b->s->err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		RN_AUTO(file_node_clear) struct file_node child = { 0 };
		RN_AUTO(rn_freep) char *to = rn_path_join(path, names.v[i]);
		if (file_source_child(b->source, n, names.v[i], &child, b->s->err) < 0 || add_all(b, &child, to) < 0)
			return -1;
	}
	/* an ignored folder is there only for what is brought back below it */
	return n->hollow && layer_draft_count(b->draft) == before ? 0 : add_node(b, n, path);
}

static int add_all(struct bind *b, struct file_node *n, const char *path)
{
	return n->type == LAYER_DIR ? add_folder(b, n, path) : add_node(b, n, path);
}

/* The place in the source, ".." clamped to its root; "" for the root. */
static char *clamp(const char *path)
{
	RN_AUTO(rn_freep) char *rooted = rn_asprintf("/%s", path ? path : "");
	RN_AUTO(rn_freep) char *clean = rn_path_clean(rooted);
	return rn_strdup(clean + 1);
}

static int write_layer(struct bind *b, const struct run_mount *m, struct layer_result *ret)
{
	RN_AUTO(file_node_clear) struct file_node n = { 0 };
	RN_AUTO(rn_freep) char *path = clamp(m->source);
	const struct layer_options plain = { .compression = LAYER_PLAIN };
	if (file_source_find(b->source, path, true, &n, b->s->err) < 0)
		return -1;
	n.hollow = false; /* what is named is there */
	b->draft = layer_draft_new(NULL, b->s->b->epoch);
	if (add_all(b, &n, RUN_BIND_NAME) < 0)
		return -1;
	return layer_draft_write(b->draft, b->s->b->store, &plain, NULL, ret, b->s->err);
}

static int make_layer(struct step *s, const struct run_mount *m, struct df_at at, struct digest *ret_blob, struct digest *ret_diff_id)
{
	const struct df_flag from = { .name = (char *)"from", .value = m->from, .at = at, .value_at = at };
	struct bind b = { .s = s, .source = step_source(s, m->from ? &from : NULL) };
	struct layer_result layer = { 0 };
	int rc = b.source ? write_layer(&b, m, &layer) : -1;
	layer_draft_free(b.draft);
	file_source_free(b.source);
	if (rc < 0)
		return step_locate(s, at);
	*ret_blob = layer.digest;
	*ret_diff_id = layer.diff_id;
	return 0;
}

char *run_bind_unpack(struct step *s, const struct run_mount *m, struct df_at at, struct rootfs_step *place, bool own)
{
	struct digest blob, diff_id;
	char *folder = NULL;
	bool lost = true;
	for (unsigned tries = 0; !folder && lost && tries < TRIES; tries++) {
		if (make_layer(s, m, at, &blob, &diff_id) < 0)
			return NULL;
		folder = own ? rootfs_step_copy(place, &blob, s->err) : rootfs_layer(place->rootfs, &blob, &diff_id, s->err);
		/* another step with the same files may have removed it before we unpacked it */
		lost = !folder && !blob_store_has(s->b->store, &blob, NULL);
		blob_store_remove(s->b->store, &blob, NULL); /* it lies unpacked now */
	}
	return folder;
}
