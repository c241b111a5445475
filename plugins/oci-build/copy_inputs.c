/* SPDX-License-Identifier: Apache-2.0 */
#include "copy_inputs.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 8
#define INPUTS_MAX ((size_t)512 << 20) /* bytes of the text */

struct input {
	struct draft_view view;
	unsigned char hash[FILE_HASH_SIZE];
};

/* What the threads share. */
struct hashing {
	struct input *v;
	size_t n;
	struct file_hashes *hashes;
	atomic_size_t next;
	atomic_bool failed;
	pthread_mutex_t lock;
	struct rn_error *err; /* the first */
};

static void digest_bytes(struct digester *h, unsigned char *ret)
{
	struct digest d = digester_peek(h);
	rn_unhex(digest_hex(&d), ret, FILE_HASH_SIZE);
}

static int hash_range(int fd, off_t at, uint64_t size, unsigned char *ret, struct rn_error *err)
{
	enum { PIECE = 128 << 10 };
	RN_AUTO(rn_freep) char *piece = rn_alloc(PIECE);
	RN_AUTO(digester_freep) struct digester *h = digester_new(NULL);
	for (uint64_t left = size; left > 0;) {
		ssize_t n = pread(fd, piece, left < PIECE ? (size_t)left : PIECE, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return rn_fail(err, RN_EIO, "read scratch space: %m");
		digester_update(h, piece, (size_t)n);
		at += n;
		left -= (uint64_t)n;
	}
	digest_bytes(h, ret);
	return 0;
}

static int hash_memory(const void *data, size_t n, unsigned char *ret)
{
	RN_AUTO(digester_freep) struct digester *h = digester_new(NULL);
	digester_update(h, data, n);
	digest_bytes(h, ret);
	return 0;
}

static int hash_input(struct input *in, struct file_hashes *hashes, struct rn_error *err)
{
	const struct draft_content *c = in->view.content;
	uint64_t size = in->view.e->size;
	if (!c->source)
		return c->data ? hash_memory(c->data, size, in->hash) : hash_range(c->fd, c->offset, size, in->hash, err);
	bool local = file_source_is_dir(c->source);
	if (local && file_hashes_known(hashes, &c->node.look, in->hash))
		return 0;
	struct layer_source from = { .fd = -1 };
	RN_AUTO(rn_closep) int fd = -1;
	if (file_source_open(c->source, &c->node, &from, &fd, err) < 0)
		return -1;
	return local ? file_hashes_get(hashes, fd, in->hash, err) : hash_range(from.fd, from.offset, size, in->hash, err);
}

static void *hash_thread(void *arg)
{
	struct hashing *h = arg;
	for (size_t i; !h->failed && (i = atomic_fetch_add(&h->next, 1)) < h->n;) {
		struct rn_error err = { 0 };
		if (!h->v[i].view.content || h->v[i].view.e->size == 0 || hash_input(&h->v[i], h->hashes, &err) == 0)
			continue;
		pthread_mutex_lock(&h->lock);
		if (!h->failed && h->err)
			*h->err = err;
		h->failed = true;
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

static int hash_all(struct hashing *h)
{
	pthread_t threads[THREADS_MAX];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t want = cores < 1 ? 1 : (size_t)cores, started = 0;
	if (want > h->n / 64 + 1)
		want = h->n / 64 + 1;
	while (started + 1 < want && started < THREADS_MAX && pthread_create(&threads[started], NULL, hash_thread, h) == 0)
		started++;
	hash_thread(h);
	while (started)
		pthread_join(threads[--started], NULL);
	return h->failed ? -1 : 0;
}

/* ---- the text -------------------------------------------------------------------------------- */

static void add_escaped(struct rn_buf *b, const char *s)
{
	for (;;) {
		size_t plain = strcspn(s, "\n\t %");
		rn_buf_add(b, s, plain);
		s += plain;
		if (!*s)
			return;
		rn_buf_addf(b, "%%%02X", (unsigned char)*s++);
	}
}

static void add_xattrs(struct rn_buf *b, const struct layer_entry *e)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const struct layer_xattr *x = &e->xattrs[i];
		struct digest d = digest_of(x->value, x->size);
		rn_buf_adds(b, " x:");
		add_escaped(b, x->name);
		rn_buf_addf(b, "=%.16s", digest_hex(&d));
	}
}

/* Names of one file are told by the number of the first of them: a hard link is not a copy. */
static size_t inode_number(struct rn_map *inodes, const void *inode, size_t own)
{
	RN_AUTO(rn_freep) char *text = rn_asprintf("%p", inode);
	const void *first = rn_map_get(inodes, text);
	if (first)
		return (size_t)(uintptr_t)first - 1;
	rn_map_set(inodes, text, (void *)(uintptr_t)(own + 1));
	return own;
}

static void add_line(struct rn_buf *b, const struct input *in, struct rn_map *inodes, size_t number)
{
	static const char types[] = "?fdlhcbp";
	const struct layer_entry *e = in->view.e;
	char hex[2 * FILE_HASH_SIZE + 1];
	char kind = types[e->type < sizeof(types) - 1 ? e->type : 0];
	if (e->type == LAYER_FILE)
		rn_buf_addf(b, "f %o %u:%u %llu %s", (unsigned)e->mode, e->uid, e->gid, (unsigned long long)e->size,
			    e->size ? rn_hex(in->hash, FILE_HASH_SIZE, hex) : "-");
	else
		rn_buf_addf(b, "%c %o %u:%u", kind, (unsigned)e->mode, e->uid, e->gid);
	if (e->mtime)
		rn_buf_addf(b, " t:%lld", (long long)e->mtime);
	if (e->type == LAYER_CHAR || e->type == LAYER_BLOCK)
		rn_buf_addf(b, " %u,%u", e->dev_major, e->dev_minor);
	if (e->type == LAYER_SYMLINK) {
		rn_buf_adds(b, " l:");
		add_escaped(b, e->link);
	}
	if (in->view.inode && e->type == LAYER_FILE) {
		size_t first = inode_number(inodes, in->view.inode, number);
		if (first != number)
			rn_buf_addf(b, " i:%zu", first);
	}
	add_xattrs(b, e);
	rn_buf_addc(b, '\t');
	add_escaped(b, e->path);
	rn_buf_addc(b, '\n');
}

int copy_inputs(struct layer_draft *d, struct file_hashes *hashes, struct rn_buf *ret, struct rn_error *err)
{
	size_t n = layer_draft_count(d);
	RN_AUTO(rn_freep) struct draft_view *views = layer_draft_view(d);
	RN_AUTO(rn_freep) struct input *v = rn_alloc((n + 1) * sizeof(*v));
	RN_AUTO(rn_map_clear) struct rn_map inodes = { 0 };
	bool from_image = false;
	for (size_t i = 0; i < n; i++) {
		v[i].view = views[i];
		from_image |= views[i].content && views[i].content->source && file_source_layers(views[i].content->source);
	}
	struct hashing h = { .v = v, .n = n, .hashes = hashes, .lock = PTHREAD_MUTEX_INITIALIZER, .err = err };
	if ((from_image && layer_draft_fetch(d, err) < 0) || hash_all(&h) < 0)
		return -1;
	ret->max = INPUTS_MAX;
	for (size_t i = 0; i < n; i++)
		add_line(ret, &v[i], &inodes, i);
	return rn_buf_check(ret, "the list of files of a step", err);
}

/* ---- what differs ------------------------------------------------------------------------------ */

/* Path of the line at `line`, unescaped; new string. */
static char *path_of(const char *line)
{
	const char *tab = line + strcspn(line, "\t\n");
	if (*tab != '\t')
		return rn_strdup("");
	RN_AUTO(rn_freep) char *raw = rn_strndup(tab + 1, strcspn(tab + 1, "\n"));
	return rn_percent_decode(raw, false);
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

static size_t line_length(const char *line)
{
	return strcspn(line, "\n");
}

char *copy_inputs_differ(const char *before, const char *now, const char **ret_how)
{
	while (*before && *now && line_length(before) == line_length(now) && memcmp(before, now, line_length(now)) == 0) {
		before = next_line(before);
		now = next_line(now);
	}
	if (!*before && !*now)
		return NULL;
	RN_AUTO(rn_freep) char *old_path = path_of(before);
	RN_AUTO(rn_freep) char *new_path = path_of(now);
	int order = !*before ? 1 : !*now ? -1 : rn_streq(old_path, new_path) ? 0 : layer_path_compare(old_path, new_path);
	*ret_how = order == 0 ? "changed" : order < 0 ? "gone" : "new";
	return order < 0 ? rn_take(&old_path) : rn_take(&new_path);
}
